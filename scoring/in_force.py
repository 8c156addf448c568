"""The model in force: a snapshot as the kernel reads it, or the warm-up ranking before there is one."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.features import N_FEATURES, WARM_UP_WEIGHTS
from scoring.model import LinearScorer, Snapshot, probability
from scoring.river_model import SlowScorer
from scoring.tiers import Balances, unknown_balances
from scoring.types import ShopTable, unknown_shop

__all__ = ["Model", "blank_model", "in_force"]


class Model(NamedTuple):
    """The model in force, as the kernel wants it; `slow` scores where it is not linear.

    `shop` is what customers' types, stages and values are told by, `balances` by what their ranks among others are.
    """

    version: int
    warming_up: bool
    scorer: LinearScorer
    quantiles: NDArray[np.float64]
    shop: ShopTable
    balances: Balances
    slow: SlowScorer | None = None

    def score_at(self, percentile: float) -> float:
        """The score of the customer at a percentile; NaN while ranks are unknown."""
        if not len(self.quantiles):
            return math.nan
        logit = np.interp(percentile, np.linspace(0, 1, len(self.quantiles)), self.quantiles)
        return probability(float(logit))


def blank_model() -> Model:
    """What scores until the first snapshot: decayed orders, no percentiles."""
    weight = np.zeros(N_FEATURES)
    for number, value in WARM_UP_WEIGHTS:
        weight[number] = value
    scorer = LinearScorer(np.zeros(N_FEATURES), np.ones(N_FEATURES), weight, 0.0, 1e9)
    return Model(0, True, scorer, np.zeros(0), unknown_shop(), unknown_balances())


def in_force(snapshot: Snapshot) -> Model:
    """The model of a snapshot; ranks are unknown while it warms up."""
    blank = blank_model()
    slow = SlowScorer.of(snapshot) if snapshot.scorer is None else None
    quantiles = blank.quantiles if snapshot.warming_up else snapshot.quantiles
    scorer = snapshot.scorer or blank.scorer
    balances = Balances(snapshot.balances, snapshot.worths)
    return Model(snapshot.version, snapshot.warming_up, scorer, quantiles, snapshot.shop, balances, slow)
