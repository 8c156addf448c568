"""Retention: which part of a period's first customers are customers at its end."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Retention", "retention"]

IntArray = NDArray[np.int64]


class Retention(NamedTuple):
    """One period: customers at its begin (B) and end (E), and those at the end who first bought within it (N)."""

    begin: int
    end: int
    new: int

    @property
    def rate(self) -> float:
        """((E - N) / B) x 100, NaN where nobody was there; above 100 where more came back than left."""
        return (self.end - self.new) / self.begin * 100.0 if self.begin else float("nan")


def retention(
    customer: IntArray, time_ms: IntArray, edges_ms: IntArray, window_ms: int, among: NDArray[np.bool_] | None = None
) -> list[Retention]:
    """The retention of each period between two edges, from (m,) orders.

    A customer at a moment is who ordered within the `window_ms` before it. O(m) a period.

    Parameters
    ----------
    customer
        Numbers from 0; `time_ms` of the same orders, in any order.
    edges_ms
        (k + 1,) increasing; periods include their first moment and not their last.
    among
        (k, customers): who is looked at in each period; everybody if left out.
    """
    n = int(customer.max()) + 1 if len(customer) else 0
    first = np.full(n, np.iinfo(np.int64).max)
    np.minimum.at(first, customer, time_ms)
    found = []
    for k in range(len(edges_ms) - 1):
        start, stop = int(edges_ms[k]), int(edges_ms[k + 1])
        mine = np.ones(n, np.bool_) if among is None else among[k, :n]
        begins = _there(customer, time_ms, start, window_ms, n) & mine
        ends = _there(customer, time_ms, stop, window_ms, n) & mine
        new = ends & (first >= start) & (first < stop)
        found.append(Retention(int(begins.sum()), int(ends.sum()), int(new.sum())))
    return found


def _there(customer: IntArray, time_ms: IntArray, at_ms: int, window_ms: int, n: int) -> NDArray[np.bool_]:
    there = np.zeros(n, np.bool_)
    there[customer[(time_ms >= at_ms - window_ms) & (time_ms < at_ms)]] = True
    return there
