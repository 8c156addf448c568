"""Masks: what holds of many lists, as one number for each point or category."""

from typing import Any

import numpy as np

from scoring.compiled import compiled_allocating

__all__ = ["masks"]


@compiled_allocating
def masks(holds: Any, bits: Any) -> Any:
    """(R, m) bool as (m,) bit masks, bit `bits[r]` for row r."""
    found = np.zeros(holds.shape[1], np.uint64)
    for r in range(holds.shape[0]):
        for i in range(holds.shape[1]):
            found[i] |= np.uint64(holds[r, i]) << bits[r]
    return found
