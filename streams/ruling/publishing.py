"""Publishing: new versions of rules put on the topic `rules`, so that all workers take them at one event time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import orjson
from kafka import KafkaProducer
from kafka.errors import KafkaError

from schemas.timestamp import from_ms
from scoring.rules import RuleError
from streams.clock import now_ms
from streams.connection import kafka_python_options, unreachable
from streams.live_rules import TOPIC, rule_of
from streams.ruling.checking import check, field_lines
from streams.ruling.definition import Definition, definitions_in
from streams.ruling.known import Known, Version, read_known
from streams.settings import Settings
from streams.topics import create, wanted

__all__ = ["Plan", "overtaken", "paused_version", "planned", "publish", "soon_ms", "superseded"]

_MARGIN_MS: Final = 60_000
"""How far ahead of the newest watermark a version holds: time enough for every worker to read it before."""
_SEND_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a file would change: definitions to publish, names of rules that it leaves as they are, and mistakes."""

    definitions: tuple[Definition, ...]
    unchanged: tuple[str, ...]
    errors: tuple[RuleError, ...]


def planned(text: str, file: str, known: Known, settings: Settings) -> Plan:
    """What publishing a file of rules would change; where anything is wrong, nothing is to be published.

    A rule that is as the newest version known is left as it is; one that differs needs a higher version.
    """
    rules, errors = check(text, file, settings, [version.rule for version in known.in_force(known.at_ms)])
    if errors:
        return Plan((), (), tuple(errors))
    lines = field_lines(text)
    changed, unchanged = [], []
    for rule, definition in zip(rules, definitions_in(text), strict=True):
        newest = max(
            (v.rule for v in known.versions if v.rule.name == rule.name), key=lambda r: r.version, default=None
        )
        if rule == newest:
            unchanged.append(rule.name)
        elif newest is not None and rule.version <= newest.version:
            reason, remedy = f"version {newest.version} is known", f"write version: {newest.version + 1}"
            error = RuleError(rule.name, "version", rule.version, reason, remedy)
            errors.append(error.at(file, lines[rule.name].get("version", lines[rule.name]["name"])))
        else:
            changed.append({"name": rule.name, "version": rule.version} | definition)
    return Plan(() if errors else tuple(changed), tuple(unchanged), tuple(errors))


def paused_version(known: Known, name: str, at_ms: int, *, paused: bool) -> Definition | None:
    """The version that holds at an event time with the next free number and `paused` so; None if it is so already.

    Raises
    ------
    RuleError
        If there is no such rule, or no version of it holds by then.
    """
    versions = known.of(name)
    holding = [version for version in known.in_force(max(at_ms, known.at_ms)) if version.rule.name == name]
    if not holding:
        first = versions[0]
        reason = f"holds from {first.effective_time} only"
        raise RuleError(name, "paused", paused, reason, "apply it with paused: true from that time on")
    if holding[0].rule.paused == paused:
        return None
    return holding[0].definition | {"version": versions[-1].rule.version + 1, "paused": paused}


def soon_ms(known: Known, settings: Settings) -> int:
    """The event time from which what is published now can hold on every partition alike.

    A minute after the newest watermark that a worker has told, at a tick; where none has, from the beginning.
    """
    if known.watermark_ms is None:
        return 0
    return -(-(known.watermark_ms + _MARGIN_MS) // settings.tick_ms) * settings.tick_ms


def publish(settings: Settings, definitions: Sequence[Definition], effective_ms: int) -> tuple[str, ...]:
    """Publish versions, each rule's topic first; return the names of the topics that were made.

    Raises
    ------
    RuleError
        If workers could not use one of them: then none is published.
    BrokerUnreachableError
        If no broker answers.
    kafka.errors.KafkaError
        If the broker does not take a topic or a version.
    """
    records = [(_key(definition), _record(definition, effective_ms)) for definition in definitions]
    names = [str(definition["name"]) for definition in definitions]
    needed = {TOPIC, *(f"actions-{name}" for name in names)}
    made = create(settings, [spec for spec in wanted(settings, names) if spec.name in needed]).made
    _send(settings, records)
    return made


def overtaken(settings: Settings, definitions: Sequence[Definition], effective_ms: int) -> list[Version]:
    """What others published under the same numbers just before these versions, and what holds in their place.

    Of one version the first that was told stands, but the broker's compaction keeps the last: so the first is told
    again behind it, or workers that start later would take the other one.
    """
    versions = {(each.rule.name, each.rule.version): each for each in read_known(settings, broker=True).versions}
    found = []
    for definition in definitions:
        own, first = rule_of(_record(definition, effective_ms)), versions.get(_number(definition))
        if first is not None and own != (first.rule, first.effective_ms):
            found.append(first)
    told = [(each.definition, each.effective_ms, each.published_at) for each in found]
    _send(settings, [(_key(one[0]), _record(*one)) for one in told])
    return found


def _send(settings: Settings, records: Sequence[tuple[bytes, bytes]]) -> None:
    if not records:
        return
    try:
        producer = KafkaProducer(**kafka_python_options(settings), acks="all", bootstrap_timeout_ms=10_000)
    except (KafkaError, OSError) as error:
        raise unreachable(settings, error) from None
    with producer:
        for sent in [producer.send(TOPIC, value, key=key, partition=0) for key, value in records]:
            sent.get(_SEND_S)


def superseded(known: Known, definition: Definition, effective_ms: int) -> list[Version]:
    """Versions of the rule that are still to come, and never will once one of a higher number holds, from that time."""
    coming = (version for version in known.coming(known.at_ms) if version.rule.name == definition["name"])
    return [version for version in coming if version.effective_ms >= effective_ms]


def _number(definition: Definition) -> tuple[str, int]:
    return str(definition["name"]), int(definition["version"])


def _key(definition: Definition) -> bytes:
    return "{}@{}".format(*_number(definition)).encode()


def _record(definition: Definition, effective_ms: int, published_at: str | None = None) -> bytes:
    told = {field: value for field, value in definition.items() if field not in ("name", "version")}
    value = orjson.dumps(
        {
            "name": definition["name"],
            "version": definition["version"],
            "published_at": published_at or from_ms(now_ms()),
            "effective_time": from_ms(effective_ms),
            "definition": told,
        }
    )
    rule_of(value)
    return value
