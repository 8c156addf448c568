"""Report on rules: what each did, and what those who were contacted did next, beside those who were held out."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from scoring.uplift import Arms, uplift
from streams.report.crossings import Crossing
from streams.report.facts import DAY_MS
from streams.report.observed import Observed
from streams.report.sheet import Cell, Picture, Report, Sheet
from streams.report.terms import ReportTerms

__all__ = ["bought_after", "rules_report"]


def rules_report(observed: Observed, crossings: Sequence[Crossing], terms: ReportTerms) -> Report:
    """By rule: entered, sent, withheld by which gate, bought within the horizon after it, against the holdout."""
    entered = [crossing for crossing in crossings if crossing.entered]
    left = Counter(crossing.rule for crossing in crossings if not crossing.entered)
    if not crossings:
        return Report("rules", "Rules", ["No rule's list was entered or left."], [])
    bought = bought_after(observed, entered, terms.horizon_ms)
    rules = sorted({crossing.rule for crossing in crossings})
    rows = [_row(rule, entered, bought, left[rule]) for rule in rules]
    reasons = Counter((crossing.rule, crossing.withheld[0]) for crossing in entered if crossing.withheld)
    days = terms.horizon_ms / DAY_MS
    said = [
        "Entered is sent and withheld together.",
        f"Bought: the share that ordered within {days:g} days after it, of those whose days have passed (judged).",
        "Uplift: that share less the share of those who were held out for measuring alone, with the 95 % interval.",
    ]
    return Report(
        "rules",
        "Rules",
        said,
        [
            Sheet("rules", "By rule", _COLUMNS, rows),
            Sheet("withheld", "Withheld, by the first gate that did",
                  ("rule", "gate", "crossings"), [(*key, n) for key, n in sorted(reasons.items())]),
        ],
        [Picture("Entered: sent, and withheld by gate", lambda axis: _bars(axis, rules, entered, reasons))],
    )  # fmt: skip


_COLUMNS = (
    "rule", "entered", "left", "sent", "withheld", "judged", "bought", "held_out", "held_out_bought", "uplift",
    "uplift_low", "uplift_high",
)  # fmt: skip


def _row(rule: str, entered: Sequence[Crossing], bought: Sequence[bool | None], left: int) -> tuple[Cell, ...]:
    mine = [(one, after) for one, after in zip(entered, bought, strict=True) if one.rule == rule]
    sent = [after for one, after in mine if not one.withheld and after is not None]
    control = [after for one, after in mine if one.control is not None and after is not None]
    found = uplift(Arms(len(sent), sum(sent), len(control), sum(control)))
    withheld = sum(bool(one.withheld) for one, _ in mine)
    return (
        rule, len(mine), left, len(mine) - withheld, withheld, len(sent), sum(sent) / len(sent) if sent else None,
        len(control), sum(control) / len(control) if control else None, *found,
    )  # fmt: skip


def bought_after(observed: Observed, entered: Sequence[Crossing], horizon_ms: int) -> list[bool | None]:
    """Whether an order followed within the horizon; None where it has not passed."""
    orders, end_ms = observed.orders, observed.end_ms
    by_customer = np.lexsort((orders.time_ms, orders.customer))
    customer, time_ms = orders.customer[by_customer], orders.time_ms[by_customer]
    places = observed.places()
    found: list[bool | None] = []
    for crossing in entered:
        if crossing.time_ms + horizon_ms > end_ms:
            found.append(None)
            continue
        who = places.get(crossing.customer, -1)
        start, stop = np.searchsorted(customer, [who, who + 1])
        after = start + np.searchsorted(time_ms[start:stop], crossing.time_ms, side="right")
        found.append(bool(after < stop and time_ms[after] <= crossing.time_ms + horizon_ms))
    return found


def _bars(axis: Any, rules: Sequence[str], entered: Sequence[Crossing], reasons: Counter[tuple[str, str]]) -> None:
    sent = Counter(crossing.rule for crossing in entered if not crossing.withheld)
    start = np.array([float(sent[rule]) for rule in rules])
    axis.barh(rules, start, color="#2a9d8f", label="sent")
    for gate in sorted({gate for _, gate in reasons}):
        width = np.array([float(reasons[rule, gate]) for rule in rules])
        axis.barh(rules, width, left=start, label=gate)
        start += width
    axis.legend(frameon=False, fontsize=7)
