"""Synthetic visits: who comes to the shop on which day, decided from what was bought before that day.

Nothing here reads an order of the day itself or of any later day, nor a rule.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.demo.chance import uniform
from streams.demo.history import DAY_MS, History

__all__ = ["Visits", "customer_visits", "prospect_visits"]

_HOUR_WEIGHTS = np.array(
    [1, 0.5, 0.3, 0.2, 0.2, 0.4, 1, 2, 4, 6, 7, 7, 8, 7, 6, 6, 5, 5, 5, 6, 7, 6, 4, 2], dtype=np.float64
)
_HOURS = np.cumsum(_HOUR_WEIGHTS) / _HOUR_WEIGHTS.sum()
_ARRIVALS = 8
_ARRIVES = 0.7
_MOST_VISITS = 9


@dataclass(frozen=True, slots=True)
class Visits:
    """Visits, one an element: `who` (n,) indexes customers or, for prospects, is the visitor's number.

    `key` (n,) is stable for (visitor, day): what the clicks of the visit are drawn with. `age_days` (n,) is
    days since the last order at the start of the day, nan for prospects. `day` (n,) counts from the epoch.
    """

    who: NDArray[np.int64]
    key: NDArray[np.uint64]
    day: NDArray[np.int64]
    start_ms: NDArray[np.int64]
    age_days: NDArray[np.float64]


def customer_visits(history: History, seed: int, first_day: int, end_day: int) -> Visits:
    """Visits of people who have ordered before, at most one a day, on days `first_day` to `end_day` - 1.

    More often in the days after an order and for those who order often, rarer as time passes, never ending:
    a function of the orders before the day alone. O(customers x days).
    """
    days = np.arange(first_day, end_day)
    n = len(history.customers)
    order_day = history.order_time_ms // DAY_MS
    placed = np.zeros((n, len(days)))
    column = np.maximum(order_day + 1 - first_day, 0)  # an order counts from the day after it
    known = column < len(days)
    np.add.at(placed, (history.order_customer[known], column[known]), 1.0)
    orders = np.cumsum(placed, axis=1)
    last = np.full((n, len(days)), -1.0e9)
    np.maximum.at(last, (history.order_customer[known], column[known]), order_day[known].astype(np.float64))
    age = days[None, :] - np.maximum.accumulate(last, axis=1)

    liveliness = 0.4 + 1.6 * uniform(seed, "liveliness", history.customer_keys) ** 2
    chance = 0.008 + 0.03 * np.exp(-age / 25.0) + 0.18 * np.exp(-age / 1.5)
    chance *= liveliness[:, None] * (1.0 + 0.35 * np.log2(np.maximum(orders, 1.0)))
    draw = uniform(seed, "visit", history.customer_keys[:, None], days[None, :])
    who, at = np.nonzero((draw < np.minimum(chance, 0.6)) & (orders > 0))
    return _visits(seed, who, history.customer_keys[who], days[at], age[who, at].astype(np.float64))


def prospect_visits(seed: int, first_day: int, end_day: int) -> Visits:
    """Visits of people who never buy: new ones each day, most once or twice, a few again and again.

    They depend on the seed and the day alone. A visitor's number is day x 100 + its place on that day.
    """
    days, place = (a.ravel() for a in np.meshgrid(np.arange(first_day, end_day), np.arange(_ARRIVALS)))
    arrives = uniform(seed, "prospect", days, place) < _ARRIVES
    number, days = (days * 100 + place)[arrives], days[arrives]
    # A long tail: half come once, one in six five times or more.
    times = np.minimum(1 / (1 - uniform(seed, "prospect visits", number)) ** 0.9, _MOST_VISITS).astype(np.int64)
    nth = np.arange(_MOST_VISITS)
    gaps = 1 + (uniform(seed, "prospect gap", number[:, None], nth[None, :]) ** 2 * 6).astype(np.int64)
    gaps[:, 0] = 0
    day = days[:, None] + np.cumsum(gaps, axis=1)
    who, at = np.nonzero((nth[None, :] < times[:, None]) & (day < end_day))
    visit_day = day[who, at]
    return _visits(seed, number[who], number[who].astype(np.uint64), visit_day, np.full(len(who), np.nan))


def _visits(
    seed: int,
    who: NDArray[np.int64],
    keys: NDArray[np.uint64],
    day: NDArray[np.int64],
    age: NDArray[np.float64],
) -> Visits:
    hour = np.searchsorted(_HOURS, uniform(seed, "hour", keys, day), side="right")
    within = uniform(seed, "minute", keys, day) * 3_600_000
    # The draw for a visit, as a whole number, is the key of everything that happens in it.
    key = (uniform(seed, "visit key", keys, day) * 2.0**53).astype(np.uint64)
    start = day * DAY_MS + hour * 3_600_000 + within.astype(np.int64)
    return Visits(who.astype(np.int64), key, day.astype(np.int64), start, age)
