"""Hostile records through a partition's whole state: each adds to one counter, and harms nothing."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies.layouts import FULL
from strategies.partitions import RULES, SOURCES, Partition, assert_all_valid, assert_bounded, assert_finite

from schemas.hostile import Case, hostile_cases
from schemas.names import EVENT_KINDS
from schemas.timestamp import from_ms, to_ms
from scoring import engine as engine_module
from scoring.engine import Engine, EngineSettings
from scoring.kernel import Config, Events, admit
from scoring.profile import DAY_MS
from scoring.side import Side

COUNTERS = {"applied", "duplicate", "late", "ignored", "dead-lettered"}
BY_NAME = {case.name: case for case in hostile_cases()}


def change(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {name: after[name] - before[name] for name in COUNTERS if after[name] != before[name]}


def send_with_what_comes_before(partition: Partition, case: Case) -> dict[str, int]:
    if case.after is not None:
        send_with_what_comes_before(partition, BY_NAME[case.after])
    before = partition.counts
    partition.send([case])
    return change(before, partition.counts)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in hostile_cases()])
def test_a_hostile_record_adds_one_to_its_counter(case: Case) -> None:
    """Applied, duplicate, late, ignored or dead-lettered: exactly one of them, the one that the corpus names."""
    partition = Partition()
    assert send_with_what_comes_before(partition, case) == {case.outcome: 1}
    told = partition.unit.take()
    assert told is not None
    assert_all_valid(told.outputs)
    assert_finite(partition.unit)
    assert_bounded(partition.unit)
    letters = [orjson.loads(value) for topic, _, value in told.outputs if topic.endswith("-dlq")]
    assert [(letter["field"], letter["code"]) for letter in letters] == (
        [(case.field, case.code)] if case.outcome == "dead-lettered" else []
    )


def with_a_long_window(settings: EngineSettings) -> Config:
    """Sixty years, in which hardly anything is late."""
    return kernel(settings)._replace(window_ms=60 * 365 * DAY_MS)


kernel = EngineSettings.kernel


def without_a_memory(rows: Any, events: Events, window_ms: int) -> None:
    """Admit every message as the first of its customer."""
    rows["message_n"] = 0
    admit(rows, events, window_ms)


@pytest.mark.parametrize(
    ("outcome", "module", "name", "broken"),
    [
        ("late", EngineSettings, "kernel", with_a_long_window),
        ("duplicate", engine_module, "admit", without_a_memory),
        ("duplicate", Side, "remember_order", lambda *_: True),
    ],
    ids=["long-window", "no-memory-of-messages", "no-memory-of-orders"],
)
def test_what_is_counted_otherwise_is_found(
    monkeypatch: pytest.MonkeyPatch, outcome: str, module: Any, name: str, broken: Any
) -> None:
    """An engine with another window, or without a memory of messages or of orders, adds to another counter."""
    monkeypatch.setattr(module, name, broken)
    ended = [send_with_what_comes_before(Partition(), case) for case in hostile_cases() if case.outcome == outcome]
    with pytest.raises(AssertionError):
        assert ended == [{outcome: 1}] * len(ended)


def test_all_of_them_in_order_end_as_told() -> None:
    """One after the other on one partition, every record ends as it does alone after what it needs."""
    partition = Partition()
    for case in hostile_cases():
        before = partition.counts
        partition.send([case])
        assert change(before, partition.counts) == {case.outcome: 1}, case.name
    told = partition.unit.take()
    assert told is not None
    letters = [orjson.loads(value) for topic, _, value in told.outputs if topic.endswith("-dlq")]
    refused = [case for case in hostile_cases() if case.outcome == "dead-lettered"]
    assert [(letter["topic"], letter["field"], letter["code"]) for letter in letters] == [
        (case.topic, case.field, case.code) for case in refused
    ]
    late = [value for topic, _, value in told.outputs if topic.endswith("-late")]
    assert late == [case.payload for case in hostile_cases() if case.outcome == "late"]
    # A broker takes 1,048,588 bytes with their frame: what cannot be written would stop the partition for ever.
    assert all(len(key or b"") + len(value or b"") < 1_020_000 for _, key, value in told.outputs)


def test_all_of_them_together_leave_a_state_that_goes_on() -> None:
    """However they are mixed: every record is in one counter, no figure is NaN, and the next order counts."""
    partition = Partition()
    cases = hostile_cases()
    for i in range(0, len(cases), 7):
        for topic in SOURCES:
            if chosen := [case for case in cases[i : i + 7] if case.topic == topic]:
                partition.send(chosen)
    assert sum(partition.counts[name] for name in COUNTERS) == len(cases) + 1
    before = partition.counts
    partition.send([BY_NAME["order-first"]._replace(payload=_order())])
    assert change(before, partition.counts) == {"applied": 1}
    told = partition.unit.take()
    assert told is not None
    assert_all_valid(told.outputs)
    assert_finite(partition.unit)
    assert_bounded(partition.unit)


def view(
    name: str, customer: str, at: str = "2024-05-01T09:30:00Z", topic: str = "clickstream", **more: object
) -> Case:
    """A product view, received when it was made or, if that was long ago, five seconds after half past nine."""
    call = {"messageId": name, "timestamp": at, "userId": customer, "event": "Product Viewed", **more}
    call.setdefault("properties", {"product_id": f"p-{name}"})
    received_ms = to_ms("2024-05-01T09:30:05Z")
    return Case(name, topic, customer.encode(), orjson.dumps(call), received_ms, "applied", None, None, None)


OLD = "2024-01-01T00:00:00Z"


def test_late_records_of_people_never_seen_leave_nothing() -> None:
    """Names made up in old records grow neither memory nor changelog; who then comes in time is a customer."""
    partition = Partition()
    partition.unit.take()
    partition.send([view(f"m{i}", f"made-up-{i}", OLD) for i in range(500)])
    assert partition.counts["late"] == 500
    assert len(partition.unit.engine.profiles) == 1
    told = partition.unit.take()
    assert told is not None
    assert len([topic for topic, _, _ in told.outputs if topic == "clickstream-late"]) == 500
    assert [key for key, _ in told.rows if key.startswith(b"c")] == []
    mixed = [view("a", "made-up-7", OLD), view("b", "made-up-7"), view("c", "made-up-7", OLD)]
    partition.send(mixed)
    assert partition.counts["late"] == 502
    told = partition.unit.take()
    assert told is not None
    assert [key for key, _ in told.rows if key.startswith(b"c")] == [b"cmade-up-7"]


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_slices_do_not_matter_where_late_records_come_first(size: int) -> None:
    """Customers whose first records are late have the same rows, to the byte, however the input is cut."""
    cases = [
        view(f"m{i}", f"c{i % 4}", OLD if i % 3 else "2024-05-01T09:30:00Z", event="Product Added") for i in range(24)
    ]

    def rows(cut: int) -> dict[bytes, bytes | None]:
        partition = Partition()
        for i in range(0, len(cases), cut):
            partition.send(cases[i : i + cut])
        told = partition.unit.take()
        assert told is not None
        return {key: value for key, value in told.rows if key[:1] in (b"c", b"s")}

    assert rows(size) == rows(24)


def test_refused_records_leave_neither_customers_nor_products() -> None:
    """What is dead-lettered is remembered nowhere else; a product that is seen in time later is."""
    partition = Partition()
    partition.send([view(f"m{i}", f"made-up-{i}")._replace(key=b"other") for i in range(50)])
    assert partition.counts["dead-lettered"] == 50
    assert len(partition.unit.engine.profiles) == 1
    assert partition.unit.engine.products == {}
    partition.send([view("m3", "u"), view("m4", "u")._replace(key=b"other")])
    assert list(partition.unit.engine.products.values()) == ["p-m3"]


def test_no_more_products_are_remembered_than_the_limit() -> None:
    """Made-up products cost no memory without end; those known first are still told by their ids."""
    engine = Engine(EngineSettings(FULL, products_remembered=3), RULES)
    for number in range(10):
        engine.state.product(number, f"p{number}")
    assert list(engine.products.values()) == ["p0", "p1", "p2"]


def test_pages_without_end_leave_no_more_names_than_the_limit() -> None:
    """Neither in the state nor where names are looked up; what products are called is known as before."""
    partition = Partition()
    decode = partition.unit._decode
    for start in range(0, 24_000, 8_000):
        partition.send([page(f"/order/{number}") for number in range(start, start + 8_000)])
    state = partition.unit.engine.state
    assert len(state.pages) == state.settings.pages_remembered == 10_000
    assert not state.products
    assert max(len(decode._pages), decode._pages.table._count) <= 20_000


def page(path: str) -> Case:
    return view(path, "u", event=None, type="page", properties={"path": path})


AMOUNTS = st.one_of(
    st.none(), st.floats(), st.integers(-(2**70), 2**70), st.sampled_from([0.0, -0.0, 1e308, 5e-324, "5"])
)
IDS = st.one_of(st.sampled_from(["u", "v", "", 0, 5, None]), st.text(max_size=4))
PRODUCTS = st.lists(
    st.fixed_dictionaries({}, optional={"product_id": IDS, "price": AMOUNTS, "quantity": AMOUNTS, "name": IDS}),
    max_size=3,
)
TIMES = st.one_of(
    st.integers(to_ms("2024-02-01T00:00:00Z"), to_ms("2024-05-01T09:35:00Z")).map(from_ms),
    st.datetimes().map(lambda when: when.isoformat() + "Z"),
    st.text(max_size=5),
)
CALLS = st.fixed_dictionaries(
    {"messageId": st.sampled_from("abcdefgh"), "timestamp": TIMES, "userId": IDS},
    optional={
        "type": st.sampled_from(["track", "page", "identify", "alias"]),
        "event": st.sampled_from([*EVENT_KINDS, "Video Played"]),
        "anonymousId": IDS,
        "previousId": IDS,
        "traits": st.dictionaries(st.text(max_size=2), IDS, max_size=2),
        "properties": st.fixed_dictionaries(
            {},
            optional={
                "order_id": IDS,
                "product_id": IDS,
                "ticket_id": IDS,
                "products": PRODUCTS,
                **dict.fromkeys(("total", "revenue", "value", "price", "quantity"), AMOUNTS),
            },
        ),
    },
)
PAYLOADS = st.one_of(CALLS.map(lambda call: json.dumps(call).encode()), st.none(), st.binary(max_size=20))


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(list(SOURCES)), PAYLOADS), min_size=1, max_size=25))
def test_any_records_end_in_one_counter_each_and_leave_finite_figures(drawn: list[tuple[str, bytes | None]]) -> None:
    """Calls of odd amounts, ids and times, mixed with noise: nothing raises, is lost, or turns into NaN."""
    partition = Partition()
    received_ms = to_ms("2024-05-01T09:30:05Z")
    for topic, payload in drawn:
        key = _key(payload)
        partition.send([Case("drawn", topic, key, payload, received_ms, "applied", None, None, None)])
    assert sum(partition.counts[name] for name in COUNTERS) == len(drawn) + 1
    told = partition.unit.take()
    assert told is not None
    assert_all_valid(told.outputs)
    assert_finite(partition.unit)
    assert_bounded(partition.unit)


def _key(payload: bytes | None) -> bytes:
    try:
        call = json.loads(payload or b"")
        return str(call["userId"] or call.get("anonymousId") or "").encode()
    except (ValueError, TypeError, KeyError):
        return b"u"


def _order() -> bytes:
    return orjson.dumps(
        {
            "messageId": "after-all",
            "timestamp": "2024-05-01T09:30:01Z",
            "userId": "u",
            "type": "track",
            "event": "Order Completed",
            "properties": {"order_id": "after-all", "total": 5},
        }
    )
