"""Publication: which evaluation points are worth telling, by how far the score moved since the last told one."""

from typing import Any

import numpy as np

from scoring.compiled import compiled
from scoring.kernel import ACTIVE

__all__ = ["choose"]


@compiled
def choose(rows: Any, points: Any, m: int, score: Any, band: Any, crossed: Any, delta: float,
           chosen: Any, previous: Any) -> int:  # fmt: skip
    """Choose the points to publish, in order, and note in their rows what was published.

    A score is told when it moved by `delta` since the last told one, changed its band, crossed a rule's line, and
    once a day while the customer is active. Only what the point itself says is asked: the row has lived through
    later events of the run. Writes the points' numbers to `chosen` and the scores told before (NaN for none) to
    `previous`; returns how many. O(m).
    """
    n = 0
    for i in range(m):
        p = rows[points.row[i]]
        before = p.published_score
        p.score = score[i]
        tell = np.isnan(before) or abs(score[i] - before) >= delta or band[i] != p.band or crossed[i]
        if tell or points.cause[i] & ACTIVE:
            chosen[n] = i
            previous[n] = before
            p.published_score = score[i]
            p.published_ms = points.time_ms[i]
            p.band = band[i]
            n += 1
    return n
