"""Poison: a record that the program itself fails on is found, set aside, and the rest of its slice is applied."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scoring.engine import Engine
from scoring.profile import stable_hash
from streams.decoding import Decoder
from streams.plain_events import PlainEvents
from streams.suspects import PoisonError, Suspects
from streams.unit import Unit
from tests.unit.worker.fetched import CLICKS, CUSTOMERS, ORDERS, event
from tests.unit.worker.test_unit import NOTHING, NOW, options, told

POISON = stable_hash(b"poison")


@pytest.fixture
def failing_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that fails on a product, after it has changed the state."""
    true_apply = Engine.apply

    def apply(self: Engine, events: Any, details: Any, *customer: Any) -> Any:
        outcome = true_apply(self, events, details, *customer)
        if (events.product == POISON).any():
            raise ZeroDivisionError("the kernel failed")
        return outcome

    monkeypatch.setattr(Engine, "apply", apply)


def clicks(count: int, poison: set[int]) -> list[Any]:
    return [
        event(i, f"c{i % 5}", "Product Viewed", NOW + i, product_id="poison" if i in poison else "p")
        for i in range(count)
    ]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(1, 70), data=st.data())
def test_what_the_kernel_fails_on_is_set_aside_and_the_rest_applied(
    failing_kernel: None, count: int, data: st.DataObject
) -> None:
    """Whichever records it fails on, exactly those are dead-lettered, and all others are applied once."""
    poison = data.draw(st.sets(st.integers(0, count - 1), max_size=3))
    records, suspects = clicks(count, poison), Suspects()
    restores = 0
    while True:
        restores += 1
        unit = Unit(0, options(), suspects=suspects)  # what was not committed is read again
        unit.ready(NOTHING)
        unit.idle(ORDERS, 0, 0)
        unit.idle(CUSTOMERS, 0, 0)
        unit.offer(CLICKS, records, count)
        try:
            while unit.pump(NOW):
                pass
        except PoisonError:
            assert unit.take() is None  # nothing of a state that is half changed is ever written
            continue
        break
    counts, taken = unit.status().counts, unit.take()
    assert (counts.applied, counts.dead_lettered) == (count - len(poison), len(poison))
    letters = told(taken, "clickstream-dlq")
    assert {letter["offset"] for letter in letters} == poison
    assert {letter["code"] for letter in letters} <= {"poison"}
    assert restores <= 8 * len(poison) + 1, "it takes one restore a halving"


def test_what_the_decoder_fails_on_is_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that the decoder itself fails on is refused alone."""
    true_block = Decoder._block

    def block(self: Decoder, records: Any) -> Any:
        if any(b'"bad"' in record.value for record in records):
            raise ZeroDivisionError("the decoder failed")
        return true_block(self, records)

    monkeypatch.setattr(Decoder, "_block", block)
    unit = Unit(0, options())
    unit.ready(NOTHING)
    unit.idle(ORDERS, 0, 0)
    unit.idle(CUSTOMERS, 0, 0)
    unit.offer(
        CLICKS, [event(i, "bad" if i == 7 else "c", "Product Added", NOW + i, product_id="p") for i in range(20)], 20
    )
    while unit.pump(NOW):
        pass
    counts = unit.status().counts
    assert (counts.applied, counts.dead_lettered) == (19, 1)
    assert [letter["id"] for letter in told(unit.take(), "clickstream-dlq")] == ["clickstream-0-7"]


def test_where_the_reader_of_plain_events_fails_the_decoder_reads_all(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A mistake in it costs time and no record, and is told without what the records say."""

    def read(*_: Any) -> Any:
        raise ZeroDivisionError("of a customer")

    monkeypatch.setattr(PlainEvents, "_meet", read)
    unit = Unit(0, options())
    unit.ready(NOTHING)
    unit.idle(ORDERS, 0, 0)
    unit.idle(CUSTOMERS, 0, 0)
    unit.offer(CLICKS, [event(i, "c", "Product Viewed", NOW + i, product_id="p") for i in range(20)], 20)
    while unit.pump(NOW):
        pass
    assert unit.status().counts.applied == 20
    assert [record.getMessage() for record in caplog.records] == [
        "the reader of plain events failed (ZeroDivisionError): the decoder reads them"
    ]
