"""The plot of a run: how quality grew, who crossed when, how scores spread, what came of the crossings."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from streams.demo.summary import RULE, Summary
from streams.demo.watched import Watched

__all__ = ["save_plot"]

_WEEK_MS = 7 * 86_400_000
_LINES = 8
_COLOURS = {
    "high-propensity": "#2a9d8f",
    "cart-abandoned": "#e9c46a",
    "second-order": "#457b9d",
    "win-back": "#e76f51",
    "browsing-prospect": "#b56db5",
}


def save_plot(path: Path, summary: Summary, watched: Watched) -> None:
    """Write the four panels as a PNG (or what the ending of `path` says). About a second.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    with plt.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure, axes = plt.subplots(2, 2, figsize=(11, 7), layout="constrained")
        figure.suptitle(
            "recompra demo: real orders (Online Retail, UCI), synthetic life around them", fontweight="bold"
        )
        _quality(axes[0, 0], summary)
        _crossings(axes[0, 1], watched)
        _spread(axes[1, 0], watched)
        _outcome(axes[1, 1], summary)
        figure.savefig(path, dpi=140)
        plt.close(figure)


def _quality(axis: Any, summary: Summary) -> None:
    months = [month for month in summary.months if month.auc == month.auc]
    names = [month.month for month in months]
    axis.plot(names, [month.auc for month in months], "o-", color="#2a9d8f", label="ROC-AUC")
    axis.plot(names, [month.average_precision for month in months], "s-", color="#457b9d", label="average precision")
    axis.plot(names, [month.base_rate for month in months], ":", color="grey", label="share that bought")
    warming = [i for i, month in enumerate(months) if month.warming_up]
    if warming:
        axis.axvspan(-0.5, warming[-1] + 0.5, color="grey", alpha=0.12, lw=0)
        axis.text(-0.4, 0.03, "warming up", color="grey", va="bottom")
    axis.set_ylim(0, 1)
    axis.tick_params(axis="x", rotation=45)
    axis.set_title(f"Scores of each month, judged {summary.horizon_days} days on", loc="left")
    if months:
        axis.legend(frameon=False, loc="lower right")
    else:
        _nothing(axis)


def _crossings(axis: Any, watched: Watched) -> None:
    axis.set_title("Actions of the commonest rules, by week", loc="left")
    entered = [crossing for crossing in watched.crossings if crossing.entered and not crossing.withheld]
    if not entered:
        _nothing(axis)
        return
    weeks = np.arange(min(c.time_ms for c in entered) // _WEEK_MS, max(c.time_ms for c in entered) // _WEEK_MS + 1)
    dates = (weeks * _WEEK_MS).astype("datetime64[ms]")
    for rule in sorted(rule for rule, _ in Counter(crossing.rule for crossing in entered).most_common(_LINES)):
        counts = Counter(crossing.time_ms // _WEEK_MS for crossing in entered if crossing.rule == rule)
        axis.plot(dates, [counts[int(week)] for week in weeks], label=rule, color=_COLOURS.get(rule))
    axis.tick_params(axis="x", rotation=45)
    axis.set_ylim(bottom=0)
    axis.legend(frameon=False, fontsize="x-small", ncols=2)


def _spread(axis: Any, watched: Watched) -> None:
    axis.set_title("Judged scores after warm-up, by what happened", loc="left")
    months = [month for month in watched.judged.values() if (q := month.quality()) and not q.warming_up]
    if not months:
        _nothing(axis)
        return
    score = np.concatenate([np.array(month.probability) for month in months])
    bought = np.concatenate([np.array(month.bought, dtype=np.bool_) for month in months])
    bins = np.linspace(0, 1, 41)
    axis.hist(score[~bought], bins=bins, density=True, alpha=0.6, color="#8d99ae", label="did not buy")
    axis.hist(score[bought], bins=bins, density=True, alpha=0.6, color="#2a9d8f", label="bought")
    axis.set_xlabel("score: probability to buy within the horizon")
    axis.set_yticks([])
    axis.legend(frameon=False)


def _outcome(axis: Any, summary: Summary) -> None:
    outcome = summary.outcome
    axis.set_title(f"Bought within {summary.horizon_days} days", loc="left")
    if not outcome.crossed:
        _nothing(axis)
        return
    bars = axis.barh(
        ["all customers,\nsame moments", f"crossed into\n{RULE}"],
        [outcome.base_rate, outcome.rate],
        color=["#8d99ae", "#2a9d8f"],
    )
    labels = [
        f" {outcome.base_rate:.0%}",
        f" {outcome.rate:.0%}  ({outcome.bought:,} of {outcome.crossed:,})",
    ]
    axis.bar_label(bars, labels)
    axis.set_xlim(0, 1)


def _nothing(axis: Any) -> None:
    axis.text(0.5, 0.5, "nothing to show yet", transform=axis.transAxes, ha="center", color="grey")
