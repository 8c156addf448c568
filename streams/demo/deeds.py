"""Deeds: what people and the shop do apart from orders and clicks, one table for all sorts."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["DAY_MS", "HOUR_MS", "MINUTE_MS", "Deed", "Deeds", "deeds_of", "in_order"]

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000


class Deed(IntEnum):
    """What is done."""

    IDENTIFIED = 0
    CONSENT_GIVEN = 1
    CONSENT_DENIED = 2
    CONSENT_REVOKED = 3
    PUSH_ALLOWED = 4
    SUBSCRIBED = 5
    UNSUBSCRIBED = 6
    LETTER_DELIVERED = 7
    LETTER_OPENED = 8
    LETTER_CLICKED = 9
    SHIPPED = 10
    ORDER_DELIVERED = 11
    RETURN_REQUESTED = 12
    REFUNDED = 13
    TICKET_OPENED = 14
    TICKET_SOLVED = 15
    SURVEY = 16
    REVIEWED = 17
    POINTS = 18
    REFERRED = 19
    PLACE_ENTERED = 20
    KNOWN = 21


@dataclass(frozen=True, slots=True)
class Deeds:
    """Deeds, one an element of each (n,) array.

    `who` is a customer's index, or a prospect's number where `prospect` is true; `order` is the index of the order that
    it is about, -1 where there is none; `number` is what the deed tells: points, stars, an answer of ten, a sum of
    money, a time in ms.
    """

    time_ms: NDArray[np.int64]
    who: NDArray[np.int64]
    prospect: NDArray[np.bool_]
    deed: NDArray[np.int8]
    order: NDArray[np.int64]
    number: NDArray[np.float64]


def deeds_of(
    deed: Deed,
    time_ms: NDArray[np.int64],
    who: NDArray[np.int64],
    *,
    order: NDArray[np.int64] | int = -1,
    number: NDArray[Any] | float = 0.0,
    prospect: bool = False,
) -> Deeds:
    """Return deeds of one sort; `time_ms` and `who` are (n,)."""
    n = len(time_ms)
    return Deeds(
        time_ms.astype(np.int64),
        who.astype(np.int64),
        np.full(n, prospect),
        np.full(n, deed, np.int8),
        np.broadcast_to(np.asarray(order, np.int64), n),
        np.broadcast_to(np.asarray(number, np.float64), n),
    )


def in_order(parts: Iterable[Deeds], start_ms: int, end_ms: int) -> Deeds:
    """Join deeds in the order of time; those outside [start, end) are left out."""
    columns = [
        np.concatenate(column)
        for column in zip(*((p.time_ms, p.who, p.prospect, p.deed, p.order, p.number) for p in parts), strict=True)
    ]
    time_ms, who, prospect, deed, order, _ = columns
    # Indices count orders and first orders in time, so ties too are broken by the past alone.
    place = np.lexsort((order, deed, who, prospect, time_ms))
    place = place[(time_ms[place] >= start_ms) & (time_ms[place] < end_ms)]
    return Deeds(*(column[place] for column in columns))
