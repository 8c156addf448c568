"""Comparing: a digest of what was told, and where two tellings differ."""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson

from schemas.timestamp import to_ms
from streams.cloud_event import SCHEMAS
from streams.receipts import erased_since
from streams.replay.causes import late_event, rules_cause, settings_cause, version_cause
from streams.replay.shadow import is_told
from streams.rights import check_readable
from streams.settings import Settings
from streams.tailing import tail
from streams.topics import UnfitTopicsError, found

__all__ = ["Difference", "Differences", "Digest", "compare", "digest"]

_Record = tuple[int, Any]
"""Partition and value."""
_Told = tuple[bytes | None, int, Any]
"""Key, partition and value."""


@dataclass(frozen=True, slots=True)
class Digest:
    """What one topic says: records, and a hash of them all; `erased` were left out, of customers who are forgotten."""

    topic: str
    records: int
    digest: str
    erased: int


@dataclass(frozen=True, slots=True)
class Difference:
    """The first record that differs, by event time: where it is, and what is likely to have caused it."""

    topic: str
    id: str
    event_time: str
    cause: str


@dataclass(slots=True)
class Differences:
    """How two tellings compare, by topic: alike, only in the shadow, only live, and different with the same id.

    `erased` are records, of both, that were left out: their customers are forgotten since.
    """

    same: Counter[str] = field(default_factory=Counter)
    only_shadow: Counter[str] = field(default_factory=Counter)
    only_live: Counter[str] = field(default_factory=Counter)
    different: Counter[str] = field(default_factory=Counter)
    first: Difference | None = None
    erased: int = 0

    @property
    def alike(self) -> bool:
        """Whether nothing differs."""
        return not (self.only_shadow or self.only_live or self.different)


def digest(settings: Settings, shadow: str | None, span_ms: tuple[int, int], *, scores: bool) -> list[Digest]:
    """Hash what was told on each topic within a range of event time, live or by a replay.

    Left out: offsets and the broker's times, as they differ from broker to broker; `replay`, which says where a record
    is; what a replay published on live topics, as no worker told it; what was told of customers before they were
    forgotten, as no replay tells it again; order between partitions and between customers, which depends on how many
    records a commit took; and, unless asked for, scores, of which a compacted topic keeps only the last.

    Raises
    ------
    BrokerUnreachableError
        If no broker answers.
    UnfitTopicsError
        If there is no such replay.
    """
    told, erased = [], _Erased(settings)
    for topic in _topics(settings, shadow, scores=scores):
        total, records, before = 0, 0, erased.records
        for line in _by_customer(_records(settings, shadow, topic, span_ms, erased)).values():
            records += len(line)
            each = blake2b(digest_size=16)
            for _, value in line:
                each.update(orjson.dumps(value, option=orjson.OPT_SORT_KEYS) + b"\n")
            total ^= int.from_bytes(each.digest(), "big")
        told.append(Digest(topic, records, f"{total:032x}", erased.records - before))
    return told


def compare(settings: Settings, shadow: str, span_ms: tuple[int, int], *, scores: bool = False) -> Differences:
    """Compare a replay with what was told live, record by record, by the records' ids; holds one topic in memory.

    What another replay published on live topics is left out, as no worker told it.

    The first difference comes with its cause, as far as it can be told: other settings; another version of the rule,
    the model or the shop's knowledge; rules with other parameters; an event that came late, so that live told without
    it; else what of the customer's state differs.

    Raises
    ------
    BrokerUnreachableError
        If no broker answers.
    UnfitTopicsError
        If there is no such replay.
    """
    found_, erased = Differences(), _Erased(settings)
    first: _First | None = None
    for topic in _topics(settings, shadow, scores=scores):
        other = _by_id(_records(settings, shadow, topic, span_ms, erased))
        live = _by_id(_records(settings, None, topic, span_ms, erased, published=other))
        differ = [
            _First.of(topic, name, live.get(name), other.get(name))
            for name in live.keys() | other.keys()
            if _note(found_, topic, live.get(name), other.get(name))
        ]
        earliest = min(differ, key=lambda one: one[:3], default=None)
        if earliest is not None and (first is None or earliest[:3] < first[:3]):
            first = earliest._replace(said=earliest.by_versions(_values(live), _values(other)))
    found_.erased = erased.records
    if first is not None:
        found_.first = Difference(first.topic, first.id, first.time, first.cause(settings, shadow))
    return found_


class _Erased:
    """Says what is not compared, as its customer was forgotten since, and counts it in `records`."""

    def __init__(self, settings: Settings) -> None:
        self._is_erased = erased_since(settings)
        self.records = 0

    def __call__(self, value: Any) -> bool:
        found_ = self._is_erased(value["data"]["customer_id"].encode(), to_ms(value["time"]))
        self.records += found_
        return found_


class _First(NamedTuple):
    """A record that differs: when it is of, where it is, and both tellings of it; and the cause, once it is known."""

    time: str
    topic: str
    id: str
    live: _Record | None
    other: _Record | None
    said: str | None = None

    @classmethod
    def of(cls, topic: str, name: str, live: _Record | None, other: _Record | None) -> "_First":
        _, value = live or other or (0, {})
        return cls(value["time"], topic, name, live, other)

    def by_versions(self, lives: Sequence[Any], others: Sequence[Any]) -> str | None:
        live, other = self.live and self.live[1], self.other and self.other[1]
        return version_cause(live, other, (lives, others))

    def cause(self, settings: Settings, shadow: str) -> str:
        """What is likely to have caused it: settings, and versions; else what remains."""
        partition, _ = self.live or self.other or (0, {})
        both = (settings_cause(settings, shadow, partition, to_ms(self.time)), self.said)
        return "; ".join(filter(None, both)) or self._otherwise(settings, shadow)

    def _otherwise(self, settings: Settings, shadow: str) -> str:
        partition, there = self.live or self.other or (0, {})
        customer = there["data"]["customer_id"].encode()
        alone = there if self.live is None else None
        said = rules_cause(settings, shadow, partition, alone)
        said = said or late_event(settings, partition, customer, to_ms(self.time))
        if said is not None:
            return said
        if self.live is None or self.other is None:
            return f"only {'in the shadow' if self.live is None else 'live'}, as other things happened before"
        before, after = self.live[1]["data"], self.other[1]["data"]
        names = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
        return f"the customer's state: {', '.join(names)} differ"


def _values(records: Mapping[str, _Record]) -> list[Any]:
    return [value for _, value in records.values()]


def _note(found_: Differences, topic: str, live: _Record | None, other: _Record | None) -> bool:
    """Count it; whether they differ."""
    if live == other:
        found_.same[topic] += 1
        return False
    place = found_.only_shadow if live is None else found_.only_live if other is None else found_.different
    place[topic] += 1
    return True


def _topics(settings: Settings, shadow: str | None, *, scores: bool) -> list[str]:
    prefix = f"{shadow}-" if shadow else ""
    check_readable(settings, [f"{prefix}{topic}" for topic in ("audiences", "actions-withheld")])
    there = [topic.name for topic in found(settings)]
    names = [name for each in there if each.startswith(prefix) and is_told(name := each.removeprefix(prefix))]
    if shadow and not names:
        raise UnfitTopicsError(
            f"there is no replay {shadow!r} on {settings.broker}; `recompra replay --into {shadow}` would tell one"
        )
    compacted = ("scores", "content")
    return sorted(name for name in names if scores or name not in compacted)


def _records(
    settings: Settings,
    shadow: str | None,
    topic: str,
    span_ms: tuple[int, int],
    erased: _Erased,
    published: Container[str] = (),
) -> Iterator[_Told]:
    """Of what replays published on live topics only those ids that are in `published`."""
    name = f"{shadow}-{topic}" if shadow else topic
    records = list(tail(settings, name, "beginning", follow=False))
    for record in sorted(records, key=lambda record: (record.partition, record.offset)):
        value = orjson.loads(record.value) if record.value else None
        if value is not None and span_ms[0] <= to_ms(value["time"]) < span_ms[1] and not erased(value):
            if value["data"].pop("replay", False) and shadow is None and value["id"] not in published:
                continue
            value["dataschema"] = value["dataschema"].removeprefix(SCHEMAS)  # former releases told the name alone
            yield record.key, record.partition, value


def _by_customer(records: Iterable[_Told]) -> Mapping[bytes | None, list[tuple[str, Any]]]:
    """Each customer's records in order, of one id the first: without transactions a crash may repeat some."""
    lines: dict[bytes | None, dict[str, Any]] = {}
    for key, _, value in records:
        lines.setdefault(key, {}).setdefault(value["id"], value)
    return {key: list(line.items()) for key, line in lines.items()}


def _by_id(records: Iterable[_Told]) -> dict[str, _Record]:
    found_: dict[str, _Record] = {}
    for _, partition, value in records:
        found_.setdefault(value["id"], (partition, value))
    return found_
