"""Texts: many texts in one buffer, put together into records by the column.

A record of forty pieces, formatted by itself, takes 3 to 4 µs. Here a piece is where it begins and how long it is,
until all pieces of all records are copied in one go.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import orjson
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from scoring.compiled import compiled

__all__ = ["HELD", "HELD_TEXT", "Texts", "filled", "merged", "pieces_of", "woven"]

_PLACE = b"%b"
HELD = orjson.Fragment(_PLACE)
"""Holds a place for JSON in what `pieces_of` takes apart."""
HELD_TEXT = orjson.Fragment(b'"%b"')
"""Holds a place for a text that has no quotes yet."""

_COMMA = ord(",")

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]


class Texts:
    """Texts (n,) in UTF-8, in one buffer.

    Parameters
    ----------
    data
        (m,) uint8, in which all of them lie.
    starts, lengths
        (n,) where each begins, and how long it is, in bytes.
    """

    __slots__ = ("data", "lengths", "starts")

    def __init__(self, data: Bytes, starts: Places, lengths: Places) -> None:
        self.data, self.starts, self.lengths = data, starts, lengths

    @classmethod
    def of(cls, texts: Sequence[bytes]) -> Self:
        """Take texts as they are; 0.1 µs each."""
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        return cls(np.frombuffer(b"".join(texts), np.uint8), np.cumsum(lengths) - lengths, lengths)

    @classmethod
    def of_numbers(cls, values: npt.NDArray[Any]) -> Self:
        """Each of the numbers (n,) as JSON has it, null for one that is none; 0.03 µs each."""
        text = orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)
        data = np.frombuffer(text, np.uint8)
        commas = np.flatnonzero(data == _COMMA)
        # Of no number nothing remains between the brackets.
        starts = np.concatenate([[1], commas + 1])[: len(values)]
        return cls(data, starts, np.concatenate([commas, [len(data) - 1]])[: len(values)] - starts)

    @classmethod
    def of_table(cls, texts: Bytes) -> Self:
        """Texts that are all of one length, (n, length)."""
        n, length = texts.shape
        return cls(texts.ravel(), np.arange(n, dtype=np.int64) * length, np.full(n, length))

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, chosen: npt.NDArray[Any] | Sequence[int]) -> "Texts":
        """Those at these places, or where a mask says so; the same one may be taken many times."""
        return Texts(self.data, self.starts[chosen], self.lengths[chosen])

    def inner(self) -> "Texts":
        """Each without its first and its last byte."""
        return Texts(self.data, self.starts + 1, self.lengths - 2)

    def runs(self, counts: npt.NDArray[np.integer[Any]]) -> "Texts":
        """Of texts that lie one behind the other, as woven ones do, so many at a time as one text."""
        offsets = np.concatenate([[0], np.cumsum(self.lengths)])
        stops = np.cumsum(counts)
        starts = offsets[stops - counts]
        return Texts(self.data, starts, offsets[stops] - starts)

    def bytes(self) -> list[bytes]:
        """Each by itself; 0.1 µs, and the whole buffer is copied once."""
        data, stops = self.data.tobytes(), self.starts + self.lengths
        return [data[start:stop] for start, stop in zip(self.starts.tolist(), stops.tolist(), strict=True)]


def merged(mask: npt.NDArray[np.bool_], yes: Texts, no: Texts) -> Texts:
    """Return texts (n,) of which those where `mask` (n,) is true are `yes`, in order, and the others `no`."""
    starts, lengths = np.empty(len(mask), np.int64), np.empty(len(mask), np.int64)
    starts[mask], lengths[mask] = yes.starts, yes.lengths
    starts[~mask], lengths[~mask] = no.starts + len(yes.data), no.lengths
    return Texts(np.concatenate([yes.data, no.data]), starts, lengths)


def woven(n: int, pieces: Sequence[bytes | Texts]) -> Texts:
    """Return n texts, each of all pieces in order; bytes are the same in all of them. About 0.015 µs a piece."""
    same = b"".join(piece for piece in pieces if isinstance(piece, bytes))
    starts, lengths = np.empty((n, len(pieces)), np.int64), np.empty((n, len(pieces)), np.int64)
    buffers, size, place = [np.frombuffer(same, np.uint8)], len(same), 0
    for k, piece in enumerate(pieces):
        if isinstance(piece, bytes):
            starts[:, k], lengths[:, k] = place, len(piece)
            place += len(piece)
        else:
            starts[:, k], lengths[:, k] = piece.starts + size, piece.lengths
            buffers.append(piece.data)
            size += len(piece.data)
    total = lengths.sum(axis=1)
    out = np.empty(int(total.sum()), np.uint8)
    _copy_all(np.concatenate(buffers), starts.ravel(), lengths.ravel(), out)
    return Texts(out, np.cumsum(total) - total, total)


def pieces_of(record: Any) -> list[bytes]:
    """Return what stands before, between and behind the places that `record` holds, as JSON."""
    return orjson.dumps(record).split(_PLACE)


def filled(pieces: Sequence[bytes], columns: Sequence[bytes | Texts]) -> list[bytes | Texts]:
    """Return pieces to be woven: columns (k,), each in its place between `pieces` (k + 1,)."""
    first, *others = pieces
    return [first, *chain.from_iterable(zip(columns, others, strict=True))]


@compiled
def _copy_all(data: Any, starts: Any, lengths: Any, out: Any) -> None:
    """Copy pieces, one behind the other."""
    at = 0
    for k in range(len(starts)):
        _copy(out, at, data, starts[k], lengths[k])
        at += lengths[k]


def _copy(out: Any, at: int, data: Any, start: int, length: int) -> None:
    out[at : at + length] = data[start : start + length]


@intrinsic
def _move(_context: Any, out: Any, at: Any, data: Any, start: Any, length: Any) -> Any:
    """C's memcpy: numba's own copy of a short piece takes eight times as long, as it asks whether both overlap."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        to, source = (
            builder.gep(context.make_array(signature.args[k])(context, builder, values[k]).data, [values[k + 1]])
            for k in (0, 2)
        )
        copy: Any = cgutils.raw_memcpy
        copy(builder, to, source, values[4], 1)
        return context.get_dummy_value()

    return types.void(out, types.intp, data, types.intp, types.intp), code


@overload(_copy)
def _compiled_copy(out: Any, at: Any, data: Any, start: Any, length: Any) -> Any:
    move: Any = _move

    def copy(out: Any, at: Any, data: Any, start: Any, length: Any) -> None:
        move(out, at, data, start, length)

    return copy
