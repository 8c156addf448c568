"""Customer data: type, stage and value of customers, as records tell them."""

from itertools import product

import numpy as np
import numpy.typing as npt
import orjson

from scoring.types import RFM_GROUPS, STAGES, TYPES, Who
from streams.json_columns import UNKNOWN, Decimals, Piece, Stamps, Wholes
from streams.texts import Texts

__all__ = ["customers_of"]

_CENTS, _GAP_DIGITS = 2, 3
"""Decimals of money, and of a usual gap in days."""
_GROUPS = (*RFM_GROUPS, None)  # the last stands for -1, too
_KINDS = Texts.of(
    [
        orjson.dumps({"type": of_type, "stage": stage, "rfm_group": group})[:-1]
        for of_type, stage, group in product(TYPES, STAGES, _GROUPS)
    ]
)


def customers_of(who: Who, time_ms: npt.NDArray[np.int64]) -> list[Piece]:
    """Return what is told of each customer as of a moment: the pieces of a JSON object."""
    bought = who.orders > 0
    average = np.divide(who.net, who.orders, out=np.full(len(bought), np.nan), where=bought)
    return [
        _KINDS[(who.type * len(STAGES) + who.stage) * len(_GROUPS) + who.group % len(_GROUPS)],
        b',"orders":',
        Wholes(who.orders.astype(np.int64)),
        b',"net":',
        Decimals(who.net, _CENTS),
        b',"average_order":',
        Decimals(average, _CENTS),
        b',"usual_gap_days":',
        Decimals(who.gap_days, _GAP_DIGITS),
        b',"expected_next_order":',
        Stamps(_next_ms(time_ms, who.next_days)),
        b',"predicted_value":',
        Decimals(who.predicted, _CENTS),
        b"}",
    ]


def _next_ms(time_ms: npt.NDArray[np.int64], next_days: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """(n,) when the next order is expected, to the minute."""
    known = ~np.isnan(next_days)
    minutes = np.rint(np.where(known, next_days, 0.0) * 1440.0).astype(np.int64)
    return np.where(known, time_ms + minutes * 60_000, UNKNOWN)
