"""Reasons: what each group adds and by how much that changed, as a plain list of them would be encoded."""

import numpy as np
import orjson

from scoring.carried import Carried
from scoring.features import GROUPS
from scoring.gates.best import Best
from scoring.gates.channel import Channel
from scoring.outcome import Action
from scoring.types import One
from streams.cloud_event import log_odds, reason
from streams.reasons import reasons_of


def action(score: float, groups: tuple[float, ...], changes: tuple[float, ...] | None) -> Action:
    return Action(
        rule="r", rule_version=1, action_class="marketing", row=0, time_ms=0, event=-1, entered=True, number=1,
        object=None, score=score, percentile=0.5, band=0, previous=0.5, groups=groups, changes=changes,
        carried=Carried(), model_version=1, warming_up=False, shop_version=0, expires_ms=None, audience=False,
        best=Best(None, 0.0, None, 0.0, Channel.EMAIL, 0.0, ()),
            who=One(0, 0, 0, 0.0, 0.0, None, None, None),
    )  # fmt: skip


def plain(told: Action) -> bytes:
    values = [round(value, 9) for value in told.groups]
    reasons = [
        reason(name, value, None if told.changes is None else told.changes[i])
        for i, ((name, _, _), value) in enumerate(zip(GROUPS, values, strict=True))
        if value or told.changes is not None
    ]
    odds = float(log_odds(np.array([told.score]))[0])
    return orjson.dumps([*reasons, reason("intercept", round(odds - sum(told.groups), 9), None)])


def test_reasons_are_what_a_list_of_them_would_be_encoded_to() -> None:
    """With changes all groups are named, without only those that add something; certain scores have finite log-odds."""
    rng = np.random.default_rng(5)
    actions = []
    for i, score in enumerate([0.0, 1.0, *rng.random(40).tolist()]):
        groups = np.where(rng.random(len(GROUPS)) < 0.3, 0.0, np.round(rng.normal(size=len(GROUPS)), 6))
        changes = tuple(rng.normal(size=len(GROUPS)).tolist()) if i % 2 else None
        actions.append(action(score, tuple(groups.tolist()), changes))
    assert reasons_of(actions) == [plain(told) for told in actions]


def test_no_action_has_no_reasons() -> None:
    """Most runs cross no line."""
    assert reasons_of([]) == []
