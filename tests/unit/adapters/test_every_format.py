"""What holds for every format: the events it yields, its ids, its patience with bad lines, its options."""

import json
import re
from collections.abc import Iterator
from itertools import chain, islice, repeat
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.accepted import refused
from schemas.adapters import ADAPTERS
from schemas.adapters.canonical import BadLine, Canonical, Outcome, Skipped
from schemas.adapters.options import OptionError
from schemas.names import kind_name, topic_name
from schemas.timestamp import to_ms

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"


def snowplow(action: str, product: str) -> str:
    kind = "unstruct_event_com_snowplowanalytics_snowplow_ecommerce_snowplow_ecommerce_action_1"
    entity = "contexts_com_snowplowanalytics_snowplow_ecommerce_product_1"
    return json.dumps(
        {
            "event": "unstruct",
            "event_id": f"e-{action}-{product}",
            "user_id": "u",
            "derived_tstamp": "2024-05-01T09:30:00.123Z",
            kind: {"type": action},
            entity: [{"id": product, "price": 5.5}],
        }
    )


def ga4(name: str, micros: int) -> str:
    items = [{"item_id": "p", "price": 5.5, "quantity": "2"}]
    row = {"event_name": name, "event_timestamp": str(micros), "user_pseudo_id": "a.1", "items": items}
    return json.dumps(row)


SAMPLES: dict[str, list[str]] = {
    "segment": [
        '{"messageId":"m1","timestamp":"2024-05-01T09:30:00Z","userId":"u","type":"page"}',
        '{"messageId":"m2","timestamp":"2024-05-01T09:31:00Z","userId":7,"type":"track","event":"Cart Viewed"}',
        '{"messageId":"m3","timestamp":"2024-05-01T09:31:00Z","anonymousId":"a","type":"track","event":"New Thing"}',
    ],
    "orders-csv": [
        "order_id,customer_id,time,sku,quantity,price",
        "o1,c1,2024-05-01T09:30:00Z,p1,1,5.50",
        "o1,c1,2024-05-01T09:30:00Z,p2,2,1",
        "o2,c2,2024-05-01,p1,-1,5.50",
    ],
    "online-retail": [
        HEADER,
        "536365,85123A,HOLDER,6.0,2010-12-01 08:26:00,2.55,17850.0,United Kingdom",
        "536365,71053,LANTERN,6.0,2010-12-01 08:26:00,3.39,17850.0,United Kingdom",
        "C536379,D,Discount,-1.0,2010-12-01 09:41:00,27.5,14527.0,United Kingdom",
    ],
    "cdnow": [" 00004 0001 19970101  2   29.33", " 00004 0001 19970118  2   29.73", "00005 19970101 1 9.99"],
    "taobao": ["1,2268318,2520377,pv,1511544070", "1,2333346,2520771,cart,1511561733", "2,1,9,buy,1511572885"],
    "snowplow": [snowplow("product_view", "p1"), snowplow("add_to_cart", "p1"), snowplow("remove_from_cart", "p2")],
    "ga4": [
        ga4("view_item", 1714555800000000),
        ga4("add_to_cart", 1714555800000001),
        ga4("view_cart", 1714555800000002),
    ],
}
WITH_HEADER = {"orders-csv", "online-retail"}


def read(form: str, lines: Any) -> list[Outcome]:
    return list(ADAPTERS[form](lines, options={}))


def events(form: str, lines: Any) -> list[Canonical]:
    return [outcome for outcome in read(form, lines) if isinstance(outcome, Canonical)]


def test_every_format_has_a_sample() -> None:
    """No format escapes the tests below."""
    assert set(SAMPLES) == set(ADAPTERS)
    assert all(adapter.name == name and adapter.description for name, adapter in ADAPTERS.items())


@pytest.mark.parametrize("form", SAMPLES)
def test_its_events_keep_the_contract(form: str) -> None:
    """What it yields is accepted as a Segment call, keyed by its customer, on the topic of its kind."""
    found = events(form, SAMPLES[form])
    assert len(found) >= 2
    for event in found:
        assert refused("segment-event.v1", json.dumps(event.value).encode()) is None
        assert event.key == str(event.value.get("userId") or event.value["anonymousId"])
        assert event.topic == topic_name(kind_name(event.value["type"], event.value.get("event")))
        assert event.time_ms == to_ms(event.value["timestamp"])
    assert len({event.value["messageId"] for event in found}) == len(found)


@pytest.mark.parametrize("form", SAMPLES)
def test_ids_depend_on_the_content_alone(form: str) -> None:
    """The same lines among others, at other places, become the same events."""
    first, *rest = SAMPLES[form]
    longer = [first, "", "this is no line of any format", *rest] if form in WITH_HEADER else ["", "?", first, *rest]
    assert events(form, longer) == events(form, SAMPLES[form])


@pytest.mark.parametrize("form", SAMPLES)
def test_a_bad_line_is_told_with_its_number_and_the_rest_goes_on(form: str) -> None:
    """Lines are counted from 1, empty ones too."""
    lines = [SAMPLES[form][0], "", '"broken {', *SAMPLES[form][1:]]
    [bad] = [outcome for outcome in read(form, lines) if isinstance(outcome, BadLine)]
    assert bad.line_number == 3
    assert bad.refusal.reason
    assert bad.refusal.remedy
    assert events(form, lines) == events(form, SAMPLES[form])


@pytest.mark.parametrize("form", SAMPLES)
def test_bytes_that_are_not_utf_8_spoil_their_line_alone(form: str) -> None:
    """A line read with `surrogateescape` is refused as wrongly encoded, and names the remedy."""
    broken = b"Andr\xe9,1,2".decode(errors="surrogateescape")
    lines = [*SAMPLES[form], broken]
    [bad] = [outcome for outcome in read(form, lines) if isinstance(outcome, BadLine)]
    assert (bad.line_number, bad.refusal.code) == (len(lines), "encoding")
    bad.refusal.value.encode()


@pytest.mark.parametrize("form", SAMPLES)
def test_lines_are_read_lazily(form: str) -> None:
    """An endless file yields at once."""
    first, *rest = SAMPLES[form]

    def endless() -> Iterator[str]:
        return chain([first], chain.from_iterable(repeat([*rest, first] if form not in WITH_HEADER else rest)))

    found = ADAPTERS[form](endless(), options={})
    assert len(list(islice(found, 3))) == 3


@pytest.mark.parametrize("form", SAMPLES)
@given(data=st.data())
def test_no_text_makes_it_fail(form: str, data: st.DataObject) -> None:
    """Random lines, and good lines with something cut, doubled or replaced, end as outcomes, never as errors."""
    text = st.text(max_size=60)
    good = st.sampled_from(SAMPLES[form])
    cut = st.builds(lambda line, a, b, new: line[:a] + new + line[a + b :], good, *_SPANS, st.text(max_size=5))
    lines = data.draw(st.lists(st.one_of(text, good, cut), max_size=8))
    first = SAMPLES[form][0] if form in WITH_HEADER else ""
    for outcome in read(form, [first, *lines]):
        assert isinstance(outcome, Canonical | BadLine | Skipped)
        if isinstance(outcome, Canonical):
            json.dumps(outcome.value, allow_nan=False)
            assert outcome.key


_SPANS = (st.integers(0, 120), st.integers(0, 20))


@pytest.mark.parametrize("form", SAMPLES)
def test_an_unknown_option_is_told_before_any_line_is_read(form: str) -> None:
    """The text names the option and what there is."""

    def untouched() -> Iterator[str]:
        raise AssertionError("read")
        yield

    with pytest.raises(OptionError, match=f"format {form} has no option 'colour'"):
        ADAPTERS[form](untouched(), options={"colour": "red"})


def test_a_misspelt_option_brings_the_nearest() -> None:
    """`custommer` brings `customer`."""
    with pytest.raises(OptionError, match="did you mean 'customer'"):
        ADAPTERS["orders-csv"]([], options={"custommer": "x"})


ISO = "write ISO 8601 such as 2024-05-01T09:30:00Z"
OPTION = ", or say with the option time-pattern how times are written"


@pytest.mark.parametrize(
    ("form", "line", "wrong", "pattern", "remedy"),
    [
        ("orders-csv", 1, "05/2024", "iso", ISO + OPTION),
        ("orders-csv", 1, "2024-05-01", "epoch-ms", "write whole milliseconds since the begin of 1970" + OPTION),
        ("orders-csv", 1, "2024-05-01", "%d.%m.%Y", "write it as %d.%m.%Y" + OPTION),
        ("online-retail", 1, "05/2024", None, ISO),
        ("cdnow", 0, "199713", None, ISO),
        ("snowplow", 0, "05/2024", None, ISO),
        ("taobao", 0, "1511544070000", None, "write whole seconds since the begin of 1970"),
        ("ga4", 0, "2024-05-01", None, "write whole microseconds since the begin of 1970"),
    ],
)
def test_a_wrong_time_is_told_the_form_that_is_read(
    form: str, line: int, wrong: str, pattern: str | None, remedy: str
) -> None:
    """The remedy is one that this format takes; an option is named only where it has one."""
    lines = list(SAMPLES[form])
    time = TIME.search(lines[line])
    assert time is not None
    lines[line] = lines[line].replace(time[0], wrong)
    options = {} if pattern is None else {"time-pattern": pattern}
    bad = next(outcome for outcome in ADAPTERS[form](lines, options=options) if isinstance(outcome, BadLine))
    assert (bad.refusal.code, bad.refusal.remedy) == ("time", remedy)


TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+Z?|1[0-9]{9,15}|19970101")


@pytest.mark.parametrize(("form", "named"), [("orders-csv", True), ("online-retail", False)])
def test_a_column_that_is_absent_is_named_by_an_option_only_where_there_is_one(form: str, named: bool) -> None:
    """Online Retail's columns are always called the same."""
    [bad] = read(form, ["a,b", "1,2"])
    assert isinstance(bad, BadLine)
    assert bad.refusal.code == "header"
    assert ("option" in bad.refusal.remedy) is named
