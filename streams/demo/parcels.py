"""Parcels: the way of an order to its customer, what comes back of it, and what is thought of it.

Everything here follows from one order and happens after it. Half of the parcels are tracked; of the others nothing is
told before somebody complains.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from streams.demo.chance import uniform
from streams.demo.deeds import DAY_MS, HOUR_MS, Deed, Deeds, deeds_of
from streams.demo.history import History

__all__ = ["parcels"]

_TRACKED = 0.5
_LATE, _LOST = 0.06, 0.01
_RETURNED, _REFUNDED = 0.05, 0.85
_LATE_COMPLAINS, _COMPLAINS, _SOLVED = 0.5, 0.015, 0.93
_ANSWERS, _REVIEWS = 0.2, 0.07
_STARS = np.array([0.03, 0.06, 0.15, 0.4])
"""Chances of up to one, two, three and four stars."""
_ANSWERED = np.array([0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.11, 0.22, 0.42, 0.72])
"""Chances of an answer of up to nought, one, two … nine of ten."""


def parcels(history: History, seed: int) -> Iterator[Deeds]:
    """Draw what follows each order."""
    order = np.arange(len(history.order_time_ms))
    drawn = _Draws(history, seed)
    at_ms = history.order_time_ms
    shipped_ms = at_ms + _span(4 * HOUR_MS, 40 * HOUR_MS, drawn("shipped"))
    promised_ms = (shipped_ms // DAY_MS + 5) * DAY_MS
    fate = drawn("fate")
    slow = fate < _LATE + _LOST
    late_ms = promised_ms + _span(6 * HOUR_MS, 6 * DAY_MS, drawn("late"))
    delivered_ms = np.where(slow, late_ms, shipped_ms + _span(DAY_MS, 4 * DAY_MS, drawn("delivered")))
    tracked, lost = drawn("tracked") < _TRACKED, fate < _LOST
    arrives = tracked & ~lost
    yield _of(Deed.SHIPPED, history, order[tracked], shipped_ms, promised_ms)
    yield _of(Deed.ORDER_DELIVERED, history, order[arrives], delivered_ms, delivered_ms)

    returns = ~lost & (drawn("returned") < _RETURNED)
    asked_ms = delivered_ms + _span(DAY_MS, 10 * DAY_MS, drawn("asked"))
    yield _of(Deed.RETURN_REQUESTED, history, order[returns], asked_ms)
    refunded = returns & (drawn("refunded") < _REFUNDED)
    worth = np.round(history.order_worth * (0.2 + 0.8 * drawn("sent back")), 2)
    paid_ms = asked_ms + _span(2 * DAY_MS, 9 * DAY_MS, drawn("paid"))
    yield _of(Deed.REFUNDED, history, order[refunded], paid_ms, worth)

    asks_where = slow & (drawn("complains") < _LATE_COMPLAINS)
    opened_ms = np.where(
        asks_where,
        promised_ms + _span(8 * HOUR_MS, 2 * DAY_MS, drawn("opened")),
        delivered_ms + _span(HOUR_MS, 9 * DAY_MS, drawn("opened")),
    )
    opened = (asks_where & (lost | (opened_ms < delivered_ms))) | (~slow & (drawn("complains") < _COMPLAINS))
    yield _of(Deed.TICKET_OPENED, history, order[opened], opened_ms)
    solved = opened & (drawn("solved") < _SOLVED)
    solved_ms = opened_ms + _span(HOUR_MS, 5 * DAY_MS, drawn("solving"))
    yield _of(Deed.TICKET_SOLVED, history, order[solved], solved_ms)

    asked = np.isin(history.order_number, (1, 4, 12))
    answers = asked & (drawn("answers") < _ANSWERS)
    mark = np.searchsorted(_ANSWERED, drawn("answer"), side="right")
    answered_ms = at_ms + _span(14 * DAY_MS, 22 * DAY_MS, drawn("answered"))
    yield _of(Deed.SURVEY, history, order[answers], answered_ms, np.where(slow, mark // 2, mark))
    reviews = ~lost & (drawn("reviews") < _REVIEWS)
    stars = 1 + np.searchsorted(_STARS, drawn("stars"), side="right")
    reviewed_ms = delivered_ms + _span(2 * DAY_MS, 20 * DAY_MS, drawn("reviewed"))
    yield _of(Deed.REVIEWED, history, order[reviews], reviewed_ms, np.where(slow, (stars + 1) // 2, stars))


class _Draws:
    """Chances of each order, by purpose; of two orders of a customer at one moment by their number, too."""

    def __init__(self, history: History, seed: int) -> None:
        self._keys = history.customer_keys[history.order_customer], history.order_time_ms, history.order_number
        self._seed = seed

    def __call__(self, purpose: str) -> NDArray[np.float64]:
        return uniform(self._seed, f"parcel {purpose}", *self._keys)


def _span(least_ms: int, most_ms: int, draw: NDArray[np.float64]) -> NDArray[np.int64]:
    return least_ms + ((most_ms - least_ms) * draw).astype(np.int64)


def _of(
    deed: Deed,
    history: History,
    which: NDArray[np.int64],
    time_ms: NDArray[np.int64],
    number: NDArray[np.int64] | NDArray[np.float64] | None = None,
) -> Deeds:
    told = 0.0 if number is None else number[which]
    return deeds_of(deed, time_ms[which], history.order_customer[which], order=which, number=told)
