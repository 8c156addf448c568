"""Causes of a difference: versions first, then an event that came late."""

from typing import Any

import pytest

from streams.replay.causes import Arrival, late_arrival, rule_version_cause, version_cause


def record(time: str, name: str = "a", **data: Any) -> dict[str, Any]:
    return {"id": name, "time": time, "data": {"rule": "win-back", "rule_version": 1, "model_version": 4, **data}}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("rule_version", "another version of the rule (rule_version: 7 live, 1 in the shadow)"),
        ("shop_version", "another version of the shop's knowledge (shop_version: 7 live, None in the shadow)"),
    ],
)
def test_versions_of_one_id(name: str, said: str) -> None:
    """The first that differs is named, the rule's before the model's."""
    assert version_cause(record("1", **{name: 7}), record("1"), ((), ())) == said
    assert version_cause(record("1"), record("1"), ((), ())) is None


def test_versions_beside_what_is_not_there() -> None:
    """Of a record that only one telling has, by what the other tells of the same rule about that time."""
    others = [record("1", rule_version=3), record("4", rule_version=5), record("2", rule="welcome", rule_version=9)]
    assert "rule_version: 1 live, 3 in the shadow" in str(version_cause(record("3"), None, ((), others)))
    assert "rule_version: 5 live, 1 in the shadow" in str(version_cause(None, record("4"), (others, ())))
    assert version_cause(None, record("4", rule_version=5), (others, ())) is None
    assert "model_version: 4 live, 2" in str(version_cause(record("0"), None, ((), [record("1", model_version=2)])))
    assert version_cause(record("3"), None, ((), ())) is None


def test_the_version_in_force_live_where_it_told_nothing() -> None:
    """Of a record that only the shadow has, beside what was in force live by then; scores are of no rule."""
    data = record("1", rule_version=3)["data"]
    assert "rule_version: 2 live, 3 in the shadow" in str(rule_version_cause(data, ["welcome@3", "win-back@2"]))
    assert "rule_version: None live, 3 in the shadow" in str(rule_version_cause(data, ["welcome@3"]))
    assert rule_version_cause(data, ["win-back@3"]) is None
    assert rule_version_cause({"score": 0.5}, ["win-back@3"]) is None


def test_an_event_is_late_after_later_ones() -> None:
    """By when it was received, not by where it lies; what happened after the difference is not its cause."""
    in_order = [Arrival(10, 1, "a"), Arrival(20, 5, "b"), Arrival(30, 9, "c")]
    assert late_arrival(in_order, 100) is None
    late = Arrival(25, 3, "late")
    assert late_arrival([late, *in_order], 100) == late
    assert late_arrival([late, *in_order], 3) == late
    assert late_arrival([late, *in_order], 2) is None
