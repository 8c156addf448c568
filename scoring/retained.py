"""Retained: the customers of each period's begin and end, counted from profiles instead of from all orders ever."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.orders import GAP
from scoring.types import Retention

__all__ = ["retained"]


def retained(rows: Any, edges_ms: NDArray[np.int64], window_ms: int, horizon_ms: int) -> list[Retention]:
    """The retention of each period between two edges, from (n,) rows of `scoring.profile.Profiles`.

    What is found in parts of the rows adds up. O(n) a period, under a microsecond for each who ever bought.

    Orders in a row's ring count as they are. Who ordered more often is taken to have been a customer from the first
    order to the newest that left the ring, and that first order to have come as long before it as all gaps between
    visits to the shop make up: exact for the periods that the ring reaches back to, near it before.

    Parameters
    ----------
    edges_ms
        (k + 1,) increasing; periods include their first moment and not their last.
    window_ms
        Who ordered within it before a moment is a customer then.
    horizon_ms
        That of the rows.
    """
    bought = np.flatnonzero((rows["ring_n"] > 0) | (rows["fold_orders"] > 0))
    ring, held = rows["ring_ms"][bought], rows["ring_n"][bought]
    free = np.arange(ring.shape[1]) >= held[:, None]
    ring = np.where(free, edges_ms[-1], ring)  # after all that is looked at
    folded = rows["fold_orders"][bought] > 0
    left_ms = rows["fold_ms"][bought]
    span_ms = (rows["fold"][bought, GAP] * horizon_ms).astype(np.int64)
    first = np.where(folded, left_ms - span_ms, ring[:, 0])

    def there(at_ms: int) -> NDArray[np.bool_]:
        held = ((ring >= at_ms - window_ms) & (ring < at_ms)).any(axis=1)
        return np.asarray(held | (folded & (first < at_ms) & (left_ms >= at_ms - window_ms)))

    found = []
    begins = there(int(edges_ms[0]))
    for start, stop in zip(edges_ms[:-1].tolist(), edges_ms[1:].tolist(), strict=True):
        ends = there(stop)
        new = ends & (first >= start) & (first < stop)
        found.append(Retention(int(begins.sum()), int(ends.sum()), int(new.sum())))
        begins = ends
    return found
