"""Lag: how much of each input is still to be read, and how far in event time each partition has come."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from kafka import KafkaConsumer, TopicPartition

from schemas.internals import Progress
from streams.connection import admin_client, reader
from streams.ends import ends
from streams.outbox import INPUTS
from streams.settings import Settings

__all__ = ["InputLag", "lag", "partitions_of", "watermarks"]

_LAST: Final = 64
"""Offsets from the end of `progress` among which a partition's last record is: transactions' markers take some."""


@dataclass(frozen=True, slots=True)
class InputLag:
    """How far one partition of one input was read.

    Attributes
    ----------
    committed
        The next offset to read; None before the first commit.
    end
        The offset after the last record.
    records
        Still to be read, at most: what retention removed is not there any more, and a transaction's markers count.
    watermark_ms
        Event time to which the partition has come, by its last record on `progress`; None where there is none.
    """

    topic: str
    partition: int
    committed: int | None
    end: int
    records: int
    watermark_ms: int | None


def lag(settings: Settings) -> list[InputLag]:
    """Ask the broker how far the application has read, by input and partition; moves nobody's offsets.

    Raises
    ------
    BrokerUnreachableError
        If no broker answers.
    """
    with reader(settings) as consumer:
        inputs = partitions_of(consumer, INPUTS)
        consumer.assign(inputs)
        first, end = consumer.beginning_offsets(inputs), ends(consumer, inputs)
        told = watermarks(consumer)
    with admin_client(settings) as client:
        committed = client.list_group_offsets({settings.app_id: inputs}).get(settings.app_id, {}) if inputs else {}
    return [_lag(part, committed, first[part], end[part], told.get(part.partition)) for part in inputs]


def partitions_of(consumer: KafkaConsumer, topics: tuple[str, ...]) -> list[TopicPartition]:
    """Return all partitions of those of the topics that are there."""
    known = consumer.topics()
    there = [topic for topic in topics if topic in known]
    return [TopicPartition(topic, number) for topic in there for number in sorted(consumer.partitions_for_topic(topic))]


def _lag(
    part: TopicPartition, committed: Mapping[TopicPartition, Any], first: int, end: int, watermark_ms: int | None
) -> InputLag:
    told = committed.get(part)
    offset = None if told is None or told.offset < 0 else int(told.offset)
    waiting = end - max(first, 0 if offset is None else offset)
    return InputLag(part.topic, part.partition, offset, end, max(waiting, 0), watermark_ms)


def watermarks(consumer: KafkaConsumer) -> dict[int, int]:
    """Return the newest watermark of each partition number: each writes to its own partition of `progress`."""
    parts = partitions_of(consumer, ("progress",))
    if not parts:
        return {}
    consumer.assign(parts)
    end, first = ends(consumer, parts), consumer.beginning_offsets(parts)
    for part in parts:
        consumer.seek(part, max(first[part], end[part] - _LAST))
    decoder = msgspec.json.Decoder(Progress)
    found: dict[int, int] = {}
    while any(consumer.position(part) < end[part] for part in parts):
        for records in consumer.poll(timeout_ms=250).values():
            for progress in (decoder.decode(record.value) for record in records if record.value):
                if progress.watermark_ms is not None:
                    found[progress.partition] = progress.watermark_ms
    return found
