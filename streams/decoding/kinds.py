"""Kinds of events: what decoding does with each, and the number of each by its event's name."""

from typing import Final

import numpy as np

from schemas.names import CALL_KINDS, EVENT_NAMES, kind_name
from scoring.kinds import N_KINDS, Kind
from streams.byte_table import ByteTable
from streams.news import TELLING

__all__ = [
    "ALIAS",
    "CALLS",
    "CARRYING",
    "COMPLETED",
    "IGNORED",
    "IS_CARRYING",
    "IS_EXAMINED",
    "IS_LOOKING",
    "IS_NAMING",
    "IS_NUMBERED",
    "IS_PAGE",
    "IS_PLAIN",
    "KINDS",
    "NAMES_PRODUCT",
    "ORDERS",
    "PLACES",
    "STEPS",
    "TICKETS",
    "UPDATED",
    "WISHES",
    "Kinds",
]

IGNORED = -1
_LONGEST_EVENT_NAME = 64
"""Letters of the longest event name that is kept: one that holds an address or a search is new with each event."""

ORDERS = frozenset({Kind.ORDER_COMPLETED, Kind.ORDER_UPDATED, Kind.ORDER_CANCELLED, Kind.ORDER_REFUNDED})
_DELIVERIES = frozenset({Kind.ORDER_SHIPPED, Kind.ORDER_DELIVERED, Kind.RETURN_REQUESTED})
STEPS = frozenset({Kind.PRODUCT_ADDED, Kind.PRODUCT_REMOVED})
_NAMING = STEPS | {Kind.PRODUCT_VIEWED, Kind.WISHLIST_ADDED, Kind.WISHLIST_REMOVED}
WISHES = frozenset({Kind.WISHLIST_ADDED, Kind.WISHLIST_REMOVED})
TICKETS = frozenset({Kind.TICKET_OPENED, Kind.TICKET_SOLVED})
PLACES = frozenset({Kind.REFERRED, Kind.PLACE_ENTERED})
CARRYING = ORDERS | _DELIVERIES | STEPS | WISHES | TICKETS | PLACES | {Kind.CART_VIEWED}
"""Kinds that carry a `Detail`, beside those that tell news (`streams.news`)."""
_NUMBERED = frozenset({Kind.SURVEY, Kind.REVIEWED, Kind.FEEDBACK, Kind.POINTS})
"""Kinds that tell a number."""
_LOOKING = frozenset({Kind.PRODUCT_VIEWED, Kind.LIST_VIEWED})
"""Kinds of which the category counts."""
ALIAS, COMPLETED, UPDATED, _PAGE = (
    int(Kind.ALIAS),
    int(Kind.ORDER_COMPLETED),
    int(Kind.ORDER_UPDATED),
    int(Kind.PAGE),
)
_EXAMINED = CARRYING | {Kind.ALIAS}
"""Kinds that have amounts or need fields which the columns do not show: each such event is examined."""
IS_NAMING, IS_CARRYING, IS_EXAMINED, IS_NUMBERED, IS_LOOKING = (
    np.array([kind in kinds for kind in range(N_KINDS)])
    for kinds in (_NAMING, CARRYING | TELLING, _EXAMINED, _NUMBERED, _LOOKING)
)
IS_PAGE = np.arange(N_KINDS) == _PAGE
IS_PLAIN = ~(IS_CARRYING | IS_EXAMINED | IS_NUMBERED)
"""Kinds of which the columns say all."""
NAMES_PRODUCT: Final[list[bool]] = IS_NAMING.tolist()
KINDS: Final = {int(kind): kind for kind in Kind}
"""By number: to make one of a number takes a third of a microsecond."""


class Kinds(dict[str | None, int]):
    """The number of the kind by the event name of a track call; -1 for what nothing is known of.

    Those of plain kinds are in the table, however they are written once met. Beyond `most` all are forgotten, and met
    anew.
    """

    def __init__(self, most: int) -> None:
        super().__init__(_KNOWN.items())
        self._most = most
        self.table = ByteTable()
        plain = {name: kind for name, kind in _KNOWN.items() if _is_plain(kind)}
        self.table.put_all([name.encode() for name in plain], list(plain.values()))

    def __missing__(self, event: str | None) -> int:
        kind = _number(kind_name("track", event))
        if event is not None and len(event) > _LONGEST_EVENT_NAME:
            return kind
        if len(self) >= self._most:
            self.clear()
            self.table.clear()
        self[event] = kind
        if event is not None and _is_plain(kind):
            self.table.put(event.encode("utf-8", "surrogatepass"), kind)
        return kind


def _number(kind: str | None) -> int:
    return IGNORED if kind is None else int(Kind[kind])


def _is_plain(kind: int) -> bool:
    return kind != IGNORED and bool(IS_PLAIN[kind])


_KNOWN = {name: _number(kind_name("track", name)) for name in EVENT_NAMES}
CALLS = {call: _number(kind) for call, kind in CALL_KINDS.items()}
