"""Plans: what a replay under a name that is taken is told."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from kafka import TopicPartition

from scoring.profile import FAR, NEVER
from streams.replay import plan as plans
from streams.replay.plan import Done, Plan, unfinished
from streams.settings import Settings

NOON, THREE = 1_292_500_800_000, 1_292_511_600_000


def plan(**asked: Any) -> Plan:
    given = {"kind": "merged", "first_ms": NOON, "stop_ms": FAR, "topics": [], "settings": "a", "begin": None,
             "sequence": 0, "end": [9, 9, 9], "commits": 0, "models": [], "shop": [], "rules": "r",
             "values": {"horizon": "30d"}}  # fmt: skip
    return Plan(**{**given, **asked})


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ({}, []),
        ({"end": [10, 9, 9], "models": [1]}, []),
        ({"first_ms": NEVER}, ["--from was 2010-12-16T12:00:00.000Z and is not given"]),
        ({"stop_ms": THREE}, ["--to was not given and is 2010-12-16T15:00:00.000Z"]),
        ({"kind": "as-it-was"}, ["the way was --merged and is --as-it-was"]),
        ({"topics": ["orders", "scores"]}, ["--topics was not given and is orders, scores"]),
        (
            {"begin": [1, 2, 3], "sequence": 8},
            ["--snapshot was not given and is a state of commit 8 at offsets [1, 2, 3]"],
        ),
        (
            {"settings": "b", "values": {"horizon": "7d"}},
            ["horizon was '30d' and is '7d': set RECOMPRA_HORIZON=30d"],
        ),
        ({"settings": "b"}, ["rules of the start, or settings, are others (rules, rules_dir, rule_parameters)"]),
    ],
)
def test_what_was_asked_for_otherwise_is_said_as_the_command_has_it(now: dict[str, Any], said: list[str]) -> None:
    """Each option and setting with what it was and what it is; what came to the topics since is no difference."""
    assert plan(**now).otherwise(plan()) == said


def test_what_was_begun_and_is_not_done_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A partition that was not asked for is none that lacks; one that was begun and never done is."""
    begun, done = {"plan": plan()}, {"plan": plan(), "done": Done(9, 5)}
    held = {0: [begun, done], 1: [begun], 2: []}
    monkeypatch.setattr(plans, "reader", lambda _: nullcontext())
    monkeypatch.setattr(plans, "partitions_of", lambda _, topics: [TopicPartition(topics[0], n) for n in held])
    monkeypatch.setattr(
        plans,
        "records_to_end",
        lambda _, place: [SimpleNamespace(value=msgspec.json.encode(one)) for one in held[place.partition]],
    )
    assert unfinished(Settings(), "noon") == [1]
