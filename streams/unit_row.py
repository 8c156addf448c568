"""Unit row: a unit's own row in the changelog, the last of each commit."""

from collections.abc import Sequence
from typing import Final

import msgspec

from scoring.kinds import N_INPUTS, N_READ
from scoring.profile import NEVER

__all__ = ["UNIT_KEY", "UnitRow", "begun_at", "next_beside", "next_offsets", "sequence_of", "unit_row"]

UNIT_KEY: Final = b"u"
"""Its key, beside the engine's rows (`scoring.stored`)."""


class UnitRow(msgspec.Struct, array_like=True):
    """What a unit keeps beside its engine: the last row of a commit.

    The counters stand beside the offsets up to which they count: between the engine's row and this one a crash may
    fall where there are no transactions, and what lies between would be counted again.
    """

    next: list[int]
    sequence: int
    told_ms: int
    live: tuple[int, int] | None
    counts: list[int] | None = None


def unit_row(row: bytes) -> UnitRow:
    """Read a unit's own row."""
    meta = msgspec.msgpack.decode(row, type=UnitRow)
    meta.next += [0] * (N_READ - len(meta.next))  # topics that a former layout did not have
    return meta


def begun_at(offsets: Sequence[int], before: bytes | None = None) -> bytes:
    """Return the unit's own row of a state that begins with these offsets, the next of each input.

    `before` is such a row whose other figures are kept. Transfers and deletions are read from their beginning.
    """
    meta = UnitRow([], 0, NEVER, None) if before is None else msgspec.msgpack.decode(before, type=UnitRow)
    meta.next = [*offsets, *[0] * (N_READ - N_INPUTS)]
    return msgspec.msgpack.encode(meta)


def next_offsets(row: bytes) -> list[int]:
    """Return the next offset of each input, from a unit's own row."""
    return unit_row(row).next[:N_INPUTS]


def next_beside(row: bytes) -> list[int]:
    """Return the next offsets of transfers and of deletions, from a unit's own row."""
    return unit_row(row).next[N_INPUTS:]


def sequence_of(row: bytes) -> int:
    """Return the number of the last commit, from a unit's own row."""
    return unit_row(row).sequence
