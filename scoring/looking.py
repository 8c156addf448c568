"""Looking: customers as of a time after all their events, without changing anything."""

import numpy as np
from numpy.typing import NDArray

from scoring.evaluation import Evaluation
from scoring.features import N_FEATURES
from scoring.kernel import score_rows
from scoring.model import probabilities
from scoring.profile import NEVER
from scoring.quantiles import percentiles
from scoring.state import State
from scoring.versions import Versions

__all__ = ["Looking"]


class Looking:
    """Looks at the customers of one partition."""

    def __init__(self, state: State, versions: Versions, evaluation: Evaluation) -> None:
        self._profiles, self._config = state.profiles, state.config
        self._versions, self._evaluation = versions, evaluation

    def score_at(
        self, time_ms: int, rows: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """Score customers as of a time that lies after all their events, without changing anything.

        Returns
        -------
        (rows, score, percentile)
            (n,) each: those of `rows`, or of everybody seen; percentiles are NaN while unknown.
        """
        if rows is None:
            first_ms = self._profiles.rows["first_ms"][: len(self._profiles)]
            rows = np.flatnonzero((first_ms != NEVER) & (first_ms <= time_ms))
        _, logit = self._as_of(time_ms, rows)
        return rows, probabilities(logit), percentiles(logit, self._versions.model.quantiles)

    def leaving_at(self, row: int, time_ms: int) -> set[tuple[str, str | None]]:
        """The lists, each with the object or None, where a customer would not stay at a time after all their events.

        Nothing is told and no list moves on. Objects are asked about once at a time, so keep what this returns.
        """
        self._evaluation.look_again(row, time_ms, time_ms)
        return self._evaluation.leaving()

    def features_at(self, time_ms: int, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """The feature rows (n, F) of customers as of a time that lies after all their events."""
        return self._as_of(time_ms, rows)[0]

    def _as_of(self, time_ms: int, rows: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        X, logit = np.zeros((len(rows), N_FEATURES)), np.zeros(len(rows))
        score_rows(
            self._profiles.rows, rows, time_ms, self._versions.model.scorer, float(self._config.horizon_ms), X, logit
        )
        if self._versions.model.slow is not None and len(rows):
            logit = self._versions.model.slow.logits(X)
        return X, logit
