"""Causes: why a record differs between two tellings: other rules, another model, a late event, or the state."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from kafka import TopicPartition

from schemas.internals import Progress
from schemas.timestamp import from_ms, to_ms
from scoring.profile import NEVER
from streams.connection import reader
from streams.ends import records_to_end
from streams.fingerprint import differing
from streams.operating.lag import partitions_of
from streams.outbox import INPUTS
from streams.replay.plan import plan_of
from streams.replay.then import Then
from streams.settings import Settings
from streams.steps import RULES

__all__ = ["Arrival", "late_arrival", "late_event", "rule_version_cause", "rules_cause", "settings_cause",
           "version_cause"]  # fmt: skip

_VERSIONS: Final = (("rule_version", "another version of the rule"), ("model_version", "another version of the model"),
                    ("shop_version", "another version of the shop's knowledge"))  # fmt: skip


class Arrival(NamedTuple):
    """An event of a customer: when it was received, when it happened, and its id."""

    received_ms: int
    time_ms: int
    id: str


def version_cause(live: Any, shadow: Any, others: tuple[Iterable[Any], Iterable[Any]]) -> str | None:
    """Which version is another, between two records of one id; of one that has no counterpart, between it and what
    stands nearest to it in time among the others (live, shadow) of the same rule.
    """
    missing = 0 if live is None else 1 if shadow is None else None
    if missing is not None:
        record = shadow if live is None else live
        near = _nearest(record, others[missing])
        if near is None:
            return None
        live, shadow = (near, record) if live is None else (record, near)
    for name, cause in _VERSIONS:
        was, now = live["data"].get(name), shadow["data"].get(name)
        if was != now:
            return f"{cause} ({name}: {was} live, {now} in the shadow)"
    return None


def _nearest(record: Mapping[str, Any], others: Iterable[Any]) -> Any:
    """Of the same rule, the last that is not later, else the first that is."""
    rule, time = record["data"].get("rule"), record["time"]
    same = [other for other in others if other["data"].get("rule") == rule]
    before = [other for other in same if other["time"] <= time]
    return max(before, key=_when) if before else min(same, key=_when, default=None)


def _when(record: Mapping[str, Any]) -> tuple[str, str]:
    return record["time"], record["id"]


def late_arrival(arrivals: Sequence[Arrival], until_ms: int) -> Arrival | None:
    """The last event up to a time that was received after one that happened later; None if there is none."""
    newest_ms, found = None, None
    for each in sorted(arrivals):
        if newest_ms is not None and each.time_ms < newest_ms and each.time_ms <= until_ms:
            found = each if found is None else max(found, each, key=lambda one: (one.time_ms, one.id))
        newest_ms = each.time_ms if newest_ms is None else max(newest_ms, each.time_ms)
    return found


def late_event(settings: Settings, partition: int, customer: bytes, until_ms: int) -> str | None:
    """Say which event of a customer came late, of those that happened up to a time; reads the partition's inputs.

    Raises
    ------
    BrokerUnreachableError
        If no broker answers.
    """
    arrivals: list[Arrival] = []
    with reader(settings) as consumer:
        for place in partitions_of(consumer, INPUTS):
            if place.partition == partition:
                arrivals += _arrivals(consumer, place, customer)
    late = late_arrival(arrivals, until_ms)
    if late is None:
        return None
    return (
        f"a late event ({late.id} of {from_ms(late.time_ms)}, received {from_ms(late.received_ms)}, after later ones)"
    )


def rules_cause(settings: Settings, shadow: str, partition: int, alone: Any = None) -> str | None:
    """Say what other rules a replay had: another version of the rule of a record that the shadow has alone, or any that
    were not known live in all that they say.

    Raises
    ------
    BrokerUnreachableError
        If no broker answers.
    """
    plan = plan_of(settings, shadow, partition)
    known: set[str] = set()
    in_force: list[str] | None = None
    with reader(settings) as consumer:
        for record in records_to_end(consumer, TopicPartition("progress", partition)):
            if record.value is not None:
                progress = _progress(record.value)
                known |= {name for _, _, what, name in progress.told if what == RULES}
                if in_force is None and alone is not None and (progress.watermark_ms or NEVER) >= to_ms(alone["time"]):
                    in_force = progress.rules
    version = None if in_force is None else rule_version_cause(alone["data"], in_force)
    if version is not None or plan is None or plan.rules in known:
        return version
    return "other rules: not all were known live, or not with these parameters"


def settings_cause(settings: Settings, shadow: str, partition: int, until_ms: int) -> str | None:
    """Say which settings a replay had that live had not, at any commit up to that which told of an event time.

    Raises
    ------
    BrokerUnreachableError
        If no broker answers.
    """
    plan = plan_of(settings, shadow, partition)
    if plan is None or not plan.values:
        return None
    then, found = Then(), None
    with reader(settings) as consumer:
        for record in records_to_end(consumer, TopicPartition("progress", partition)):
            if record.value is not None:
                progress = _progress(record.value)
                then.see(progress)
                names = differing(then.values or plan.values, plan.values)
                if names:
                    found = [
                        f"{name}: {(then.values or {}).get(name)} live, {plan.values.get(name)} in the shadow"
                        for name in names
                    ]
                if (progress.watermark_ms or NEVER) >= until_ms:
                    break
    return f"other settings ({', '.join(found)})" if found else None


def rule_version_cause(data: Mapping[str, Any], in_force: Iterable[str]) -> str | None:
    """Say which version of its rule was in force live, by names as `win-back@2`, if it is another than the record's."""
    live = dict(name.split("@") for name in in_force).get(data.get("rule", ""))
    if "rule" not in data or live == str(data["rule_version"]):
        return None
    return f"another version of the rule (rule_version: {live} live, {data['rule_version']} in the shadow)"


class _Event(msgspec.Struct):
    messageId: str  # noqa: N815 - as on the wire
    timestamp: str


_decode = msgspec.json.Decoder(_Event).decode
_progress = msgspec.json.Decoder(Progress).decode


def _arrivals(consumer: Any, place: TopicPartition, customer: bytes) -> Iterable[Arrival]:
    for record in records_to_end(consumer, place):
        if record.key == customer and record.value is not None:
            try:
                event = _decode(record.value)
                yield Arrival(record.timestamp, to_ms(event.timestamp), event.messageId)
            except (msgspec.MsgspecError, ValueError):
                continue  # it was refused
