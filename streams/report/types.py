"""Report on types: who is what as of the end, and who moved where from month to month."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.types import RFM_GROUPS, STAGES, TYPES
from streams.report.facts import Known, known_at
from streams.report.observed import Observed
from streams.report.periods import edges, names
from streams.report.sheet import Cell, Picture, Report, Sheet
from streams.report.terms import ReportTerms

__all__ = ["types_report"]

_COLOURS = ("#d8dee3", "#8d99ae", "#457b9d", "#2a9d8f", "#e9c46a")


def types_report(observed: Observed, terms: ReportTerms) -> Report:
    """Types, stages and groups as of the end, types by month and the moves between them."""
    if not observed.customers:
        return Report("types", "Types", ["There is no customer."], [])
    end_ms = observed.end_ms
    now = known_at(observed, end_ms, terms.horizon_ms, terms.types)
    start_ms = int(observed.first_ms.min())
    at = np.append(edges(start_ms, end_ms, "month")[1:], end_ms)
    told = [*names(at[:-1], "month"), "end"]
    each = [known_at(observed, int(moment), terms.horizon_ms, terms.types) for moment in at]
    counts = np.array([np.bincount(one.type[one.seen], minlength=len(TYPES)) for one in each])
    cuts = now.cuts
    said = [
        f"{int(now.seen.sum()):,} customers, {int((now.facts.orders > 0).sum()):,} of them have bought.",
        "Scores R, F and M go by the shop's own fifths: days since the last order, orders, what was paid in all.",
        "What was cancelled or given back is taken off what was paid.",
    ]
    if len(cuts.orders):
        recent, many, much = cuts.since_days[0], cuts.orders[3], cuts.net[3]
        said.append(f"The best fifth: {recent:.0f} days or fewer, over {many:.0f} orders, over {much:,.2f} paid.")
    months: list[tuple[Cell, ...]] = [(name, *map(int, row)) for name, row in zip(told, counts, strict=True)]
    return Report(
        "types",
        "Types",
        said,
        [
            _counted("types", "By type", "type", TYPES, now.type, now),
            _counted("stages", "By stage", "stage", STAGES, now.stage, now),
            _counted("rfm_groups", "By RFM group", "rfm_group", RFM_GROUPS, now.group, now),
            Sheet("by_month", "Types at each month's begin", ("month", *TYPES), months),
            _moves(each[-2] if len(each) > 1 else now, now, told),
        ],
        [
            Picture("Types over time", lambda axis: _stacked(axis, told, counts)),
            Picture("Where those of each type are after a month (all months)", lambda axis: _flow(axis, each)),
        ],
    )


def _counted(
    name: str, title: str, column: str, labels: Sequence[str], codes: NDArray[np.int64], known: Known
) -> Sheet:
    rows: list[tuple[Cell, ...]] = []
    total = int(known.seen.sum())
    for code, label in enumerate(labels):
        mine = known.seen & (codes == code)
        n = int(mine.sum())
        orders, net = known.facts.orders[mine].sum(), known.facts.net[mine].sum()
        since = known.facts.since_days[mine]
        last = float(np.nanmean(since)) if n and not np.isnan(since).all() else None
        rows.append((label, n, n / total if total else None, float(orders / n) if n else None, float(net), last))
    columns = (column, "customers", "share", "orders_each", "net", "days_since_last_order")
    return Sheet(name, title, columns, rows)


def moves(before: Known, after: Known) -> NDArray[np.int64]:
    """(types, types) how many of each type at one moment are of each at a later one, of those seen at the first."""
    seen = before.seen
    found = np.zeros((len(TYPES), len(TYPES)), np.int64)
    np.add.at(found, (before.type[seen], after.type[seen]), 1)
    return found


def _moves(before: Known, after: Known, told: Sequence[str]) -> Sheet:
    since = told[-2] if len(told) > 1 else told[-1]
    rows: list[tuple[Cell, ...]] = [(TYPES[i], *map(int, row)) for i, row in enumerate(moves(before, after))]
    return Sheet("moves", f"Who moved where since {since}", ("from", *TYPES), rows, "a row is what they were")


def _stacked(axis: Any, told: Sequence[str], counts: NDArray[np.int64]) -> None:
    axis.stackplot(told, *counts[:, 1:].T, labels=TYPES[1:], colors=_COLOURS[1:])
    axis.set_ylabel("customers who bought")
    axis.tick_params(axis="x", rotation=60)
    axis.legend(frameon=False, loc="upper left")


def _flow(axis: Any, each: Sequence[Known]) -> None:
    """Of those of each type at a month's begin, shares by the type a month later."""
    total = sum((moves(a, b) for a, b in itertools.pairwise(each)), np.zeros((5, 5), np.int64))
    size = total.sum(axis=1)
    rows = [i for i in range(1, len(TYPES)) if size[i]]
    left = np.zeros(len(rows))
    for j in range(1, len(TYPES)):
        share = np.array([total[i, j] / size[i] for i in rows])
        bars = axis.barh(
            [f"{TYPES[i]} ({size[i]:,})" for i in rows], share, left=left, color=_COLOURS[j], label=TYPES[j]
        )
        axis.bar_label(bars, [f"{part:.0%}" if part > 0.03 else "" for part in share], label_type="center", fontsize=7)
        left += share
    axis.set_xlim(0, 1)
    axis.legend(frameon=False, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0))
