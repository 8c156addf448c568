"""Live rules: versions that are published on `rules` while workers run, each from its own event time on."""

import asyncio
import logging
from collections.abc import Callable, Sequence

import msgspec
import yaml

from schemas.internals import Rule as RuleRecord
from schemas.refusal import DECODE_ERRORS, from_validation_error
from schemas.timestamp import to_ms
from scoring.rules import Rule, RuleError, RuleSet, read_rules
from scoring.rules.book import RuleBook
from streams.ruling.kept import check_usable
from streams.settings import Settings
from streams.whole_topic import WholeTopic

__all__ = ["LiveRules", "Timeline", "rule_of"]

log = logging.getLogger(__name__)

TOPIC = "rules"

_PATIENCE_S = 5.0
"""How long a rule's topic is asked for: not every broker of a cluster knows at once of one that was just made."""
_PAUSE_S = 0.5

Timeline = Sequence[tuple[int, RuleSet]]


def rule_of(value: bytes) -> tuple[Rule, int]:
    """Return the rule in a record of `rules`, and the event time from which it holds.

    Raises
    ------
    RuleError
        If the record is none, or the rule cannot be used.
    """
    try:
        record = msgspec.json.decode(value, type=RuleRecord)
    except DECODE_ERRORS as error:
        why = from_validation_error(error, value)
        raise RuleError("?", why.field, why.value, why.reason, why.remedy) from None
    told = record.effective_time or record.published_at
    try:
        effective_ms = to_ms(told)
    except (ValueError, OverflowError):
        remedy = "write RFC 3339 in UTC, as 2024-05-01T09:30:00.000Z"
        raise RuleError(record.name, "effective_time", told, "is not a time", remedy) from None
    return _read(record), effective_ms


def _read(record: RuleRecord) -> Rule:
    document = {**record.definition, "name": record.name, "version": record.version}
    try:
        return read_rules(yaml.safe_dump(document), f"{TOPIC} {record.name}@{record.version}")[0]
    except RuleError:
        raise
    except (ValueError, TypeError, ArithmeticError, RecursionError, yaml.YAMLError) as error:
        # Whatever stands in a record, it must never end a worker: all of them would read it again when they start.
        reason, remedy = f"cannot be read ({type(error).__name__})", "write plain fields, as recompra rules show does"
        raise RuleError(record.name, "definition", ", ".join(record.definition), reason, remedy) from None


class LiveRules(WholeTopic):
    """What is in force when: the rules that a worker starts with, and every version told since.

    Parameters
    ----------
    rules
        Those that hold from the beginning.
    changed
        Told the whole timeline after each version that changes it.
    refused
        Told each version that cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        rules: RuleSet,
        changed: Callable[[Timeline], None],
        refused: Callable[[RuleError], None],
    ) -> None:
        self._known = set(rules.names)
        self._accepted: list[tuple[Rule, int]] = []
        self._base = rules
        self._changed = changed
        self._refused = refused
        super().__init__(settings, TOPIC)
        self._ask_until_s: float | None = None
        self.timeline: Timeline = RuleBook(rules.rules).timeline()

    async def start(self) -> None:
        """See `WholeTopic.start`; missing topics are waited for once, as all rules are older than the start."""
        self._ask_until_s = asyncio.get_running_loop().time() + _PATIENCE_S
        await super().start()
        self._ask_until_s = None

    async def take(self, value: bytes) -> None:
        """Take a version in, or tell why it cannot be used."""
        try:
            rule, effective_ms = rule_of(value)
            topics = set[str]() if rule.name in self._known else await self._topics_with(f"actions-{rule.name}")
            check_usable(rule, self._known, self._base.parts, topics, self._settings)
            self._known.add(rule.name)
            timeline = self._with(rule, effective_ms)
        except RuleError as error:
            log.warning("rule refused, what is in force stays: %s", error)
            self._refused(error)
            return
        if timeline is not None:
            self._accepted.append((rule, effective_ms))
            self.timeline = timeline
            self._changed(timeline)

    async def _topics_with(self, topic: str) -> set[str]:
        """The names of all topics, asked for again for a while if this one is not among them."""
        loop = asyncio.get_running_loop()
        give_up = self._ask_until_s or loop.time() + _PATIENCE_S
        while True:
            topics = await self.topics()
            if topic in topics or loop.time() >= give_up:
                return topics
            await asyncio.sleep(_PAUSE_S)

    def _with(self, rule: Rule, effective_ms: int) -> Timeline | None:
        """The timeline with one more version; None if it is known. Raises `RuleError` if the rules do not fit."""
        book = RuleBook(self._base.rules)
        for known, at in self._accepted:
            book.add(known, at)
        if not book.add(rule, effective_ms):
            return None
        return book.timeline()
