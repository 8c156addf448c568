"""Readings: the values that predicates ask for, read off a profile at a moment."""

import math
from typing import Any

import numpy as np

from scoring.compiled import compiled
from scoring.kinds import N_KINDS, Kind
from scoring.orders import A_GAPS, A_LAST_GAP, A_MEAN_GAP, A_ORDERS, months_running
from scoring.profile import DAY_MS, HOUR_MS, NEVER
from scoring.recent import (
    FEEDBACK_TOLD,
    PEAK_TOLD,
    POINTS_TOLD,
    REVIEW_TOLD,
    SURVEY_TOLD,
)
from scoring.rules.columns import ANY, LATELY_KINDS, VISITED, Field, Op
from scoring.types.facts import Facts
from scoring.windows import count_days, count_hours, days_with

__all__ = ["FACTS", "read_columns", "read_facts"]

_SINCE, _TOTAL = int(Op.SINCE), int(Op.TOTAL)
_FIELD = int(Op.FIELD)
_COUNT_DAYS, _DAYS_WITH, _COUNT_HOURS = int(Op.COUNT_DAYS), int(Op.DAYS_WITH), int(Op.COUNT_HOURS)
_ORDERS, _REVENUE, _AVERAGE = int(Field.ORDERS), int(Field.REVENUE), int(Field.AVERAGE_ORDER)
_CART_ITEMS, _CART_VALUE = int(Field.CART_ITEMS), int(Field.CART_VALUE)
_TENURE, _MEAN_GAP = int(Field.TENURE_DAYS), int(Field.MEAN_GAP_DAYS)
_VISITED_DAYS, _ACTIVE_DAYS = int(Field.VISITED_DAYS), int(Field.ACTIVE_DAYS)
_CANCELLED, _REFUNDED = int(Field.CANCELLED), int(Field.REFUNDED)
_HOUR, _WEEKDAY = int(Field.HOUR), int(Field.WEEKDAY)
_ORDER_VALUE, _ORDER_NUMBER = int(Field.ORDER_VALUE), int(Field.ORDER_NUMBER)
_PRODUCT_VIEWS, _CATEGORY_VIEWS = int(Field.PRODUCT_VIEWS), int(Field.CATEGORY_VIEWS)
_CATEGORY_MINUTES = int(Field.CATEGORY_MINUTES)
_MONTHS_RUNNING = int(Field.MONTHS_RUNNING)
_GUEST_ORDERS = int(Field.GUEST_ORDERS)
_TOLD_SLOT = np.full(len(Field), -1)
for _field_told, _place in (
    (Field.SURVEY_SCORE, SURVEY_TOLD),
    (Field.REVIEW_RATING, REVIEW_TOLD),
    (Field.FEEDBACK_RATING, FEEDBACK_TOLD),
    (Field.POINTS, POINTS_TOLD),
    (Field.PEAK_POINTS, PEAK_TOLD),
):
    _TOLD_SLOT[_field_told] = _place
_LATELY_SLOT = np.array([LATELY_KINDS.index(kind) if kind in LATELY_KINDS else -1 for kind in range(N_KINDS)])
FACTS = len(Facts._fields)
_KIND_CANCELLED, _KIND_REFUNDED = int(Kind.ORDER_CANCELLED), int(Kind.ORDER_REFUNDED)
_ANY, _VISITED = ANY, VISITED


@compiled
def _field(
    p: Any, field: int, now: int, horizon: float, day_slot: Any, value: float, number: float, favourites: Any
) -> float:
    orders = p.derived[A_ORDERS]
    result = math.nan
    if field == _ORDERS:
        result = orders
    elif field == _REVENUE:
        result = p.revenue - p.refunded
    elif field == _AVERAGE:
        result = (p.revenue - p.refunded) / orders if orders > 0.0 else math.nan
    elif field == _CART_ITEMS:
        result = float(p.cart_items)
    elif field == _CART_VALUE:
        result = p.cart_value
    elif field == _TENURE:
        result = (now - p.first_ms) / DAY_MS
    elif field == _MEAN_GAP:
        result = p.derived[A_MEAN_GAP] * horizon / DAY_MS if orders > 1.0 else math.nan
    elif field in (_VISITED_DAYS, _ACTIVE_DAYS):
        slot = day_slot[_VISITED if field == _VISITED_DAYS else _ANY]
        result = float(days_with(p.days, slot, p.day_epoch, now, p.days.shape[1])) if slot >= 0 else math.nan
    elif field == _CANCELLED:
        result = float(p.total[_KIND_CANCELLED])
    elif field == _REFUNDED:
        result = float(p.total[_KIND_REFUNDED])
    elif field == _HOUR:
        result = float(now // HOUR_MS % 24)
    elif field == _WEEKDAY:
        result = float((now // DAY_MS + 3) % 7)
    elif field == _ORDER_VALUE:
        result = value
    elif field == _ORDER_NUMBER:
        result = number
    elif field == _PRODUCT_VIEWS:
        result = float(favourites[0])
    elif field == _CATEGORY_VIEWS:
        result = float(favourites[1])
    elif field == _CATEGORY_MINUTES:
        result = favourites[2] / 60_000.0
    elif field == _MONTHS_RUNNING:
        result = float(months_running(p, now))
    elif field == _GUEST_ORDERS:
        result = float(p.guest_orders[0])
    elif _TOLD_SLOT[field] >= 0:
        result = float(p.told[_TOLD_SLOT[field]])
    return result


@compiled
def read_facts(p: Any, now: int, horizon: float, out: Any) -> None:
    """Write what types and values follow from (`scoring.types.Facts`, in its order) into `out` (FACTS,)."""
    d = p.derived
    orders = d[A_ORDERS]
    known = d[A_GAPS] > 0.0
    out[0] = orders
    out[1] = max(now - p.ring_ms[p.ring_n - 1], 0) / DAY_MS if orders > 0.0 else math.nan
    out[2] = math.exp(d[A_LAST_GAP]) * horizon / DAY_MS if known else math.nan
    out[3] = d[A_MEAN_GAP] * horizon / DAY_MS if known else math.nan
    out[4] = p.revenue - p.refunded
    out[5] = float(p.discounted)
    out[6] = float(p.interested)


@compiled
def read_columns(
    p: Any, now: int, reading: Any, horizon: float, value: float, number: float, favourites: Any, out: Any
) -> None:
    """Write one value a column into `out` (C,); NaN for what never happened, and for what a row does not tell.

    `reading.columns` (k, 4) are those that it does. `value` and `number` are the worth and the rank of the order that
    the point is about, NaN for none. `favourites` are the views of the product and of the category that were looked at
    most, and the ms spent in that. O(C), and O(days) for a column that reads a ring.
    """
    for c in range(out.shape[0]):
        out[c] = math.nan
    for k in range(reading.columns.shape[0]):
        op = reading.columns[k, 1]
        a = reading.columns[k, 2]
        b = reading.columns[k, 3]
        result = math.nan
        if op == _SINCE:
            last = p.last_kind[a] if b < 2 else p.lately_ms[_LATELY_SLOT[a], b - 1]
            result = math.nan if last == NEVER else float(max(now - last, 0))
        elif op == _TOTAL:
            result = float(p.total[a])
        elif op == _COUNT_DAYS:
            result = float(count_days(p.days, reading.day_slot[a], p.day_epoch, now, b))
        elif op == _DAYS_WITH:
            result = float(days_with(p.days, reading.day_slot[a], p.day_epoch, now, b))
        elif op == _COUNT_HOURS:
            result = float(count_hours(p.hours, reading.hour_slot[a], p.hour_epoch, now, b))
        elif op == _FIELD:
            result = _field(p, a, now, horizon, reading.day_slot, value, number, favourites)
        out[reading.columns[k, 0]] = result
