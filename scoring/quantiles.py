"""Percentiles: where a customer's log-odds stand among those of recent examples, by the same weights."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scoring.compiled import compiled
from scoring.model import LinearScorer, logits

__all__ = ["RecentFacts", "RecentRows", "percentile", "percentiles", "quantile_table", "quantiles_of"]

FloatArray = NDArray[np.float64]

_LARGEST = 60000.0


class RecentRows:
    """The features of the last `capacity` examples, (capacity, F) float16, in a ring.

    They are kept rather than their scores, so that the table always belongs to the weights of its snapshot.
    Half precision (a thousandth) is far below what a rank among so few can tell, and halves a snapshot.
    """

    def __init__(self, capacity: int, features: int) -> None:
        self._ring = np.zeros((capacity, features), np.float16)
        self.seen = 0

    def extend(self, rows: NDArray[np.float32]) -> None:
        """Add the rows (m, F) in order; the oldest leave."""
        capacity = len(self._ring)
        last = np.clip(rows[-capacity:], -_LARGEST, _LARGEST)
        at = (self.seen + len(rows) - len(last) + np.arange(len(last))) % capacity
        self._ring[at] = last
        self.seen += len(rows)

    @property
    def rows(self) -> NDArray[np.float32]:
        """(n, F), in the order of the ring, n at most the capacity."""
        return self._ring[: self.seen].astype(np.float32)

    def to_bytes(self) -> bytes:
        """The rows as bytes, in the order of the ring."""
        return self._ring[: self.seen].astype("<f2").tobytes()

    def restore(self, data: bytes, seen: int) -> None:
        """Go on from what `to_bytes` gave, after `seen` rows in all."""
        rows = np.frombuffer(data, "<f2").reshape(-1, self._ring.shape[1])
        self._ring[: len(rows)] = rows
        self.seen = seen


class RecentFacts:
    """What the last `capacity` examples say of their customers, so many numbers each, in a ring."""

    def __init__(self, capacity: int, facts: int) -> None:
        self._ring = np.zeros((capacity, facts))
        self.seen = 0

    def extend(self, facts: Sequence[tuple[float, ...]]) -> None:
        """Add the facts of m examples in order; the oldest leave."""
        capacity = len(self._ring)
        last = np.reshape(facts[-capacity:], (-1, self._ring.shape[1]))
        self._ring[(self.seen + len(facts) - len(last) + np.arange(len(last))) % capacity] = last
        self.seen += len(facts)

    @property
    def columns(self) -> tuple[FloatArray, ...]:
        """The numbers of one kind, (n,) each, n at most the capacity."""
        return tuple(self._ring[: self.seen].T)

    def to_bytes(self) -> bytes:
        """The facts as bytes, in the order of the ring."""
        return self._ring[: self.seen].astype("<f8").tobytes()

    def restore(self, data: bytes, seen: int) -> None:
        """Go on from what `to_bytes` gave, after `seen` examples in all."""
        facts = np.frombuffer(data, "<f8").reshape(-1, self._ring.shape[1])
        self._ring[: len(facts)] = facts
        self.seen = seen


def quantile_table(values: FloatArray, size: int) -> FloatArray:
    """(size,) the quantiles of `values` at the ranks ``linspace(0, 1, size)``; empty if there are none."""
    if len(values) == 0:
        return np.empty(0)
    return np.asarray(np.quantile(values, np.linspace(0.0, 1.0, size)), np.float64)


def quantiles_of(scorer: LinearScorer, rows: NDArray[np.float32], size: int) -> FloatArray:
    """The table of the log-odds that `scorer` gives to the rows (n, F)."""
    return quantile_table(logits(scorer, rows), size)


@compiled
def percentile(logit: float, quantiles: FloatArray) -> float:
    """The rank in [0, 1] of `logit` in the table (Q,), piecewise linear; not a number while Q is 0.

    Where many customers share one value they share the middle of their ranks. O(log Q).
    """
    n = quantiles.shape[0]
    if n == 0 or logit != logit:
        return np.nan
    low = 0
    high = n
    while low < high:  # the first that is not below
        middle = (low + high) // 2
        if quantiles[middle] < logit:
            low = middle + 1
        else:
            high = middle
    first = low
    high = n
    while low < high:  # the first that is above
        middle = (low + high) // 2
        if quantiles[middle] <= logit:
            low = middle + 1
        else:
            high = middle
    top = max(n - 1, 1)
    if low > first:
        return float(0.5 * (first + low - 1) / top)
    if first == 0:
        return 0.0
    if first == n:
        return 1.0
    below = quantiles[first - 1]
    return float((first - 1 + (logit - below) / (quantiles[first] - below)) / top)


@compiled
def _percentiles(values: FloatArray, quantiles: FloatArray, out: FloatArray) -> None:
    for i in range(values.shape[0]):
        out[i] = percentile(values[i], quantiles)


def percentiles(values: FloatArray, quantiles: FloatArray) -> FloatArray:
    """`percentile` of each element of `values` (m,)."""
    rows = np.ascontiguousarray(values, np.float64)
    out = np.empty(len(rows))
    _percentiles(rows, quantiles, out)
    return out
