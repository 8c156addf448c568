"""Synthetic clicks: what is looked at and put into the cart during a visit.

The click at time t of a customer is a function of that customer's orders before t, of what the shop had
sold by then, and of the seed. Carts are left open or emptied, never bought: a real order is not announced
by an invented cart, so the clicks carry nothing about the future.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from streams.demo.chance import uniform
from streams.demo.history import DAY_MS, History
from streams.demo.visits import Visits, customer_visits, prospect_visits

__all__ = ["Click", "Clicks", "clickstream"]

_MOST_VIEWS = 6
_POPULAR_DAYS = 28
_BOUGHT_BEFORE = 0.55
"""How often a customer looks at something bought before rather than at what is popular."""
_CART_CUSTOMER = 0.14
_CART_PROSPECT = 0.07
_EMPTIED = 0.4
_MORE_VIEWS = 0.62


class Click(IntEnum):
    """What a synthetic click is."""

    HOME = 0
    ORDER_STATUS = 1
    LIST = 2
    SEARCH = 3
    VIEW = 4
    ADD = 5
    REMOVE = 6


@dataclass(frozen=True, slots=True)
class Clicks:
    """Clicks in time order, one an element.

    `line` (n,) is the order line of the shop's past that the product and its price come from, -1 where
    there is none; `who` (n,) is a customer's index, or a prospect's number where `prospect` (n,) is true;
    `slot` (n,) numbers the clicks of a visit, so (visitor, day, slot) names a click.
    """

    time_ms: NDArray[np.int64]
    who: NDArray[np.int64]
    prospect: NDArray[np.bool_]
    click: NDArray[np.int8]
    line: NDArray[np.int64]
    day: NDArray[np.int64]
    slot: NDArray[np.int8]


def clickstream(history: History, seed: int, start_ms: int, end_ms: int) -> Clicks:
    """Draw the clicks of all visitors between two times (ms since the epoch, end exclusive).

    Memory is O(customers x days); a year of the demo's shop takes about half a second.
    """
    first, end = start_ms // DAY_MS, -(-end_ms // DAY_MS)
    bought = _PastLines(history)
    parts = [
        _clicks(customer_visits(history, seed, first, end), bought, seed, prospect=False),
        _clicks(prospect_visits(seed, first, end), bought, seed, prospect=True),
    ]
    columns = [np.concatenate(pair) for pair in zip(*parts, strict=True)]
    time_ms, who, prospect, _, _, _, slot = columns
    # An index counts first orders in time, so ties too are broken by the past alone.
    order = np.lexsort((slot, who, prospect, time_ms))
    order = order[(time_ms[order] >= start_ms) & (time_ms[order] < end_ms)]
    return Clicks(*(column[order] for column in columns))


class _PastLines:
    """Order lines before a day: of one customer, or of the shop in the last four weeks."""

    def __init__(self, history: History) -> None:
        self.day = history.line_time_ms // DAY_MS
        self.by_customer = np.lexsort((np.arange(len(self.day)), history.line_customer))
        # One sorted number for (customer, day) lets one search answer "how many lines before that day".
        self.customer_day = history.line_customer[self.by_customer] * 100_000 + self.day[self.by_customer]

    def own(self, who: NDArray[np.int64], day: NDArray[np.int64], draw: NDArray[np.float64]) -> NDArray[np.int64]:
        """Any line that the customer bought before the day; -1 if there is none."""
        if not len(self.day):
            return np.full(draw.shape, -1, dtype=np.int64)
        low = np.searchsorted(self.customer_day, who * 100_000)
        high = np.searchsorted(self.customer_day, who * 100_000 + day)
        at = low + (draw * (high - low)).astype(np.int64)
        return np.where(high > low, self.by_customer[np.minimum(at, len(self.day) - 1)], -1)

    def popular(self, day: NDArray[np.int64], draw: NDArray[np.float64]) -> NDArray[np.int64]:
        """Any line that the shop sold in the four weeks before the day, so popular products come often."""
        low, high = np.searchsorted(self.day, day - _POPULAR_DAYS), np.searchsorted(self.day, day)
        return np.where(high > low, low + (draw * (high - low)).astype(np.int64), -1)


def _clicks(visits: Visits, bought: _PastLines, seed: int, *, prospect: bool) -> tuple[NDArray[np.generic], ...]:
    """All visits at once: a table of visits x slots, of which the clicks that happen are kept."""
    n, views = len(visits.who), _MOST_VIEWS
    key, nth = visits.key[:, None], np.arange(views)
    looked = (
        nth
        < 1 + np.floor(np.log(1 - uniform(seed, "views", visits.key)) / np.log(_MORE_VIEWS)).astype(np.int64)[:, None]
    )
    line = _products(visits, bought, seed, prospect=prospect)
    looked &= line >= 0
    fills = uniform(seed, "cart", visits.key) < (_CART_PROSPECT if prospect else _CART_CUSTOMER)
    added = looked & fills[:, None] & ((nth == 0) | (uniform(seed, "added", key, nth) < 0.4))
    removed = added & (uniform(seed, "emptied", visits.key) < _EMPTIED)[:, None]
    start = np.full((n, 1), True)
    first = np.where(visits.age_days <= 6, Click.ORDER_STATUS, Click.HOME)[:, None]
    finds = uniform(seed, "finds", key)
    found = np.where(finds < 0.3, Click.SEARCH, Click.LIST)

    # Slots as they happen: arrive, search, view and add by turns, empty the cart.
    happens = np.hstack([start, finds < 0.6, np.stack([looked, added], axis=2).reshape(n, 2 * views), removed])
    turns = np.tile(np.array([Click.VIEW, Click.ADD]), (n, views))
    what = np.hstack([first, found, turns, np.full((n, views), Click.REMOVE)])
    none = np.full((n, 1), -1)
    lines = np.hstack([none, line[:, :1], np.repeat(line, 2, axis=1), line])
    happens[:, 1] &= lines[:, 1] >= 0
    slots = np.arange(happens.shape[1])
    waits = (4_000 + 70_000 * uniform(seed, "wait", key, slots) ** 2).astype(np.int64) * happens
    time_ms = visits.start_ms[:, None] + np.cumsum(waits, axis=1)
    # A visit ends with its day, whose start is where its past was cut.
    happens &= time_ms < (visits.day[:, None] + 1) * DAY_MS
    row, slot = np.nonzero(happens)
    return (
        time_ms[row, slot],
        visits.who[row],
        np.full(len(row), prospect),
        what[row, slot].astype(np.int8),
        lines[row, slot],
        visits.day[row],
        slot.astype(np.int8),
    )


def _products(visits: Visits, bought: _PastLines, seed: int, *, prospect: bool) -> NDArray[np.int64]:
    """Return the order line, from before the day, of the product looked at in each view: (n, views)."""
    key, nth, day = visits.key[:, None], np.arange(_MOST_VIEWS), visits.day[:, None]
    popular = bought.popular(day, uniform(seed, "popular", key, nth))
    if prospect:
        return popular
    own = bought.own(visits.who[:, None], day, uniform(seed, "own", key, nth))
    again = (uniform(seed, "again", key, nth) < _BOUGHT_BEFORE) & (own >= 0)
    return np.where(again, own, popular)
