"""Hostile records through a partition's whole state: each adds to one counter, and harms nothing."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.accepted import refused
from schemas.hostile import Case, hostile_cases
from schemas.names import EVENT_KINDS
from schemas.timestamp import from_ms, to_ms
from schemas.topics import expand
from scoring.engine import EngineSettings
from scoring.profile import NEVER
from scoring.rules import shipped
from streams.unit import Unit, UnitOptions

SOURCES = {"clickstream": 0, "orders": 1, "customers": 2}
COUNTERS = {"applied", "duplicate", "late", "ignored", "dead-lettered"}
BY_NAME = {case.name: case for case in hostile_cases()}
RULES = shipped()
OPTIONS = UnitOptions(EngineSettings(), RULES, allowed_skew_ms=600_000, own_clock=False, slice_records=1000)
VALUES = {spec.name: spec.value for spec in expand([rule.name for rule in RULES.rules], 1)}


class Fetched(NamedTuple):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class Partition:
    """A unit that is offered one case after the other."""

    def __init__(self) -> None:
        self.unit = Unit(0, OPTIONS)
        self.offsets = [0, 0, 0]
        first = {"messageId": "before", "timestamp": "2024-05-01T09:29:00Z", "userId": "before", "type": "page"}
        value = orjson.dumps(first)
        self._offer(0, [Fetched(0, to_ms("2024-05-01T09:29:01Z"), b"before", value)])

    def send(self, cases: Sequence[Case]) -> None:
        """Offer cases of one topic as one slice."""
        source = SOURCES[cases[0].topic]
        start = self.offsets[source]
        self._offer(source, [Fetched(start + i, c.received_ms, c.key, c.payload) for i, c in enumerate(cases)])

    def _offer(self, source: int, records: list[Fetched]) -> None:
        self.offsets[source] += len(records)
        self.unit.offer(source, records, self.offsets[source])
        for other in range(3):
            self.unit.idle(other, self.offsets[other], self.offsets[other])
        while self.unit.pump(records[-1].timestamp):
            pass

    @property
    def counts(self) -> dict[str, int]:
        """The unit's counters, by the names of the corpus."""
        return {name.replace("_", "-"): n for name, n in asdict(self.unit.engine.counts).items()}


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
    letters = [orjson.loads(value) for topic, _, value in told.outputs if topic.endswith("-dlq")]
    assert [(letter["field"], letter["code"]) for letter in letters] == (
        [(case.field, case.code)] if case.outcome == "dead-lettered" else []
    )


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


def assert_all_valid(outputs: Sequence[tuple[str, bytes | None, bytes | None]]) -> None:
    """Whatever is published keeps its own schema."""
    for topic, _, value in outputs:
        if value is not None and topic in VALUES and not topic.endswith("-late"):
            assert refused(VALUES[topic], value) is None, (topic, value[:400])


def assert_finite(unit: Unit) -> None:
    """No NaN and no infinity stands in the row of anybody to whom something was applied, nor in a score."""
    profiles: Any = unit.engine.profiles
    rows = profiles.rows[: len(profiles.keys)]
    rows = rows[rows["first_ms"] != NEVER]
    assert len(rows)
    for name in rows.dtype.names:
        if rows[name].dtype.kind == "f":
            assert np.isfinite(rows[name]).all(), name
    _, score, percentile = unit.engine.score_at(to_ms("2024-05-02T00:00:00Z"))
    assert np.isfinite(score).all()
    assert all(math.isnan(p) or 0 <= p <= 1 for p in np.asarray(percentile, dtype=float))
