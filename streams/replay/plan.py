"""Plan: what a replay of a partition was asked for and what there was when it began, kept beside what it tells.

Whoever goes on after an interruption so does the same again, whatever was added to the topics meanwhile.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec
import orjson
from kafka import KafkaConsumer, TopicPartition

from schemas.timestamp import from_ms
from schemas.topics import FOREVER, TopicSpec
from scoring.profile import FAR, NEVER, stable_hash
from streams.connection import reader
from streams.ends import records_to_end
from streams.fingerprint import changed
from streams.operating.lag import partitions_of
from streams.settings import Settings
from streams.unit_options import UnitOptions

__all__ = ["Done", "OtherReplayError", "Plan", "Plans", "plan_of", "plans_topic", "settings_stamp", "unfinished"]


class OtherReplayError(RuntimeError):
    """The shadow holds a replay that was asked for otherwise."""


class Plan(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What a replay of a partition does.

    Attributes
    ----------
    kind, first_ms, stop_ms, topics
        What was asked for.
    settings
        Stamp of the settings and of the rules of the start.
    begin, sequence
        Offsets and commit of the state that it begins with; None: from nothing.
    end, commits
        Where each input ended, and `progress`.
    models, shop
        Versions that were known.
    rules
        Stamp of the rules that were known, by `streams.steps.timeline_id`.
    values
        The settings that decide what is told, by name; none are known of a plan that an older release made.
    start
        Where each input is read from; not known of such a plan, either.
    """

    kind: Literal["as-it-was", "merged"]
    first_ms: int
    stop_ms: int
    topics: list[str]
    settings: str
    begin: list[int] | None
    sequence: int
    end: list[int]
    commits: int
    models: list[int]
    shop: list[int]
    rules: str
    values: dict[str, str] = {}
    start: list[int] = []

    def removed(self, start: Sequence[int]) -> list[tuple[int, int]]:
        """Of the inputs that are read: from where to where records are gone, now that reading can only start there."""
        places = zip(self.start, start, self.end, strict=True) if self.start else ()
        return [(then, now) for then, now, end in places if then < min(now, end)]

    def otherwise(self, first: "Plan") -> list[str]:
        """Say what another plan was asked for and this one is not, as the command and the settings have it."""
        said = [
            f"{option} was {then or 'not given'} and is {now or 'not given'}"
            for (option, then), (_, now) in zip(first._asked(), self._asked(), strict=True)
            if then != now
        ]
        if first.settings != self.settings:
            said += changed(first.values, self.values) if first.values else []
            if not first.values or first.values == self.values:
                said.append("rules of the start, or settings, are others (rules, rules_dir, rule_parameters)")
        return said

    def _asked(self) -> list[tuple[str, str]]:
        saved = "" if self.begin is None else f"a state of commit {self.sequence} at offsets {self.begin}"
        return [
            ("the way", f"--{self.kind}"),
            ("--from", "" if self.first_ms == NEVER else from_ms(self.first_ms)),
            ("--to", "" if self.stop_ms == FAR else from_ms(self.stop_ms)),
            ("--topics", ", ".join(self.topics)),
            ("--snapshot", saved),
        ]


class Done(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How many records were read and told."""

    read: int
    told: int


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    """A record of the plans' topic: a plan, and once it is done, what came of it."""

    plan: Plan
    done: Done | None = None


class Plans:
    """The plans of one shadow, on its topic `SHADOW-replay`: a partition's own in each partition.

    Parameters
    ----------
    name
        Of the shadow.
    write
        Writes a value to a topic and partition, after all that was told before, and returns once it is there.
    """

    def __init__(self, settings: Settings, name: str, write: Callable[[str, int, bytes], None]) -> None:
        self._settings, self._name = settings, name
        self._put = write

    def agreed(self, partition: int, plan: Plan) -> tuple[Plan, Done | None]:
        """The plan that holds: the first that was made for a partition; and what came of it, if it is done.

        Raises
        ------
        OtherReplayError
            If that one was asked for otherwise.
        """
        entries = _entries(self._settings, self._name, partition)
        if not entries:
            self._write(partition, _Entry(plan))
            return plan, None
        first = entries[0].plan
        if differ := plan.otherwise(first):
            raise OtherReplayError(
                f"{self._name} holds a replay that was asked for otherwise: {'; '.join(differ)}. Ask for it as it was "
                f"to go on with it; else give another name, or delete the topics that begin with {self._name}-"
            )
        return first, next((entry.done for entry in entries if entry.done), None)

    def done(self, partition: int, plan: Plan, read: int, told: int) -> None:
        """Note that all is told."""
        self._write(partition, _Entry(plan, Done(read, told)))

    def _write(self, partition: int, entry: _Entry) -> None:
        self._put(_topic(self._name), partition, msgspec.json.encode(entry))


def plan_of(settings: Settings, name: str, partition: int) -> Plan | None:
    """The plan of a partition of a shadow; None if it was not begun."""
    entries = _entries(settings, name, partition)
    return entries[0].plan if entries else None


def unfinished(settings: Settings, name: str) -> list[int]:
    """Partitions of a shadow whose replay was begun and is not done."""
    with reader(settings) as consumer:
        places = partitions_of(consumer, (_topic(name),))
        found = {place.partition: _entries_at(consumer, place) for place in places}
    return [partition for partition, entries in found.items() if entries and not any(entry.done for entry in entries)]


def _entries(settings: Settings, name: str, partition: int) -> list[_Entry]:
    with reader(settings) as consumer:
        return _entries_at(consumer, TopicPartition(_topic(name), partition))


def _entries_at(consumer: KafkaConsumer, place: TopicPartition) -> list[_Entry]:
    return [msgspec.json.decode(each.value, type=_Entry) for each in records_to_end(consumer, place)]


def _topic(name: str) -> str:
    return f"{name}-replay"


def plans_topic(name: str, partitions: int) -> TopicSpec:
    """The topic of a shadow's plans."""
    return TopicSpec(
        file="replay",
        name=_topic(name),
        role="internal",
        purpose="What each partition of a replay was asked for, and whether it is done.",
        key="none",
        value="plan.v1",
        partitions=partitions,
        cleanup="delete",
        retention_ms=FOREVER,
        timestamp_type="CreateTime",
        written_by=("recompra replay",),
        read_by=("recompra replay",),
    )


def settings_stamp(options: UnitOptions) -> str:
    """Sixteen letters that stand for all settings and rules that what is told depends on."""
    said: Sequence[Any] = (
        orjson.dumps(options.engine, default=_plain, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SORT_KEYS).decode(),
        [repr(rule) for rule in options.rules.rules],
        options.allowed_skew_ms,
        options.own_clock,
        repr(options.limits),
    )
    return f"{stable_hash(repr(said).encode()):016x}"


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, frozenset | set) else getattr(value, "__qualname__", repr(value))
