"""Changelog: a partition's rows, read in bulk to restore its state."""

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.commit import Sink
from streams.connection import aiokafka_options
from streams.settings import Settings
from streams.slices import deliver_slices

__all__ = ["changelog_topic", "read_changelog"]

_FETCH_BYTES = 16 * 1024 * 1024
_PATIENCE_S = 60.0


def changelog_topic(settings: Settings) -> str:
    """Return the topic that holds the rows of all partitions."""
    return f"{settings.app_id}-profiles-changelog"


async def read_changelog(settings: Settings, partition: int, sink: Sink, *, committed: bool) -> int:
    """Read a partition's changelog from its beginning to its end, in order; return the number of rows.

    It is at the end when the *position* is: the last offset may belong to a marker, an aborted transaction or
    a row that compaction took, and no record would ever say so.

    Parameters
    ----------
    committed
        Whether only committed transactions count, as they must where rows are written in transactions.

    Raises
    ------
    aiokafka.errors.KafkaError
        From the broker.
    TimeoutError
        If the position does not move for a minute.
    """
    consumer = AIOKafkaConsumer(
        **aiokafka_options(settings),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=_FETCH_BYTES,
        fetch_max_bytes=2 * _FETCH_BYTES,
        isolation_level="read_committed" if committed else "read_uncommitted",
    )
    await consumer.start()
    try:
        deliver_slices(consumer)
        return await _read(consumer, TopicPartition(changelog_topic(settings), partition), sink)
    finally:
        await consumer.stop()


async def _read(consumer: Any, place: TopicPartition, sink: Sink) -> int:
    consumer.assign([place])
    await consumer.seek_to_beginning(place)
    end = (await consumer.end_offsets([place]))[place]
    rows, at, since = 0, -1, asyncio.get_running_loop().time()
    while (position := await consumer.position(place)) < end:
        now = asyncio.get_running_loop().time()
        if position > at:
            at, since = position, now
        elif now - since > _PATIENCE_S:
            raise TimeoutError(f"{place.topic}-{place.partition}: no row came for a minute at offset {position}")
        fetched = await consumer._fetcher.fetched_records([place], timeout=1.0)
        for piece in fetched.get(place, ()):
            if piece.records:
                sink([record.key for record in piece.records], [record.value for record in piece.records])
                rows += len(piece.records)
                await asyncio.sleep(0)
    return rows
