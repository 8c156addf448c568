"""Reasons: what each group of features adds to the log-odds of crossings, as JSON, their numbers encoded at once."""

from collections.abc import Sequence
from itertools import islice

import numpy as np
import orjson

from scoring.features import GROUPS
from scoring.outcome import Action
from streams.cloud_event import DIGITS, log_odds, reason
from streams.json_numbers import numbers

__all__ = ["reasons_of"]

_PARTS = [
    orjson.dumps(reason(name, orjson.Fragment(b"%b"), orjson.Fragment(b"%b")))
    for name, _, _ in (*GROUPS, ("intercept", 0, 0))
]
_ALL = b"[%b]" % b",".join(_PARTS)


def reasons_of(actions: Sequence[Action]) -> list[bytes]:
    """Return the reasons of each action as JSON: its groups, then the intercept; together they are the log-odds.

    Where a change is known of each group all are named, else those that add something.
    """
    if not actions:
        return []
    groups = np.array([action.groups for action in actions])
    intercepts = log_odds(np.array([action.score for action in actions])) - groups.sum(axis=1)
    values = np.round(np.column_stack([groups, intercepts]), DIGITS)
    width = values.shape[1]
    texts, named = numbers(values.ravel()), (values != 0.0).tolist()
    moved = iter(numbers(np.array([action.changes for action in actions if action.changes is not None]).ravel()))
    told = []
    for i, action in enumerate(actions):
        own = texts[i * width : (i + 1) * width]
        changes = None if action.changes is None else list(islice(moved, width - 1))
        told.append(_written(own, named[i], changes))
    return told


def _written(texts: list[bytes], named: list[bool], changes: list[bytes] | None) -> bytes:
    if changes is None:
        last = len(texts) - 1
        told = [_PARTS[i] % (text, b"null") for i, text in enumerate(texts) if named[i] or i == last]
        return b"[%b]" % b",".join(told)
    both = [b"null"] * (2 * len(texts))
    both[::2] = texts
    both[1:-1:2] = changes
    return _ALL % tuple(both)
