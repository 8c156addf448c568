"""Coupons: which of the real orders are said to have been paid with one, as the file tells of none.

Who uses them is drawn by customer, and when by order: nothing about any other order is in it.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import numpy as np

from schemas.adapters.canonical import Canonical
from streams.demo.chance import key_of, uniform

__all__ = ["with_coupons"]

_BARGAIN_HUNTERS, _OF_THEIR_ORDERS, _OF_OTHERS = 0.08, 0.8, 0.03
_COUPON: Final = "SPRING15"


def with_coupons(orders: Iterable[Canonical], seed: int) -> list[Canonical]:
    """The same orders; eight in ten of one customer in twelve came with a coupon, and a few of the others."""
    orders = list(orders)
    said = [str(order.value["properties"].get("order_id")) for order in orders]
    customer = np.array([key_of(order.key) for order in orders], np.uint64)
    order_key = np.array([key_of(order_id) for order_id in said], np.uint64)
    hunts = uniform(seed, "bargain hunter", customer) < _BARGAIN_HUNTERS
    used = uniform(seed, "order with a coupon", order_key) < np.where(hunts, _OF_THEIR_ORDERS, _OF_OTHERS)
    return [_with_coupon(order) if one else order for order, one in zip(orders, used.tolist(), strict=True)]


def _with_coupon(order: Canonical) -> Canonical:
    if order.value.get("event") != "Order Completed":
        return order
    return replace(order, value={**order.value, "properties": {**order.value["properties"], "coupon": _COUPON}})
