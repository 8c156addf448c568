"""Fuzzing: inputs put through a partition, which is checked after each and, as a whole, at the end of its life."""

from collections.abc import Iterable
from typing import Any

from strategies.breeding import BETWEEN, MOST_RECORDS, Way, written
from strategies.partitions import OPTIONS, Partition, assert_all_valid, assert_bounded, assert_finite

from schemas.hostile import Case
from schemas.timestamp import to_ms
from streams.examining import AMOUNT_LIMIT
from streams.unit import Unit

__all__ = ["LIFE", "Fuzz"]

LIFE = 300
"""Inputs that one partition lives through."""
LARGEST = 1_020_000
"""Bytes of an output that any broker takes."""
_BEGIN_MS = to_ms("2024-05-01T09:30:05Z")


class Fuzz:
    """Puts inputs through a partition; raises where something does not hold that must.

    Attributes
    ----------
    inputs
        How many there were.
    counts
        What became of the records.
    lived
        The inputs of the partition's life so far: with these, whatever broke breaks again.
    """

    def __init__(self, life: int = LIFE) -> None:
        self.inputs = 0
        self.counts: dict[str, int] = {}
        self._life = life
        self._begin()

    def _begin(self) -> None:
        self._partition = Partition()
        self._sent = 1
        self._now_ms = self._newest_ms = _BEGIN_MS
        self._rows: dict[bytes, bytes | None] = {}
        self.lived: list[bytes] = []

    def __call__(self, data: bytes) -> None:
        """Run one input."""
        self.lived.append(data)
        self.inputs += 1
        for record in data.split(BETWEEN)[:MOST_RECORDS]:
            self._send(record or b"\0")
        self._check(self._partition.unit)
        if len(self.lived) >= self._life:
            self.end()
            self._begin()

    def all(self, inputs: Iterable[bytes]) -> None:
        """Run them, and end."""
        for data in inputs:
            self(data)
        if self.lived:
            self.end()

    def _send(self, record: bytes) -> None:
        partition, way = self._partition, Way.of(record[0])
        before_ms = partition.unit.engine.clock.watermark_ms
        self._now_ms += way.step_ms
        self._newest_ms = max(self._newest_ms, self._now_ms)
        payload = written(record[1:], self._sent, before_ms, self._now_ms)
        case = Case("bred", way.topic, way.key_of(payload), payload, self._now_ms, "applied", None, None, None)
        partition.send([case])
        self._sent += 1
        assert sum(partition.counts.values()) == self._sent, "a record is in no counter, or in two"
        after_ms = partition.unit.engine.clock.watermark_ms
        assert before_ms <= after_ms <= self._newest_ms + OPTIONS.allowed_skew_ms, "the watermark is where it cannot be"

    def _check(self, unit: Unit) -> None:
        told = unit.take()
        if told is not None:
            assert_all_valid(told.outputs)
            assert all(len(key or b"") + len(value or b"") < LARGEST for _, key, value in told.outputs)
            self._rows.update(told.rows)
        assert_finite(unit)
        assert_bounded(unit)
        self._assert_plausible(unit)

    def _assert_plausible(self, unit: Unit) -> None:
        """No more was spent or given back than so many records can say."""
        profiles: Any = unit.engine.profiles
        rows = profiles.rows[: len(profiles.keys)]
        for name in ("revenue", "refunded"):
            assert (rows[name] >= 0).all(), name
            assert (rows[name] <= AMOUNT_LIMIT * self._sent).all(), name

    def end(self) -> None:
        """Count what became of the records; what is restored from the rows is what was there."""
        unit = self._partition.unit
        for name, count in self._partition.counts.items():
            self.counts[name] = self.counts.get(name, 0) + count
        again = Unit(0, OPTIONS)
        again.restore(list(self._rows), list(self._rows.values()))
        again.ready({})
        assert again.engine.counts == unit.engine.counts
        at_ms = unit.engine.clock.watermark_ms + 86_400_000
        assert _scores(again, at_ms) == _scores(unit, at_ms)


def _scores(unit: Unit, at_ms: int) -> dict[bytes, float]:
    rows, score, _ = unit.engine.looking.score_at(at_ms)
    return {unit.engine.profiles.keys[row]: value for row, value in zip(rows.tolist(), score.tolist(), strict=True)}
