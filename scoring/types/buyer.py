"""Buyer: the four types of those who buy."""

import numpy as np
from numpy.typing import NDArray

from scoring.types.facts import Facts, Terms

__all__ = ["TYPES", "buyer_type"]

TYPES: tuple[str, ...] = ("none", "occasional", "regular", "big", "sales")
"""Names by code; `none` is who never bought, or whose shop is not known enough yet."""

_NONE, _OCCASIONAL, _REGULAR, _BIG, _SALES = range(5)
_FREQUENT = 4


def buyer_type(facts: Facts, scores: NDArray[np.int64], terms: Terms) -> NDArray[np.int64]:
    """(n,) codes of `TYPES`; `scores` are R, F, M of the same customers. The first that holds:

    sales
        `sales_orders` or more, and a share of `sales_share` or more of them with a coupon or discount.
    big
        Among the fifth that spent most (M = 5).
    regular
        Among the two fifths with most orders (F of 4 or 5), and at least `regular_orders`.
    occasional
        Everybody else who bought.
    """
    enough = facts.orders >= terms.sales_orders
    sales = enough & (facts.discounted >= terms.sales_share * facts.orders)
    big = scores[:, 2] == 5
    regular = (scores[:, 1] >= _FREQUENT) & (facts.orders >= terms.regular_orders)
    found = np.select([sales, big, regular, scores[:, 1] > 0], [_SALES, _BIG, _REGULAR, _OCCASIONAL], _NONE)
    return np.asarray(np.where(facts.orders > 0, found, _NONE), np.int64)
