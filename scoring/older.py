"""Older layouts: rows that former releases stored, as this one stores them.

`scoring.layout_stamps` has their fields, `tests/layouts` keeps rows of each.

Layout 1
    Stamps are a hash of settings and fields. Side records are bare MessagePack; an object keeps the time beside the
    usual gap, which is that of its last purchase. A former id is stored with the bare id that it belongs to. Nothing is
    told between partitions. No rule is for each category. What rules asked of objects is not kept.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from scoring.clock import Clock
from scoring.former_sizes import refusal_of
from scoring.kinds import N_INPUTS, N_SOURCES
from scoring.layout_number import LAYOUT, refusal
from scoring.layout_stamps import FIRST_SOURCES, first_fields, first_stamp
from scoring.packed import layout_of, packed
from scoring.profile import NEVER, Layout, Profiles, split
from scoring.side import Side

__all__ = ["Older"]

PROFILE, SIDE, LINK, META = b"c", b"s", b"l", b"m"
_OPEN, _USUAL, _APPLIED = 7, 7, 0
"""Places: objects in a side record, the usual gap in an object, applied offsets in a side record."""

Values = Sequence[bytes | None]


class Older:
    """Brings stored rows to this layout; those that are of it stay as they are.

    Parameters
    ----------
    layout
        Sizes of the rows, which must have been the same before.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        blank = Profiles(layout, 1).blank_row()
        self._blank, self._width = blank, layout.stored_bytes()
        self._stamp = layout.fingerprint()
        self._now = self._stamp.to_bytes(8, "little")
        self._first = first_stamp(layout)
        self._first_dtype = np.dtype(first_fields(layout), align=True)
        self._decode = msgspec.msgpack.Decoder(strict=False).decode

    def brought(self, keys: Sequence[bytes], values: Values) -> Values:
        """The values of changelog rows, by their keys, as this layout has them. About 0.1 µs for one that is of it.

        Raises
        ------
        LayoutMismatchError
            If a row is of a newer layout, or of other settings.
        """
        found: list[bytes | None] | None = None
        profiles: list[int] = []
        for i, (key, value) in enumerate(zip(keys, values, strict=True)):
            letter = key[:1]
            if not value or letter not in _LETTERS or (letter == PROFILE and value[:8] == self._now):
                continue
            if letter == PROFILE:
                self._check(value, f"profile of a customer ({len(key) - 1} bytes of id)")
                profiles.append(i)
                continue
            new = self._link(value) if letter == LINK else self._side(value) if letter == SIDE else self._meta(value)
            if new is not value:
                found = list(values) if found is None else found
                found[i] = new
        if profiles:
            found = list(values) if found is None else found
            for i, row in zip(profiles, self._rows([values[i] or b"" for i in profiles]), strict=True):
                found[i] = row
        return values if found is None else found

    def rows(self, rows: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
        """`brought`, of rows by their keys."""
        values = self.brought(list(rows), list(rows.values()))
        return {key: value for key, value in zip(rows, values, strict=True) if value is not None}

    def _check(self, value: bytes, what: str) -> None:
        told = int.from_bytes(value[:8], "little")
        if told != self._first or len(value) != self._first_dtype.itemsize:
            raise refusal_of(what, self._layout, told)

    def _rows(self, values: list[bytes]) -> list[bytes]:
        """Profile rows of layout 1: each field in its place, what is new blank."""
        before = np.frombuffer(b"".join(values), self._first_dtype)
        rows = np.repeat(self._blank, len(before))
        for name in before.dtype.names or ():
            if name != "layout":
                told = before[name]
                rows[name][tuple(map(slice, told.shape))] = told
        return split(rows.view(np.uint8).reshape(len(rows), -1)[:, : self._width])

    def _side(self, value: bytes) -> bytes:
        number = layout_of(value)
        if number == LAYOUT:
            return value
        if number > LAYOUT:
            raise refusal("a customer's side record", number)
        record: list[Any] = self._decode(value)
        record[_APPLIED] += [-1] * (N_SOURCES - len(record[_APPLIED]))
        if len(record) > _OPEN:
            for things in record[_OPEN].values():
                for thing in things.values():
                    if len(thing) > _USUAL:
                        thing[_USUAL] = thing[_USUAL][1]
        return packed(_read(msgspec.msgpack.encode(record)))

    @staticmethod
    def _link(value: bytes) -> bytes:
        """Whose a former id is: a pair, whose first byte no text begins with."""
        return value if value[:1] == _PAIR else msgspec.msgpack.encode((value, None))

    def _meta(self, value: bytes) -> bytes:
        """The engine's own row: layout, newest times by source, which are behind, and what follows."""
        meta: list[Any] = self._decode(value)
        if meta[0] == self._stamp:
            return value
        if meta[0] != self._first:
            raise refusal_of("the state of a partition", self._layout, meta[0])
        blank, missing = Clock(), N_INPUTS - FIRST_SOURCES
        seen_ms, behind = blank.seen_ms.tolist()[N_INPUTS - missing :], [0] * missing
        told = [self._stamp, meta[1] + seen_ms, meta[2] + behind, *meta[3:], [], None, NEVER]
        return msgspec.msgpack.encode(told)


_read = msgspec.msgpack.Decoder(Side, strict=False).decode
_LETTERS = (PROFILE, SIDE, LINK, META)
_PAIR: Final = b"\x92"
