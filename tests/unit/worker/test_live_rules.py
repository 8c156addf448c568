"""Rules told while workers run: read, refused with a reason, and one timeline whatever the order."""

import asyncio
import itertools
import re
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest

from scoring.rules import RuleError, RuleSet, read_rules, shipped
from scoring.rules.shipped import BASIC
from streams import live_rules
from streams.live_rules import LiveRules, Timeline, rule_of
from streams.settings_sources import load


def told(
    name: str = "win-back", version: int = 2, at: str | None = "2024-05-02T00:00:00.000Z", **definition: object
) -> bytes:
    """A record of `rules`."""
    definition = {"sentence": "Quiet.", "enter": "days_since(order_completed) >= 90"} | definition
    record = {"name": name, "version": version, "published_at": "2024-05-01T00:00:00.000Z", "definition": definition}
    return orjson.dumps(record | ({"effective_time": at} if at else {}))


class Told:
    """Live rules on a broker with these topics; what was told and refused."""

    def __init__(self, topics: Sequence[str] = (), rules: RuleSet | None = None) -> None:
        self.timelines: list[Timeline] = []
        self.refused: list[RuleError] = []
        self.live = LiveRules(load().settings, rules or shipped(), self.timelines.append, self.refused.append)

        async def there() -> set[str]:
            return set(topics)

        self.live.topics = there  # type: ignore[method-assign]

    def take(self, *values: bytes) -> "Told":
        """Take records in, one after the other."""
        for value in values:
            asyncio.run(self.live.take(value))
        return self


def test_a_version_holds_from_its_effective_time() -> None:
    """The time is that of the record, or of its publication where it names none."""
    rule, at = rule_of(told())
    assert (rule.name, rule.version, at) == ("win-back", 2, 1_714_608_000_000)
    assert rule_of(told(at=None))[1] == 1_714_521_600_000


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (b"not json", "$"),
        (told(enter="ordrs > 3"), "enter"),
        (told(version=0), "version"),
        (told(at="2024-13-01T00:00:00.000Z"), "effective_time"),
        (told(colour="red"), "colour"),
        (told(cooldown="9" * 400 + "d"), "cooldown"),
        (told(carries=orjson.Fragment("[" * 900 + "]" * 900)), "definition"),
        (told(carries=orjson.Fragment("[" * 300 + "]" * 300)), "carries"),
        (told(gain=orjson.Fragment("9" * 400)), "gain"),
        (told(version=10**18), "version"),
        (told(marks=1, parameters={"marks": list(range(1, 71))}, enter="points >= mark"), "marks"),
        (told(parameters={"marks": list(range(1, 71))}, enter="points >= mark"), "parameters.marks"),
    ],
)
def test_what_cannot_be_used_is_refused_and_changes_nothing(value: bytes, field: str) -> None:
    """A refusal names the field; what is in force stays."""
    known = Told().take(value)
    assert known.timelines == []
    assert [error.field for error in known.refused] == [field]


def test_a_rule_without_a_topic_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new rule's topic must be there before the rule, as its actions would have nowhere to go."""
    monkeypatch.setattr(live_rules, "_PATIENCE_S", 0.0)
    new = told(name="new-rule", version=1)
    assert "actions-new-rule" in str(Told().take(new).refused[0])
    assert Told(["actions-new-rule"]).take(new).refused == []


def test_a_kind_without_a_ring_is_refused() -> None:
    """A rule that counts what no row keeps is refused with the setting to change."""
    known = Told().take(told(enter="count(searched, days=3) >= 2"))
    assert "day_ring_kinds" in str(known.refused[0])


@pytest.mark.parametrize(
    ("definition", "part"),
    [
        ({"enter": "points >= 5"}, "answers, stars and points"),
        ({"enter": "product_views >= 2"}, "what was looked at most"),
        ({"carries": ["favourite"]}, "what was looked at most"),
        ({"enter": "hours_since(searched, nth=3) < 1"}, "the last few times of a kind"),
        ({"enter": "total(subscribed) > 0"}, "a further kind of event"),
        ({"enter": "percentile_peak > 0.5"}, "percentile_peak"),
        ({"enter": "days_since(its_order_completed) >= 2", "for_each": "order"}, "times ahead"),
    ],
)
def test_what_the_rows_do_not_keep_is_refused(definition: dict[str, object], part: str) -> None:
    """The refusal says what is not kept and names the setting; where another rule reads it, it is accepted."""
    rule = told(**definition)
    known = Told(rules=shipped(only=BASIC)).take(rule)
    assert known.timelines == []
    assert part in str(known.refused[0])
    assert "set rules to all" in str(known.refused[0])
    assert Told().take(rule).refused == []


def test_order_and_repeats_make_no_difference() -> None:
    """Late, repeated and reordered versions lead to the same timeline."""
    versions = [
        told(version=2),
        told(version=3, at="2024-05-01T12:00:00.000Z"),
        told(version=2, at="2025-01-01T00:00:00.000Z"),
    ]
    ends = []
    for order in itertools.permutations([versions[0], versions[1], versions[1]]):
        timeline = Told().take(*order).live.timeline
        ends.append([(at, [(r.name, r.version) for r in rules.rules]) for at, rules in timeline])
    assert all(end == ends[0] for end in ends)
    assert Told().take(versions[0], versions[2]).live.timeline[-1][0] == 1_714_608_000_000  # the first telling stands


def test_the_page_on_rules_shows_what_works() -> None:
    """The rule and the record that docs/rules.md shows are accepted as they stand there."""
    page = (Path(__file__).parents[3] / "docs" / "rules.md").read_text()
    [shown] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert read_rules(shown, "docs/rules.md")[0] == shipped(only=["win-back"]).rules[0]
    [record] = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    assert rule_of(record.encode())[0].version == 2
