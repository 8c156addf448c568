"""Tailing: the records of a topic from a given place on, as they come."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Literal

from kafka import KafkaConsumer, TopicPartition

from streams.connection import reader
from streams.ends import ends
from streams.rights import check_known
from streams.settings import Settings
from streams.topics import nearest

__all__ = ["Place", "Record", "UnknownTopicError", "parse_place", "tail"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Place = Literal["beginning", "latest"] | int
"""Where to begin: at an end, or at a time in milliseconds since the epoch UTC, earlier records left out."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it lies on the topic; `timestamp_ms` is the broker's or the writer's, as the topic is set."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None


class UnknownTopicError(LookupError):
    """The topic is not on the broker; the text names the nearest that is."""


def parse_place(text: str) -> Place:
    """Read `beginning`, `latest` or an ISO 8601 date or time (UTC where no zone is given).

    Raises
    ------
    ValueError
        If it is none of these.
    """
    if text == "beginning":
        return "beginning"
    if text == "latest":
        return "latest"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text[:80]!r} is neither beginning, latest nor a time such as 2011-12-01 or 2011-12-01T09:30:00Z"
        ) from None
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // timedelta(milliseconds=1)


def tail(
    settings: Settings, topic: str, place: Place, *, limit: int | None = None, follow: bool = True
) -> Iterator[Record]:
    """Yield a topic's records as they come, for ever unless `limit` or `follow=False` ends it.

    Reads without a group, so it moves nobody's offsets. Without `follow` it ends at what was the end of
    each partition when it began.

    Raises
    ------
    UnknownTopicError
        If the topic is not there.
    BrokerUnreachableError
        If no broker answers.
    """
    with reader(settings) as consumer:
        there = _assign(consumer, topic, place)
        records = _records(consumer, topic, None if follow else there)
        if isinstance(place, int):  # the embedded broker finds the batch of a time, not the record in it
            records = (record for record in records if record.timestamp_ms >= place)
        yield from islice(records, limit)


def _assign(consumer: KafkaConsumer, topic: str, place: Place) -> dict[TopicPartition, int]:
    """Put the consumer at the place and return the end of each partition."""
    known = consumer.topics()
    if topic not in known:
        check_known(consumer, [topic])
        near = nearest(topic, known)
        advice = f"did you mean {near!r}?" if near else "`recompra topics list` shows what there should be"
        raise UnknownTopicError(f"there is no topic {topic!r} on this broker; {advice}")
    partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic))]
    consumer.assign(partitions)
    there = ends(consumer, partitions)
    place = max(place, 0) if isinstance(place, int) else place  # a broker knows of no time before 1970
    at = consumer.offsets_for_times(dict.fromkeys(partitions, place)) if isinstance(place, int) else {}
    first = consumer.beginning_offsets(partitions) if place == "beginning" else {}
    for partition in partitions:
        hit = at.get(partition)
        consumer.seek(partition, first.get(partition, there[partition] if hit is None else hit.offset))
    return there


def _records(consumer: KafkaConsumer, topic: str, until: dict[TopicPartition, int] | None) -> Iterator[Record]:
    while until is None or any(consumer.position(part) < end for part, end in until.items()):
        polled = consumer.poll(timeout_ms=250)
        batch = sorted((r for part in polled.values() for r in part), key=lambda r: (r.timestamp, r.offset))
        for record in batch:
            if until is not None and record.offset >= until[TopicPartition(topic, record.partition)]:
                continue
            yield Record(topic, record.partition, record.offset, record.timestamp, record.key, record.value)
