"""Online Newton: logistic regression with a full covariance, one pass and no learning rate."""

import math
from collections.abc import Hashable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river import base

from scoring.compiled import compiled_allocating
from scoring.model import LinearScorer, contributions, linear_logits, probability
from scoring.scaling import inverse_sd, standardise, update
from scoring.square_root import add_row, forget, solve

__all__ = ["LEAST_HALF_LIFE", "OnlineNewton"]

FloatArray = NDArray[np.float64]

LEAST_HALF_LIFE = 5.0
"""In horizons: a shorter memory forgets what it has not yet had the time to learn."""

_LEAST_CURVATURE = 0.02
"""p (1 - p) counts as at least this, so that a run of one label cannot make the next step unbounded."""

_FORGET_STEP = 0.005
"""Forgetting is applied once this much of it is owed: each application costs as much as ten examples."""


class OnlineNewton(base.Classifier):
    """Logistic regression learned by online Newton (extended Kalman) steps on its own standardised features.

    The state is the square root of the information matrix, to which examples are added by rotations: the
    covariance is symmetric and positive definite by construction. Forgetting goes by time and towards the
    prior, never past it. O(d^2) memory, O(d^2) an example.

    Parameters
    ----------
    prior
        Variance of a weight before anything is learned, on standardised features.
    half_life
        Of what was learned, in the unit of the times given to `learn_one` (horizons). Infinity never forgets.
    clip
        Standard scores are cut to plus and minus this.
    intercept_prior
        Variance of the intercept before anything is learned.

    Raises
    ------
    ValueError
        If `half_life` is under 5, or another parameter is not positive.

    References
    ----------
    Bierman, G. J. (1977). Factorization Methods for Discrete Sequential Estimation.
    Hazan, E., Agarwal, A., Kale, S. (2007). Logarithmic regret algorithms for online convex optimization.

    Examples
    --------
    >>> from river import datasets, evaluate, metrics
    >>> from scoring.newton import OnlineNewton
    >>> evaluate.progressive_val_score(datasets.Phishing(), OnlineNewton(), metrics.ROCAUC())
    ROCAUC: 95.45%
    """

    def __init__(
        self,
        prior: float = 0.01,
        half_life: float = 12.0,
        clip: float = 5.0,
        intercept_prior: float = 4.0,
    ) -> None:
        for name, value in (("prior", prior), ("clip", clip), ("intercept_prior", intercept_prior)):
            if not 0.0 < value < math.inf:
                raise ValueError(f"{name} = {value}: not a positive number; give one above 0")
        if not half_life >= LEAST_HALF_LIFE:
            raise ValueError(f"half_life = {half_life}: under {LEAST_HALF_LIFE:g} horizons; give that or more, or inf")
        self.prior = prior
        self.half_life = half_life
        self.clip = clip
        self.intercept_prior = intercept_prior
        self._caution = np.ones(0)  # by feature, what the prior's standard deviation is divided by
        self._names: list[Hashable] = []
        self._index: dict[Hashable, int] = {}
        self._root = np.array([1.0 / math.sqrt(intercept_prior)])
        self._R = np.diag(self._root)
        self._weight = np.zeros(1)
        self._moments = np.zeros((3, 0))  # count, mean and sum of squared differences of each feature
        self._clock = np.array([-math.inf, 0.0])  # time of the last example, and the forgetting still owed

    def _grow(self, features: int) -> None:
        """Make room for so many features; those known keep what they learned, the new start at the prior."""
        n = len(self._weight)
        root = np.full(features + 1, 1.0 / math.sqrt(self.prior))
        root[1 : len(self._caution) + 1] *= self._caution
        root[0] = self._root[0]
        R = np.diag(root)
        weight, moments = np.zeros(features + 1), np.zeros((3, features))
        R[:n, :n], weight[:n], moments[:, : n - 1] = self._R, self._weight, self._moments
        self._root, self._R, self._weight, self._moments = root, R, weight, moments

    # -- arrays ----------------------------------------------------------------------------------------

    def start(self, features: int, caution: FloatArray | None = None) -> "OnlineNewton":
        """Fix the number of features for the array methods, before the first row.

        `caution` (F,) divides the prior's standard deviation of each weight: where it is above 1, a weight
        moves only for so much more evidence.
        """
        self._caution = np.ones(features) if caution is None else caution
        self._grow(features)
        return self

    def learn_rows(
        self, X: NDArray[np.floating], y: FloatArray, t: FloatArray, w: FloatArray | None = None
    ) -> FloatArray:
        """Learn the rows of `X` (m, F) in order, with labels `y` (0 or 1) and times `t` (m,) in horizons.

        Returns
        -------
        (m,) the log-odds that each row had just before it was learned.
        """
        rows = np.ascontiguousarray(X, np.float64)
        out = np.empty(len(rows))
        rate = math.log(2.0) / self.half_life
        weights = np.ones(len(rows)) if w is None else w
        _learn(
            self._R,
            self._weight,
            self._root,
            self._moments,
            self._clock,
            rows,
            y,
            t,
            weights,
            rate,
            self.clip,
            out,
        )
        return out

    def learn_vec(self, x: NDArray[np.floating], y: float, t: float = math.nan, w: float = 1.0) -> float:
        """Learn one row `x` (F,), absent features not a number; the log-odds it had before."""
        row = np.asarray(x, np.float64)[None]
        return float(self.learn_rows(row, np.array([float(y)]), np.array([t]), np.array([w]))[0])

    def logit_vec(self, x: NDArray[np.floating]) -> float:
        """The log-odds of one row `x` (F,)."""
        out = np.empty(1)
        linear_logits(np.asarray(x, np.float64)[None], *self.scorer(), out)
        return float(out[0])

    def scorer(self) -> LinearScorer:
        """The model as plain arrays: what it predicts with, and what the kernel reads."""
        count, mean, m2 = self._moments
        inv_sd = np.empty_like(mean)
        inverse_sd(count, mean, m2, inv_sd)
        return LinearScorer(mean.copy(), inv_sd, self._weight[1:].copy(), float(self._weight[0]), self.clip)

    def covariance(self) -> FloatArray:
        """(F + 1, F + 1) of the intercept and the weights. O(F^3): for tests and reports."""
        half = np.linalg.solve(self._R, np.eye(len(self._R)))
        return np.asarray(half @ half.T)

    def state(self) -> dict[str, FloatArray]:
        """The arrays that `restore` resumes from exactly; the upper triangle only, row by row."""
        upper = self._R[np.triu_indices(len(self._R))]
        return {"upper": upper, "weight": self._weight, "moments": self._moments, "clock": self._clock}

    def restore(self, state: dict[str, FloatArray]) -> None:
        """Go on from what `state` gave; the features are known by their position."""
        self._grow(state["moments"].reshape(3, -1).shape[1])
        self._R[np.triu_indices(len(self._R))] = state["upper"]
        self._weight[:] = state["weight"]
        self._moments[:] = state["moments"].reshape(3, -1)
        self._clock[:] = state["clock"]

    # -- river's contract ------------------------------------------------------------------------------

    def learn_one(self, x: dict[Hashable, Any], y: base.typing.ClfTarget, w: float = 1.0, t: float = math.nan) -> None:
        """Learn one example; `t` is its time in horizons, and without one nothing is forgotten."""
        new = [name for name in x if name not in self._index]
        if new:
            for name in sorted(new, key=repr):
                self._index[name] = len(self._names)
                self._names.append(name)
            self._grow(len(self._names))
        self.learn_vec(self._vector(x), float(bool(y)), t, w)

    def predict_proba_one(self, x: dict[Hashable, Any], **kwargs: Any) -> dict[base.typing.ClfTarget, float]:
        """The probability of each label."""
        p = probability(self.logit_vec(self._vector(x)))
        return {False: 1.0 - p, True: p}

    def contributions(self, x: dict[Hashable, Any]) -> dict[Hashable, float]:
        """What each feature adds to the log-odds; with the intercept, their sum is the log-odds."""
        return dict(zip(self._names, contributions(self.scorer(), self._vector(x)).tolist(), strict=True))

    def _vector(self, x: dict[Hashable, Any]) -> FloatArray:
        return np.array([x.get(name, math.nan) for name in self._names], np.float64)

    @classmethod
    def _unit_test_params(cls) -> Any:
        yield {}


@compiled_allocating
def _learn(
    R: FloatArray,
    weight: FloatArray,
    root: FloatArray,
    moments: FloatArray,
    clock: FloatArray,
    X: FloatArray,
    y: FloatArray,
    t: FloatArray,
    w: FloatArray,
    rate: float,
    clip: float,
    out: FloatArray,
) -> None:
    n = R.shape[0]
    z = np.empty(n)
    gain = np.empty(n)
    inv_sd = np.empty(n - 1)
    for i in range(X.shape[0]):
        if t[i] > clock[0]:
            if clock[0] > -np.inf:
                clock[1] += rate * (t[i] - clock[0])
            clock[0] = t[i]
            if clock[1] >= _FORGET_STEP:
                keep = np.exp(-clock[1])
                clock[1] = 0.0
                forget(R, weight, root, keep)
                moments[0] *= keep
                moments[2] *= keep
        update(X[i], moments[0], moments[1], moments[2])
        inverse_sd(moments[0], moments[1], moments[2], inv_sd)
        standardise(X[i], moments[1], inv_sd, clip, z)
        logit = 0.0
        for j in range(n):
            gain[j] = z[j]
            logit += z[j] * weight[j]
        out[i] = logit
        p = 1.0 / (1.0 + np.exp(-min(max(logit, -30.0), 30.0)))
        solve(R, gain)
        spread = 0.0
        for j in range(n):
            spread += z[j] * gain[j]
        curvature = max(p * (1.0 - p), _LEAST_CURVATURE) * w[i]
        step = w[i] * (y[i] - p) / (1.0 + curvature * spread)
        h = np.sqrt(curvature)
        for j in range(n):
            weight[j] += step * gain[j]
            z[j] *= h
        add_row(R, z, 0)
