"""Columns: what predicates read of a customer at a point in time, one float64 a column.

The kernel fills an array `(m, C)` of them, one row an evaluation point, in the order of `RuleSet.columns`.

**Never.** `SINCE` of something that never happened is NaN, not infinity: a comparison with NaN is False, so
that `days_since(order_completed) >= 180` does not reach customers who never bought. `not` of it is plain
boolean logic: `not days_since(order_completed) < 180` is True for them. A field that has no value at a point
(`order_number` when no order is concerned, `mean_gap_days` before the second order, `percentile` while
unknown) is NaN likewise.
"""

from enum import IntEnum
from typing import NamedTuple

from scoring.kinds import Kind
from scoring.types import RFM_GROUPS, STAGES, TYPES

__all__ = [
    "ANY",
    "FIELDS",
    "ITS_KINDS",
    "ITS_OPS",
    "KINDS",
    "LABELS",
    "LATELY",
    "LATELY_KINDS",
    "MAX_DAYS",
    "MAX_DAY_KINDS",
    "MAX_HOURS",
    "OF_A_CATEGORY",
    "SERVED",
    "STEPS",
    "VISITED",
    "VISIT_KINDS",
    "Column",
    "Expected",
    "Field",
    "FieldFacts",
    "Op",
    "Unit",
]

ANY = -1
"""Pseudo-kind `any`: an event of any kind, also those that others cause (an e-mail delivered, an order
shipped).
"""

VISITED = -2
"""Pseudo-kind `visited`: an event of any of `VISIT_KINDS`, that is the customer was on the site."""

STEPS: tuple[Kind, ...] = (
    Kind.PAGE,
    Kind.PRODUCT_VIEWED,
    Kind.LIST_VIEWED,
    Kind.SEARCHED,
    Kind.PRODUCT_ADDED,
    Kind.PRODUCT_REMOVED,
    Kind.CART_VIEWED,
    Kind.CHECKOUT_STARTED,
    Kind.CHECKOUT_STEP,
)
"""The kinds that say how far somebody came in a visit."""

VISIT_KINDS: frozenset[Kind] = frozenset(
    {
        *STEPS,
        Kind.WISHLIST_ADDED,
        Kind.WISHLIST_REMOVED,
        Kind.COUPON,
        Kind.PROMOTION,
        Kind.SHARED,
        Kind.RESULT_OPENED,
    }
)
"""What only someone who is on the site does; orders and e-mail are left out, they also come without a visit.
"""

KINDS: dict[str, int] = {"any": ANY, "visited": VISITED, **{kind.name.lower(): int(kind) for kind in Kind}}
"""The kinds by the name that predicates use."""

ITS_KINDS: dict[str, tuple[Kind, ...]] = {
    "order": (
        Kind.ORDER_COMPLETED,
        Kind.ORDER_UPDATED,
        Kind.ORDER_CANCELLED,
        Kind.ORDER_REFUNDED,
        Kind.ORDER_SHIPPED,
        Kind.ORDER_DELIVERED,
        Kind.RETURN_REQUESTED,
    ),
    "product": (Kind.WISHLIST_ADDED, Kind.WISHLIST_REMOVED, Kind.ORDER_COMPLETED),
    "ticket": (Kind.TICKET_OPENED, Kind.TICKET_SOLVED),
    "code": (Kind.REFERRED,),
    "place": (Kind.PLACE_ENTERED,),
}
"""By what a list is one of (`for_each`): the kinds of event that are about one of those."""

LATELY_KINDS: tuple[Kind, ...] = (Kind.CHECKOUT_STARTED, Kind.SEARCHED, Kind.EMAIL_DELIVERED)
"""Kinds of which the times of the last few events are known, not that of the last one only."""

LATELY = 5
"""How many that are."""

MAX_DAYS = 90
"""The longest day window, in days: the length of a day ring."""

MAX_HOURS = 24
"""The longest hour window, in hours: the length of an hour ring."""

MAX_DAY_KINDS = 6
"""How many different kinds the rules together may read by the day: each costs a ring of `MAX_DAYS` in every
row.
"""


class Op(IntEnum):
    """How a column is read; `a` and `b` of a `Column` are its arguments."""

    SINCE = 0
    """`a` kind: milliseconds since the last event of that kind, at least 0; NaN if there was never one.

    With `b` = n in 2..LATELY, since the n-th last, of `LATELY_KINDS`; NaN if there were fewer.
    """

    TOTAL = 1
    """`a` kind: how many events of that kind, ever."""

    COUNT_DAYS = 2
    """`a` kind, `b` = n in 1..MAX_DAYS: how many in the last n UTC days, the day of the point being one of
    them.
    """

    DAYS_WITH = 3
    """`a` kind, `b` = n in 1..MAX_DAYS: on how many of the last n UTC days there was at least one; 0..n."""

    COUNT_HOURS = 4
    """`a` kind, `b` = n in 1..MAX_HOURS: how many in the last n UTC hours, the hour of the point being one of
    them.
    """

    FIELD = 5
    """`a` a `Field`: its value."""

    ITS_SINCE = 6
    """`a` kind: milliseconds since the last event of that kind about the object; NaN if there was never one."""

    ITS_TOTAL = 7
    """`a` kind: how many events of that kind about the object."""

    ITS_LATE = 8
    """`a` an `Expected`: milliseconds since it was to be expected of the object, below 0 before; NaN if unknown."""

    ITS_LACKING = 9
    """1 where what is usually bought with the product was never bought, else 0."""


class Expected(IntEnum):
    """What can be expected of an object at a time of its own."""

    DELIVERY = 0
    REPLENISHMENT = 1


class Field(IntEnum):
    """A value of the customer, or of the event that caused the point; `FIELDS` says what each means."""

    ORDERS = 0
    REVENUE = 1
    AVERAGE_ORDER = 2
    CART_ITEMS = 3
    CART_VALUE = 4
    TENURE_DAYS = 5
    MEAN_GAP_DAYS = 6
    VISITED_DAYS = 7
    ACTIVE_DAYS = 8
    CANCELLED = 9
    REFUNDED = 10
    ORDER_VALUE = 11
    ORDER_NUMBER = 12
    SCORE = 13
    PERCENTILE = 14
    WARMING_UP = 15
    HOUR = 16
    WEEKDAY = 17
    SURVEY_SCORE = 18
    REVIEW_RATING = 19
    FEEDBACK_RATING = 20
    POINTS = 21
    PEAK_POINTS = 22
    PRODUCT_VIEWS = 23
    CATEGORY_VIEWS = 24
    MONTHS_RUNNING = 25
    PERCENTILE_PEAK = 26
    GUEST_ORDERS = 27
    CATEGORY_MINUTES = 28
    TYPE = 29
    STAGE = 30
    RFM_GROUP = 31
    PREDICTED_VALUE = 32
    EXPECTED_NEXT_ORDER = 33
    SEEN_CHEAPER = 34
    OPEN_TICKETS = 35


ITS_OPS = (Op.ITS_SINCE, Op.ITS_TOTAL, Op.ITS_LATE, Op.ITS_LACKING)
"""What is read of an order, a product and the like, and not of the customer."""


SERVED = (
    Field.SCORE,
    Field.PERCENTILE,
    Field.WARMING_UP,
    Field.PERCENTILE_PEAK,
    Field.TYPE,
    Field.STAGE,
    Field.RFM_GROUP,
    Field.PREDICTED_VALUE,
    Field.EXPECTED_NEXT_ORDER,
    Field.SEEN_CHEAPER,
    Field.OPEN_TICKETS,
)
"""What the row itself does not tell, as it takes the model, the shop's knowledge or the side record."""


class Column(NamedTuple):
    """One column: the operation and its arguments (0 where it takes fewer)."""

    op: Op
    a: int
    b: int = 0


OF_A_CATEGORY = (Column(Op.FIELD, Field.CATEGORY_VIEWS), Column(Op.FIELD, Field.CATEGORY_MINUTES))
"""What is read of the category looked at most; where the list is one of categories, of that one."""


class Unit(IntEnum):
    """What a value is measured in; values of different units are neither added nor compared."""

    NUMBER = 0
    COUNT = 1
    MONEY = 2
    SECONDS = 3
    MINUTES = 4
    HOURS = 5
    DAYS = 6
    SHARE = 7
    HOUR_OF_DAY = 8
    WEEKDAY = 9
    TRUTH = 10
    TYPE = 11
    STAGE = 12
    RFM_GROUP = 13


class FieldFacts(NamedTuple):
    """What a field is called in predicates, its unit, its range and what it means."""

    name: str
    unit: Unit
    low: float
    high: float
    meaning: str


_ANY_HIGH = float("inf")
_ANY_LOW = float("-inf")

FIELDS: dict[Field, FieldFacts] = {
    Field.ORDERS: FieldFacts("orders", Unit.COUNT, 0, _ANY_HIGH, "orders completed"),
    Field.REVENUE: FieldFacts("revenue", Unit.MONEY, _ANY_LOW, _ANY_HIGH, "worth of all orders, less refunds"),
    Field.AVERAGE_ORDER: FieldFacts("average_order", Unit.MONEY, _ANY_LOW, _ANY_HIGH, "revenue by order"),
    Field.CART_ITEMS: FieldFacts("cart_items", Unit.COUNT, 0, _ANY_HIGH, "products in the open cart"),
    Field.CART_VALUE: FieldFacts("cart_value", Unit.MONEY, 0, _ANY_HIGH, "worth of the open cart"),
    Field.TENURE_DAYS: FieldFacts("tenure_days", Unit.DAYS, 0, _ANY_HIGH, "days since first seen"),
    Field.MEAN_GAP_DAYS: FieldFacts(
        "mean_gap_days", Unit.DAYS, 0, _ANY_HIGH, "mean days between orders; unknown before the second"
    ),
    Field.VISITED_DAYS: FieldFacts("visited_days", Unit.COUNT, 0, _ANY_HIGH, "days with a visit, of the last 90"),
    Field.ACTIVE_DAYS: FieldFacts("active_days", Unit.COUNT, 0, _ANY_HIGH, "days with any event, of the last 90"),
    Field.CANCELLED: FieldFacts("cancelled", Unit.COUNT, 0, _ANY_HIGH, "orders cancelled"),
    Field.REFUNDED: FieldFacts("refunded", Unit.COUNT, 0, _ANY_HIGH, "orders refunded"),
    Field.ORDER_VALUE: FieldFacts(
        "order_value",
        Unit.MONEY,
        _ANY_LOW,
        _ANY_HIGH,
        "worth of the order that caused this point, else unknown",
    ),
    Field.ORDER_NUMBER: FieldFacts(
        "order_number",
        Unit.COUNT,
        0,
        _ANY_HIGH,
        "rank among the customer's orders (1 = first) of the order that this point is about; 0 once it is "
        "cancelled; unknown where the point is about no order",
    ),
    Field.SCORE: FieldFacts("score", Unit.SHARE, 0, 1, "probability of an order within the horizon"),
    Field.PERCENTILE: FieldFacts("percentile", Unit.SHARE, 0, 1, "share of customers with a lower score"),
    Field.WARMING_UP: FieldFacts("warming_up", Unit.TRUTH, 0, 1, "the model has not learned enough yet"),
    Field.HOUR: FieldFacts("hour", Unit.HOUR_OF_DAY, 0, 23, "UTC hour of the point, 0 to 23"),
    Field.WEEKDAY: FieldFacts("weekday", Unit.WEEKDAY, 0, 6, "UTC weekday of the point, Monday is 0"),
    Field.SURVEY_SCORE: FieldFacts("survey_score", Unit.COUNT, 0, 10, "answer to the last survey, of 10"),
    Field.REVIEW_RATING: FieldFacts("review_rating", Unit.COUNT, 0, 5, "stars of the last review, of 5"),
    Field.FEEDBACK_RATING: FieldFacts("feedback_rating", Unit.COUNT, 0, 5, "stars of the last feedback, of 5"),
    Field.POINTS: FieldFacts("points", Unit.COUNT, _ANY_LOW, _ANY_HIGH, "balance of loyalty points, as last told"),
    Field.PEAK_POINTS: FieldFacts("peak_points", Unit.COUNT, _ANY_LOW, _ANY_HIGH, "highest balance of points ever"),
    Field.PRODUCT_VIEWS: FieldFacts(
        "product_views", Unit.COUNT, 0, 12, "most views of one product since the last order, of the last 12 views"
    ),
    Field.CATEGORY_VIEWS: FieldFacts(
        "category_views",
        Unit.COUNT,
        0,
        12,
        "most views in one category within 24 hours and since an order ended it, of the last 12 views and orders; with "
        "for_each: category those in that one",
    ),
    Field.CATEGORY_MINUTES: FieldFacts(
        "category_minutes",
        Unit.MINUTES,
        0,
        360,
        "minutes spent in the category of `category_views`: from each of its views to the next view or order, if that "
        "is within half an hour",
    ),
    Field.MONTHS_RUNNING: FieldFacts(
        "months_running",
        Unit.COUNT,
        0,
        _ANY_HIGH,
        "months (UTC) in a row with an order, up to this one or the one before, as far as the kept orders tell",
    ),
    Field.PERCENTILE_PEAK: FieldFacts(
        "percentile_peak", Unit.SHARE, 0, 1, "highest percentile at a daily look of the last 30 days"
    ),
    Field.TYPE: FieldFacts("type", Unit.TYPE, 0, len(TYPES) - 1, f"how they buy: {', '.join(TYPES)}"),
    Field.STAGE: FieldFacts("stage", Unit.STAGE, 0, len(STAGES) - 1, f"how far along they are: {', '.join(STAGES)}"),
    Field.RFM_GROUP: FieldFacts(
        "rfm_group", Unit.RFM_GROUP, 0, len(RFM_GROUPS) - 1, f"by recency, orders and money: {', '.join(RFM_GROUPS)}"
    ),
    Field.PREDICTED_VALUE: FieldFacts(
        "predicted_value", Unit.MONEY, 0, _ANY_HIGH, "money expected within 12 months; unknown while warming up"
    ),
    Field.SEEN_CHEAPER: FieldFacts(
        "seen_cheaper",
        Unit.COUNT,
        0,
        _ANY_HIGH,
        "products among those viewed last that now cost less than when they were viewed",
    ),
    Field.OPEN_TICKETS: FieldFacts(
        "open_tickets", Unit.COUNT, 0, _ANY_HIGH, "tickets that were opened and not solved since, of the last 16"
    ),
    Field.EXPECTED_NEXT_ORDER: FieldFacts(
        "expected_next_order",
        Unit.DAYS,
        _ANY_LOW,
        _ANY_HIGH,
        "days to the next order at the usual gap, below 0 overdue",
    ),
    Field.GUEST_ORDERS: FieldFacts(
        "guest_orders", Unit.COUNT, 0, _ANY_HIGH, "orders placed as a guest by one who had none under the known id"
    ),
}
"""Facts of every field. Scores, ranks, types, values and tickets are filled after scoring, the others by the kernel.
"""

LABELS: dict[Unit, tuple[str, ...]] = {Unit.TYPE: TYPES, Unit.STAGE: STAGES, Unit.RFM_GROUP: RFM_GROUPS}
"""Names of the values of fields that have names, as in `type == big`; a value is the place of its name."""
