"""Rules: versions that are told while workers run, and which of them plainly holds at each point."""

import json
from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple
from unittest.mock import patch

from schemas.timestamp import from_ms
from scoring.rules import Rule, RuleSet, book, shipped
from streams import live_rules
from streams.live_rules import LiveRules, Timeline
from streams.settings import Settings
from streams.settings_sources import load

__all__ = ["BASE", "DEFINITIONS", "SimulatedRules", "Version", "holding", "read_once", "timeline_of"]

BASE = (
    *(replace(rule, version=1) for rule in shipped(only=["second-order"]).rules),
    Rule(name="looking", sentence="Looked within twenty seconds.", enter="seconds_since(product_viewed) < 20"),
    Rule(name="frequent", sentence="Did three things.", enter="total(any) >= 3", exit="never", audience=True),
    Rule(
        name="likely",
        sentence="Will probably buy.",
        enter="score >= 0.6",
        exit="score < 0.4",
        cooldown_ms=20_000,
    ),
)
"""What a worker starts with, crossed often; version 1 of each."""

DEFINITIONS: Mapping[tuple[str, int], Mapping[str, Any]] = {
    ("looking", 2): {"sentence": "Looked just now.", "enter": "seconds_since(product_viewed) < 10"},
    ("looking", 3): {"sentence": "Looked lately.", "enter": "seconds_since(product_viewed) < 65"},
    ("frequent", 2): {"sentence": "Did a few things.", "enter": "total(any) >= 2", "exit": "total(any) >= 6"},
    ("buying", 1): {"sentence": "Bought lately.", "enter": "seconds_since(order_completed) < 30"},
    ("second-order", 2): {
        "sentence": "Has placed order number three.",
        "for_each": "order",
        "enter": "order_number == 3",
        "exit": "order_number == 0",
    },
}
"""What may be told, by name and version."""


class Version(NamedTuple):
    """A version of a rule, and the event time from which it holds."""

    name: str
    version: int
    effective_ms: int

    def record(self) -> bytes:
        """Itself, as it stands on the topic `rules`."""
        definition = DEFINITIONS[self.name, self.version]
        time = from_ms(self.effective_ms)
        said = {"name": self.name, "version": self.version, "published_at": time, "definition": definition}
        return json.dumps(said).encode()


class SimulatedRules(LiveRules):
    """The production class on a broker that has every topic."""

    @classmethod
    def beginning(cls, changed: Any, refused: Any) -> "SimulatedRules":
        """With what a worker starts with."""
        return cls(_settings(), _rule_set(BASE), changed, refused)

    async def tell(self, version: Version) -> None:
        """Take one version in, new or not."""
        await self.take(version.record())

    async def topics(self) -> frozenset[str]:
        """All that a rule may have."""
        return frozenset(f"actions-{name}" for name, _ in DEFINITIONS)


def timeline_of(versions: Iterable[Version]) -> Timeline:
    """What is in force from when on if these are known."""
    made = book.RuleBook(BASE)
    for version in versions:
        rule, effective_ms = live_rules.rule_of(version.record())
        made.add(rule, effective_ms)
    return made.timeline()


def holding(name: str, since_ms: Mapping[Version, int], at_ms: int) -> int:
    """The version of a rule that holds at a time: the highest of those whose time has come; 0 for none.

    `since_ms` says of each known version when that became known, before which it cannot have held.
    """
    held = [v.version for v, since in since_ms.items() if v.name == name and max(v.effective_ms, since) <= at_ms]
    return max([*held, *(rule.version for rule in BASE if rule.name == name)], default=0)


@contextmanager
def read_once() -> Any:
    """Compile rule sets and read records once for all workers and schedules of a process."""
    with patch.object(book, "RuleSet", _rule_set), patch.object(live_rules, "rule_of", _rule_of):
        yield


def _rule_set(rules: Iterable[Rule]) -> RuleSet:
    """A name and a version are one rule here."""
    rules = tuple(rules)
    key = tuple((rule.name, rule.version) for rule in rules)
    if key not in _compiled:
        _compiled[key] = RuleSet(rules)
    return _compiled[key]


@cache
def _settings() -> Settings:
    return load().settings


_compiled: dict[tuple[tuple[str, int], ...], RuleSet] = {}
_rule_of = cache(live_rules.rule_of)
