"""Shadow: topics of a replay's own, beside the live ones, which it cannot reach."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Final

import msgspec
from kafka import TopicPartition

from schemas.timestamp import to_ms
from streams.connection import ordered_producer, reader
from streams.ends import ends
from streams.outbox import Output
from streams.replay.plan import Plans, plans_topic
from streams.settings import Settings
from streams.topics import create, wanted
from streams.transactions import uses_transactions

__all__ = ["NotAShadowError", "Shadow", "is_told"]

_TOLD: Final = ("scores", "audiences", "content", "actions-withheld")


class _Stamped(msgspec.Struct):
    time: str


_stamp = msgspec.json.Decoder(_Stamped).decode


def is_told(topic: str) -> bool:
    """Whether a topic tells others something about customers: what a replay tells again."""
    return topic in _TOLD or topic.startswith("actions-")


class NotAShadowError(ValueError):
    """The name would lead to live topics, or a topic is none that is told."""


class Shadow:
    """Writes what a replay tells to topics that begin with its name; what is there already is not written again.

    A replay tells the same again, so that whoever was interrupted goes on where the topic ends.

    Parameters
    ----------
    name
        Before each topic's own, with a hyphen.
    span_ms
        From which event time to before which other outputs are written.
    rules
        Names of all rules that may be in force.
    topics
        Only these are told; none: all.

    Attributes
    ----------
    plans
        What was asked for, by partition.
    written, skipped
        Records by partition: written, and there before.

    Raises
    ------
    NotAShadowError
        If topics of that name are live ones.
    """

    def __init__(
        self,
        settings: Settings,
        name: str,
        span_ms: tuple[int, int],
        rules: Collection[str],
        topics: Collection[str] = (),
    ) -> None:
        self._name, self._span_ms = name, span_ms
        live = wanted(settings, sorted(rules))
        specs = [spec for spec in live if is_told(spec.name) and (not topics or spec.name in topics)]
        if is_told(f"{name}-") or {f"{name}-{spec.name}" for spec in specs} & {spec.name for spec in live}:
            raise NotAShadowError(f"topics that begin with {name!r} are live ones; give the shadow another name")
        if unknown := set(topics) - {spec.name for spec in specs}:
            raise NotAShadowError(f"nothing is told on {', '.join(sorted(unknown))}; see `recompra topics list`")
        self._topics = frozenset(spec.name for spec in specs)
        shadows = [replace(spec, name=f"{name}-{spec.name}", cleanup="delete") for spec in specs]
        create(settings, [*shadows, plans_topic(name, settings.partitions)])
        self._skip = _there(settings, [spec.name for spec in shadows])
        self._producer = ordered_producer(settings, transactions=uses_transactions(settings), linger_ms=20)
        self.plans = Plans(settings, name, self._producer)
        self.written: Counter[int] = Counter()
        self.skipped: Counter[int] = Counter()

    def write(self, partition: int, outputs: Iterable[Output]) -> None:
        """Write what is told to customers' topics, in order."""
        first_ms, stop_ms = self._span_ms
        sent = []
        for topic, key, value in outputs:
            if value is None or topic not in self._topics or not first_ms <= to_ms(_stamp(value).time) < stop_ms:
                continue
            place = TopicPartition(f"{self._name}-{topic}", partition)
            if self._skip.get(place, 0) > 0:
                self._skip[place] -= 1
                self.skipped[partition] += 1
                continue
            sent.append(self._producer.send(place.topic, value, key=key, partition=partition))
            self.written[partition] += 1
        for future in sent:
            future.get(60)

    def close(self) -> None:
        """Write what is under way."""
        self._producer.close(timeout=60)


def _there(settings: Settings, topics: Sequence[str]) -> dict[TopicPartition, int]:
    with reader(settings) as consumer:
        known = consumer.topics()
        parts = [TopicPartition(t, p) for t in topics if t in known for p in sorted(consumer.partitions_for_topic(t))]
        consumer.assign(parts)
        first, last = consumer.beginning_offsets(parts), ends(consumer, parts)
    return {part: last[part] - first[part] for part in parts}
