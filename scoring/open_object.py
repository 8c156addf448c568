"""Open object: what is known of one order, product, ticket, code or place of a customer."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec

from scoring.kinds import Kind
from scoring.profile import DAY_MS
from scoring.rules.columns import ITS_KINDS, Column, Expected, Op

__all__ = ["KINDS_OF_OBJECTS", "About", "Asking", "OpenObject", "bought_with", "objects_of", "used_up_ms"]

_TIMES_BOUGHT = 6
_PRODUCTS = 20
_OF = {int(kind): of for of, kinds in ITS_KINDS.items() if of != "product" for kind in kinds}
_OF |= {int(Kind.WISHLIST_ADDED): "product", int(Kind.WISHLIST_REMOVED): "product"}
KINDS_OF_OBJECTS = frozenset(_OF)
"""Kinds of events that are about objects, where they say of which."""


class About(NamedTuple):
    """What is told of an order: what it is of, its worth, when it was promised for, and why it goes back.

    `worth` and `promised_ms` are None where unknown, and `reason` is empty.
    """

    products: tuple[str, ...] = ()
    worth: float | None = None
    promised_ms: int | None = None
    reason: str = ""


class OpenObject(msgspec.Struct, array_like=True, gc=False):
    """One object of a customer; the same in whatever order its events came.

    Attributes
    ----------
    events
        By kind of event: when the last was, and how many there were.
    promised
        When it was last told by when it would be delivered, and that time.
    bought
        When a product was bought, the last few times, sorted.
    products
        What an order is of.
    crossed
        By rule: how often it entered and left.
    worth
        What an order is worth.
    reason
        When it was last said why an order goes back, and that.
    usual_ms
        After how long all customers usually bought a product again, as was known at its last purchase; 0 for unknown.
    """

    events: dict[int, tuple[int, int]] = msgspec.field(default_factory=dict)
    promised: tuple[int, int] | None = None
    bought: tuple[int, ...] = ()
    products: tuple[str, ...] = ()
    crossed: dict[str, int] = msgspec.field(default_factory=dict)
    worth: float | None = None
    reason: tuple[int, str] | None = None
    usual_ms: int = 0

    def about(self) -> About:
        """What is told of it now."""
        promised_ms = None if self.promised is None else self.promised[1]
        return About(self.products, self.worth, promised_ms, "" if self.reason is None else self.reason[1])

    def learn(
        self,
        kind: int,
        ms: int,
        promised_ms: int,
        products: Iterable[str] = (),
        worth: float | None = None,
        reason: str = "",
        usual_ms: int = 0,
    ) -> None:
        """Take in an event that is about it; what it is of and worth where it is an order.

        Of a product that was bought, `usual_ms` is after how long customers usually buy it again.
        """
        last, n = self.events.get(kind, (ms, 0))
        self.events[kind] = (max(last, ms), n + 1)
        if promised_ms:
            self.promised = max(self.promised or (ms, promised_ms), (ms, promised_ms))
        if kind == Kind.ORDER_COMPLETED:
            self.products = tuple(products)[:_PRODUCTS]
            self.worth = worth
            self._bought_too((ms,), usual_ms)
        if reason:
            self.reason = max(self.reason or (ms, reason), (ms, reason))

    def absorb(self, other: "OpenObject") -> None:
        """Take in what another customer, who is the same person, had of it."""
        for kind, (last, n) in other.events.items():
            mine, many = self.events.get(kind, (last, 0))
            self.events[kind] = (max(mine, last), many + n)
        if other.promised:
            self.promised = max(self.promised or other.promised, other.promised)
        self.products = self.products or other.products
        self.worth = other.worth if self.worth is None else self.worth
        if other.reason:
            self.reason = max(self.reason or other.reason, other.reason)
        self._bought_too(other.bought, other.usual_ms)
        for rule, n in other.crossed.items():
            self.crossed[rule] = max(self.crossed.get(rule, 0), n)

    def _bought_too(self, times: tuple[int, ...], usual_ms: int) -> None:
        """Add times at which it was bought, sorted; `usual_ms` was known at the last of them."""
        if times:
            known = max((self.bought[-1:], self.usual_ms), (times[-1:], usual_ms))
            self.bought, self.usual_ms = tuple(sorted((*self.bought, *times)))[-_TIMES_BOUGHT:], known[1]

    def count(self, rule: str) -> int:
        """The number of one more crossing of the rule's line."""
        number = self.crossed[rule] = self.crossed.get(rule, 0) + 1
        return number

    def last_ms(self) -> int:
        """When the last event was that is about it."""
        return max(last for last, _ in self.events.values())

    def read(self, asking: "Asking", now_ms: int, told: list[float]) -> None:
        """Put what is asked for in its places; of what never happened, or is not known, what is there stays."""
        events = self.events
        for place, kind in asking.since:
            if kind in events:
                told[place] = float(max(now_ms - events[kind][0], 0))
        for place, kind in asking.totals:
            told[place] = float(events[kind][1]) if kind in events else 0.0
        for place, expected in asking.late:
            since_ms = self._expected_ms(expected)
            if since_ms is not None:
                told[place] = float(now_ms - since_ms)

    def _expected_ms(self, expected: int) -> int | None:
        if expected == Expected.DELIVERY:
            return None if self.promised is None else self.promised[1]
        return used_up_ms(self.bought, self.usual_ms)


class Asking(NamedTuple):
    """What is asked of objects of one sort: places, each with a kind (its last time or its count) or an `Expected`."""

    since: tuple[tuple[int, int], ...]
    totals: tuple[tuple[int, int], ...]
    late: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, columns: Iterable[tuple[int, Column]]) -> "Asking":
        """Sort columns, each with its place, by how they are read; what lacks is not known of an object itself."""
        told = list(columns)
        return cls(*(tuple((place, column.a) for place, column in told if column.op is op) for op in _READ))


_READ = (Op.ITS_SINCE, Op.ITS_TOTAL, Op.ITS_LATE)


def objects_of(kind: int, object_id: str, products: Sequence[str]) -> list[tuple[str, str]]:
    """What an event is about: pairs of what it is (`for_each`) and its id."""
    of = _OF.get(kind)
    about = [(of, object_id)] if of is not None and object_id else []
    if kind == Kind.ORDER_COMPLETED:
        about += [("product", product) for product in dict.fromkeys(products) if product]
    return about


def bought_with(times: tuple[int, ...], ms: int) -> tuple[int, ...]:
    """The last times that a product was bought, with one more."""
    return tuple(sorted((*times, ms)))[-_TIMES_BOUGHT:]


def used_up_ms(times: Sequence[int], usual_ms: int = 0) -> int | None:
    """When a product will be used up by the usual gap between its purchases; those within a day of one are one.

    Before the second of them that of all customers is taken, `usual_ms`; None where that is not known (0) either.
    """
    gaps = sum(ms - before >= DAY_MS for before, ms in pairwise(times))
    if gaps:
        return times[-1] + (times[-1] - times[0]) // gaps
    return times[-1] + usual_ms if times and usual_ms else None
