"""Synthetic clicks: what is looked at, wished for and put into the cart during a visit.

The click at time t of a customer is a function of that customer's orders before t, of what the shop had
sold by then, and of the seed. Carts are left open or emptied and checkouts given up, never bought: a real order is not
announced by an invented cart, so the clicks carry nothing about the future.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from streams.demo.categories import CATEGORIES, category_of
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
_SINGLE_MINDED, _THEIR_VIEWS, _TRIES = 0.1, 4, 8
"""Visits that stay in one category, the least they look at, and how many products are passed over for the next one."""
_FRUITLESS = 0.02
"""Visits that search three times and find nothing."""
_WISHES, _UNWISHES = 0.05, 0.2
_CHECKS_OUT, _AGAIN, _COUPON = 0.45, 0.5, 0.2
_FORM_MS = 25 * 60_000
"""Longest time until a checkout that was given up is tried again."""


class Click(IntEnum):
    """What a synthetic click is."""

    HOME = 0
    ORDER_STATUS = 1
    LIST = 2
    SEARCH = 3
    VIEW = 4
    ADD = 5
    REMOVE = 6
    WISH = 7
    UNWISH = 8
    CHECKOUT = 9
    COUPON = 10
    MISSPELT = 11


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
        of_product = [-1 if (name := category_of(n)) is None else CATEGORIES.index(name) for _, n in history.products]
        # One more for a product that there is not (-1): it is of no category.
        self.category = np.append(np.array(of_product, np.int64)[history.line_product], -1)
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
    single = uniform(seed, "single-minded", visits.key) < _SINGLE_MINDED
    lost = ~single & (uniform(seed, "fruitless", visits.key) < _FRUITLESS)
    line = _products(visits, bought, seed, single, prospect=prospect)
    more = np.floor(np.log(1 - uniform(seed, "views", visits.key)) / np.log(_MORE_VIEWS)).astype(np.int64)
    looked = (nth < np.maximum(1 + more, np.where(single, _THEIR_VIEWS, 0))[:, None]) & (line >= 0) & ~lost[:, None]
    fills = uniform(seed, "cart", visits.key) < (_CART_PROSPECT if prospect else _CART_CUSTOMER)
    added = looked & fills[:, None] & ((nth == 0) | (uniform(seed, "added", key, nth) < 0.4))
    empties = uniform(seed, "emptied", visits.key) < _EMPTIED
    wished = looked & (uniform(seed, "wishes", key, nth) < _WISHES)
    pays = added[:, :1] & ~empties[:, None] & (uniform(seed, "pays", key) < _CHECKS_OUT)
    pays_again = pays & (uniform(seed, "pays again", key) < _AGAIN)
    finds = uniform(seed, "finds", key)

    # Slots as they happen: arrive, search; look, wish and add by turns; empty the cart, or try to pay for it.
    happens = [
        np.full((n, 1), True),
        np.where(single[:, None], True, finds < 0.6) & (line[:, :1] >= 0),
        np.repeat(lost[:, None] & (line[:, :1] >= 0), 2, axis=1),
        np.stack([looked, wished, added], axis=2).reshape(n, 3 * views),
        added & empties[:, None],
        wished & (uniform(seed, "unwishes", key, nth) < _UNWISHES),
        pays,
        pays & (uniform(seed, "coupon", key) < _COUPON),
        pays_again,
    ]
    found = np.where(finds < 0.3, Click.SEARCH, Click.LIST)
    what = [
        np.where(visits.age_days <= 6, Click.ORDER_STATUS, Click.HOME)[:, None],
        np.where(lost[:, None], Click.MISSPELT, np.where(single[:, None], Click.LIST, found)),
        np.full((n, 2), Click.MISSPELT),
        np.tile(np.array([Click.VIEW, Click.WISH, Click.ADD]), (n, views)),
        np.full((n, views), Click.REMOVE),
        np.full((n, views), Click.UNWISH),
        np.broadcast_to(np.array([Click.CHECKOUT, Click.COUPON, Click.CHECKOUT]), (n, 3)),
    ]
    first, none = line[:, :1], np.full((n, 1), -1)
    lines = [none, first, line[:, 1:3], np.repeat(line, 3, axis=1), line, line, first, first, first]
    return _kept(visits, np.hstack(happens), np.hstack(what), np.hstack(lines), seed, prospect=prospect)


def _kept(
    visits: Visits,
    happens: NDArray[np.bool_],
    what: NDArray[np.int64],
    line: NDArray[np.int64],
    seed: int,
    *,
    prospect: bool,
) -> tuple[NDArray[np.generic], ...]:
    """The clicks that happen, of a table of visits x slots, each with its time."""
    slots = np.arange(happens.shape[1])
    draw = uniform(seed, "wait", visits.key[:, None], slots)
    waits = (4_000 + 70_000 * draw**2).astype(np.int64)
    waits[:, -1] += (_FORM_MS * draw[:, -1]).astype(np.int64)
    time_ms = visits.start_ms[:, None] + np.cumsum(waits * happens, axis=1)
    # A visit ends with its day, whose start is where its past was cut.
    row, slot = np.nonzero(happens & (time_ms < (visits.day[:, None] + 1) * DAY_MS))
    return (
        time_ms[row, slot],
        visits.who[row],
        np.full(len(row), prospect),
        what[row, slot].astype(np.int8),
        line[row, slot],
        visits.day[row],
        slot.astype(np.int8),
    )


def _products(
    visits: Visits, bought: _PastLines, seed: int, single: NDArray[np.bool_], *, prospect: bool
) -> NDArray[np.int64]:
    """Return the order line, from before the day, of the product looked at in each view: (n, views)."""
    key, nth, day = visits.key[:, None], np.arange(_MOST_VIEWS), visits.day[:, None]
    line = bought.popular(day, uniform(seed, "popular", key, nth))
    if not prospect:
        own = bought.own(visits.who[:, None], day, uniform(seed, "own", key, nth))
        again = (uniform(seed, "again", key, nth) < _BOUGHT_BEFORE) & (own >= 0)
        line = np.where(again, own, line)
    stays = np.flatnonzero(single)
    passed = uniform(seed, "passed over", visits.key[stays][:, None, None], nth[:, None], np.arange(_TRIES))
    tried = bought.popular(day[stays][:, None], passed)
    fits = (tried >= 0) & (bought.category[tried] == bought.category[line[stays, 0]][:, None, None])
    which = np.argmax(fits, axis=2)[:, :, None]
    fitting = np.take_along_axis(tried, which, axis=2)[:, :, 0]
    better = np.take_along_axis(fits, which, axis=2)[:, :, 0] & (nth > 0)
    line[stays] = np.where(better, fitting, line[stays])
    return line
