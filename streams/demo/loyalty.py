"""Loyalty: points for what was spent, codes of friends, and the shop's places that people come by."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from streams.demo.chance import uniform
from streams.demo.deeds import DAY_MS, HOUR_MS, Deed, Deeds, deeds_of
from streams.demo.history import History
from streams.demo.letters import CHECKOUT_MS

__all__ = ["loyalty"]

_MEMBERS = 0.45
"""Customers with a card, on which a pound is a point."""
_GIFT, _TAKES_GIFT = 700, 0.4
"""Points that are given for a present, by some of those who have a thousand."""
_REFERRED = 0.06
_STROLLS = 0.12
"""Customers who carry the shop's app past one of its places now and then."""
_PASSES = 0.04
"""How often one of them does so on a day."""


def loyalty(history: History, seed: int, start_ms: int, end_ms: int) -> Iterator[Deeds]:
    """Draw points, codes and places."""
    yield from _points(history, seed)
    first = np.flatnonzero(history.order_number == 1)
    comes = uniform(seed, "referred", history.customer_keys[history.order_customer[first]]) < _REFERRED
    at_ms = history.order_time_ms[first[comes]] - CHECKOUT_MS
    yield deeds_of(Deed.REFERRED, at_ms, history.order_customer[first[comes]])
    yield _places(history, seed, start_ms, end_ms)


def _points(history: History, seed: int) -> Iterator[Deeds]:
    """Tell the balance after each order, and after the present that some take once they have a thousand."""
    who, keys = history.order_customer, history.customer_keys
    member = uniform(seed, "member", keys) < _MEMBERS
    balance = _running(history)
    rich = np.flatnonzero(balance >= 1_000)
    takers, at = np.unique(who[rich], return_index=True)
    takes = uniform(seed, "gift", keys[takers]) < _TAKES_GIFT
    takers, cause = takers[takes], rich[at[takes]]
    wait_ms = ((2 + 30 * uniform(seed, "gift taken", keys[takers])) * DAY_MS).astype(np.int64)
    taken_ms = np.full(len(keys), np.iinfo(np.int64).max)
    taken_ms[takers] = history.order_time_ms[cause] + wait_ms

    order = np.flatnonzero(member[who])
    spent = np.where(taken_ms[who] < history.order_time_ms, _GIFT, 0)
    yield deeds_of(Deed.POINTS, history.order_time_ms[order], who[order], order=order,
                   number=(balance - spent)[order])  # fmt: skip
    takers, cause = takers[member[takers]], cause[member[takers]]
    last = _last_order_before(history, takers, taken_ms[takers])
    yield deeds_of(Deed.POINTS, taken_ms[takers], takers, number=balance[last] - _GIFT)


def _running(history: History) -> NDArray[np.int64]:
    """What each order's customer had spent with it, in whole pounds; counted in pence, which add up exactly."""
    pence = np.rint(history.order_worth * 100).astype(np.int64)
    by_customer = np.argsort(history.order_customer, kind="stable")
    spent = np.cumsum(pence[by_customer])
    first = history.order_number[by_customer] == 1
    before = np.where(first, spent - pence[by_customer], 0)
    total = np.empty(len(pence), np.int64)
    total[by_customer] = spent - np.maximum.accumulate(before)
    return total // 100


def _last_order_before(history: History, who: NDArray[np.int64], time_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each customer's last order up to a time; there is one."""
    by_customer = np.lexsort((history.order_time_ms, history.order_customer))
    customer, at_ms = history.order_customer[by_customer], history.order_time_ms[by_customer]
    start = np.searchsorted(customer, who)
    place = [
        first + int(np.searchsorted(at_ms[first:after], until, side="right")) - 1
        for first, after, until in zip(start, np.searchsorted(customer, who, side="right"), time_ms, strict=True)
    ]
    return by_customer[np.array(place, np.int64)]


def _places(history: History, seed: int, start_ms: int, end_ms: int) -> Deeds:
    """Days on which a customer comes by, after the first order."""
    first = history.order_number == 1
    keys = history.customer_keys
    begins = np.empty(len(keys), np.int64)
    begins[history.order_customer[first]] = history.order_time_ms[first]
    walkers = np.flatnonzero(uniform(seed, "strolls", keys) < _STROLLS)
    days = np.arange(start_ms // DAY_MS, -(-end_ms // DAY_MS))
    hour = 9 + 10 * uniform(seed, "stroll hour", keys[walkers][:, None], days)
    at_ms = days * DAY_MS + (hour * HOUR_MS).astype(np.int64)
    passes = uniform(seed, "passes", keys[walkers][:, None], days) < _PASSES
    row, day = np.nonzero(passes & (at_ms > begins[walkers][:, None]))
    return deeds_of(Deed.PLACE_ENTERED, at_ms[row, day], walkers[row])
