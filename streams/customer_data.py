"""Customer data: type, stage and value of customers, as records tell them."""

import numpy as np
import numpy.typing as npt
import orjson

from scoring.types import RFM_GROUPS, STAGES, TYPES, Who
from streams.stamps import stamp_texts
from streams.texts import Texts, merged, woven

__all__ = ["customers_of"]

_CENTS, _GAP_DIGITS = 2, 3
"""Decimals of money, and of a usual gap in days."""
_TYPES, _STAGES = (Texts.of([orjson.dumps(name) for name in names]) for names in (TYPES, STAGES))
_GROUPS = Texts.of([*map(orjson.dumps, RFM_GROUPS), b"null"])  # the last stands for -1, too
_NULL = Texts.of([b"null"])


def customers_of(who: Who, time_ms: npt.NDArray[np.int64]) -> Texts:
    """Return what is told of each customer as of a moment, as JSON; 0.6 µs each."""
    bought = who.orders > 0
    average = np.divide(who.net, who.orders, out=np.full(len(bought), np.nan), where=bought)
    known = ~np.isnan(who.next_days)
    told = {
        b"stage": _STAGES[who.stage],
        b"rfm_group": _GROUPS[who.group],
        b"orders": Texts.of_numbers(who.orders.astype(np.int64)),
        b"net": Texts.of_numbers(np.round(who.net, _CENTS)),
        b"average_order": Texts.of_numbers(np.round(average, _CENTS)),
        b"usual_gap_days": Texts.of_numbers(np.round(who.gap_days, _GAP_DIGITS)),
        b"expected_next_order": _dues(known, _next_ms(time_ms[known], who.next_days[known])),
        b"predicted_value": Texts.of_numbers(np.round(who.predicted, _CENTS)),
    }
    named = [piece for name, texts in told.items() for piece in (b',"%b":' % name, texts)]
    return woven(len(bought), [b'{"type":', _TYPES[who.type], *named, b"}"])


def _dues(known: npt.NDArray[np.bool_], time_ms: npt.NDArray[np.int64]) -> Texts:
    """Times in quotes where they are known, and null elsewhere."""
    due = woven(len(time_ms), [b'"', stamp_texts(time_ms), b'"'])
    return merged(known, due, _NULL[np.zeros(len(known) - len(due), np.int64)])


def _next_ms(time_ms: npt.NDArray[np.int64], next_days: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """(n,) when the next order is expected, to the minute; only where it is known."""
    return np.asarray(time_ms + np.rint(next_days * 1440.0).astype(np.int64) * 60_000)
