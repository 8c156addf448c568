"""Report on quality: how good the scores were, and whom to contact by them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.quality import Quality, measure, month_of
from streams.report.crossings import Judged
from streams.report.sheet import Cell, Picture, Report, Sheet

__all__ = ["quality_report"]

FloatArray = NDArray[np.float64]

_PARTS = 10
_STEPS = 20


def quality_report(judged: Judged) -> Report:
    """Quality by month, lift and calibration by tenths, and buyers reached by contacts."""
    if not len(judged.bought):
        nothing = "No score of a model that had learned enough has had its whole horizon pass yet."
        return Report("quality", "Quality", [nothing], [])
    rate = float(judged.bought.mean())
    lift, calibration, curve = _lift(judged), _calibration(judged), _curve(judged)
    said = (
        f"{len(judged.bought):,} scores whose horizon has passed; {rate:.1%} were followed by an order within it. "
        "Scores given while the model was warming up are left out."
    )
    return Report(
        "quality",
        "Quality",
        [said],
        [
            Sheet("months", "By the month in which the score was given",
                  ("month", "scores", "bought", "auc", "average_precision", "log_loss", "brier", "calibration_error"),
                  _months(judged)),
            Sheet("lift", "By tenths, the highest scores first", ("tenth", "scores", "bought", "lift", "lowest_score"),
                  lift, "lift: how often they bought, by how often everybody did"),
            Sheet("calibration", "What was promised, and what happened", ("from", "scores", "promised", "bought"),
                  calibration),
            Sheet("contacts", "Whom to contact", ("threshold", "contacted", "buyers_reached", "bought_of_contacted"),
                  curve, "shares; contact everybody whose score is at the threshold or above"),
        ],
        [
            Picture("Contacts against buyers reached", lambda axis: _draw_curve(axis, judged)),
            Picture("Quality by month", lambda axis: _draw_months(axis, judged)),
            Picture("What was promised, and what happened", lambda axis: _draw_calibration(axis, calibration)),
        ],
    )  # fmt: skip


def _by_month(judged: Judged) -> list[tuple[str, Quality]]:
    months = np.array([month_of(int(ms)) for ms in judged.made_ms])
    return [
        (str(month), measure(judged.probability[months == month], judged.bought[months == month]))
        for month in np.unique(months)
    ]


def _months(judged: Judged) -> list[tuple[Cell, ...]]:
    every = [*_by_month(judged), ("all", measure(judged.probability, judged.bought))]
    return [
        (
            name,
            q.examples,
            q.positives / q.examples,
            q.auc,
            q.average_precision,
            q.log_loss,
            q.brier,
            q.calibration_error,
        )
        for name, q in every
    ]


def _lift(judged: Judged) -> list[tuple[Cell, ...]]:
    order, bought = _ranked(judged)
    rate = float(judged.bought.mean())
    rows: list[tuple[Cell, ...]] = []
    for i, (part, hits) in enumerate(zip(np.array_split(order, _PARTS), np.array_split(bought, _PARTS), strict=True)):
        if len(part):
            share = float(hits.mean())
            rows.append(
                (i + 1, len(part), share, share / rate if rate else None, float(judged.probability[part].min()))
            )
    return rows


def _ranked(judged: Judged) -> tuple[NDArray[np.int64], FloatArray]:
    """(n,) places by falling score, and what share bought of each: of equal scores, which have no order, their mean."""
    order = np.argsort(-judged.probability, kind="stable")
    _, group, size = np.unique(-judged.probability[order], return_inverse=True, return_counts=True)
    return order, (np.bincount(group, judged.bought[order].astype(np.float64)) / size)[group]


def _calibration(judged: Judged) -> list[tuple[Cell, ...]]:
    place = np.minimum((judged.probability * _PARTS).astype(np.int64), _PARTS - 1)
    return [
        (
            i / _PARTS,
            int((place == i).sum()),
            float(judged.probability[place == i].mean()),
            float(judged.bought[place == i].mean()),
        )
        for i in range(_PARTS)
        if (place == i).any()
    ]


def reached(judged: Judged) -> tuple[FloatArray, FloatArray]:
    """(n + 1,) shares contacted and buyers reached, the highest scores first."""
    _, bought = _ranked(judged)
    found = np.append(0, np.cumsum(bought)) / max(int(judged.bought.sum()), 1)
    return np.linspace(0, 1, len(found)), found


def _curve(judged: Judged) -> list[tuple[Cell, ...]]:
    ranked = np.sort(judged.probability)[::-1]
    n, buyers = len(ranked), max(int(judged.bought.sum()), 1)
    rows: list[tuple[Cell, ...]] = []
    for step in range(1, _STEPS + 1):
        threshold = ranked[max(round(step / _STEPS * n) - 1, 0)]
        inside = judged.probability >= threshold
        hit = int(judged.bought[inside].sum())
        rows.append((float(threshold), float(inside.mean()), hit / buyers, hit / int(inside.sum())))
    return rows


def _draw_curve(axis: Any, judged: Judged) -> None:
    contacted, found = reached(judged)
    axis.plot(contacted, found, color="#2a9d8f", label="by score")
    axis.plot([0, 1], [0, 1], ":", color="grey", label="at random")
    for share in (0.1, 0.2, 0.3):
        hit = float(np.interp(share, contacted, found))
        axis.annotate(f"{share:.0%} reach {hit:.0%}", (share, hit), textcoords="offset points", xytext=(8, -10))
    axis.set_xlabel("share contacted, the highest scores first")
    axis.set_ylabel("share of buyers reached")
    axis.legend(frameon=False, loc="lower right")


def _draw_months(axis: Any, judged: Judged) -> None:
    months = _by_month(judged)
    told = [name for name, _ in months]
    axis.plot(told, [q.auc for _, q in months], "o-", color="#2a9d8f", label="AUC")
    axis.plot(told, [q.average_precision for _, q in months], "s-", color="#457b9d", label="average precision")
    axis.plot(told, [q.positives / q.examples for _, q in months], ":", color="grey", label="share that bought")
    axis.set_ylim(0, 1)
    axis.tick_params(axis="x", rotation=45)
    axis.legend(frameon=False)


def _draw_calibration(axis: Any, rows: list[tuple[Cell, ...]]) -> None:
    axis.plot([0, 1], [0, 1], ":", color="grey")
    axis.plot([float(row[2] or 0) for row in rows], [float(row[3] or 0) for row in rows], "o-", color="#2a9d8f")
    axis.set_xlabel("probability given (mean of each tenth)")
    axis.set_ylabel("share that bought")
