"""Value: what a customer is expected to bring, and when the next order is due.

**Predicted orders.** The score p is the calibrated chance of an order within the horizon H, learned from the shop's own
outcomes. If orders came at random at a steady rate, p would be 1 - exp(-rate H); so the rate is -ln(1 - p) / H, and a
span of s horizons brings -s ln(1 - p) orders. Carried on beyond the horizon, it assumes that the customer stays as now.

**Predicted value.** Predicted orders times the worth of an order: the customer's mean order, drawn towards the shop's
as if they had placed one more order of the shop's mean.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["YEAR_DAYS", "expected_next_days", "order_worth", "predicted_orders", "predicted_value"]

FloatArray = NDArray[np.float64]

YEAR_DAYS = 365.0
_SURE = 1.0 - 1e-3
"""A chance above this is taken for this: seven orders a horizon."""
_SHOP_ORDERS = 1.0


def predicted_orders(probability: FloatArray, span_days: float, horizon_days: float) -> FloatArray:
    """(n,) expected orders within `span_days` from the chance of one within the horizon."""
    return np.asarray(-np.log1p(-np.minimum(probability, _SURE)) * (span_days / horizon_days))


def order_worth(orders: FloatArray, net: FloatArray, shop_order: float) -> FloatArray:
    """(n,) what an order of theirs is worth, where the shop's mean is `shop_order` (NaN while unknown: their own).

    A customer who returned more than they bought counts as one who paid nothing.
    """
    paid = np.maximum(net, 0.0)
    if np.isnan(shop_order):
        return np.asarray(np.divide(paid, orders, out=np.full(len(orders), np.nan), where=orders > 0))
    return np.asarray((paid + _SHOP_ORDERS * shop_order) / (orders + _SHOP_ORDERS))


def predicted_value(
    probability: FloatArray,
    orders: FloatArray,
    net: FloatArray,
    shop_order: float,
    span_days: float,
    horizon_days: float,
) -> FloatArray:
    """(n,) money expected within `span_days`; NaN where nothing is known of what an order is worth. See the module."""
    return predicted_orders(probability, span_days, horizon_days) * order_worth(orders, net, shop_order)


def expected_next_days(since_days: FloatArray, gap_days: FloatArray, shop_gap_days: float) -> FloatArray:
    """(n,) days from now to the next order, were it to come after the usual gap; below 0 it is overdue.

    Before the second visit the gap is the shop's; NaN before the first order and while no gap is known.
    """
    usual = np.where(np.isnan(gap_days), shop_gap_days, gap_days)
    return np.asarray(usual - since_days)
