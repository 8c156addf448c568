"""Quality: how good the scores were that were served, measured on outcomes as they resolve (prequential).

Definitions: ROC-AUC is the chance that a buyer was ranked above a non-buyer, ties counting half. Average
precision is the sum over falling thresholds of precision times the gain in recall (no interpolation).
Calibration error is over ten equal-width bins of the probability, weighted by their counts.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.compiled import compiled_allocating

__all__ = ["Prequential", "Quality", "average_precision", "measure", "month_of", "roc_auc"]

FloatArray = NDArray[np.float64]

_LOWEST, _HIGHEST, _BINS = -8.0, 8.0, 1024
_CALIBRATION_BINS = 10
_LEAST_PROBABILITY = 1e-15


class Quality(NamedTuple):
    """Figures over some examples; not a number where they need both outcomes and there is only one."""

    examples: int
    positives: int
    mean_probability: float
    auc: float
    average_precision: float
    log_loss: float
    brier: float
    calibration_error: float


def roc_auc(scores: NDArray[np.floating], labels: NDArray[np.generic]) -> float:
    """The exact area under the ROC curve of (n,) scores. O(n log n)."""
    negatives, positives = _counts(scores, labels)
    return _auc(negatives, positives)


def average_precision(scores: NDArray[np.floating], labels: NDArray[np.generic]) -> float:
    """The exact average precision of (n,) scores. O(n log n)."""
    negatives, positives = _counts(scores, labels)
    return _average_precision(negatives, positives)


def measure(probabilities: FloatArray, labels: NDArray[np.generic], scores: FloatArray | None = None) -> Quality:
    """All figures of (n,) probabilities, exactly; rank by `scores` where they are finer (log-odds)."""
    p, y = np.asarray(probabilities, np.float64), np.asarray(labels, np.float64)
    negatives, positives = _counts(p if scores is None else scores, labels)
    return _quality(negatives, positives, _sums(p, y))


def month_of(time_ms: int) -> str:
    """The month, such as ``2011-10``, of an epoch time in UTC."""
    return str(np.datetime64(time_ms, "ms").astype("datetime64[M]"))


class Prequential:
    """Running figures by month and segment in bounded memory.

    Scores are counted in 1,024 bins of the log-odds from -8 to 8, 0.016 wide, so that the AUC is within the
    ties that the bins make (tests: 1e-3); log loss, Brier score and calibration error are exact.

    Parameters
    ----------
    months
        So many months are kept, the latest; `overall` goes on counting all.
    """

    def __init__(self, months: int = 36) -> None:
        self.months = months
        self._cells: dict[tuple[str, str], _Cell] = {}

    def add(self, segment: str, time_ms: NDArray[np.int64], probabilities: FloatArray, labels: FloatArray) -> None:
        """Count outcomes (m,) for a segment: when they were scored, what was served, 0 or 1."""
        month = time_ms.astype("datetime64[ms]").astype("datetime64[M]")
        self._cell("", segment).add(probabilities, labels)
        for one in np.unique(month):
            mine = month == one
            self._cell(str(one), segment).add(probabilities[mine], labels[mine])
        kept = sorted({m for m, _ in self._cells if m})[-self.months :]
        if len(kept) == self.months:
            self._cells = {k: c for k, c in self._cells.items() if not k[0] or k[0] >= kept[0]}

    def overall(self, segment: str) -> Quality:
        """The figures of a segment over everything counted."""
        return self._cells.get(("", segment), _Cell()).quality()

    def by_month(self, segment: str) -> dict[str, Quality]:
        """The figures of a segment for each month kept, oldest first."""
        return {m: self._cells[m, s].quality() for m, s in sorted(self._cells) if m and s == segment}

    def reliability(self, segment: str) -> tuple[FloatArray, FloatArray, FloatArray]:
        """For each tenth of the probability: (10,) counts, buyers, and the sum of the probabilities."""
        count, bought, promised = self._cells.get(("", segment), _Cell()).sums[2:].reshape(3, _CALIBRATION_BINS)
        return count.copy(), bought.copy(), promised.copy()

    def segments(self) -> list[str]:
        """The segments that have been counted."""
        return sorted({s for _, s in self._cells})

    def state(self) -> dict[str, bytes]:
        """The counts as bytes by ``month segment``."""
        return {f"{m} {s}": c.to_bytes() for (m, s), c in sorted(self._cells.items())}

    def restore(self, state: dict[str, bytes]) -> None:
        """Go on from what `state` gave."""
        self._cells = {}
        for key, data in state.items():
            month, _, segment = key.partition(" ")
            self._cells[month, segment] = _Cell.from_bytes(data)

    def _cell(self, month: str, segment: str) -> "_Cell":
        return self._cells.setdefault((month, segment), _Cell())


class _Cell:
    """Counts of one month and segment: by label and bin of the log-odds, and the sums of the rest."""

    def __init__(self) -> None:
        self.counts = np.zeros((2, _BINS), np.uint32)
        self.sums = np.zeros(2 + 3 * _CALIBRATION_BINS)

    def add(self, p: FloatArray, y: FloatArray) -> None:
        kept = np.clip(p, _LEAST_PROBABILITY, 1.0 - _LEAST_PROBABILITY)
        place = (np.log(kept) - np.log1p(-kept) - _LOWEST) * (_BINS / (_HIGHEST - _LOWEST))
        np.add.at(self.counts, (y.astype(np.int64), np.clip(place, 0, _BINS - 1).astype(np.int64)), 1)
        _add_sums(p, y, self.sums)

    def quality(self) -> Quality:
        return _quality(self.counts[0].astype(np.float64), self.counts[1].astype(np.float64), self.sums)

    def to_bytes(self) -> bytes:
        return self.counts.astype("<u4").tobytes() + self.sums.astype("<f8").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> "_Cell":
        cell, edge = cls(), 8 * _BINS
        cell.counts[:] = np.frombuffer(data[:edge], "<u4").reshape(2, _BINS)
        cell.sums[:] = np.frombuffer(data[edge:], "<f8")
        return cell


@compiled_allocating
def _add_sums(p: FloatArray, y: FloatArray, sums: FloatArray) -> None:
    """Add log loss, squared error, and for each calibration bin count, positives and probability.

    One outcome after the other: the sums are the same to the bit however the outcomes are cut into calls.
    """
    for i in range(p.shape[0]):
        kept = min(max(p[i], _LEAST_PROBABILITY), 1.0 - _LEAST_PROBABILITY)
        sums[0] -= math.log(kept) if y[i] > 0.0 else math.log1p(-kept)
        sums[1] += (p[i] - y[i]) ** 2
        place = 2 + min(int(p[i] * _CALIBRATION_BINS), _CALIBRATION_BINS - 1)
        sums[place] += 1.0
        sums[place + _CALIBRATION_BINS] += y[i]
        sums[place + 2 * _CALIBRATION_BINS] += p[i]


def _sums(p: FloatArray, y: FloatArray) -> FloatArray:
    sums = np.zeros(2 + 3 * _CALIBRATION_BINS)
    _add_sums(p, y, sums)
    return sums


def _counts(scores: NDArray[np.floating], labels: NDArray[np.generic]) -> tuple[FloatArray, FloatArray]:
    """How many of each label at each distinct score, scores rising."""
    y = np.asarray(labels, np.float64)
    _, place = np.unique(scores, return_inverse=True)
    size = int(place.max()) + 1 if len(place) else 0
    negatives, positives = np.bincount(place, 1.0 - y, size), np.bincount(place, y, size)
    return negatives.astype(np.float64), positives.astype(np.float64)


def _auc(negatives: FloatArray, positives: FloatArray) -> float:
    pairs = negatives.sum() * positives.sum()
    if pairs == 0:
        return math.nan
    below = np.cumsum(negatives) - negatives
    return float(np.sum(positives * (below + 0.5 * negatives)) / pairs)


def _average_precision(negatives: FloatArray, positives: FloatArray) -> float:
    total = positives.sum()
    if total == 0:
        return math.nan
    found = np.cumsum(positives[::-1])
    shown = np.cumsum((positives + negatives)[::-1])
    return float(np.sum(positives[::-1] * found / np.maximum(shown, 1.0)) / total)


def _quality(negatives: FloatArray, positives: FloatArray, sums: FloatArray) -> Quality:
    count, label, probability = sums[2:].reshape(3, _CALIBRATION_BINS)
    n = count.sum()
    if n == 0:
        return Quality(0, 0, *[math.nan] * 6)
    return Quality(
        examples=int(n),
        positives=int(label.sum()),
        mean_probability=float(probability.sum() / n),
        auc=_auc(negatives, positives),
        average_precision=_average_precision(negatives, positives),
        log_loss=float(sums[0] / n),
        brier=float(sums[1] / n),
        calibration_error=float(np.abs(label - probability).sum() / n),
    )
