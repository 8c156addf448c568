"""Facts: the few numbers about a customer at a moment from which type, stage and value follow."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Facts", "Terms"]

FloatArray = NDArray[np.float64]


class Facts(NamedTuple):
    """Numbers of n customers, each at a moment: (n,) arrays.

    A gap lies between two orders that are at least H/60 apart (half a day at a horizon of 30 days); what is closer is
    one visit to the shop. What is not known is NaN.

    Attributes
    ----------
    orders
        Completed orders.
    since_days
        Days since the last of them; NaN before the first.
    before_days
        The gap before the last visit.
    gap_days
        The usual gap: the mean of all gaps.
    net
        Worth of all orders, less what was cancelled and refunded.
    discounted
        Orders with a coupon or a discount.
    interested
        1 where they did more than look: put something into a cart or on a wish-list, made an account, subscribed.
    """

    orders: FloatArray
    since_days: FloatArray
    before_days: FloatArray
    gap_days: FloatArray
    net: FloatArray
    discounted: FloatArray
    interested: FloatArray


@dataclass(frozen=True, slots=True)
class Terms:
    """Where one type or stage ends and the next begins.

    Parameters
    ----------
    sales_share, sales_orders
        From this share of discounted orders on, and this many orders, somebody is a sales buyer.
    regular_orders
        Fewer orders than this are never regular.
    loyal_orders
        From so many orders on somebody is loyal.
    late
        After so many usual gaps without an order somebody is at risk.
    lapse_days
        After so many days without an order (and twice the usual gap) somebody has lapsed.
    """

    sales_share: float = 0.5
    sales_orders: int = 2
    regular_orders: int = 3
    loyal_orders: int = 4
    late: float = 2.0
    lapse_days: float = 180.0

    def __post_init__(self) -> None:
        if not 0 < self.sales_share <= 1:
            raise ValueError(f"sales_share: {self.sales_share} is outside (0, 1]")
        for name in ("sales_orders", "regular_orders"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)} is under 1")
        if self.loyal_orders < 2:
            raise ValueError(f"loyal_orders: {self.loyal_orders} is under 2; after one order nobody is loyal")
        for name in ("late", "lapse_days"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}: {getattr(self, name)} is not above 0")
