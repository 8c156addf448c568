"""Known: every version of every rule, from the settings and from the topic `rules`, and which are in force when."""

from collections.abc import Iterable, Set
from dataclasses import dataclass
from typing import Final

import msgspec

from schemas.internals import Rule as RuleRecord
from schemas.timestamp import from_ms
from scoring.rules import Rule, RuleError, RuleSet
from scoring.rules.book import ALWAYS
from scoring.rules.shipped import SHIPPED
from scoring.rules.words import nearest
from streams.clock import now_ms
from streams.connection import reader
from streams.live_rules import TOPIC, rule_of
from streams.operating.lag import watermarks
from streams.rule_files import definitions_in_force, rules_in_force
from streams.ruling.definition import Definition
from streams.ruling.kept import check_usable
from streams.settings import Settings
from streams.tailing import UnknownTopicError, tail

__all__ = ["Known", "Refused", "Version", "read_known"]

_UNTOLD: Final = "?"


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a rule; `published_at` is None for those of the settings, which hold from the beginning."""

    rule: Rule
    definition: Definition
    effective_ms: int = ALWAYS
    published_at: str | None = None

    @property
    def effective_time(self) -> str | None:
        """Event time from which it holds; None: from the beginning."""
        return None if self.effective_ms == ALWAYS else from_ms(self.effective_ms)


@dataclass(frozen=True, slots=True)
class Refused:
    """A record of `rules` that no worker can use."""

    key: str
    error: RuleError


@dataclass(frozen=True, slots=True)
class Known:
    """All versions, those of the settings first, then as they were published; of one version the first told.

    Parameters
    ----------
    versions, refused
        Those that can be used, and what lies on the topic and cannot.
    watermarks
        The newest event time that each partition has come to, as far as workers have told.
    """

    versions: tuple[Version, ...]
    refused: tuple[Refused, ...] = ()
    watermarks: tuple[int, ...] = ()

    @property
    def watermark_ms(self) -> int | None:
        """The newest event time that a worker has come to; None where none has told any."""
        return max(self.watermarks, default=None)

    @property
    def at_ms(self) -> int:
        """The event time as of which rules are in force: the newest watermark, or now where there is none."""
        return now_ms() if self.watermark_ms is None else self.watermark_ms

    def of(self, name: str) -> list[Version]:
        """The versions of one rule, by number.

        Raises
        ------
        RuleError
            If there is none, with the nearest name.
        """
        found = sorted((each for each in self.versions if each.rule.name == name), key=lambda v: v.rule.version)
        if not found:
            names = {each.rule.name for each in self.versions}
            if name in SHIPPED:
                remedy = f"the setting rules says which are: add it, as {sorted(names)[0]},{name}, or take all"
                raise RuleError(name, "name", name, "comes along, and is not in force", remedy)
            raise RuleError(name, "name", name, "there is no such rule", f"nearest known: {nearest(name, names)!r}")
        return found

    def in_force(self, at_ms: int) -> list[Version]:
        """Of each name the highest version whose time has come, in order of the names."""
        best: dict[str, Version] = {}
        for each in self.versions:
            name = each.rule.name
            if each.effective_ms <= at_ms and (name not in best or best[name].rule.version < each.rule.version):
                best[name] = each
        return [best[name] for name in sorted(best)]

    def coming(self, at_ms: int) -> list[Version]:
        """Versions whose time has not come yet, by that time; where a higher one holds by then, they never come."""
        later = (each for each in self.versions if each.effective_ms > at_ms)
        return sorted(
            (each for each in later if each in self.in_force(each.effective_ms)), key=lambda v: v.effective_ms
        )


def read_known(settings: Settings, *, broker: bool) -> Known:
    """The versions of the settings, and where `broker` those of its topic `rules`.

    Raises
    ------
    RuleError
        If a rule of the settings cannot be used.
    BrokerUnreachableError
        If no broker answers.
    """
    definitions, rules = definitions_in_force(settings), rules_in_force(settings)
    base = [Version(rule, definitions[rule.name]) for rule in rules.rules]
    if not broker:
        return Known(tuple(base))
    with reader(settings) as consumer:
        told, topics = watermarks(consumer), consumer.topics()
    published, refused = _published(settings, rules, topics)
    return Known(_first_told([*base, *published]), tuple(refused), tuple(told.values()))


def _published(settings: Settings, base: RuleSet, topics: Set[str]) -> tuple[list[Version], list[Refused]]:
    found, refused = [], []
    try:
        for record in tail(settings, TOPIC, "beginning", follow=False):
            if record.value is not None:
                try:
                    version = version_of(record.value)
                    check_usable(version.rule, set(base.names), base.parts, topics, settings)
                    found.append(version)
                except RuleError as error:
                    refused.append(Refused((record.key or b"").decode("utf-8", "replace") or _UNTOLD, error))
    except UnknownTopicError:
        return [], []
    return found, refused


def version_of(value: bytes) -> Version:
    """The version in a record of `rules`; `RuleError` if it cannot be used."""
    rule, effective_ms = rule_of(value)
    record = msgspec.json.decode(value, type=RuleRecord)
    definition = {"name": rule.name, "version": rule.version} | record.definition
    return Version(rule, definition, effective_ms, record.published_at)


def _first_told(versions: Iterable[Version]) -> tuple[Version, ...]:
    first: dict[tuple[str, int], Version] = {}
    for each in versions:
        first.setdefault((each.rule.name, each.rule.version), each)
    return tuple(first.values())
