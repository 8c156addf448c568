"""Reasons: what each group of features adds to the log-odds of crossings, as JSON, their numbers encoded at once."""

from collections.abc import Sequence
from itertools import compress

import numpy as np
import numpy.typing as npt
import orjson

from scoring.features import GROUPS
from streams.cloud_event import DIGITS, reason
from streams.json_numbers import numbers

__all__ = ["reasons_of"]

_PARTS = [
    orjson.dumps(reason(name, orjson.Fragment(b"%b"), orjson.Fragment(b"%b")))
    for name, _, _ in (*GROUPS, ("intercept", 0, 0))
]
_ALL = b"[%b]" % b",".join([*_PARTS[:-1], _PARTS[-1] % (b"%b", b"null")])


def reasons_of(groups: npt.NDArray[np.float64], intercepts: Sequence[bytes], before: Sequence[bytes]) -> list[bytes]:
    """Return the reasons of n actions as JSON: the groups of each, then the intercept; together they are the log-odds.

    Where it is known what the groups added before, all are named, each with the change, else those that add something.

    Parameters
    ----------
    groups
        (n, G).
    intercepts
        Rounded, as JSON.
    before
        What the groups added at the crossing before, in single precision; empty (or of other groups) for unknown.
    """
    width = groups.shape[1]
    known = np.array([len(stored) == 4 * width for stored in before], np.bool_)
    then = np.frombuffer(b"".join(compress(before, known.tolist())), "<f4").reshape(-1, width)
    both = np.empty((len(then), width, 2))
    both[:, :, 1] = groups[known] - then
    groups = np.round(groups, DIGITS)
    both[:, :, 0] = groups[known]
    named = (groups != 0.0) & ~known[:, None]
    masks, stops = named.tobytes(), np.cumsum(named.sum(axis=1)).tolist()
    whole, some = numbers(both.ravel()), numbers(groups[named])
    told = []
    start = at = 0
    for i, (intercept, changed, stop) in enumerate(zip(intercepts, known.tolist(), stops, strict=True)):
        if changed:
            told.append(_ALL % (*whole[at : at + 2 * width], intercept))
            at += 2 * width
        else:
            told.append(_named[masks[i * width : (i + 1) * width]] % (*some[start:stop], intercept))
        start = stop
    return told


class _Named(dict[bytes, bytes]):
    """By which groups are named, one byte each: the list of them without changes, with a place for each number."""

    def __missing__(self, mask: bytes) -> bytes:
        parts = [*compress(_PARTS, mask), _PARTS[-1]]
        template = self[mask] = b"[%b]" % b",".join([part % (b"%b", b"null") for part in parts])
        return template


_named = _Named()
