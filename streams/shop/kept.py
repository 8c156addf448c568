"""Kept: what an earlier process left on the broker, to go on from."""

from collections.abc import Mapping
from contextlib import suppress

from aiokafka import AIOKafkaConsumer, TopicPartition

from scoring.shop.snapshot import SnapshotPartError
from streams.connection import aiokafka_options
from streams.settings import Settings
from streams.shop.wire import read_part

__all__ = ["newest_values", "partitions_of", "parts_by_version"]

_QUIET_MS = 1_000


async def newest_values(settings: Settings, topic: str) -> dict[bytes, bytes]:
    """The newest value by key on a topic of one partition, deleted ones left out.

    Raises
    ------
    aiokafka.errors.KafkaError
        From the broker.
    """
    place = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(
        **aiokafka_options(settings), enable_auto_commit=False, isolation_level="read_committed"
    )
    try:
        await consumer.start()
        end = (await consumer.end_offsets([place]))[place]  # before it fetches, which this would wait for
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        values: dict[bytes, bytes] = {}
        while True:
            records = (await consumer.getmany(place, timeout_ms=_QUIET_MS)).get(place, [])
            for record in records:
                if record.value is None:
                    values.pop(record.key, None)
                else:
                    values[record.key] = record.value
            if not records and await consumer.position(place) >= end:
                return values
    finally:
        await consumer.stop()


def parts_by_version(values: Mapping[bytes, bytes]) -> dict[int, int]:
    """How many parts each version on `products` has, of those that are whole."""
    seen: dict[int, set[int]] = {}
    wanted: dict[int, int] = {}
    for value in values.values():
        with suppress(SnapshotPartError):
            part = read_part(value)
            seen.setdefault(part.version, set()).add(part.part)
            wanted[part.version] = part.parts
    return {version: wanted[version] for version, found in seen.items() if len(found) == wanted[version]}


def partitions_of(settings: Settings, topics: tuple[str, ...]) -> list[TopicPartition]:
    """All partitions of these topics, each as many as the inputs have; a broker need not tell of what is not named."""
    return [TopicPartition(topic, number) for topic in topics for number in range(settings.partitions)]
