"""Reasons: what each group adds and by how much that changed, as a plain list of them would be encoded."""

import numpy as np
import orjson

from scoring.features import GROUPS
from streams.cloud_event import reason
from streams.json_numbers import numbers
from streams.reasons import reasons_of


def plain(groups: list[float], intercept: float, changes: tuple[float, ...] | None) -> bytes:
    reasons = [
        reason(name, value, None if changes is None else changes[i])
        for i, ((name, _, _), value) in enumerate(zip(GROUPS, groups, strict=True))
        if value or changes is not None
    ]
    return orjson.dumps([*reasons, reason("intercept", intercept, None)])


def test_reasons_are_what_a_list_of_them_would_be_encoded_to() -> None:
    """With what was before all groups are named, each with its change, without only those that add something."""
    rng = np.random.default_rng(5)
    groups = np.where(rng.random((42, len(GROUPS))) < 0.3, 0.0, rng.normal(size=(42, len(GROUPS))))
    groups[:2] = 0.0
    intercepts = rng.normal(size=42)
    then = rng.normal(size=(42, len(GROUPS))).astype("<f4")
    before = [told.tobytes() if i % 2 else bytes(i) for i, told in enumerate(then)]
    changes = [tuple(told) if i % 2 else None for i, told in enumerate((groups - then).tolist())]
    told = zip(np.round(groups, 9).tolist(), intercepts.tolist(), changes, strict=True)
    assert reasons_of(groups, numbers(intercepts), before) == [plain(*each) for each in told]


def test_no_action_has_no_reasons() -> None:
    """Most runs cross no line."""
    assert reasons_of(np.empty((0, len(GROUPS))), [], []) == []
