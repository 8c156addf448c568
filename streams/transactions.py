"""Transactions: outputs, rows and offsets of one partition and commit, all of them or none."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import IllegalOperation, KafkaError, ProducerFenced

from streams.batches import BATCH_BYTES, send_batches, send_to_topics
from streams.changelog import changelog_topic, read_changelog
from streams.commit import CommitFailedError, FencedError, Sink
from streams.connection import aiokafka_options
from streams.group import Group
from streams.outbox import INPUTS
from streams.settings import Settings

__all__ = ["TransactionalClient", "have_transactions", "translated"]

log = logging.getLogger(__name__)

_REQUEST_MS = 15_000
_TRANSACTION_MS = 60_000
_COMMIT_S = 45.0
"""A transaction that is not through by then is given up; the broker ends it a little later."""
_PROBE_S = 20.0


async def have_transactions(settings: Settings) -> bool:
    """Find out whether the broker has transactions, by asking for a producer's id."""
    producer = _producer(settings, f"{settings.app_id}-probe")
    try:
        await asyncio.wait_for(producer.start(), _PROBE_S)
    except (KafkaError, TimeoutError) as error:
        log.info("no transactions: %r", error)
        return False
    finally:
        await _stopped(producer)
    return True


class TransactionalClient:
    """A broker client with one transactional producer a partition number.

    The producer's id is the application's and the partition's, so that whoever starts it anew ends what a former
    owner left open and refuses all that he sends later, even when he was only asleep.
    """

    transactional = True

    def __init__(self, settings: Settings, group: Group) -> None:
        self._settings = settings
        self._group = group
        self._producers: dict[int, AIOKafkaProducer] = {}
        self._sent: dict[int, list[asyncio.Future[Any]]] = defaultdict(list)

    async def fence(self, partition: int) -> None:
        """See `streams.commit.BrokerClient`."""
        await self.release(partition)
        producer = _producer(self._settings, f"{self._settings.app_id}-{partition}")
        try:
            async with translated():
                await producer.start()
        except BaseException:
            await _stopped(producer)
            raise
        self._producers[partition] = producer

    async def restore(self, partition: int, sink: Sink) -> None:
        """See `streams.commit.BrokerClient`."""
        async with translated(None):
            await read_changelog(self._settings, partition, sink, committed=True)

    async def committed(self, partition: int) -> Mapping[int, int]:
        """See `streams.commit.BrokerClient`."""
        async with translated():
            return await self._group.committed(partition)

    async def begin(self, partition: int) -> None:
        """See `streams.commit.BrokerClient`."""
        self._sent[partition].clear()
        async with translated():
            await self._producer(partition).begin_transaction()

    async def send_outputs(self, partition: int, outputs: Sequence[tuple[str, bytes | None, bytes | None]]) -> None:
        """Hand them over; in a transaction they are acknowledged with it."""
        producer, inputs = self._producer(partition), self._settings.partitions
        async with self._aborting(partition):
            self._sent[partition] += await send_to_topics(producer, outputs, partition, inputs)

    async def send_rows(self, partition: int, rows: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Hand them over; in a transaction they are acknowledged with it."""
        topic = changelog_topic(self._settings)
        async with self._aborting(partition):
            self._sent[partition] += await send_batches(self._producer(partition), topic, partition, rows)

    async def commit_offsets(self, partition: int, offsets: Mapping[int, int]) -> None:
        """See `streams.commit.BrokerClient`."""
        places = {TopicPartition(INPUTS[source], partition): offset for source, offset in offsets.items()}
        async with self._aborting(partition):
            await self._producer(partition).send_offsets_to_transaction(places, self._settings.app_id)

    async def end(self, partition: int) -> None:
        """See `streams.commit.BrokerClient`."""
        async with self._aborting(partition):
            await asyncio.gather(*self._sent[partition])
            self._sent[partition].clear()
        async with translated():
            await self._producer(partition).commit_transaction()

    async def release(self, partition: int) -> None:
        """See `streams.commit.BrokerClient`."""
        producer = self._producers.pop(partition, None)
        self._sent.pop(partition, None)
        if producer is not None:
            await _stopped(producer)

    def _producer(self, partition: int) -> AIOKafkaProducer:
        try:
            return self._producers[partition]
        except KeyError:
            raise FencedError(f"partition {partition} was given up") from None

    @asynccontextmanager
    async def _aborting(self, partition: int) -> AsyncIterator[None]:
        """Abort the transaction where anything fails that does not end it by itself."""
        async with translated():
            try:
                yield
            except BaseException as error:
                producer = self._producers.get(partition)
                if producer is not None and not isinstance(error, ProducerFenced):
                    with suppress(KafkaError, IllegalOperation, TimeoutError):
                        await asyncio.wait_for(producer.abort_transaction(), 5)
                raise


def _producer(settings: Settings, transactional_id: str) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        **aiokafka_options(settings),
        transactional_id=transactional_id,
        transaction_timeout_ms=_TRANSACTION_MS,
        request_timeout_ms=_REQUEST_MS,
        max_batch_size=BATCH_BYTES,
        linger_ms=0,
    )


@asynccontextmanager
async def translated(limit_s: float | None = _COMMIT_S) -> AsyncIterator[None]:
    """Say what went wrong in the protocol's words."""
    try:
        async with asyncio.timeout(limit_s):
            yield
    except ProducerFenced as error:
        raise FencedError("another worker has taken the partition over") from error
    except (KafkaError, IllegalOperation, OSError, TimeoutError) as error:
        raise CommitFailedError(f"{type(error).__name__}: {error}") from error


async def _stopped(producer: AIOKafkaProducer) -> None:
    """Stop a producer, in whatever state it is; what it still holds belongs to no transaction of ours."""
    with suppress(KafkaError, IllegalOperation, TimeoutError, OSError):
        await asyncio.wait_for(producer.stop(), 5)
    with suppress(KafkaError, OSError):
        await producer.client.close()
