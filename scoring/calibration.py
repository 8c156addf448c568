"""Calibration: a running intercept, so that probabilities follow the base rate of late."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring.compiled import compiled

__all__ = ["RunningIntercept"]

FloatArray = NDArray[np.float64]

_FIRST_INFORMATION = 50.0
"""As much as 200 examples of an even chance: the first few outcomes do not throw the intercept about."""


@dataclass(slots=True)
class RunningIntercept:
    """What to add to the log-odds so that over about the last `memory` examples they are right on average.

    A logistic regression of one number by online Newton steps, its information fading by 1 / `memory` an
    example. Two floats of state. It shifts all customers alike, so it never changes their order.
    """

    memory: float = 3000.0
    shift: float = 0.0
    information: float = _FIRST_INFORMATION

    def learn(self, logits: FloatArray, labels: FloatArray) -> None:
        """Take outcomes in order: the (m,) log-odds before they were known, without the shift, and 0 or 1."""
        self.shift, self.information = _follow(logits, labels, self.shift, self.information, 1.0 / self.memory)


@compiled
def _follow(
    logits: FloatArray, labels: FloatArray, shift: float, information: float, fade: float
) -> tuple[float, float]:
    for i in range(logits.shape[0]):
        p = 1.0 / (1.0 + np.exp(-min(max(logits[i] + shift, -30.0), 30.0)))
        # The floor keeps the information above 0 through a long run of one label.
        information = (1.0 - fade) * information + max(p * (1.0 - p), 0.02)
        shift += (labels[i] - p) / information
    return shift, information
