"""RFM: recency, frequency and money, scored from 1 to 5 within the shop, and the group that follows.

Scores and names are as Shopify publishes them: 5 is the best fifth of the shop's buyers, and a group follows from the
recency R and the mean FM of the other two. Of the groups it publishes descriptions ("recent purchases, few orders,
low spend"), not bounds; the bounds are ours and stand in `_GRID`.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["RFM_GROUPS", "RfmCuts", "rfm_cuts", "rfm_group", "rfm_scores"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

RFM_GROUPS: tuple[str, ...] = (
    "prospects",
    "dormant",
    "almost_lost",
    "at_risk",
    "previously_loyal",
    "needs_attention",
    "promising",
    "new",
    "active",
    "loyal",
    "champions",
)
"""The eleven groups; a group's code is its place here."""

_PROSPECTS, _DORMANT, _ALMOST_LOST, _AT_RISK, _WAS_LOYAL, _ATTENTION, _PROMISING, _NEW, _ACTIVE, _LOYAL, _CHAMPIONS = (
    range(11)
)

_GRID = np.array([
    # FM:  1 to 1.5        2 or 2.5       3 or 3.5     4 to 5
    [_DORMANT,          _DORMANT,      _AT_RISK,    _WAS_LOYAL],  # R 1
    [_ALMOST_LOST,      _ALMOST_LOST,  _AT_RISK,    _AT_RISK],    # R 2
    [_PROMISING,        _ATTENTION,    _ATTENTION,  _LOYAL],      # R 3
    [_PROMISING,        _ACTIVE,       _ACTIVE,     _LOYAL],      # R 4
    [_NEW,              _ACTIVE,       _ACTIVE,     _CHAMPIONS],  # R 5
])  # fmt: skip

_FIFTHS = (0.2, 0.4, 0.6, 0.8)


class RfmCuts(NamedTuple):
    """The quantiles .2, .4, .6 and .8 over the shop's buyers: (4,) each, increasing; empty while unknown."""

    since_days: FloatArray
    orders: FloatArray
    net: FloatArray


def rfm_cuts(since_days: FloatArray, orders: FloatArray, net: FloatArray) -> RfmCuts:
    """The cuts of (n,) buyers; those who never bought belong to nobody's fifth and must be left out. O(n log n)."""
    if len(orders) == 0:
        return RfmCuts(*(np.empty(0) for _ in range(3)))
    return RfmCuts(*(np.asarray(np.quantile(values, _FIFTHS), np.float64) for values in (since_days, orders, net)))


def rfm_scores(since_days: FloatArray, orders: FloatArray, net: FloatArray, cuts: RfmCuts) -> IntArray:
    """(n, 3) scores R, F, M from 1 to 5; a value on a cut belongs to the fifth below it (for R: to the later one).

    0 where there is no order or the cuts are unknown.
    """
    scores = np.zeros((len(orders), 3), np.int64)
    bought = orders > 0
    if len(cuts.orders) and bought.any():
        scores[bought, 0] = 5 - np.searchsorted(cuts.since_days, since_days[bought], side="left")
        scores[bought, 1] = 1 + np.searchsorted(cuts.orders, orders[bought], side="left")
        scores[bought, 2] = 1 + np.searchsorted(cuts.net, net[bought], side="left")
    return scores


def rfm_group(scores: IntArray, orders: FloatArray) -> IntArray:
    """(n,) codes of `RFM_GROUPS` from the (n, 3) scores; -1 for buyers while the cuts are unknown."""
    r, fm = scores[:, 0], scores[:, 1] + scores[:, 2]  # twice FM: 2 to 10
    column = np.searchsorted([4, 6, 8], fm, side="right")
    group = np.where(r > 0, _GRID[np.maximum(r, 1) - 1, column], -1)
    return np.asarray(np.where(orders > 0, group, _PROSPECTS), np.int64)
