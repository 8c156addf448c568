"""Where: the last places that a customer was told to be at, as rules for countries, regions and cities read them."""

from typing import NamedTuple

__all__ = ["Moved", "Where", "joined", "moved", "where_by"]

_KEPT = 4


class Where(NamedTuple):
    """A place in lower case; empty where it is not told."""

    country: str = ""
    region: str = ""
    city: str = ""


Moved = tuple[tuple[int, Where], ...]
"""When a customer was told to be where, by time: the last few."""


def moved(before: Moved, ms: int, where: Where) -> Moved:
    """The places with one more; the same in whatever order they are told."""
    return tuple(sorted({*before, (ms, where)}))[-_KEPT:]


def joined(one: Moved, other: Moved) -> Moved:
    """The places of two customers who are the same."""
    return tuple(sorted({*one, *other}))[-_KEPT:]


def where_by(told: Moved, now_ms: int) -> Where:
    """Where the customer was last told to be at a time; nowhere if that was never told."""
    return next((where for ms, where in reversed(told) if ms <= now_ms), Where())
