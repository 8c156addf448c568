"""Blend: a bold and a careful online Newton learner, weighed by how well each has predicted."""

import math
from itertools import pairwise
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from scoring.compiled import compiled
from scoring.features import FEATURES, N_FEATURES
from scoring.model import LinearScorer, logits
from scoring.newton import OnlineNewton

__all__ = ["Blend"]

FloatArray = NDArray[np.float64]

_CORE = (
    "recency.log",
    "frequency.log_visits",
    "frequency.log_orders",
    "rhythm.visits_H",
    "rhythm.visits_3H",
    "rhythm.visits_9H",
)
"""What every shop's repurchases depend on; the careful learner trusts these first."""

_CAREFUL = 4.0
_CLOCK_BOLD, _CLOCK_CAREFUL = 10.0, 20.0
"""All customers share the clock at any moment, so a thousand examples of one day tell it as little as one does."""

_RATE = 0.25
"""Of the weighing: outcomes of one customer overlap in time, so four examples count about as one."""

_DOUBT = 12.0
"""By so much the bold one's loss must be less before it counts as much as the careful one: in shops of 400
customers the difference between the two goes to and fro by about as much without meaning anything."""

_STEPS = 8
"""Times in a horizon at which the two are kept as they are, to be judged by what they say of the horizon after."""


class _Kept(NamedTuple):
    """Both learners as they were at a step."""

    step: int
    bold: LinearScorer
    careful: LinearScorer


class Blend:
    """Two learners of one kind on one scaling, whose log-odds are averaged: the sum stays one linear model.

    The bold one takes every feature as it comes: best where there are tens of thousands of examples. The careful
    one holds all but a handful of features back by a prior sixteen times as tight: best in small shops, where
    hinges and gaps are noise. The weight of the bold one is the logistic function of the difference between
    their log losses, summed with the same forgetting by time as the learners', less a doubt.

    Each is judged as it was when an example was *made*, a horizon before its outcome. As they are when it
    resolves, they know the same customer's outcome over most of the same days, and the bolder looks the better.

    Parameters
    ----------
    prior, half_life, clip
        See `OnlineNewton`.
    """

    def __init__(self, prior: float, half_life: float, clip: float) -> None:
        self.clip = clip
        self.bold = OnlineNewton(prior, half_life, clip).start(N_FEATURES, _caution(1.0, _CLOCK_BOLD))
        self.careful = OnlineNewton(prior, half_life, clip).start(N_FEATURES, _caution(_CAREFUL, _CLOCK_CAREFUL))
        self._rate = math.log(2.0) / half_life
        self._lead = np.array([0.0, -math.inf])  # by how much the bold one's loss is less, and as of when
        self._kept: list[_Kept] = []
        self._share = self.weight  # as it was when the step began

    @property
    def weight(self) -> float:
        """Of the bold learner, in [0, 1]."""
        evidence = _RATE * (float(self._lead[0]) - _DOUBT)
        return 1.0 / (1.0 + math.exp(-min(max(evidence, -30.0), 30.0)))

    def learn(self, X: FloatArray, y: FloatArray, t: FloatArray) -> FloatArray:
        """Learn rows (m, F) in order at times `t` in horizons; the (m,) log-odds each had before."""
        out = np.empty(len(y))
        step = np.floor(t * _STEPS).astype(np.int64)
        edges = [0, *(np.flatnonzero(np.diff(step)) + 1).tolist(), len(y)]
        for start, stop in pairwise(edges):
            if stop > start:
                mine = slice(start, stop)
                self._learn(int(step[start]), X[mine], y[mine], t[mine], out[mine])
        return out

    def _learn(self, step: int, X: FloatArray, y: FloatArray, t: FloatArray, out: FloatArray) -> None:
        """Learn rows of one step; the learners are kept as they are before its first."""
        if not self._kept or self._kept[-1].step < step:
            self._kept.append(_Kept(step, self.bold.scorer(), self.careful.scorer()))
            self._share = self.weight
        while len(self._kept) > 1 and self._kept[1].step <= step - _STEPS:
            self._kept.pop(0)
        if self._kept[0].step <= step - _STEPS:
            then = self._kept[0]
            _judge(logits(then.bold, X), logits(then.careful, X), y, t, self._rate, self._lead)
        share = self._share
        out[:] = share * self.bold.learn_rows(X, y, t) + (1.0 - share) * self.careful.learn_rows(X, y, t)

    def scorer(self) -> LinearScorer:
        """What it predicts with."""
        bold, careful, share = self.bold.scorer(), self.careful.scorer(), self.weight
        return bold._replace(
            weight=share * bold.weight + (1.0 - share) * careful.weight,
            intercept=share * bold.intercept + (1.0 - share) * careful.intercept,
        )

    def pickled(self, shift: float) -> bytes:
        """Nothing: it is linear."""
        return b""

    def to_bytes(self) -> bytes:
        """Everything it goes on from."""
        state = _State(
            bold=_packed(self.bold),
            careful=_packed(self.careful),
            lead=self._lead.tobytes(),
            share=self._share,
            steps=[kept.step for kept in self._kept],
            kept=b"".join(_flat(scorer) for kept in self._kept for scorer in (kept.bold, kept.careful)),
        )
        return msgspec.msgpack.encode(state)

    def restore(self, data: bytes) -> None:
        """Go on from what `to_bytes` gave."""
        state = msgspec.msgpack.decode(data, type=_State)
        for model, packed in ((self.bold, state.bold), (self.careful, state.careful)):
            model.restore({k: np.frombuffer(v, np.float64) for k, v in packed.items()})
        self._lead[:] = np.frombuffer(state.lead, np.float64)
        self._share = state.share
        rows = np.frombuffer(state.kept, np.float64).reshape(len(state.steps), 2, 1 + 3 * N_FEATURES)
        self._kept = [
            _Kept(step, self._scorer(bold), self._scorer(careful))
            for step, (bold, careful) in zip(state.steps, rows, strict=True)
        ]

    def _scorer(self, row: FloatArray) -> LinearScorer:
        mean, inv_sd, weight = row[1:].reshape(3, -1).copy()
        return LinearScorer(mean, inv_sd, weight, float(row[0]), self.clip)


class _State(msgspec.Struct):
    bold: dict[str, bytes]
    careful: dict[str, bytes]
    lead: bytes
    share: float
    steps: list[int]
    kept: bytes


def _packed(model: OnlineNewton) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in model.state().items()}


def _flat(scorer: LinearScorer) -> bytes:
    return np.concatenate([[scorer.intercept], scorer.mean, scorer.inv_sd, scorer.weight]).tobytes()


def _caution(others: float, clock: float) -> FloatArray:
    return np.array([1.0 if n in _CORE else clock if n.startswith("clock.") else others for n in FEATURES])


@compiled
def _judge(bold: FloatArray, careful: FloatArray, y: FloatArray, t: FloatArray, rate: float, lead: FloatArray) -> None:
    """Add by how much less the bold one lost over outcomes, one after the other."""
    for i in range(y.shape[0]):
        if t[i] > lead[1]:
            if lead[1] > -np.inf:
                lead[0] *= np.exp(-rate * (t[i] - lead[1]))
            lead[1] = t[i]
        sign = -1.0 if y[i] > 0.0 else 1.0
        lead[0] += np.log1p(np.exp(min(sign * careful[i], 30.0))) - np.log1p(np.exp(min(sign * bold[i], 30.0)))
