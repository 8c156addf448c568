"""Customer data: type, stage and value of customers, as records tell them."""

import numpy as np
import numpy.typing as npt
import orjson

from scoring.types import RFM_GROUPS, STAGES, TYPES, Who
from streams.json_numbers import numbers
from streams.stamps import stamps_of

__all__ = ["customers_of"]

_CENTS, _GAP_DIGITS = 2, 3
"""Decimals of money, and of a usual gap in days."""
_CUSTOMER = (
    b'{"type":%b,"stage":%b,"rfm_group":%b,"orders":%b,"net":%b,"average_order":%b,"usual_gap_days":%b,'
    b'"expected_next_order":%b,"predicted_value":%b}'
)
_TYPES, _STAGES = ([orjson.dumps(name) for name in names] for names in (TYPES, STAGES))
_GROUPS = [*(orjson.dumps(name) for name in RFM_GROUPS), b"null"]  # the last stands for -1, too


def customers_of(who: Who, time_ms: npt.NDArray[np.int64]) -> list[bytes]:
    """Return what is told of each customer as of a moment, as JSON; 1 µs each."""
    bought = who.orders > 0
    average = np.divide(who.net, who.orders, out=np.full(len(bought), np.nan), where=bought)
    due = np.full(len(bought), b"null", object)
    known = ~np.isnan(who.next_days)
    due[known] = [b'"%b"' % stamp for stamp in stamps_of(_next_ms(time_ms[known], who.next_days[known]))]
    columns = zip(
        who.type.tolist(),
        who.stage.tolist(),
        who.group.tolist(),
        numbers(who.orders.astype(np.int64)),
        *(numbers(np.round(column, _CENTS)) for column in (who.net, average)),
        numbers(np.round(who.gap_days, _GAP_DIGITS)),
        due.tolist(),
        numbers(np.round(who.predicted, _CENTS)),
        strict=True,
    )
    return [_CUSTOMER % (_TYPES[kind], _STAGES[step], _GROUPS[group], *rest) for kind, step, group, *rest in columns]


def _next_ms(time_ms: npt.NDArray[np.int64], next_days: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """(n,) when the next order is expected, to the minute; only where it is known."""
    return np.asarray(time_ms + np.rint(next_days * 1440.0).astype(np.int64) * 60_000)
