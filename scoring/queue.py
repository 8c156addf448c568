"""Queue: room for the heap of rows that are due."""

import numpy as np

from scoring.kernel import Heap

__all__ = ["grown", "new_heap"]


def new_heap(capacity: int) -> Heap:
    """An empty heap with room for `capacity` entries of 24 bytes."""
    return Heap(
        np.zeros(capacity, np.int64),
        np.zeros(capacity, np.uint64),
        np.zeros(capacity, np.int64),
        np.zeros(1, np.int64),
    )


def grown(heap: Heap, capacity: int) -> Heap:
    """The same entries with room for `capacity`. O(capacity)."""
    wider = new_heap(capacity)
    n = int(heap.n[0])
    for old, new in zip(heap[:3], wider[:3], strict=True):
        new[:n] = old[:n]
    wider.n[0] = n
    return wider
