"""Byte table: numbers by name, where a name lies as bytes in a text, for compiled code to look up."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.extending import intrinsic, overload

from scoring.compiled import compiled

__all__ = ["ROOM_BEHIND", "ByteTable", "Names", "eight", "find"]

_TRIES: Final = 16
"""Places looked at for a name, each farther from the one before it. Whoever makes up names that collide makes his own
slow, not those of others."""
_LEAST: Final = 64
_HASH, _START, _STOP, _NUMBER = range(4)
_EIGHT: Final = 8
ROOM_BEHIND: Final = bytes(_EIGHT)
"""What must lie behind a text in which names are looked up: eight bytes are read at once."""


class Names(NamedTuple):
    """What compiled code takes: an open hash table, and the text of all names.

    Attributes
    ----------
    places
        (2**k, 4) uint64: the hash of a name, 0 where there is none, from where to where in `text` it lies, its number.
    text
        uint8.
    """

    places: npt.NDArray[np.uint64]
    text: npt.NDArray[np.uint8]


class ByteTable:
    """Numbers by name, of which some may be left out: whoever does not find one asks elsewhere.

    Attributes
    ----------
    names
        For `find`; to be asked for anew after a `put`.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget all."""
        self.names = _room(_LEAST, 16 * _LEAST)
        self._count = self._end = 0

    def put(self, name: bytes, number: int) -> None:
        """Add a name. O(its length) amortized; it is left out where many collide."""
        self.put_all([name], [number])

    def put_all(self, names: Sequence[bytes], numbers: Sequence[int]) -> None:
        """Add names: some 0.3 µs a name, and 10 for the call. One that is there already costs a second place."""
        letters = b"".join(names)
        self._make_room(len(names), len(letters))
        start, self._end = self._end, self._end + len(letters)
        self.names.text[start : self._end] = np.frombuffer(letters, np.uint8)
        ends = start + np.cumsum(list(map(len, names)), dtype=np.int64)
        self._count += _put_all(self.names, start, ends, np.array(numbers, np.uint64))

    def _make_room(self, names: int, letters: int) -> None:
        """For so many more names of so many bytes; at most half of the places are taken."""
        size, room = len(self.names.places), len(self.names.text) - _EIGHT
        if 2 * (self._count + names) <= size and self._end + letters <= room:
            return
        while 4 * (self._count + names) > size:
            size *= 2
        older = self.names
        self.names = _room(size, max(2 * room, self._end + letters))
        self.names.text[: self._end] = older.text[: self._end]
        _copy(older, self.names)


def _room(places: int, letters: int) -> Names:
    return Names(np.zeros((places, 4), np.uint64), np.zeros(letters + _EIGHT, np.uint8))


def eight(text: Any, at: int) -> Any:
    """Eight bytes from a place on, the first the lowest."""
    return np.uint64(int.from_bytes(text[at : at + _EIGHT].tobytes(), "little"))


@intrinsic
def _load(_context: Any, text: Any, at: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, values[0]).data
        word = builder.bitcast(builder.gep(data, [values[1]]), ir.IntType(64).as_pointer())
        return builder.load(word, align=1)

    return types.uint64(text, types.intp), code


@overload(eight)
def _compiled_eight(text: Any, at: Any) -> Any:
    load: Any = _load

    def loaded(text: Any, at: Any) -> Any:
        return load(text, at)

    return loaded


@compiled
def _word(text: Any, at: Any, stop: Any) -> Any:
    """Up to eight bytes before `stop`."""
    word = eight(text, at)
    if stop - at < 8:
        word &= (np.uint64(1) << np.uint64(8 * (stop - at))) - np.uint64(1)
    return word


@compiled
def _hash(text: Any, start: int, stop: int) -> Any:
    """Of the length and of eight bytes at once, mixed as SplitMix64 mixes; never 0."""
    h = np.uint64(stop - start)
    for at in range(start, stop, 8):
        h = (h ^ _word(text, at, stop)) * np.uint64(0xBF58476D1CE4E5B9)
        h ^= h >> np.uint64(31)
    return h | np.uint64(1 << 63)


@compiled
def _next(names: Any, h: Any, tried: int) -> Any:
    """The number of the place at which a name of this hash may be, after so many others.

    By the highest bits but the one that is always set: what the last letters of a name change is found in no others.
    """
    places = np.uint64(names.places.shape[0])
    first = (((h << np.uint64(1)) >> np.uint64(32)) * places) >> np.uint64(32)
    return np.int64((first + np.uint64(tried * (tried + 1) // 2)) & (places - np.uint64(1)))


@compiled
def _is(its_text: Any, place: Any, text: Any, start: int, stop: int) -> bool:
    its, its_stop = np.int64(place[_START]), np.int64(place[_STOP])
    if its_stop - its != stop - start:
        return False
    for at in range(start, stop, 8):  # noqa: SIM110 - compiled code makes no generator
        if _word(its_text, its + at - start, its_stop) != _word(text, at, stop):
            return False
    return True


@compiled
def find(names: Any, text: Any, start: int, stop: int, otherwise: Any) -> Any:
    """The number of the name that is `text[start:stop]`, or else what is given. O(its length)."""
    h = _hash(text, start, stop)
    for tried in range(_TRIES):
        place = names.places[_next(names, h, tried)]
        if place[_HASH] == h and _is(names.text, place, text, start, stop):
            return place[_NUMBER]
        if place[_HASH] == 0:
            break
    return otherwise


@compiled
def _put(names: Any, start: Any, stop: Any, number: Any) -> bool:
    """Give the name that is `text[start:stop]` a place, if one of those that it may have is free."""
    h = _hash(names.text, start, stop)
    for tried in range(_TRIES):
        place = names.places[_next(names, h, tried)]
        if place[_HASH] == 0:
            place[_HASH], place[_START], place[_STOP], place[_NUMBER] = h, start, stop, number
            return True
    return False


@compiled
def _put_all(names: Any, start: int, ends: Any, numbers: Any) -> int:
    """Give names that lie one after the other in `text` their places; how many got one."""
    added = 0
    for i in range(ends.shape[0]):
        added += 1 if _put(names, start, ends[i], numbers[i]) else 0
        start = ends[i]
    return added


@compiled
def _copy(older: Any, newer: Any) -> None:
    for i in range(older.places.shape[0]):
        place = older.places[i]
        if place[_HASH] != 0:
            _put(newer, np.int64(place[_START]), np.int64(place[_STOP]), place[_NUMBER])
