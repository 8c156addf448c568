"""Reasons: what each group adds and by how much that changed, as a plain list of them would be encoded."""

import numpy as np
import numpy.typing as npt
import orjson

from scoring.features import GROUPS
from streams.cloud_event import reason
from streams.json_columns import written
from streams.reasons import reasons_of


def plain(groups: list[float], intercept: float, changes: list[float] | None) -> bytes:
    reasons = [
        reason(name, value, None if changes is None else changes[i])
        for i, ((name, _, _), value) in enumerate(zip(GROUPS, groups, strict=True))
        if value or changes is not None
    ]
    return orjson.dumps([*reasons, reason("intercept", intercept, None)])


def drawn(n: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    rng = np.random.default_rng(5)
    groups = np.where(rng.random((n, len(GROUPS))) < 0.3, 0.0, rng.normal(size=(n, len(GROUPS))))
    groups[:2] = 0.0
    groups[2:4, 3] = 1e7  # has more digits than are told apart
    return groups, rng.normal(size=n)


def test_reasons_are_what_a_list_of_them_would_be_encoded_to() -> None:
    """With what was before all groups are named, each with its change, without only those that add something."""
    groups, intercepts = drawn(42)
    then = np.random.default_rng(6).normal(size=groups.shape).astype("<f4")
    before = [told.tobytes() if i % 2 else bytes(i) for i, told in enumerate(then)]
    changes = [told if i % 2 else None for i, told in enumerate(np.round(groups - then, 9).tolist())]
    told = zip(np.round(groups, 9).tolist(), np.round(intercepts, 9).tolist(), changes, strict=True)
    assert written(42, reasons_of(groups, intercepts, before)) == [plain(*each) for each in told]


def test_scores_have_the_reasons_without_changes() -> None:
    """A score's record says nothing of changes."""
    groups, intercepts = drawn(9)
    told = zip(np.round(groups, 9).tolist(), np.round(intercepts, 9).tolist(), strict=True)
    assert written(9, reasons_of(groups, intercepts)) == [plain(*each, None) for each in told]


def test_no_action_has_no_reasons() -> None:
    """Most runs cross no line."""
    assert written(0, reasons_of(np.empty((0, len(GROUPS))), np.empty(0), [])) == []
