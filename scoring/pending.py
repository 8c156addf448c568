"""Pending examples: what was known of a customer at a moment, kept until the horizon has passed."""

import math
from collections.abc import Collection, Sequence
from typing import Any

import msgspec
import numpy as np

from scoring.features import BASELINE
from scoring.kernel import EXAMPLE, UNTAUGHT, Points
from scoring.model import Example
from scoring.outcome import Outcome
from scoring.types import Facts

__all__ = ["PendingExamples"]


_TABLED = [Facts._fields.index(name) for name in ("since_days", "net", "gap_days")]
"""What the shop's table is made from, beside the orders."""


class _Waiting(msgspec.Struct, array_like=True, frozen=True, gc=False):
    features: bytes  # float32, little-endian
    orders: int
    probability: float
    percentile: float
    model_version: int
    warming_up: bool
    feature_version: str
    since_days: float = math.nan
    net: float = 0.0
    gap_days: float = math.nan
    points: float = math.nan


class PendingExamples:
    """Examples that wait, encoded, by row and the time they were made; about 0.5 KB each.

    They stay outside the profile rows: only customers chosen by hash give any, and at most five wait for each.

    Attributes
    ----------
    kept
        Whether any are: not where they go to nobody. When they are made and resolved is noted in the rows either way,
        as customers are scored then.
    """

    def __init__(self, horizon_ms: int, feature_version: str, partition: int) -> None:
        self._horizon_ms = horizon_ms
        self._feature_version = feature_version
        self._partition = partition
        self._waiting: dict[tuple[int, int], bytes] = {}
        self._dirty: dict[tuple[int, int], None] = {}
        self._decoder = msgspec.msgpack.Decoder(_Waiting)
        self.kept = True

    def __len__(self) -> int:
        return len(self._waiting)

    def make(
        self,
        points: Points,
        m: int,
        score: Any,
        percentile: Any,
        orders: Any,
        version: int,
        warming_up: bool,
        balance: int | None,
    ) -> None:
        """Keep an example for each of the first `m` points that the kernel chose, with what was served (m,).

        `balance` is the column that has what they have of points, None where no rule ranks by it.
        """
        for i in np.flatnonzero(points.cause[:m] & EXAMPLE).tolist() if self.kept else ():
            key = int(points.row[i]), int(points.time_ms[i])
            tabled: tuple[float, float, float] = tuple(points.facts[i, _TABLED].tolist())
            self._waiting[key] = msgspec.msgpack.encode(
                _Waiting(
                    points.X[i].astype("<f4").tobytes(),
                    int(orders[i]),
                    float(score[i]),
                    float(percentile[i]),
                    version,
                    warming_up,
                    self._feature_version,
                    *tabled,
                    points=math.nan if balance is None else float(points.columns[i, balance]),
                )
            )
            self._dirty[key] = None

    def resolve(self, points: Points, count: int, keys: Sequence[bytes], outcome: Outcome) -> None:
        """Give the examples whose horizon has passed, each with its label, and let go of them.

        One made by other features (an older release, before a restart) is dropped, as no model could learn from it,
        and so is one of a customer who turned out to be a machine.
        """
        for i in range(count) if self.kept else ():
            key = int(points.resolved_row[i]), int(points.resolved_made_ms[i])
            value = self._waiting.pop(key, None)
            if value is None:
                continue
            self._dirty[key] = None
            waiting = self._decoder.decode(value)
            if waiting.feature_version != self._feature_version or points.resolved_label[i] == UNTAUGHT:
                continue
            customer = keys[key[0]].decode("utf-8", "surrogatepass")
            features = np.frombuffer(waiting.features, "<f4").astype(np.float32)
            outcome.examples.append(
                Example(
                    id=f"{customer}/{key[1]}",
                    customer=customer,
                    made_ms=key[1],
                    resolved_ms=int(points.resolved_ms[i]),
                    label=bool(points.resolved_label[i]),
                    features=features,
                    baseline=float(features[BASELINE]),
                    orders=waiting.orders,
                    partition=self._partition,
                    feature_version=waiting.feature_version,
                    probability=waiting.probability,
                    percentile=None if waiting.percentile != waiting.percentile else waiting.percentile,
                    model_version=waiting.model_version,
                    warming_up=waiting.warming_up,
                    since_days=waiting.since_days,
                    net=waiting.net,
                    gap_days=waiting.gap_days,
                    points=waiting.points,
                )
            )

    def move(self, row: int, into: int, times_ms: Collection[int], kept_ms: Collection[int]) -> None:
        """Let the examples of one customer, made at `times_ms`, be another's, but for those for which there is no room.

        Where both have one of the same moment, the other's stays.
        """
        for ms in times_ms:
            value = self._waiting.pop((row, ms), None)
            if value is not None:
                self._dirty[row, ms] = None
                self.put(into, ms, value, kept_ms)

    def take(self, row: int, times_ms: Collection[int]) -> list[tuple[int, bytes]]:
        """Let go of a customer's examples, made at `times_ms`, and return them."""
        taken = [(ms, value) for ms in times_ms if (value := self._waiting.pop((row, ms), None)) is not None]
        self._dirty.update(((row, ms), None) for ms, _ in taken)
        return taken

    def forget(self, row: int) -> tuple[list[int], int]:
        """Keep no example of a customer; return when those were made that may be stored, and how many waited. O(n)."""
        waiting = [key for key in self._waiting if key[0] == row]
        dirty = [key for key in self._dirty if key[0] == row]
        for key in waiting:
            del self._waiting[key]
        for key in dirty:
            del self._dirty[key]
        return [ms for _, ms in dict.fromkeys((*waiting, *dirty))], len(waiting)

    def put(self, row: int, ms: int, value: bytes, kept_ms: Collection[int]) -> None:
        """Keep an example, if there is room for it and none of its moment."""
        if self.kept and ms in kept_ms and (row, ms) not in self._waiting:
            self._waiting[row, ms] = value
            self._dirty[row, ms] = None

    def changes(self) -> list[tuple[int, int, bytes | None]]:
        """What was made (bytes) or let go of (None) since the last call: row, time made, value."""
        changed = [(row, ms, self._waiting.get((row, ms))) for row, ms in self._dirty]
        self._dirty.clear()
        return changed

    @property
    def waiting(self) -> bool:
        """Whether an example was made or let go of since `changes`."""
        return bool(self._dirty)

    def copied(self) -> dict[tuple[int, int], bytes]:
        """The examples by row and time made, as bytes."""
        return self._waiting.copy()

    def load(self, row: int, made_ms: int, value: bytes | None) -> None:
        """Put a stored example in place; None removes it."""
        if value is None:
            self._waiting.pop((row, made_ms), None)
        elif self.kept:
            self._waiting[row, made_ms] = value
