"""United: who is one customer under several ids, by what events said of it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["United", "united"]


class United(NamedTuple):
    """Customers, each under the id that is known now.

    Attributes
    ----------
    customers
        Their ids.
    number
        (names,) by name that events came under: place in `customers`.
    formers
        By former id: place in `customers` of whoever that is now.
    """

    customers: list[str]
    number: NDArray[np.int64]
    formers: dict[str, int]


def united(names: Sequence[str], told_ms: Mapping[tuple[str, str], int]) -> United:
    """Unite names as workers do (docs/identity.md), in the order of time; O(names).

    Whose a former id was first, it stays; chains are followed, and none closes a circle.

    Parameters
    ----------
    names
        That events came under.
    told_ms
        By former id and the name that it was told to be of: when that was first told.
    """
    owner: dict[str, str] = {}
    for former, name in sorted(told_ms, key=told_ms.__getitem__):
        last = _last(name, owner)
        if former not in owner and former != last:
            owner[former] = last
    place: dict[str, int] = {}
    number = [place.setdefault(_last(name, owner), len(place)) for name in names]
    return United(list(place), np.array(number, np.int64), {name: place[_last(name, owner)] for name in owner})


def _last(name: str, owner: Mapping[str, str]) -> str:
    while (found := owner.get(name)) is not None:
        name = found
    return name
