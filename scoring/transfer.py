"""Transfers: what partitions tell each other of customers who are one, and are at home on different ones.

The partition of the known id asks that of the former id; that one sends everything it has, and later events as they
come.
"""

import msgspec

__all__ = ["Ask", "Forget", "Forward", "Give", "Transfer"]


class Ask(msgspec.Struct, tag="ask", array_like=True, frozen=True):
    """`owner` says that it came under `former` before, in a record received at `said_ms`: to whom `former` is."""

    former: bytes
    owner: bytes
    said_ms: int = 0

    @property
    def to(self) -> bytes:
        """Whose partition it is for."""
        return self.former


class Give(msgspec.Struct, tag="give", array_like=True, frozen=True):
    """All that is known of `origin`: to the partition of `to`, or of whoever that is by now.

    Attributes
    ----------
    row
        The stored bytes of the profile; empty where there was none.
    side
        The side record as bytes; empty where there was none.
    examples
        Pending ones: when they were made, and their bytes.
    products
        The ids behind the numbers of products and categories in the row.
    pages
        The names behind the numbers of pages in the row.
    lists
        The rules in whose lists it was.
    category_lists
        The rules for each category by their bits in the row, where one is in a list.
    applied
        Offsets applied to the profile, by source of the partition of `origin`.
    via
        The ids by which it was passed on.
    by, by_ms
        The id at home where it was sent from, whose link it follows, and when that was forgotten last, as far as was
        known there; 0 for never.
    """

    to: bytes
    origin: bytes
    row: bytes
    side: bytes
    examples: list[tuple[int, bytes]]
    products: list[tuple[int, str]]
    lists: list[str]
    applied: list[int]
    via: list[bytes] = []
    by: bytes = b""
    by_ms: int = 0
    category_lists: list[str] = []
    pages: list[tuple[int, str]] = []


class Forward(msgspec.Struct, tag="event", array_like=True, frozen=True):
    """An event of `origin` as it was read (source and offset of its own partition), for whoever that is by now.

    `via`, `by` and `by_ms` are those of `Give`.
    """

    to: bytes
    origin: bytes
    source: int
    offset: int
    timestamp: int
    key: bytes
    value: bytes
    via: list[bytes] = []
    by: bytes = b""
    by_ms: int = 0


class Forget(msgspec.Struct, tag="forget", array_like=True, frozen=True):
    """A request to forget somebody, received at `at_ms`, who came under the id `to`, too.

    `ids` are those who are dealt with already. `claimed` says that `to` was only asked for by one of them, so that its
    own partition knows whether it is the same person. `refused` says that marketing was refused under one of `ids`.
    `done`: `to` is dealt with, and only that is told, which was not known there.
    """

    to: bytes
    request: str
    at_ms: int
    ids: list[bytes]
    claimed: bool
    refused: bool = False
    done: bool = False


Transfer = Ask | Give | Forward | Forget
