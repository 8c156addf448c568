"""A partition in memory: its whole state, offered records as a worker offers them, and what must always hold of it."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import orjson
from strategies.layouts import FULL

from schemas.accepted import refused
from schemas.hostile import Case
from schemas.timestamp import to_ms
from schemas.topics import expand
from scoring.engine import EngineSettings
from scoring.profile import NEVER
from scoring.rules import shipped
from streams.unit import Unit
from streams.unit_options import UnitOptions

SOURCES = {"clickstream": 0, "orders": 1, "customers": 2}
RULES = shipped()
OPTIONS = UnitOptions(EngineSettings(FULL), RULES, allowed_skew_ms=600_000, own_clock=False, slice_records=1000)
VALUES = {spec.name: spec.value for spec in expand([rule.name for rule in RULES.rules], 1)}


class Fetched(NamedTuple):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class Partition:
    """A unit that is offered one slice after the other, before which one event was applied."""

    def __init__(self) -> None:
        self.unit = Unit(0, OPTIONS)
        self.offsets = [0, 0, 0]
        self._newest_ms = 0
        first = {"messageId": "before", "timestamp": "2024-05-01T09:29:00Z", "userId": "before", "type": "page"}
        value = orjson.dumps(first)
        self._offer(0, [Fetched(0, to_ms("2024-05-01T09:29:01Z"), b"before", value)])

    def send(self, cases: Sequence[Case]) -> None:
        """Offer cases of one topic as one slice, and apply them."""
        source = SOURCES[cases[0].topic]
        start = self.offsets[source]
        self._offer(source, [Fetched(start + i, c.received_ms, c.key, c.payload) for i, c in enumerate(cases)])

    def _offer(self, source: int, records: list[Fetched]) -> None:
        self.offsets[source] += len(records)
        self.unit.offer(source, records, self.offsets[source])
        for other in range(3):
            self.unit.idle(other, self.offsets[other], self.offsets[other])
        self.pass_time(records[-1].timestamp)
        self._newest_ms = max(self._newest_ms, *(record.timestamp for record in records))
        if any(self.unit.status().waiting):
            self.pass_time(self._newest_ms + 3_000)  # what is of a load waits until nothing more comes

    def pass_time(self, now_ms: int) -> None:
        """Apply all that waits; if nothing does, let quiet time pass."""
        while self.unit.pump(now_ms):
            pass

    @property
    def counts(self) -> dict[str, int]:
        """The unit's counters, by the names of the corpus."""
        return {name.replace("_", "-"): n for name, n in asdict(self.unit.engine.counts).items()}


def assert_all_valid(outputs: Sequence[tuple[str, bytes | None, bytes | None]]) -> None:
    """Whatever is published keeps its own schema."""
    for topic, _, value in outputs:
        if value is not None and topic in VALUES and not topic.endswith("-late"):
            assert refused(VALUES[topic], value) is None, (topic, value[:400])


def assert_finite(unit: Unit) -> None:
    """No NaN and no infinity stands in the row of anybody to whom something was applied, nor in a score.

    What customers were never asked, and a percentile that was never known, are NaN, and nothing is summed of them.
    """
    profiles: Any = unit.engine.profiles
    rows = profiles.rows[: len(profiles.keys)]
    rows = rows[rows["first_ms"] != NEVER]
    assert len(rows)
    for name in rows.dtype.names:
        if rows[name].dtype.kind == "f":
            found = rows[name][~np.isnan(rows[name])] if name in ("told", "peak") else rows[name]
            assert np.isfinite(found).all(), name
    _, score, percentile = unit.engine.looking.score_at(to_ms("2024-05-02T00:00:00Z"))
    assert np.isfinite(score).all()
    assert all(math.isnan(p) or 0 <= p <= 1 for p in np.asarray(percentile, dtype=float))


def assert_bounded(unit: Unit) -> None:
    """Every part of a customer's state is within its limit, whatever was sent."""
    engine, settings = unit.engine, OPTIONS.engine
    longest = OPTIONS.limits.max_id_bytes
    assert max(map(len, engine.profiles.keys)) <= longest
    assert max(map(len, engine.products.values()), default=0) <= longest
    assert len(engine.pending) <= len(engine.profiles) * engine.profiles.rows.dtype["pending_ms"].shape[0]
    for row in range(len(engine.profiles)):
        side = engine.sides.find(row)
        if side is not None:
            assert len(side.cart) <= settings.cart_steps
            assert len(side.orders) <= settings.orders_remembered
            assert len(side.rules) <= len(RULES.rules)
            assert all(len(objects) <= engine.sides.objects_watched for objects in side.objects.values())
            assert all(len(numbers) <= engine.sides.objects_watched + 1 for numbers in side.numbers.values())
            assert all(len(state.lately) <= 64 for state in side.states().values())
