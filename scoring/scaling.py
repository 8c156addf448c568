"""Running mean and variance of each feature (Welford), for the online standardisation."""

import numpy as np
from numpy.typing import NDArray

from scoring.compiled import compiled

__all__ = ["LARGEST", "inverse_sd", "standardise", "update"]

FloatArray = NDArray[np.float64]

LARGEST = 1e100
"""Values count as at most this large, so that no sum of squares overflows."""


@compiled
def update(x: FloatArray, count: FloatArray, mean: FloatArray, m2: FloatArray) -> None:
    """Take the row `x` (F,) into the running moments; what is not finite counts as absent.

    Welford's recurrence: no difference of large sums, so a constant feature has a variance of exactly 0.
    """
    for j in range(x.shape[0]):
        v = x[j]
        if v - v == 0.0:
            v = min(max(v, -LARGEST), LARGEST)
            count[j] += 1.0
            d = v - mean[j]
            mean[j] += d / count[j]
            m2[j] += d * (v - mean[j])


@compiled
def inverse_sd(count: FloatArray, mean: FloatArray, m2: FloatArray, out: FloatArray) -> None:
    """Write 1 / standard deviation of each feature to `out` (F,), and 0 where it hardly varies.

    Hardly: a standard deviation under 1e-6 of the mean or under 1e-9, where rounding would be learned.
    """
    for j in range(mean.shape[0]):
        variance = m2[j] / max(count[j], 1e-300)
        if variance > 1e-18 and variance > 1e-12 * mean[j] * mean[j]:
            out[j] = 1.0 / np.sqrt(variance)
        else:
            out[j] = 0.0


@compiled
def standardise(x: FloatArray, mean: FloatArray, inv_sd: FloatArray, clip: float, out: FloatArray) -> None:
    """Write the clipped standard scores of `x` (F,) to ``out[1:]`` and 1, the intercept's, to ``out[0]``."""
    out[0] = 1.0
    for j in range(x.shape[0]):
        z = (x[j] - mean[j]) * inv_sd[j]
        out[j + 1] = min(max(z, -clip), clip) if z == z else 0.0
