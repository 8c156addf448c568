"""Chance by name: a uniform number that depends on a seed and on what it is drawn for, and on nothing else.

A sequential generator would make each draw depend on how many were made before it, so that one order more in
the future could change a click in the past. Here the draw for (customer, day, purpose) is a hash of those.
"""

from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["key_of", "uniform"]

Keys = NDArray[np.uint64]

_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)


def key_of(text: str) -> int:
    """A 64-bit number for a text, the same in every process."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def uniform(seed: int, purpose: str, *keys: NDArray[Any]) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1), one an element of the broadcast keys.

    Parameters
    ----------
    seed : int
        The demo's seed.
    purpose : str
        What the number is for; two purposes give independent numbers for the same keys.
    keys : integer arrays that broadcast together

    Notes
    -----
    The finaliser of splitmix64 (Steele, Lea, Flood 2014) over the keys in turn. O(n) for each key.
    """
    state = np.asarray(key_of(f"{seed}/{purpose}"), dtype=np.uint64)
    with np.errstate(over="ignore"):  # wrapping modulo 2**64 is the arithmetic that is meant
        for key in keys:
            state = _mix(state ^ _mix(key.astype(np.uint64) + _STEP))
        state = _mix(state + _STEP)
    return np.asarray((state >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def _mix(z: Keys) -> Keys:
    z = (z ^ (z >> np.uint64(30))) * _MIX1
    z = (z ^ (z >> np.uint64(27))) * _MIX2
    return z ^ (z >> np.uint64(31))
