"""Publishing: the actions of a replay that are still useful, to the live topics, once somebody has said so."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from kafka import KafkaConsumer, TopicPartition

from schemas.timestamp import to_ms
from scoring.rules.book import RuleBook
from streams.changelog import changelog_topic, read_changelog
from streams.clock import now_ms
from streams.cloud_event import headers_of
from streams.connection import ordered_producer, reader
from streams.ends import records_to_end
from streams.operating.lag import partitions_of
from streams.receipts import IsErased, erased_since
from streams.replay.useful import Published, Useful, Weighed, counted
from streams.ruling.known import Known, read_known
from streams.ruling.snapshots import Used, partitions_to_read, read_used
from streams.settings import Settings
from streams.topics import found
from streams.transactions import uses_transactions
from streams.unit import Unit
from streams.unit_options import UnitOptions

__all__ = ["Preview", "preview", "publish"]

_ACTIONS: Final = "actions-"
_WITHHELD: Final = "actions-withheld"
_SEND_S: Final = 60.0

Encoded = tuple[str, int, bytes, bytes, int | None]
"""Topic, partition, key, value, and when it is of no use any more (ms)."""


@dataclass(slots=True)
class Preview:
    """What would become of a replay's actions: how many of each rule, by reason (`publish`: none), and the records."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    useful: list[Encoded] = field(default_factory=list)

    def add(self, partition: int, weighed: Sequence[Weighed]) -> None:
        """Take in a partition."""
        for rule, counts in counted(weighed).items():
            self.counts.setdefault(rule, Counter()).update(counts)
        for topic, value, why in weighed:
            if not why:
                data = value["data"]
                until_ms = None if data["expires_at"] is None else to_ms(data["expires_at"])
                key = data["customer_id"].encode()
                self.useful.append((topic, partition, key, orjson.dumps(value), until_ms))


def preview(settings: Settings, options: UnitOptions, shadow: str, partitions: Iterable[int]) -> Preview:
    """Weigh all actions of a shadow against the live topics, the live state and the rules in force; writes nothing.

    One partition's state is in memory at a time, and what would be published.

    Raises
    ------
    NoStateError
        If no worker has run under this `app_id`.
    LayoutMismatchError
        If its state is of other settings.
    BrokerUnreachableError, kafka.errors.KafkaError, aiokafka.errors.KafkaError
        From the broker.
    """
    partitions_to_read(settings, [changelog_topic(settings)])
    is_erased = erased_since(settings)
    known, used = read_known(settings, broker=True), asyncio.run(read_used(settings))
    live = [topic.name for topic in found(settings) if topic.name.startswith(_ACTIONS) and topic.name != _WITHHELD]
    told = Preview()
    for partition in partitions:
        published = Published()
        with reader(settings) as consumer:
            actions = list(_actions(consumer, shadow, live, partition))
            for topic in live:
                for value, written_ms in _records(consumer, topic, partition):
                    published.note(value, written_ms)
        unit = _live_unit(settings, options, used, known, partition)
        told.add(partition, _useful(settings, unit, known, published, is_erased).weigh(actions))
    return told


def _useful(settings: Settings, unit: Unit, known: Known, published: Published, is_erased: IsErased) -> Useful:
    watermark_ms = unit.engine.clock.watermark_ms
    at_ms = watermark_ms if settings.clock == "events" else now_ms()
    in_force = {version.rule.name: version.rule for version in known.in_force(watermark_ms)}
    return Useful(unit.engine, in_force, published, at_ms, unit.engine.settings.max_action_age_ms, is_erased)


def _live_unit(settings: Settings, options: UnitOptions, used: Used, known: Known, partition: int) -> Unit:
    book = RuleBook(options.rules.rules)
    for version in known.versions:
        book.add(version.rule, version.effective_ms)
    unit = Unit(partition, options, used.models, book.timeline(), shop=used.shop)
    asyncio.run(read_changelog(settings, partition, unit.restore, committed=uses_transactions(settings)))
    unit.ready({})
    return unit


def _actions(
    consumer: KafkaConsumer, shadow: str, live: Sequence[str], partition: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    for topic in live:
        for value, _ in _records(consumer, f"{shadow}-{topic}", partition):
            yield topic, value


def _records(consumer: KafkaConsumer, topic: str, partition: int) -> Iterator[tuple[dict[str, Any], int]]:
    """The records of a partition of a topic, with the time at which each was written; none where there is no topic."""
    place = TopicPartition(topic, partition)
    if place in partitions_of(consumer, (topic,)):
        for record in records_to_end(consumer, place):
            if record.value is not None:
                yield orjson.loads(record.value), record.timestamp


def publish(settings: Settings, told: Preview, clock: Callable[[], int] = now_ms) -> int:
    """Publish what a preview found useful and is still; how many records that were.

    Interrupted, another preview finds those that were published on their topics.

    Raises
    ------
    BrokerUnreachableError, kafka.errors.KafkaError
        From the broker.
    """
    at_ms = clock() if settings.clock == "wall" else None
    producer = ordered_producer(settings, transactions=uses_transactions(settings), linger_ms=20)
    try:
        sent = [
            producer.send(topic, value, key=key, partition=partition, headers=headers_of(value))
            for topic, partition, key, value, until_ms in told.useful
            if at_ms is None or until_ms is None or until_ms > at_ms
        ]
        for future in sent:
            future.get(_SEND_S)
    finally:
        producer.close(timeout=_SEND_S)
    return len(sent)
