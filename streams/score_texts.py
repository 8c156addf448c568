"""Score texts: what records say of many scores, as JSON, each column encoded at once.

A score's own record says it, and so do the records of the crossings at the same point.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

from scoring.outcome import Scores
from streams.cloud_event import DIGITS, log_odds
from streams.customer_data import customers_of
from streams.stamps import stamp_texts
from streams.texts import Texts

__all__ = ["PointTexts", "ScoreTexts", "score_texts"]


class PointTexts(NamedTuple):
    """Of one score: the id as it is, and texts in JSON, the time without quotes."""

    key: bytes
    customer: bytes
    stamp: bytes
    known: bytes
    score: bytes
    percentile: bytes
    previous: bytes
    intercept: bytes


class ScoreTexts(NamedTuple):
    """Of n scores, by element: texts in JSON, but for `keys`.

    Attributes
    ----------
    keys, customers
        Ids as they are, and as texts in quotes.
    stamps
        Times, without quotes.
    known
        Types, stages and values.
    groups, intercepts
        (n, G) and (n,): what adds up to the log-odds, rounded as it is told.
    """

    keys: list[bytes]
    customers: Texts
    stamps: Texts
    known: Texts
    score: Texts
    percentile: Texts
    previous: Texts
    intercepts: Texts
    model_version: bytes
    warming_up: bytes
    groups: npt.NDArray[np.float64]

    def at(self, places: Sequence[int]) -> list[PointTexts]:
        """What is told of the scores at these places; 1 µs each."""
        columns = (self.customers, self.stamps, self.known, self.score, self.percentile, self.previous, self.intercepts)
        told = zip([self.keys[k] for k in places], *(texts[places].bytes() for texts in columns), strict=True)
        return list(map(PointTexts._make, told))


def score_texts(scores: Scores, customers: Sequence[bytes]) -> ScoreTexts:
    """Return the texts of all; `customers` are ids by row. About 1 µs each."""
    keys = [customers[row] for row in scores.row.tolist()]
    return ScoreTexts(
        keys=keys,
        customers=Texts.of([orjson.dumps(key.decode()) for key in keys]),
        stamps=stamp_texts(scores.time_ms),
        known=customers_of(scores.who, scores.time_ms),
        score=Texts.of_numbers(scores.score),
        percentile=Texts.of_numbers(scores.percentile),
        previous=Texts.of_numbers(scores.previous),
        intercepts=Texts.of_numbers(np.round(log_odds(scores.score) - scores.groups.sum(axis=1), DIGITS)),
        model_version=orjson.dumps(scores.model_version),
        warming_up=orjson.dumps(scores.warming_up),
        groups=np.round(scores.groups, DIGITS),
    )
