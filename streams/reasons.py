"""Reasons: what each group of features adds to the log-odds of crossings, in pieces of JSON."""

from collections.abc import Sequence
from itertools import compress

import numpy as np
import numpy.typing as npt

from scoring.features import GROUPS
from streams.cloud_event import DIGITS, reason
from streams.json_columns import HELD, Decimals, Named, Piece, Where, filled, pieces_of

__all__ = ["reasons_of"]

_NAMES = [name for name, _, _ in GROUPS]
_CHANGED = pieces_of([*(reason(name, HELD, HELD) for name in _NAMES), reason("intercept", HELD, None)])
_NAMED = [pieces_of(reason(name, HELD, None)) for name in _NAMES]
_INTERCEPT = pieces_of(reason("intercept", HELD, None))


def reasons_of(
    groups: npt.NDArray[np.float64], intercepts: npt.NDArray[np.float64], before: Sequence[bytes] | None = None
) -> list[Piece]:
    """Return the reasons of n scores or actions: their groups, then the intercept; together they are the log-odds.

    Where it is known what the groups added before, all are named, each with the change, else those that add something.

    Parameters
    ----------
    groups
        (n, G).
    intercepts
        (n,).
    before
        What the groups added at the crossing before, in single precision; empty (or of other groups) for unknown.
    """
    intercept = Decimals(intercepts, DIGITS)
    named = [
        Named(first, Decimals(column, DIGITS), behind + b",")
        for (first, behind), column in zip(_NAMED, groups.T, strict=True)
    ]
    new: list[Piece] = [b"[", *named, *filled(_INTERCEPT, [intercept]), b"]"]
    if before is None:
        return new
    width = groups.shape[1]
    known = np.array([len(stored) == 4 * width for stored in before], np.bool_)
    changes = np.zeros_like(groups)
    changes[known] = groups[known] - np.frombuffer(b"".join(compress(before, known)), "<f4").reshape(-1, width)
    columns = [Decimals(column, DIGITS) for pair in zip(groups.T, changes.T, strict=True) for column in pair]
    return [Where(~known, new), Where(known, filled(_CHANGED, [*columns, intercept]))]
