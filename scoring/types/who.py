"""Who: everything that is told of customers' types, stages and values, from their facts and the shop's table."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.types.buyer import buyer_type
from scoring.types.facts import Facts, Terms
from scoring.types.rfm import rfm_group, rfm_scores
from scoring.types.shop_table import ShopTable
from scoring.types.stage import stage
from scoring.types.value import YEAR_DAYS, expected_next_days, predicted_value

__all__ = ["One", "Who", "who"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Who(NamedTuple):
    """Of n customers, each at a moment: (n,) arrays; NaN and -1 for what is not known.

    Attributes
    ----------
    type, stage, group
        Codes: places in `TYPES`, `STAGES` and `RFM_GROUPS`.
    orders, net, gap_days
        As in `Facts`.
    next_days
        Days to the next order, were it to come after the usual gap; below 0 it is overdue.
    predicted
        Money expected within 12 months.
    """

    type: IntArray
    stage: IntArray
    group: IntArray
    orders: FloatArray
    net: FloatArray
    gap_days: FloatArray
    next_days: FloatArray
    predicted: FloatArray

    def at(self, places: IntArray) -> "Who":
        """Those at these places, in order, as arrays of their own."""
        return Who._make(column[places] for column in self)

    def some(self, places: IntArray) -> list["One"]:
        """Those at these places, in order."""
        return list(map(One._make, zip(*(_known(column[places]) for column in self), strict=True)))


class One(NamedTuple):
    """The same of one customer; None for what is not known, as one that is no number does not equal itself."""

    type: int
    stage: int
    group: int
    orders: float
    net: float
    gap_days: float | None
    next_days: float | None
    predicted: float | None


def _known(column: IntArray | FloatArray) -> list[Any]:
    found: list[Any] = column.tolist()
    return [None if value != value else value for value in found] if column.dtype.kind == "f" else found


def who(facts: Facts, probability: FloatArray, shop: ShopTable, terms: Terms, horizon_days: float) -> Who:
    """Everything from facts and (n,) chances of an order within the horizon, NaN where there are none. O(n)."""
    scores = rfm_scores(facts.since_days, facts.orders, facts.net, shop.cuts)
    return Who(
        type=buyer_type(facts, scores, terms),
        stage=stage(facts, shop.gap_days, terms),
        group=rfm_group(scores, facts.orders),
        orders=facts.orders,
        net=facts.net,
        gap_days=facts.gap_days,
        next_days=expected_next_days(facts.since_days, facts.gap_days, shop.gap_days),
        predicted=predicted_value(probability, facts.orders, facts.net, shop.order, YEAR_DAYS, horizon_days),
    )
