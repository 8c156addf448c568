"""Shadow: topics of a replay's own, beside the live ones, which it cannot reach."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Final

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from kafka import TopicPartition

from schemas.timestamp import to_ms
from scoring.profile import FAR, NEVER
from streams.background import Background
from streams.batches import BATCH_BYTES, Pair, send_batches
from streams.connection import aiokafka_options, reader, unreachable
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
        self._loop = Background()
        self._producer = self._loop.run(_started(settings, transactions=uses_transactions(settings)))
        self._under_way: dict[int, Future[None]] = {}
        self.plans = Plans(settings, name, self._write_plan)
        self.written: Counter[int] = Counter()
        self.skipped: Counter[int] = Counter()

    def write(self, partition: int, outputs: Iterable[Output]) -> None:
        """Begin to write what is told to customers' topics, in order, once what was written before is there."""
        records = [output for output in outputs if output[0] in self._topics and self._in_span(output[2])]
        by_topic: dict[str, list[Pair]] = defaultdict(list)
        for topic, key, value in records:
            by_topic[topic].append((key, value))
        for topic, some in by_topic.items():
            place = TopicPartition(f"{self._name}-{topic}", partition)
            there = min(self._skip.get(place, 0), len(some))
            self._skip[place] = self._skip.get(place, 0) - there
            self.skipped[partition] += there
            self.written[partition] += len(some) - there
            del some[:there]
        self.flush(partition)
        self._under_way[partition] = self._loop.begin(self._write(partition, by_topic))

    def _in_span(self, value: bytes | None) -> bool:
        first_ms, stop_ms = self._span_ms
        if value is None or (first_ms, stop_ms) == (NEVER, FAR):
            return value is not None
        return first_ms <= to_ms(_stamp(value).time) < stop_ms

    async def _write(self, partition: int, by_topic: Mapping[str, Sequence[Pair]]) -> None:
        sent = [await send_batches(self._producer, f"{self._name}-{topic}", partition, some)
                for topic, some in by_topic.items()]  # fmt: skip
        await asyncio.gather(*(each for some in sent for each in some))

    def flush(self, partition: int) -> None:
        """Return once all is there that was written to a partition."""
        written = self._under_way.pop(partition, None)
        if written is not None:
            written.result()

    def _write_plan(self, topic: str, partition: int, value: bytes) -> None:
        self.flush(partition)
        self._loop.run(self._producer.send_and_wait(topic, value, partition=partition))

    def close(self) -> None:
        """Write what is under way."""
        try:
            for partition in list(self._under_way):
                self.flush(partition)
        finally:
            self._loop.run(self._producer.stop())
            self._loop.close()


async def _started(settings: Settings, *, transactions: bool) -> AIOKafkaProducer:
    """A producer whose records come in the order in which they were sent: one batch of a partition is under way."""
    producer = AIOKafkaProducer(
        **aiokafka_options(settings), acks="all", max_batch_size=BATCH_BYTES, enable_idempotence=transactions
    )
    try:
        await producer.start()
    except (KafkaError, OSError) as error:
        await producer.stop()
        raise unreachable(settings, error) from None
    return producer


def _there(settings: Settings, topics: Sequence[str]) -> dict[TopicPartition, int]:
    with reader(settings) as consumer:
        known = consumer.topics()
        parts = [TopicPartition(t, p) for t in topics if t in known for p in sorted(consumer.partitions_for_topic(t))]
        consumer.assign(parts)
        first, last = consumer.beginning_offsets(parts), ends(consumer, parts)
    return {part: last[part] - first[part] for part in parts}
