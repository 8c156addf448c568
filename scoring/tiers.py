"""Tiers: where points, or what was spent, stand among the customers of the same tier, or among all."""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Balances", "tier_rank", "unknown_balances"]

FloatArray = NDArray[np.float64]


class Balances(NamedTuple):
    """What customers have, each increasing at the ranks ``linspace(0, 1, n)``; empty while too few are known.

    Parameters
    ----------
    points
        Balances of points, of those who have been told any.
    worths
        Worths of all orders less refunds, of those who bought.
    """

    points: FloatArray
    worths: FloatArray


def unknown_balances() -> Balances:
    """What is known before anything is."""
    return Balances(np.empty(0), np.empty(0))


def tier_rank(points: float, marks: Sequence[float], balances: FloatArray) -> float:
    """The share of customers of the same tier who have so much or less, in [0, 1]; NaN while unknown.

    Parameters
    ----------
    points
        What the customer has, of points or of money; NaN for unknown.
    marks
        Increasing: a tier begins at each, and those below the first are a tier, too; without any all are of one.
    balances
        (Q,) increasing balances of customers at the ranks ``linspace(0, 1, Q)``, piecewise linear between; empty while
        too few are known.

    It is unknown, too, where the table has nobody in that tier. O(log Q).
    """
    if not len(balances) or math.isnan(points):
        return math.nan
    below = _share(balances, max((mark for mark in marks if mark <= points), default=-math.inf), "left")
    within = _share(balances, min((mark for mark in marks if mark > points), default=math.inf), "left") - below
    if within <= 0.0:
        return math.nan
    return min(max((_share(balances, points, "right") - below) / within, 0.0), 1.0)


def _share(balances: FloatArray, points: float, side: Literal["left", "right"]) -> float:
    """The share of balances below `points` (``left``), or not above it (``right``)."""
    n = int(np.searchsorted(balances, points, side=side))
    if n in (0, len(balances)):
        return float(n > 0)
    low, high = float(balances[n - 1]), float(balances[n])
    return (n - 1 + (points - low) / (high - low)) / (len(balances) - 1)
