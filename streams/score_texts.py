"""Score texts: what records say of many scores, as columns of JSON.

A score's own record says it, and so do the records of the crossings at the same point.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

from scoring.outcome import Scores
from streams.cloud_event import log_odds
from streams.customer_data import customers_of
from streams.json_columns import HELD, HELD_TEXT, Piece, Stamps
from streams.texts import Texts

__all__ = ["ScoreTexts", "score_fields", "score_texts"]


class ScoreTexts(NamedTuple):
    """Of n scores, by element: columns of JSON, but for `keys`.

    Attributes
    ----------
    keys, customers
        Ids as they are, and as texts without quotes.
    known
        Types, stages and values, in pieces.
    intercepts, groups
        (n,) and (n, G): what adds up to the log-odds.
    """

    keys: list[bytes]
    customers: Texts
    stamps: Stamps
    known: list[Piece]
    score: Texts
    percentile: Texts
    previous: Texts
    intercepts: npt.NDArray[np.float64]
    model_version: bytes
    warming_up: bytes
    groups: npt.NDArray[np.float64]

    def columns(self, bands: Texts) -> list[Piece]:
        """What goes into the places of `score_fields`, given the band of each."""
        return [
            self.customers, self.score, self.percentile, bands, self.previous, self.model_version, self.stamps,
            self.warming_up,
        ]  # fmt: skip


def score_fields(horizon_days: float) -> dict[str, Any]:
    """Return what the data of a score's record and of an action's begin with, with a place for each value."""
    return {
        "customer_id": HELD_TEXT,
        "score": HELD,
        "percentile": HELD,
        "band": HELD,
        "previous": HELD,
        "horizon_days": horizon_days,
        "model_version": HELD,
        "event_time": HELD,
        "warming_up": HELD,
    }


def score_texts(scores: Scores, customers: Sequence[bytes]) -> ScoreTexts:
    """Return the texts of all; `customers` are ids by row. About 0.5 µs each."""
    n = len(scores.row)
    keys = [customers[row] for row in scores.row.tolist()]
    numbers = Texts.of_numbers(np.concatenate([scores.score, scores.percentile, scores.previous]))
    return ScoreTexts(
        keys=keys,
        customers=Texts.within_quotes(keys),
        stamps=Stamps(scores.time_ms),
        known=customers_of(scores.who, scores.time_ms),
        score=numbers[:n],
        percentile=numbers[n : 2 * n],
        previous=numbers[2 * n :],
        intercepts=log_odds(scores.score) - scores.groups.sum(axis=1),
        model_version=orjson.dumps(scores.model_version),
        warming_up=orjson.dumps(scores.warming_up),
        groups=scores.groups,
    )
