"""Columns as the twin reads them: what each means for one customer at a moment."""

import math

from scoring.kinds import Kind
from scoring.rules.columns import ANY, ITS_OPS, VISITED, Column, Field, Op
from scoring.twin.customer import DAY_MS, HOUR_MS, Customer
from scoring.twin.orders import Summary

__all__ = ["read"]


def read(
    column: Column,
    customer: Customer,
    now_ms: int,
    horizon_ms: int,
    day_kinds: tuple[int, ...],
    days: int,
    order_value: float,
    order_number: float,
) -> float:
    """The value of a column; NaN for what never happened, and for scores, which are not known here.

    `order_value` and `order_number` are those of the order that caused the moment, NaN for none.
    """
    if column.op in ITS_OPS:
        return math.nan
    if column.op is Op.FIELD:
        if column.a in (Field.VISITED_DAYS, Field.ACTIVE_DAYS):
            kind = VISITED if column.a == Field.VISITED_DAYS else ANY
            return customer.days_with(kind, now_ms, days) if kind in day_kinds else math.nan
        return _field(Field(column.a), customer, now_ms, horizon_ms, order_value, order_number)
    if column.op is Op.SINCE:
        last = customer.last_ms(column.a) if column.b < 2 else customer.nth_last_ms(column.a, column.b)
        return math.nan if last is None else now_ms - last
    if column.op is Op.TOTAL:
        return len(customer.of(column.a))
    if column.op is Op.COUNT_DAYS:
        return customer.count(column.a, now_ms, DAY_MS, column.b)
    if column.op is Op.COUNT_HOURS:
        return customer.count(column.a, now_ms, HOUR_MS, column.b)
    return customer.days_with(column.a, now_ms, column.b)


def _field(
    field: Field, customer: Customer, now_ms: int, horizon_ms: int, order_value: float, order_number: float
) -> float:
    orders = len(customer.orders)
    items, worth = customer.cart()
    match field:
        case Field.ORDERS:
            return orders
        case Field.REVENUE:
            return customer.revenue()
        case Field.AVERAGE_ORDER:
            return customer.revenue() / orders if orders else math.nan
        case Field.CART_ITEMS:
            return items
        case Field.CART_VALUE:
            return worth
        case Field.TENURE_DAYS:
            return (now_ms - customer.first_ms()) / DAY_MS
        case Field.MEAN_GAP_DAYS:
            gaps = Summary.of(customer.orders, horizon_ms).gaps
            return (sum(gaps) / max(len(gaps), 1)) * horizon_ms / DAY_MS if orders > 1 else math.nan
        case Field.CANCELLED:
            return len(customer.of(Kind.ORDER_CANCELLED))
        case Field.REFUNDED:
            return len(customer.of(Kind.ORDER_REFUNDED))
        case Field.HOUR:
            return now_ms // HOUR_MS % 24
        case Field.WEEKDAY:
            return (now_ms // DAY_MS + 3) % 7
        case Field.ORDER_VALUE:
            return order_value
        case Field.ORDER_NUMBER:
            return order_number
        case Field.SURVEY_SCORE:
            return customer.told(Kind.SURVEY)
        case Field.REVIEW_RATING:
            return customer.told(Kind.REVIEWED)
        case Field.FEEDBACK_RATING:
            return customer.told(Kind.FEEDBACK)
        case Field.POINTS:
            return customer.told(Kind.POINTS)
        case Field.PEAK_POINTS:
            return customer.peak_points()
        case Field.PRODUCT_VIEWS:
            return max(map(customer.product_views().count, customer.product_views()), default=0)
        case Field.CATEGORY_VIEWS:
            return customer.favourite_category(now_ms)[1]
        case Field.CATEGORY_MINUTES:
            return customer.favourite_category(now_ms)[2] / 60_000
        case Field.MONTHS_RUNNING:
            return customer.months_running(now_ms)
        case Field.GUEST_ORDERS:
            return 0  # nobody becomes another here
        case _:
            return math.nan
