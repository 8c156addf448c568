"""Peaks: the highest percentile that a customer had at a daily look, kept for 30 days."""

import math
from typing import Any

from scoring.compiled import compiled
from scoring.kernel import RESCORE
from scoring.profile import DAY_MS

__all__ = ["follow_peaks"]

_KEPT_MS = 30 * DAY_MS


@compiled
def follow_peaks(rows: Any, points: Any, m: int, percentile: Any, columns: Any, c: int) -> None:
    """Follow each customer through the points (m,) in order, and write their peak to column `c` of each.

    A peak gives way to a higher one, and after 30 days to whatever there is then. NaN while no percentile is known.
    """
    for i in range(m):
        p = rows[points.row[i]]
        known = not math.isnan(percentile[i])
        old = points.time_ms[i] - p.peak_ms[0] > _KEPT_MS
        if points.cause[i] & RESCORE and known and (old or not percentile[i] <= p.peak[0]):
            p.peak[0] = percentile[i]
            p.peak_ms[0] = points.time_ms[i]
        columns[i, c] = p.peak[0]
