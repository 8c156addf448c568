"""Open object: what is known of one order, product, ticket, code or place of a customer."""

from collections.abc import Iterable, Sequence
from copy import copy
from itertools import chain, pairwise
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

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
        By rule: how often it had entered and left, in state from before the side record kept that by itself.
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

    def last_ms(self) -> int:
        """When the last event was that is about it."""
        return max(self.events.values())[0]

    def changing(self) -> "OpenObject":
        """One that takes in what comes next, while this one stays as it is."""
        after = copy(self)
        after.events = self.events.copy()
        return after

    def expected_ms(self, expected: int) -> int | None:
        """When its delivery was promised for, or it will be used up; None where that is not known."""
        if expected == Expected.DELIVERY:
            return None if self.promised is None else self.promised[1]
        return used_up_ms(self.bought, self.usual_ms)


class Asking:
    """What is asked of objects of one sort: the columns of each that are known of an object itself, by their places."""

    def __init__(self, columns: Iterable[tuple[int, Column]]) -> None:
        told = [(place, column) for place, column in columns if column.op in _OF_KINDS or column.op is Op.ITS_LATE]
        self._kinds = tuple(sorted({column.a for _, column in told if column.op in _OF_KINDS}))
        self._since = [(place, self._kinds.index(c.a)) for place, c in told if c.op is Op.ITS_SINCE]
        self._totals = [(place, self._kinds.index(c.a)) for place, c in told if c.op is Op.ITS_TOTAL]
        self._late = [(place, c.a) for place, c in told if c.op is Op.ITS_LATE]

    def read(self, things: Sequence[OpenObject], now_ms: NDArray[np.int64], told: NDArray[np.float64]) -> None:
        """Fill the columns of `told` (k, C) from k objects, each as of its time; NaN of what never happened."""
        events = [thing.events for thing in things]
        pairs = [each.get(kind, _NEVER) for kind in self._kinds for each in events]
        flat = np.fromiter(chain.from_iterable(pairs), np.int64, 2 * len(pairs))
        last_ms, many = flat.reshape(len(self._kinds), len(things), 2).transpose(2, 0, 1)
        for place, k in self._since:
            told[:, place] = np.where(many[k] > 0, np.maximum(now_ms - last_ms[k], 0), np.nan)
        for place, k in self._totals:
            told[:, place] = many[k]
        for place, expected in self._late:
            told[:, place] = now_ms - np.array([thing.expected_ms(expected) for thing in things], np.float64)


_OF_KINDS = (Op.ITS_SINCE, Op.ITS_TOTAL)
_NEVER = (0, 0)


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
    if len(times) > 1:
        gaps = sum(ms - before >= DAY_MS for before, ms in pairwise(times))
        if gaps:
            return times[-1] + (times[-1] - times[0]) // gaps
    return times[-1] + usual_ms if times and usual_ms else None
