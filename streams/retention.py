"""Retention: who stays, counted now and then from the rows of a worker's partitions and brought to its metrics."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from scoring.retained import retained
from scoring.types import Retention
from streams.metrics import Metrics
from streams.report.periods import edges, names
from streams.report.terms import ReportTerms
from streams.unit import Unit

__all__ = ["PERIODS", "LiveRetention"]

PERIODS: Final = 13
"""Most periods that are told: of months, a year and the same month of the year before."""
_PIECE: Final = 4096
"""Rows looked at before others get their turn: a few milliseconds."""
_DAY_MS: Final = 86_400_000
_LONGEST_DAYS: Final = {"week": 7, "month": 31, "quarter": 92}


class LiveRetention:
    """Keeps the customers at the begins and ends of the last periods among a worker's metrics.

    Parameters
    ----------
    terms
        The period, who is a customer, and the value to compare with.
    metrics
        Where it is told.
    """

    def __init__(self, terms: ReportTerms, metrics: Metrics) -> None:
        self._terms, self._gauge = terms, metrics.retention
        self._told: set[str] = set()
        if terms.retention_reference is not None:
            metrics.retention_reference.set(terms.retention_reference)

    async def look(self, units: Sequence[Unit]) -> float:
        """Count anew, giving others their turn in between; return the seconds it took of the processor.

        Told are the periods that are over where these partitions have come furthest.
        """
        now_ms = max((at for unit in units if (at := unit.status().watermark_ms) is not None), default=None)
        if now_ms is None:
            self._tell({})
            return 0.0
        period, spent_s = self._terms.retention_period, 0.0
        since_ms = now_ms - (PERIODS + 1) * _LONGEST_DAYS[period] * _DAY_MS
        begins = edges(since_ms, now_ms, period)[-(PERIODS + 1) :]
        summed = [Retention(0, 0, 0)] * (len(begins) - 1)
        for unit in units:
            profiles = unit.engine.profiles
            for start in range(0, len(profiles), _PIECE):
                begun_s = time.perf_counter()
                rows = profiles.rows[start : min(start + _PIECE, len(profiles))]
                found = retained(rows, begins, self._terms.retention_window_ms, self._terms.horizon_ms)
                summed = [Retention(*map(sum, zip(a, b, strict=True))) for a, b in zip(summed, found, strict=True)]
                spent_s += time.perf_counter() - begun_s
                await asyncio.sleep(0)
        self._tell({name: one for name, one in zip(names(begins[:-1], period), summed, strict=True) if any(one)})
        return spent_s

    def _tell(self, found: dict[str, Retention]) -> None:
        for period in self._told - found.keys():
            self._gauge.remove_by_labels({"period": period})
        self._told = set(found)
        for period, counts in found.items():
            for moment, count in counts._asdict().items():
                self._gauge.labels(period, moment).set(count)
