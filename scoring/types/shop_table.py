"""Shop table: what a customer is measured against, the same for every worker, as a model's snapshot has it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.types.rfm import RfmCuts, rfm_cuts

__all__ = ["ShopTable", "shop_table", "unknown_shop"]

FloatArray = NDArray[np.float64]

_CUTS = 4


class ShopTable(NamedTuple):
    """The fifths of those who bought, the usual gap between two orders, and what an order is worth; NaN for unknown."""

    cuts: RfmCuts
    gap_days: float
    order: float

    def to_array(self) -> FloatArray:
        """The table as (14,) numbers, empty where nothing is known."""
        if not len(self.cuts.orders):
            return np.empty(0)
        return np.concatenate([*self.cuts, [self.gap_days, self.order]])

    @classmethod
    def of_array(cls, numbers: FloatArray) -> "ShopTable":
        """The table that `to_array` gave.

        Raises
        ------
        ValueError
            If it is not one.
        """
        if not len(numbers):
            return unknown_shop()
        if len(numbers) != 3 * _CUTS + 2:
            raise ValueError(f"{len(numbers)} numbers are no shop table")
        return cls(RfmCuts(*numbers[: 3 * _CUTS].reshape(3, _CUTS)), float(numbers[-2]), float(numbers[-1]))


def unknown_shop() -> ShopTable:
    """The table before anybody is known to have bought."""
    return ShopTable(RfmCuts(*(np.empty(0) for _ in range(3))), float("nan"), float("nan"))


def shop_table(since_days: FloatArray, orders: FloatArray, net: FloatArray, gap_days: FloatArray) -> ShopTable:
    """The table of (n,) customers; those who never bought are left out. The usual gap is the median of theirs.

    What an order is worth is the mean over all orders of these customers. O(n log n).
    """
    bought = orders > 0
    if not bought.any():
        return unknown_shop()
    gaps = gap_days[bought & ~np.isnan(gap_days)]
    return ShopTable(
        rfm_cuts(since_days[bought], orders[bought], net[bought]),
        float(np.median(gaps)) if len(gaps) else float("nan"),
        float(np.maximum(net[bought], 0.0).sum() / orders[bought].sum()),
    )
