"""Facts of a history: what types, stages and values are told from, of every customer as of a moment."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.types import Facts, RfmCuts, Terms, buyer_type, rfm_cuts, rfm_group, rfm_scores, stage
from streams.report.observed import Observed

__all__ = ["DAY_MS", "Known", "facts_at", "known_at"]

DAY_MS = 86_400_000


class Known(NamedTuple):
    """Everybody as of a moment, one element a customer of the history; codes are places in the lists of names.

    Attributes
    ----------
    seen
        Whether they had been seen by then; the rest of a customer who had not means nothing.
    shop_gap_days, shop_order
        The shop's usual gap (the median of the customers' own) and what its orders are worth on average, less what was
        given back, as `scoring.types.ShopTable` has it; NaN for none.
    """

    facts: Facts
    cuts: RfmCuts
    scores: NDArray[np.int64]
    group: NDArray[np.int64]
    type: NDArray[np.int64]
    stage: NDArray[np.int64]
    seen: NDArray[np.bool_]
    shop_gap_days: float
    shop_order: float


def facts_at(observed: Observed, at_ms: int, horizon_ms: int) -> Facts:
    """The facts of all customers from what happened before a moment. O(orders)."""
    n = len(observed.customers)
    orders, refunds = observed.orders, observed.refunds
    past = orders.time_ms < at_ms
    customer, time_ms = orders.customer[past], orders.time_ms[past]
    by_customer = np.argsort(customer, kind="stable")
    customer, time_ms = customer[by_customer], time_ms[by_customer]
    back = refunds.time_ms < at_ms
    net = _sums(orders.customer[past], orders.worth[past], n) - _sums(refunds.customer[back], refunds.worth[back], n)
    last = np.full(n, np.nan)
    last[customer] = time_ms  # of several the last one stays
    gap = np.diff(time_ms)
    own = (np.diff(customer) == 0) & (gap > horizon_ms / 60)
    who = customer[1:][own]
    gaps = np.bincount(who, minlength=n)
    summed = _sums(who, gap[own] / DAY_MS, n)
    before = np.full(n, np.nan)
    before[who] = gap[own] / DAY_MS
    return Facts(
        orders=np.bincount(customer, minlength=n).astype(np.float64),
        since_days=(at_ms - last) / DAY_MS,
        before_days=before,
        gap_days=np.divide(summed, gaps, out=np.full(n, np.nan), where=gaps > 0),
        net=net,
        discounted=_sums(orders.customer[past], orders.discounted[past].astype(np.float64), n),
        interested=(observed.interested_ms < at_ms).astype(np.float64),
    )


def _sums(customer: NDArray[np.int64], values: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    return np.asarray(np.bincount(customer, values, n), np.float64)


def known_at(observed: Observed, at_ms: int, horizon_ms: int, terms: Terms) -> Known:
    """Type, group and stage of everybody as of a moment, by the shop's own fifths at that moment."""
    facts = facts_at(observed, at_ms, horizon_ms)
    bought = facts.orders > 0
    cuts = rfm_cuts(facts.since_days[bought], facts.orders[bought], facts.net[bought])
    scores = rfm_scores(facts.since_days, facts.orders, facts.net, cuts)
    own_gaps = facts.gap_days[~np.isnan(facts.gap_days)]
    shop_gap = float(np.median(own_gaps)) if len(own_gaps) else float("nan")
    return Known(
        facts,
        cuts,
        scores,
        rfm_group(scores, facts.orders),
        buyer_type(facts, scores, terms),
        stage(facts, shop_gap, terms),
        observed.first_ms < at_ms,
        shop_gap,
        float(np.maximum(facts.net[bought], 0.0).sum() / facts.orders[bought].sum()) if bought.any() else float("nan"),
    )
