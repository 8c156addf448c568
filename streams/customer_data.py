"""Customer data: type, stage and value of one customer, as records tell them."""

from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.timestamp import from_ms
from scoring.types import RFM_GROUPS, STAGES, TYPES, One

__all__ = ["CENTS", "GAP_DIGITS", "customer_data", "next_ms"]

CENTS, GAP_DIGITS = 2, 3
"""Decimals of money, and of a usual gap in days."""


def customer_data(who: One, time_ms: int) -> dict[str, Any]:
    """What is told of a customer as of a moment."""
    known = who.next_days is not None
    due = from_ms(int(next_ms(np.array([time_ms]), np.array([who.next_days]))[0])) if known else None
    return {
        "type": TYPES[who.type],
        "stage": STAGES[who.stage],
        "rfm_group": None if who.group < 0 else RFM_GROUPS[who.group],
        "orders": int(who.orders),
        "net": _rounded(who.net, CENTS),
        "average_order": _rounded(who.net / who.orders, CENTS) if who.orders else None,
        "usual_gap_days": None if who.gap_days is None else _rounded(who.gap_days, GAP_DIGITS),
        "expected_next_order": due,
        "predicted_value": None if who.predicted is None else _rounded(who.predicted, CENTS),
    }


def next_ms(time_ms: npt.NDArray[np.int64], next_days: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """(n,) when the next order is expected, to the minute; only where it is known."""
    return np.asarray(time_ms + np.rint(next_days * 1440.0).astype(np.int64) * 60_000)


def _rounded(value: float, digits: int) -> float:
    """As numpy rounds many at once: in the last digit it differs from `round`."""
    return float(np.round(value, digits))
