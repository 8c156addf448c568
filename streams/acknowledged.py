"""Acknowledged: outputs, then rows, then offsets, for brokers without transactions: at least once.

After a crash in between, records are read again, and the rows know which of them they hold; outputs may be there
twice, with the same ids.
"""

import asyncio
from collections.abc import Mapping, Sequence

from aiokafka import AIOKafkaProducer

from streams.batches import BATCH_BYTES, send_batches, send_to_topics
from streams.changelog import changelog_topic, read_changelog, transfers_topic
from streams.commit import Sink
from streams.connection import aiokafka_options
from streams.group import Group
from streams.settings import Settings
from streams.transactions import ended_with, stopped, translated

__all__ = ["AcknowledgedClient"]

_REQUEST_MS = 15_000


class AcknowledgedClient:
    """A broker client with one producer for all partitions; the group says whether a partition is still ours."""

    transactional = False

    def __init__(self, settings: Settings, group: Group) -> None:
        self._settings = settings
        self._group = group
        self._producer: AIOKafkaProducer | None = None
        self._committed: dict[int, dict[int, int]] = {}
        self._starting = asyncio.Lock()

    async def fence(self, partition: int) -> None:
        """Nobody can be fenced: whoever was here before notices at his next commit."""
        async with self._starting, translated():
            if self._producer is not None and ended_with(self._producer) is not None:
                await self.close()
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **aiokafka_options(self._settings),
                    acks="all",
                    request_timeout_ms=_REQUEST_MS,
                    max_batch_size=BATCH_BYTES,
                    linger_ms=0,
                )
                await producer.start()
                self._producer = producer

    async def restore(self, partition: int, sink: Sink, start: int | None = None) -> int | None:
        """See `streams.commit.BrokerClient`; without what a worker in transactions did not bring to an end."""
        async with translated(None):
            await read_changelog(self._settings, partition, sink, start, committed=True)
        return None

    async def committed(self, partition: int) -> Mapping[int, int]:
        """See `streams.commit.BrokerClient`."""
        async with translated():
            found = await self._group.committed(partition)
        self._committed[partition] = {source: max(offset, 0) for source, offset in found.items()}
        return found

    async def begin(self, partition: int) -> None:
        """Make sure that the partition is ours, by committing once more what is committed."""
        async with translated():
            await self._group.commit_offsets(partition, self._committed[partition])

    async def send_outputs(self, partition: int, outputs: Sequence[tuple[str, bytes | None, bytes | None]]) -> None:
        """See `streams.commit.BrokerClient`."""
        assert self._producer is not None
        async with translated():
            inputs, transfers = self._settings.partitions, transfers_topic(self._settings)
            await asyncio.gather(*await send_to_topics(self._producer, outputs, partition, inputs, transfers))

    async def send_rows(self, partition: int, rows: Sequence[tuple[bytes, bytes | None]]) -> None:
        """See `streams.commit.BrokerClient`."""
        assert self._producer is not None
        topic = changelog_topic(self._settings)
        async with translated():
            await asyncio.gather(*await send_batches(self._producer, topic, partition, rows))

    async def commit_offsets(self, partition: int, offsets: Mapping[int, int]) -> None:
        """See `streams.commit.BrokerClient`."""
        async with translated():
            await self._group.commit_offsets(partition, offsets)
        self._committed[partition].update(offsets)

    async def end(self, partition: int) -> int | None:
        """Nothing to do; where the rows lie is of use only where all of a commit is there or nothing."""
        return None

    async def release(self, partition: int) -> None:
        """See `streams.commit.BrokerClient`."""
        self._committed.pop(partition, None)

    async def close(self) -> None:
        """Stop the producer."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await stopped(producer)
