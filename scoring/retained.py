"""Retained: the customers of each period's begin and end, counted from profiles instead of from all orders ever."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.compiled import compiled
from scoring.orders import GAP
from scoring.types import Retention

__all__ = ["retained"]


def retained(rows: Any, edges_ms: NDArray[np.int64], window_ms: int, horizon_ms: int) -> list[Retention]:
    """The retention of each period between two edges, from (n,) rows of `scoring.profile.Profiles`.

    What is found in parts of the rows adds up. O(n) a period, some 20 ns for each who ever bought.

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
    found = np.zeros((len(edges_ms) - 1, 3), np.int64)
    # Copies: of a single row numpy would say that it lies together, and the same code be compiled once more.
    columns = (rows["ring_ms"], rows["ring_n"], rows["fold_orders"], rows["fold_ms"], rows["fold"][:, GAP])
    _count(tuple(map(np.ascontiguousarray, columns)), edges_ms, (window_ms, horizon_ms), found)
    return [Retention(*counts) for counts in found.tolist()]


@compiled
def _count(columns: Any, edges_ms: Any, spans_ms: Any, found: Any) -> None:
    """Add to (k, 3) `found` who was a customer at each period's begin and at its end, and who first bought in it."""
    ring, held, folded, left_ms, gap = columns
    window_ms, horizon_ms = spans_ms
    for i in range(ring.shape[0]):
        if held[i] <= 0 and folded[i] <= 0:
            continue
        first = left_ms[i] - np.int64(gap[i] * horizon_ms) if folded[i] > 0 else ring[i, 0]
        until = left_ms[i] + window_ms if folded[i] > 0 else first
        begins = _there(ring[i, : held[i]], first, until, edges_ms[0], window_ms)
        for k in range(found.shape[0]):
            start, stop = edges_ms[k], edges_ms[k + 1]
            ends = _there(ring[i, : held[i]], first, until, stop, window_ms)
            found[k, 0] += 1 if begins else 0
            found[k, 1] += 1 if ends else 0
            found[k, 2] += 1 if ends and start <= first < stop else 0
            begins = ends


@compiled
def _there(ring: Any, first: Any, until: Any, at_ms: Any, window_ms: Any) -> bool:
    """Whether somebody is a customer then: by orders that left the ring, or by one that is in it."""
    if first < at_ms <= until:
        return True
    for k in range(ring.shape[0]):  # noqa: SIM110 - compiled code makes no generator
        if at_ms - window_ms <= ring[k] < at_ms:
            return True
    return False
