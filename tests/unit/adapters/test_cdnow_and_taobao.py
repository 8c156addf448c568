"""CDNOW and Taobao: one event a line, with ids made from what the line says."""

import os
from collections import Counter
from pathlib import Path

import pytest

from schemas.adapters import ADAPTERS
from schemas.adapters.canonical import BadLine, Canonical, Outcome
from streams.files import LineFile


def cdnow(*lines: str) -> list[Outcome]:
    return list(ADAPTERS["cdnow"](lines, options={}))


def taobao(*lines: str) -> list[Outcome]:
    return list(ADAPTERS["taobao"](lines, options={}))


def real(name: str) -> Path:
    """A file of data that is not part of the repository; RECOMPRA_TEST_DATA names its folder."""
    path = Path(DATA or ".") / name
    if not DATA or not path.exists():
        pytest.skip(f"{name} is not at hand (RECOMPRA_TEST_DATA names the folder)")
    return path


DATA = os.environ.get("RECOMPRA_TEST_DATA")


def test_a_purchase_of_cdnow_is_an_order() -> None:
    """The customer is the id in the first column, whether or not the sample's number follows it."""
    found = cdnow(" 00004 0001 19970101  2   29.33", "00004 19970101 2 29.33")
    first, second = (outcome for outcome in found if isinstance(outcome, Canonical))
    assert first.key == second.key == "00004"
    assert first.value["timestamp"] == "1997-01-01T00:00:00.000Z"
    assert first.value["properties"] == {
        "order_id": "00004-19970101",
        "total": 29.33,
        "currency": "USD",
        "products": [{"product_id": "cd", "quantity": 2}],
    }


def test_two_purchases_on_a_day_are_two_orders() -> None:
    """Though they say the same, they are told apart by their place on the day."""
    found = cdnow(*["00004 0001 19970101 2 29.33"] * 3, "00004 0001 19970102 2 29.33")
    ids = [o.value["properties"]["order_id"] for o in found if isinstance(o, Canonical)]
    assert ids == ["00004-19970101", "00004-19970101-2", "00004-19970101-3", "00004-19970102"]


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("00004 0001 19970101 2", None),
        ("00004 0001 19971301 2 29.33", "date"),
        ("00004 0001 19970101 two 29.33", "CDs"),
        ("00004 0001 19970101 2 $29.33", "dollars"),
        ("00004", "line"),
        ("1 2 3 4 5 6", "line"),
    ],
)
def test_bad_purchases_of_cdnow_name_the_field(line: str, field: str | None) -> None:
    """Four columns of which the second is no date are told as such."""
    [bad] = cdnow(line)
    assert isinstance(bad, BadLine)
    assert bad.refusal.field == (field or "date")


def test_behaviours_of_taobao_have_their_events() -> None:
    """pv, cart, fav and buy; seconds become milliseconds; a line of names may be first."""
    lines = ["user_id,item_id,category_id,behavior,timestamp"]
    lines += [f"1,22,333,{behaviour},1511544070" for behaviour in ("pv", "cart", "fav", "buy")]
    found = [o for o in taobao(*lines) if isinstance(o, Canonical)]
    assert [o.value["event"] for o in found] == [
        "Product Viewed",
        "Product Added",
        "Product Added to Wishlist",
        "Order Completed",
    ]
    assert {o.value["timestamp"] for o in found} == {"2017-11-24T17:21:10.000Z"}
    assert found[0].value["properties"] == {"product_id": "22", "category": "333", "quantity": 1}
    assert found[3].value["properties"]["order_id"] == "1-22-1511544070"


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("1,22,333,look,1511544070", "behaviour"),
        ("1,22,333,pv,soon", "timestamp"),
        ("1,22,333,pv,-5", "timestamp"),
        ("1,22,333,pv,99999999999999", "timestamp"),
        (",22,333,pv,1511544070", "user"),
        ("1,,333,pv,1511544070", "item"),
        ("1,22,pv,1511544070", "line"),
    ],
)
def test_bad_lines_of_taobao_name_the_field(line: str, field: str) -> None:
    """Behaviour, time, user, item and the number of columns are each told apart."""
    found = taobao("1,2,3,pv,1511544070", line)
    bad = found[1]
    assert isinstance(bad, BadLine)
    assert (bad.line_number, bad.refusal.field) == (2, field)


def test_the_real_sample_of_cdnow_is_read_whole() -> None:
    """6,919 purchases of 2,357 customers, none bad, no id twice."""
    with LineFile(str(real("cdnow_sample.txt"))) as file:
        found = cdnow(*file)
    events = [o for o in found if isinstance(o, Canonical)]
    assert len(found) == len(events) == len({o.value["messageId"] for o in events}) == 6_919
    assert len({o.key for o in events}) == 2_357


def test_the_real_extract_of_taobao_is_read_whole() -> None:
    """407 users' lines, none bad."""
    with LineFile(str(real("taobao_userbehavior_dev.csv.gz"))) as file:
        found = taobao(*file)
    assert Counter(type(o) for o in found) == {Canonical: 43_034}
    assert len({o.key for o in found if isinstance(o, Canonical)}) == 407
