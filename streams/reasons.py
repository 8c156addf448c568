"""Reasons: what each group of features adds to the log-odds of crossings, as JSON, their numbers encoded at once."""

from collections.abc import Sequence
from itertools import chain, compress, islice

import numpy as np
import numpy.typing as npt
import orjson

from scoring.features import GROUPS
from streams.cloud_event import reason
from streams.json_numbers import numbers

__all__ = ["reasons_of"]

_PARTS = [
    orjson.dumps(reason(name, orjson.Fragment(b"%b"), orjson.Fragment(b"%b")))
    for name, _, _ in (*GROUPS, ("intercept", 0, 0))
]
_ALL = b"[%b]" % b",".join([*_PARTS[:-1], _PARTS[-1] % (b"%b", b"null")])


def reasons_of(
    groups: npt.NDArray[np.float64], intercepts: Sequence[bytes], changes: Sequence[tuple[float, ...] | None]
) -> list[bytes]:
    """Return the reasons of n actions as JSON: the groups of each, then the intercept; together they are the log-odds.

    Where a change is known of each group all are named, else those that add something.

    Parameters
    ----------
    groups
        (n, G), rounded.
    intercepts
        Rounded, as JSON.
    changes
        By how much each group changed.
    """
    width = groups.shape[1]
    named = groups != 0.0
    texts, chosen, masks = numbers(groups.ravel()), named.tolist(), named.tobytes()
    moved = iter(numbers(np.array([change for change in changes if change is not None]).ravel()))
    told = []
    for i, (intercept, change) in enumerate(zip(intercepts, changes, strict=True)):
        at = i * width
        own = texts[at : at + width]
        if change is None:
            told.append(_named[masks[at : at + width]] % (*compress(own, chosen[i]), intercept))
        else:
            told.append(_ALL % (*chain.from_iterable(zip(own, islice(moved, width), strict=True)), intercept))
    return told


class _Named(dict[bytes, bytes]):
    """By which groups are named, one byte each: the list of them without changes, with a place for each number."""

    def __missing__(self, mask: bytes) -> bytes:
        parts = [*compress(_PARTS, mask), _PARTS[-1]]
        template = self[mask] = b"[%b]" % b",".join([part % (b"%b", b"null") for part in parts])
        return template


_named = _Named()
