"""Judged scores: how well the scores of a month told who would buy, once the horizon has passed."""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["Judged", "MonthQuality", "auc", "average_precision", "quality_by_month", "top_rate"]


@dataclass(frozen=True, slots=True)
class MonthQuality:
    """How well the scores made in one month told who would buy within the horizon.

    `base_rate` is the share that bought. `brier` is nan while `warming_up`: a ranking is no probability.
    """

    month: str
    scores: int
    base_rate: float
    auc: float
    average_precision: float
    brier: float
    warming_up: bool


@dataclass(slots=True)
class Judged:
    """Scores of one month (`YYYY-MM`), each with whether the customer bought within the horizon."""

    month: str
    probability: "array[float]" = field(default_factory=lambda: array("d"))
    bought: bytearray = field(default_factory=bytearray)
    warming_up: int = 0
    _quality: MonthQuality | None = None

    def add(self, probability: float, bought: bool, warming_up: bool) -> None:
        """Take one judged score; `warming_up` says that it came from the ranking before there was a model."""
        self.probability.append(probability)
        self.bought.append(bought)
        self.warming_up += warming_up

    def quality(self) -> MonthQuality | None:
        """Return the month's quality, None without scores. O(n log n) when new scores came since."""
        if not self.bought:
            return None
        if self._quality is None or self._quality.scores != len(self.bought):
            score, label = np.array(self.probability), np.array(self.bought, dtype=np.bool_)
            warming_up = self.warming_up * 2 > len(label)
            self._quality = MonthQuality(
                month=self.month,
                scores=len(label),
                base_rate=float(label.mean()),
                auc=auc(score, label),
                average_precision=average_precision(score, label),
                brier=float("nan") if warming_up else float(np.mean((score - label) ** 2)),
                warming_up=warming_up,
            )
        return self._quality


def quality_by_month(judged: Mapping[str, Judged]) -> list[MonthQuality]:
    """Return the quality of each month that has scores, oldest first; nan where all or none bought."""
    return [quality for month in sorted(judged) if (quality := judged[month].quality()) is not None]


def top_rate(score: NDArray[np.float64], label: NDArray[np.bool_], share: float) -> float:
    """Share of buyers among the `share` of the scores that are highest; nan if that is none."""
    count = int(len(score) * share)
    return float(label[np.argsort(-score, kind="stable")[:count]].mean()) if count else float("nan")


def auc(score: NDArray[np.float64], label: NDArray[np.bool_]) -> float:
    """Area under the ROC curve: the chance that a buyer is ranked above a non-buyer, ties counting half."""
    positives, negatives = int(label.sum()), int((~label).sum())
    if not positives or not negatives:
        return float("nan")
    _, rank, count = np.unique(score, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - (count - 1) / 2  # the mean of the ranks that tied scores share
    return float((middle[rank][label].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def average_precision(score: NDArray[np.float64], label: NDArray[np.bool_]) -> float:
    """Average precision: the mean, over buyers, of the precision at their score; tied scores as one step."""
    if not label.any():
        return float("nan")
    order = np.argsort(-score, kind="stable")
    last = np.append(np.diff(score[order]) != 0, True)
    hits = np.cumsum(label[order])[last]
    seen = np.flatnonzero(last) + 1
    return float(np.sum(np.diff(hits, prepend=0) * hits / seen) / label.sum())
