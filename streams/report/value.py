"""Report on value: what customers brought and are expected to bring, and by source what it cost to get them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.timestamp import from_ms
from scoring.types import RFM_GROUPS, STAGES, TYPES, expected_next_days, predicted_value
from scoring.types.value import YEAR_DAYS
from streams.report.facts import DAY_MS, Known, known_at
from streams.report.observed import Observed
from streams.report.sheet import Cell, Picture, Report, Sheet
from streams.report.terms import ReportTerms

__all__ = ["value_report"]

FloatArray = NDArray[np.float64]

_MARGIN_SHARE = 0.5
"""Margins count from this share of orders on that tell one; below it revenue stands for them."""

_PREDICTED = (
    "Predicted over 12 months: -ln(1 - score) orders each horizon, carried on as if everybody stayed as they are now,",
    "each worth the customer's mean order, drawn towards the shop's. Tested was half a year to nine months.",
)
_NOT_PREDICTED = ("Nothing is predicted: the model has not learned enough, or there are no scores to read.",)


def value_report(observed: Observed, terms: ReportTerms, scores: Mapping[str, float] | None = None) -> Report:
    """Value of everybody as of the end; `scores` are chances to buy within the horizon, None while there are none."""
    end_ms = observed.end_ms
    known = known_at(observed, end_ms, terms.horizon_ms, terms.types)
    facts, orders = known.facts, observed.orders
    buyers = facts.orders > 0
    if not buyers.any():
        return Report("value", "Value", ["There is no order."], [])
    expected = _expected(observed, terms, known, scores)
    margin_share, told_margins = _margin(observed)
    given_back = observed.refunds.worth.sum()
    said = [
        f"{int(buyers.sum()):,} buyers placed {len(orders.time_ms):,} orders worth {orders.worth.sum():,.2f}.",
        f"{given_back:,.2f} of it was cancelled or given back. An order is worth {known.shop_order:,.2f} on average.",
        _usual_gap(known.shop_gap_days),
        *(_PREDICTED if scores is not None else _NOT_PREDICTED),
        f"{told_margins:.0%} of orders tell their margin; "
        + (f"LTV is {margin_share:.1%} of worth." if margin_share < 1 else "LTV is counted in worth."),
    ]
    sources = _by_source(observed, terms, known, expected, margin_share)
    return Report(
        "value",
        "Value",
        said,
        [
            Sheet(
                "sources", "By source", _SOURCE_COLUMNS, sources,
                "LTV: what a buyer brought and is predicted to bring within 12 months, on average; CAC: the campaign's "
                "cost (setting campaign_costs) by its buyers",
            ),
            _by_type(known, expected),
            _customers(observed, known, expected, end_ms),
        ],
        [
            Picture("Value of a buyer against what it cost to get one", lambda axis: _against_cost(axis, sources)),
            Picture("Value so far, of all buyers", lambda axis: _spread(axis, facts.net[buyers])),
        ],
    )  # fmt: skip


def _usual_gap(days: float) -> str:
    if np.isnan(days):
        return "No usual gap between two orders is known: nobody has come back to order."
    return f"The usual gap between two orders is {days:.1f} days, the median of the customers' own."


def _expected(observed: Observed, terms: ReportTerms, known: Known, scores: Mapping[str, float] | None) -> FloatArray:
    """(n,) predicted over 12 months; NaN where there is no score."""
    chance = np.array([(scores or {}).get(name, np.nan) for name in observed.customers])
    facts, horizon_days = known.facts, terms.horizon_ms / DAY_MS
    return predicted_value(chance, facts.orders, facts.net, known.shop_order, YEAR_DAYS, horizon_days)


def _margin(observed: Observed) -> tuple[float, float]:
    """Margin as a share of worth, 1 where too few orders tell one; and the share of orders that do."""
    told = ~np.isnan(observed.orders.margin)
    share = float(told.mean()) if len(told) else 0.0
    worth = observed.orders.worth[told].sum()
    if share < _MARGIN_SHARE or worth <= 0:
        return 1.0, share
    return float(observed.orders.margin[told].sum() / worth), share


_SOURCE_COLUMNS = (
    "source", "seen", "buyers", "orders", "net", "net_each", "predicted_each", "ltv", "cost", "cac", "ltv_to_cac"
)  # fmt: skip


def _by_source(
    observed: Observed, terms: ReportTerms, known: Known, expected: FloatArray, margin: float
) -> list[tuple[Cell, ...]]:
    sources, rows = np.array(observed.source), []
    facts = known.facts
    for name in sorted(set(observed.source) | {key.partition("/")[0] for key in terms.campaign_costs}):
        mine = sources == name
        buyers = mine & (facts.orders > 0)
        n = int(buyers.sum())
        net = float(facts.net[buyers].sum())
        ahead = expected[buyers]
        predicted = float(np.nanmean(ahead)) if n and not np.isnan(ahead).all() else None
        ltv = margin * (net / n + (predicted or 0.0)) if n else None
        costs = [cost for key, cost in terms.campaign_costs.items() if key.partition("/")[0] == name]
        cost = float(sum(costs)) if costs else None
        cac = cost / n if cost is not None and n else None
        rows.append((
            name, int((mine & known.seen).sum()), n, int(facts.orders[buyers].sum()), net, net / n if n else None,
            predicted, ltv, cost, cac, ltv / cac if ltv is not None and cac else None,
        ))  # fmt: skip
    return sorted(rows, key=lambda row: -float(row[4] or 0.0))


def _by_type(known: Known, expected: FloatArray) -> Sheet:
    rows: list[tuple[Cell, ...]] = []
    for code, name in enumerate(TYPES[1:], 1):
        mine = known.type == code
        n = int(mine.sum())
        gaps = known.facts.gap_days[mine]
        rows.append((
            name, n, float(known.facts.net[mine].sum()),
            float(known.facts.net[mine].sum() / known.facts.orders[mine].sum()) if n else None,
            float(np.nanmedian(gaps)) if n and not np.isnan(gaps).all() else None,
            float(np.nansum(expected[mine])) if n and not np.isnan(expected[mine]).all() else None,
        ))  # fmt: skip
    columns = ("type", "customers", "net", "average_order", "usual_gap_days", "predicted_12_months")
    return Sheet("types", "By type", columns, rows)


def _customers(observed: Observed, known: Known, expected: FloatArray, end_ms: int) -> Sheet:
    facts = known.facts
    ahead = expected_next_days(facts.since_days, facts.gap_days, known.shop_gap_days)
    worth = np.where(np.isnan(expected), facts.net, expected)
    rows: list[tuple[Cell, ...]] = []
    for i in np.argsort(-worth, kind="stable").tolist():
        if not facts.orders[i]:
            continue
        due = None if np.isnan(ahead[i]) else from_ms(end_ms + int(ahead[i] * DAY_MS))[:10]
        group = known.group[i]
        rows.append((
            observed.customers[i], TYPES[known.type[i]], STAGES[known.stage[i]],
            RFM_GROUPS[group] if group >= 0 else None, int(facts.orders[i]), float(facts.net[i]),
            float(facts.net[i] / facts.orders[i]), float(facts.gap_days[i]), due, float(expected[i]),
        ))  # fmt: skip
    columns = (
        "customer", "type", "stage", "rfm_group", "orders", "net", "average_order", "usual_gap_days",
        "expected_next_order", "predicted_12_months",
    )  # fmt: skip
    note = "a date in the past is overdue; before the second visit the shop's usual gap is taken"
    return Sheet("customers", "Those of whom most is expected", columns, rows, note, most=20)


def _against_cost(axis: Any, sources: list[tuple[Cell, ...]]) -> None:
    shown = [row for row in sources if row[2]][:12]
    names = [str(row[0]) for row in shown]
    place = np.arange(len(shown))
    axis.bar(place - 0.2, [float(row[7] or 0.0) for row in shown], 0.4, color="#2a9d8f", label="value of a buyer (LTV)")
    axis.bar(place + 0.2, [float(row[9] or 0.0) for row in shown], 0.4, color="#e76f51", label="cost of a buyer (CAC)")
    axis.set_xticks(place, names, rotation=30)
    axis.legend(frameon=False)


def _spread(axis: Any, net: FloatArray) -> None:
    ranked = np.sort(np.maximum(net, 0.0))[::-1]
    share = np.cumsum(ranked) / max(float(ranked.sum()), 1e-9)
    axis.plot(np.linspace(0, 1, len(share)), share, color="#2a9d8f")
    axis.plot([0, 1], [0, 1], ":", color="grey")
    axis.set_xlabel("share of buyers, the best first")
    axis.set_ylabel("share of what was paid")
