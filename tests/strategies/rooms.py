"""Rooms: room for evaluation points that costs nothing until it is written to."""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from unittest.mock import patch

import numpy as np

from scoring import evaluation, room
from scoring.kernel import Points
from scoring.profile import Layout

__all__ = ["room_when_written"]

_ROOM_FOR = room.room_for
_PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
_APART = 64
"""Bytes that arrays begin at multiples of."""


@contextmanager
def room_when_written() -> Iterator[None]:
    """Let each engine have the same zeros, of which the system clears what is written to: of 8 MB a few pages.

    numpy gets such a size from memory that was used before, after a few engines, and clears all of it: half of what a
    new engine costs.
    """
    with patch.object(evaluation, "room_for", _room_for):
        yield


def _room_for(columns: int, layout: Layout) -> Points:
    places, size = _places(columns, layout, room.ROOM)
    memory = mmap.mmap(-1, size, flags=_PRIVATE)
    return Points(*(np.ndarray(shape, dtype, memory, start) for shape, dtype, start in places))


@cache
def _places(columns: int, layout: Layout, _points: int) -> tuple[list[tuple[Any, Any, int]], int]:
    """Shape, type and beginning of each array, and where the last one ends."""
    places, end = [], 0
    for array in _ROOM_FOR(columns, layout):
        places.append((array.shape, array.dtype, end))
        end += -(-array.nbytes // _APART) * _APART
    return places, end
