"""Lag: how much of each input is still to be read, and how far in event time each partition has come."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from kafka import KafkaConsumer, TopicPartition

from schemas.internals import Progress
from streams.connection import admin_client, reader
from streams.ends import ends
from streams.outbox import DELETIONS, INPUTS
from streams.rights import check_known
from streams.settings import Settings
from streams.topics import check_there

__all__ = ["InputLag", "lag", "partitions_of", "unread_records", "watermarks"]

_decode: Final = msgspec.json.Decoder(Progress).decode
_LAST: Final = 64
"""Offsets from the end of a partition that are looked at one by one: transactions' markers take some."""


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
        Still to be read. Where there are many, at most so many: offsets that a transaction's markers took count too.
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
    UnfitTopicsError
        If it does not have the inputs: of what is not there, nothing is unread.
    """
    with reader(settings) as consumer:
        inputs = partitions_of(consumer, (*INPUTS, DELETIONS))
        check_there(settings, INPUTS, {part.topic for part in inputs})
        with admin_client(settings) as client:
            told = client.list_group_offsets({settings.app_id: inputs}).get(settings.app_id, {}) if inputs else {}
        committed = {part: _offset(told.get(part)) for part in inputs}
        consumer.assign(inputs)
        first, end = consumer.beginning_offsets(inputs), ends(consumer, inputs)
        waiting = {part: max(first[part], committed[part] or 0) for part in inputs}
        unread = unread_records(consumer, waiting, end)
        come_to = watermarks(consumer)
    return [InputLag(part.topic, part.partition, committed[part], end[part], unread[part], come_to.get(part.partition))
            for part in inputs]  # fmt: skip


def partitions_of(consumer: KafkaConsumer, topics: tuple[str, ...]) -> list[TopicPartition]:
    """Return all partitions of those of the topics that are there.

    Raises
    ------
    streams.rights.NotAllowedError
        If one is kept from us.
    """
    known = consumer.topics()
    there = [topic for topic in topics if topic in known]
    check_known(consumer, set(topics) - set(there))
    return [TopicPartition(topic, number) for topic in there for number in sorted(consumer.partitions_for_topic(topic))]


def _offset(told: Any) -> int | None:
    return None if told is None or told.offset < 0 else int(told.offset)


def unread_records(
    consumer: KafkaConsumer, start: Mapping[TopicPartition, int], end: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """Records from each start on; where few offsets are left, what lies there is counted: it may be markers alone."""
    unread = {part: max(end[part] - start[part], 0) for part in start}
    few = [part for part, count in unread.items() if 0 < count <= _LAST]
    if not few:
        return unread
    consumer.assign(few)
    for part in few:
        consumer.seek(part, start[part])
    unread |= dict.fromkeys(few, 0)
    while any(consumer.position(part) < end[part] for part in few):
        for part, records in consumer.poll(timeout_ms=250).items():
            unread[part] += sum(record.offset < end[part] for record in records)
    return unread


def watermarks(consumer: KafkaConsumer) -> dict[int, int]:
    """Return the newest watermark of each partition number: each writes to its own partition of `progress`.

    Looked for among the last records first, and further back, twice as far each time, where these tell none: what lies
    there may be the markers and the records of transactions that failed. Missing where a partition holds none at all.
    """
    parts = partitions_of(consumer, ("progress",))
    if not parts:
        return {}
    consumer.assign(parts)
    stop, first = ends(consumer, parts), consumer.beginning_offsets(parts)
    found: dict[int, int] = {}
    back = _LAST
    while parts:
        start = {part: max(first[part], stop[part] - back) for part in parts}
        found |= _watermarks_in(consumer, start, stop)
        parts = [part for part in parts if part.partition not in found and start[part] > first[part]]
        stop, back = start, 2 * back
    return found


def _watermarks_in(
    consumer: KafkaConsumer, start: Mapping[TopicPartition, int], stop: Mapping[TopicPartition, int]
) -> dict[int, int]:
    """The newest watermark by partition number, of those told from one offset to before another."""
    consumer.assign(list(start))
    for part, offset in start.items():
        consumer.seek(part, offset)
    found: dict[int, int] = {}
    while any(consumer.position(part) < stop[part] for part in start):
        for part, records in consumer.poll(timeout_ms=250).items():
            for progress in (_decode(each.value) for each in records if each.value and each.offset < stop[part]):
                if progress.watermark_ms is not None:
                    found[progress.partition] = progress.watermark_ms
    return found
