"""Periods: weeks, months and quarters of UTC, and the names they are told by."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Period", "edges", "names"]

Period = Literal["week", "month", "quarter"]

_MONDAY = np.datetime64("1970-01-05", "D")


def edges(first_ms: int, last_ms: int, period: Period) -> NDArray[np.int64]:
    """The begins of all periods that are over by `last_ms`, from that of `first_ms` on, and the end of the last."""
    first, last = np.datetime64(first_ms, "ms"), np.datetime64(last_ms, "ms")
    if period == "week":
        start = _MONDAY + (first.astype("datetime64[D]") - _MONDAY) // np.timedelta64(7, "D") * np.timedelta64(7, "D")
        found = np.arange(start, last.astype("datetime64[D]") + 1, 7)
    else:
        months = 1 if period == "month" else 3
        start = first.astype("datetime64[M]").astype(np.int64) // months * months
        found = np.arange(start, last.astype("datetime64[M]").astype(np.int64) + 1, months).astype("datetime64[M]")
    return np.asarray(found.astype("datetime64[ms]").astype(np.int64))


def names(begins_ms: NDArray[np.int64], period: Period) -> list[str]:
    """`2011-03-07` of a week, `2011-03` of a month, `2011-Q1` of a quarter."""
    dates = begins_ms.astype("datetime64[ms]")
    if period == "quarter":
        months = dates.astype("datetime64[M]").astype(np.int64)
        return [f"{1970 + month // 12}-Q{month % 12 // 3 + 1}" for month in months.tolist()]
    return [str(date) for date in dates.astype("datetime64[D]" if period == "week" else "datetime64[M]")]
