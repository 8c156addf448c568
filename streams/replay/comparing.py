"""Comparing: a digest of what was told, and where two tellings differ."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

import orjson

from schemas.timestamp import to_ms
from streams.replay.shadow import is_told
from streams.settings import Settings
from streams.tailing import tail
from streams.topics import found

__all__ = ["Difference", "Differences", "Digest", "compare", "digest"]

_CAUSES: Final = (("rule_version", "another version of the rule"), ("model_version", "another version of the model"),
                  ("shop_version", "another version of the shop's knowledge"), ("withheld", "the gates"),
                  ("trigger", "another event, or another order of events"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Digest:
    """What one topic says: records, and a hash of them all."""

    topic: str
    records: int
    digest: str


@dataclass(frozen=True, slots=True)
class Difference:
    """The first record that differs, by event time: where it is, and what is likely to have caused it."""

    topic: str
    id: str
    event_time: str
    cause: str


@dataclass(slots=True)
class Differences:
    """How two tellings compare, by topic: alike, only in the shadow, only live, and different with the same id."""

    same: Counter[str] = field(default_factory=Counter)
    only_shadow: Counter[str] = field(default_factory=Counter)
    only_live: Counter[str] = field(default_factory=Counter)
    different: Counter[str] = field(default_factory=Counter)
    first: Difference | None = None

    @property
    def alike(self) -> bool:
        """Whether nothing differs."""
        return not (self.only_shadow or self.only_live or self.different)


def digest(settings: Settings, shadow: str | None, span_ms: tuple[int, int], *, scores: bool) -> list[Digest]:
    """Hash what was told on each topic within a range of event time, live or by a replay.

    Left out: offsets and the broker's times, as they differ from broker to broker; `replay`, which says where a record
    is; order between partitions and between customers, which depends on how many records a commit took; and, unless
    asked for, scores, of which a compacted topic keeps only the last.

    Raises
    ------
    BrokerUnreachableError
        If no broker answers.
    """
    told = []
    for topic in _topics(settings, shadow, scores=scores):
        total, records = 0, 0
        for line in _by_customer(settings, shadow, topic, span_ms).values():
            records += len(line)
            each = blake2b(digest_size=16)
            for _, value in line:
                each.update(orjson.dumps(value, option=orjson.OPT_SORT_KEYS) + b"\n")
            total ^= int.from_bytes(each.digest(), "big")
        told.append(Digest(topic, records, f"{total:032x}"))
    return told


def compare(settings: Settings, shadow: str, span_ms: tuple[int, int], *, scores: bool = False) -> Differences:
    """Compare a replay with what was told live, record by record, by the records' ids; holds one topic in memory.

    Raises
    ------
    BrokerUnreachableError
        If no broker answers.
    """
    found_ = Differences()
    for topic in _topics(settings, shadow, scores=scores):
        live = _by_id(settings, None, topic, span_ms)
        other = _by_id(settings, shadow, topic, span_ms)
        for name in live.keys() | other.keys():
            _note(found_, topic, name, live.get(name), other.get(name))
    return found_


def _note(found_: Differences, topic: str, name: str, live: Any, other: Any) -> None:
    if live == other:
        found_.same[topic] += 1
        return
    place = found_.only_shadow if live is None else found_.only_live if other is None else found_.different
    place[topic] += 1
    there = live or other
    first = found_.first
    if first is None or (there["time"], topic, name) < (first.event_time, first.topic, first.id):
        found_.first = Difference(topic, name, there["time"], _cause(live, other))


def _cause(live: Any, other: Any) -> str:
    if live is None or other is None:
        return "only in the shadow" if live is None else "only live"
    before, after = live["data"], other["data"]
    for name, cause in _CAUSES:
        if before.get(name) != after.get(name):
            return f"{cause} ({name}: {before.get(name)} live, {after.get(name)} in the shadow)"
    names = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    return f"the customer's state: {', '.join(names)} differ"


def _topics(settings: Settings, shadow: str | None, *, scores: bool) -> list[str]:
    prefix = f"{shadow}-" if shadow else ""
    there = [topic.name for topic in found(settings)]
    names = [name.removeprefix(prefix) for name in there if name.startswith(prefix)]
    compacted = ("scores", "content")
    return sorted(name for name in names if is_told(name) and (scores or name not in compacted))


def _records(settings: Settings, shadow: str | None, topic: str, span_ms: tuple[int, int]) -> Iterator[tuple[Any, Any]]:
    name = f"{shadow}-{topic}" if shadow else topic
    records = list(tail(settings, name, "beginning", follow=False))
    for record in sorted(records, key=lambda record: (record.partition, record.offset)):
        value = orjson.loads(record.value) if record.value else None
        if value is not None and span_ms[0] <= to_ms(value["time"]) < span_ms[1]:
            value["data"].pop("replay", None)
            yield record.key, value


def _by_customer(
    settings: Settings, shadow: str | None, topic: str, span_ms: tuple[int, int]
) -> Mapping[bytes, list[tuple[str, Any]]]:
    """Each customer's records in order, of one id the first: without transactions a crash may repeat some."""
    lines: dict[bytes, dict[str, Any]] = {}
    for key, value in _records(settings, shadow, topic, span_ms):
        lines.setdefault(key, {}).setdefault(value["id"], value)
    return {key: list(line.items()) for key, line in lines.items()}


def _by_id(settings: Settings, shadow: str | None, topic: str, span_ms: tuple[int, int]) -> dict[str, Any]:
    found_: dict[str, Any] = {}
    for _, value in _records(settings, shadow, topic, span_ms):
        found_.setdefault(value["id"], value)
    return found_
