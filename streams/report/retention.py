"""Report on retention: who stays from one period to the next, and how each month's new customers come back."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.types import TYPES, Retention, retention
from streams.report.facts import DAY_MS, known_at
from streams.report.observed import Observed
from streams.report.periods import edges, names
from streams.report.sheet import Cell, Picture, Report, Sheet
from streams.report.terms import ReportTerms

__all__ = ["retention_report"]

_MOST_GROUPS = 8


def retention_report(observed: Observed, terms: ReportTerms) -> Report:
    """Retention by period, of everybody and by source, country and type, and the months of cohorts."""
    orders, period = observed.orders, terms.retention_period
    if not len(orders.time_ms):
        return Report("retention", "Retention", ["There is no order."], [])
    end_ms = observed.end_ms
    at = edges(int(orders.time_ms[0]), end_ms, period)
    told = names(at[:-1], period)
    overall = retention(orders.customer, orders.time_ms, at, terms.retention_window_ms)
    grid, cohorts = _cohorts(observed)
    rows = [
        (name, one.begin, one.end, one.new, one.rate, _against(one, terms.retention_reference))
        for name, one in zip(told, overall, strict=True)
    ]
    days = terms.retention_window_ms / DAY_MS
    said = [
        f"Retention is ((E - N) / B) x 100: B customers at a {period}'s begin, E at its end, N of them new within it.",
        f"A customer at a moment is who ordered within the {days:g} days before it.",
        "Above 100, more came back than left.",
    ]
    if terms.retention_reference is not None:
        said.append(f"The reference value is {terms.retention_reference:g}.")
    columns = ("period", "begin", "end", "new", "retention", "above_reference")
    return Report(
        "retention",
        "Retention",
        said,
        [
            Sheet("periods", f"By {period}", columns, rows, "the last period is shown once it is over"),
            *_groups(observed, terms, at, told),
            _cohort_sheet(grid, cohorts),
        ],
        [
            Picture(f"Retention by {period}", lambda axis: _line(axis, told, overall, terms.retention_reference)),
            Picture(
                "Share of each month's new customers who ordered in later months", lambda a: _heat(a, grid, cohorts)
            ),
        ],
    )


def _against(one: Retention, reference: float | None) -> float | None:
    return None if reference is None or not one.begin else one.rate - reference


def _groups(observed: Observed, terms: ReportTerms, at: NDArray[np.int64], told: Sequence[str]) -> list[Sheet]:
    """Retention by source, country and type; a customer's type is the one at the period's begin."""
    n, k = len(observed.customers), len(at) - 1
    sheets = []
    for name, of in (("source", observed.source), ("country", observed.country)):
        groups = np.array(of)
        many = _largest(groups[observed.orders.customer])
        among = {group: np.broadcast_to(groups == group, (k, n)) for group in many}
        sheets.append(_group_sheet(name, among, observed, terms, at, told))
    types = np.array([known_at(observed, int(start), terms.horizon_ms, terms.types).type for start in at[:-1]])
    among = {TYPES[code]: types.reshape(k, n) == code for code in range(1, len(TYPES))}
    sheets.append(_group_sheet("type", among, observed, terms, at, told))
    return sheets


def _group_sheet(
    name: str,
    among: dict[str, NDArray[np.bool_]],
    observed: Observed,
    terms: ReportTerms,
    at: NDArray[np.int64],
    told: Sequence[str],
) -> Sheet:
    orders = observed.orders
    found = {
        group: retention(orders.customer, orders.time_ms, at, terms.retention_window_ms, mine)
        for group, mine in among.items()
    }
    rows: list[tuple[Cell, ...]] = [
        (period, *(found[group][i].rate for group in found)) for i, period in enumerate(told)
    ]
    note = "the customer's type at the period's begin" if name == "type" else f"the {_MOST_GROUPS} with most orders"
    columns = (group if group != "period" else f"{name} period" for group in found)  # as a key of JSON it is the first
    return Sheet(f"by_{name}", f"Retention by {name}", ("period", *columns), rows, note)


def _largest(groups: NDArray[np.str_]) -> list[str]:
    values, counts = np.unique(groups, return_counts=True)
    return [str(value) for value in values[np.argsort(-counts, kind="stable")][:_MOST_GROUPS]]


def _cohorts(observed: Observed) -> tuple[NDArray[np.float64], list[str]]:
    """(cohorts, months) shares of those who first ordered in a month that ordered so many months after; NaN beyond."""
    orders = observed.orders
    month = orders.time_ms.astype("datetime64[ms]").astype("datetime64[M]").astype(np.int64)
    start, count = int(month[0]), int(month[-1] - month[0]) + 1
    first = np.full(len(observed.customers), np.iinfo(np.int64).max)
    np.minimum.at(first, orders.customer, month)
    cohort, after = first[orders.customer] - start, month - first[orders.customer]
    once = np.unique(np.stack([orders.customer, cohort, after]), axis=1)
    there = np.zeros((count, count))
    np.add.at(there, (once[1], once[2]), 1.0)
    grid = np.full((count, count), np.nan)
    size = there[:, 0]
    for i in range(count):
        if size[i]:
            grid[i, : count - i] = there[i, : count - i] / size[i]
    begins = (start + np.arange(count)).astype("datetime64[M]")
    return grid, [f"{begin} ({int(n):,})" for begin, n in zip(begins, size, strict=True)]


def _cohort_sheet(grid: NDArray[np.float64], cohorts: list[str]) -> Sheet:
    columns = ("first order in", *(f"+{k}" for k in range(grid.shape[1])))
    rows: list[tuple[Cell, ...]] = [
        (name, *(None if math.isnan(share) else share for share in row))
        for name, row in zip(cohorts, grid.tolist(), strict=True)
    ]
    note = "share of those who first ordered in the month (how many) that ordered so many months after"
    return Sheet("cohorts", "Cohorts", columns, rows, f"{note}; the last month may not be over")


def _line(axis: Any, told: Sequence[str], found: Sequence[Retention], reference: float | None) -> None:
    axis.plot(told, [one.rate for one in found], "o-", color="#2a9d8f")
    if reference is not None:
        axis.axhline(reference, ls=":", color="grey", label="reference")
        axis.legend(frameon=False)
    axis.set_ylim(bottom=0)
    axis.set_ylabel("retention")
    axis.tick_params(axis="x", rotation=60)


def _heat(axis: Any, grid: NDArray[np.float64], cohorts: list[str]) -> None:
    later = grid.copy()
    later[:, 0] = np.nan  # everybody ordered in the first month
    axis.imshow(later, cmap="GnBu", aspect="auto", vmin=0)
    axis.set_yticks(range(len(cohorts)), cohorts)
    axis.set_xlabel("months after the first order")
    for i, j in zip(*np.nonzero(~np.isnan(later)), strict=True):
        axis.text(j, i, f"{later[i, j]:.0%}", ha="center", va="center", fontsize=6)
