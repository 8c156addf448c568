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
from streams.json_numbers import numbers
from streams.stamps import stamps_of

__all__ = ["ScoreTexts", "score_texts"]


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
    customers: list[bytes]
    stamps: list[bytes]
    known: list[bytes]
    score: list[bytes]
    percentile: list[bytes]
    previous: list[bytes]
    model_version: bytes
    warming_up: bytes
    groups: npt.NDArray[np.float64]
    intercepts: list[bytes]


def score_texts(scores: Scores, customers: Sequence[bytes]) -> ScoreTexts:
    """Return the texts of all; `customers` are ids by row. About 2 µs each."""
    keys = [customers[row] for row in scores.row.tolist()]
    intercepts = np.round(log_odds(scores.score) - scores.groups.sum(axis=1), DIGITS)
    return ScoreTexts(
        keys=keys,
        customers=[orjson.dumps(key.decode()) for key in keys],
        stamps=stamps_of(scores.time_ms),
        known=customers_of(scores.who, scores.time_ms),
        score=numbers(scores.score),
        percentile=numbers(scores.percentile),
        previous=numbers(scores.previous),
        model_version=orjson.dumps(scores.model_version),
        warming_up=orjson.dumps(scores.warming_up),
        groups=np.round(scores.groups, DIGITS),
        intercepts=numbers(intercepts),
    )
