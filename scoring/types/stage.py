"""Stage: how far along a customer is, from the first visit to being lost and won back."""

import numpy as np
from numpy.typing import NDArray

from scoring.types.facts import Facts, Terms

__all__ = ["STAGES", "stage"]

STAGES: tuple[str, ...] = (
    "visitor",
    "prospect",
    "first_time",
    "repeat",
    "loyal",
    "at_risk",
    "lapsed",
    "won_back",
)
"""Names by code."""

_VISITOR, _PROSPECT, _FIRST, _REPEAT, _LOYAL, _AT_RISK, _LAPSED, _WON_BACK = range(8)
_LAPSED_GAPS = 2.0


def stage(facts: Facts, shop_gap_days: float, terms: Terms) -> NDArray[np.int64]:
    """(n,) codes of `STAGES`. The first that holds:

    visitor, prospect
        Never bought; a prospect did more than look.
    lapsed
        No order for `lapse_days`, nor for twice the usual gap.
    at_risk
        No order for `late` usual gaps.
    won_back
        The last order ended a time after which they had lapsed.
    first_time, repeat, loyal
        By the number of orders: one, more, `loyal_orders` or more.

    The usual gap is the customer's own, and before the second visit the shop's, `shop_gap_days` (NaN while unknown:
    nobody is then at risk for it).
    """
    usual = np.where(np.isnan(facts.gap_days), shop_gap_days, facts.gap_days)
    patience = np.fmax(terms.lapse_days, _LAPSED_GAPS * usual)
    found = np.select(
        [
            facts.orders == 0,
            facts.since_days >= patience,
            facts.since_days >= terms.late * usual,
            facts.before_days >= terms.lapse_days,
            facts.orders >= terms.loyal_orders,
            facts.orders >= 2,
        ],
        [np.where(facts.interested > 0, _PROSPECT, _VISITOR), _LAPSED, _AT_RISK, _WON_BACK, _LOYAL, _REPEAT],
        _FIRST,
    )
    return np.asarray(found, np.int64)
