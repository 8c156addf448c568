"""Uplift: by how much more of those who could be contacted bought than of those who were held out."""

import math
from statistics import NormalDist
from typing import NamedTuple

__all__ = ["Arms", "Uplift", "uplift"]


class Arms(NamedTuple):
    """Customers who could be contacted and those held out, and how many of each bought."""

    customers: int = 0
    buyers: int = 0
    control: int = 0
    control_buyers: int = 0


class Uplift(NamedTuple):
    """The difference of the shares that bought, contacted less held out, and its interval; NaN where one is empty."""

    estimate: float
    low: float
    high: float

    @property
    def proven(self) -> bool:
        """Whether the interval leaves out that there is no effect."""
        return self.low > 0 or self.high < 0


def uplift(arms: Arms, confidence: float = 0.95) -> Uplift:
    """The uplift with the hybrid score interval of Newcombe. O(1).

    It holds what it says for small counts and for shares near 0 and 1 too, where that of the normal approximation is
    too narrow. Customers, not contacts, are what is counted: they were drawn.

    References
    ----------
    Newcombe, R. G. (1998). Interval estimation for the difference between independent proportions: comparison of
    eleven methods. Statistics in Medicine 17, 873-890: method 10.
    """
    if not arms.customers or not arms.control:
        return Uplift(math.nan, math.nan, math.nan)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    p, q = arms.buyers / arms.customers, arms.control_buyers / arms.control
    p_low, p_high = _wilson(arms.buyers, arms.customers, z)
    q_low, q_high = _wilson(arms.control_buyers, arms.control, z)
    return Uplift(p - q, p - q - math.hypot(p - p_low, q_high - q), p - q + math.hypot(p_high - p, q - q_low))


def _wilson(hits: int, n: int, z: float) -> tuple[float, float]:
    """The score interval of one share (Wilson, 1927)."""
    p = hits / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    reach = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return middle - reach, middle + reach
