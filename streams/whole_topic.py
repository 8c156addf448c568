"""A whole topic: one partition that each worker reads from its beginning, with a consumer of its own."""

import asyncio
import logging
from abc import ABC, abstractmethod

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.connection import aiokafka_options
from streams.settings import Settings

__all__ = ["WholeTopic"]

log = logging.getLogger(__name__)

_RETRY_S = 1.0
_CLOSE_S = 10.0


class WholeTopic(ABC):
    """Everything on a topic of one partition, then what is added.

    Parameters
    ----------
    topic
        Its name.
    """

    def __init__(self, settings: Settings, topic: str) -> None:
        self._settings = settings
        self._topic = topic
        self._consumer: AIOKafkaConsumer | None = None

    @abstractmethod
    async def take(self, value: bytes) -> None:
        """Take the value of a record; of each that has one, in order.

        What raises a `KafkaError` while it is followed is read again a little later, and nothing behind it before.
        """

    async def start(self) -> None:
        """Read what is there, to the end.

        Raises
        ------
        aiokafka.errors.KafkaError
            From the broker.
        """
        consumer = AIOKafkaConsumer(
            **aiokafka_options(self._settings),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )
        await consumer.start()
        self._consumer = consumer
        place = TopicPartition(self._topic, 0)
        end = (await consumer.end_offsets([place]))[place]  # before it fetches, which this would wait for
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        while await consumer.position(place) < end:
            await self._read(1000)

    async def follow(self) -> None:
        """Read what is added, until cancelled; a broker that is away is waited for."""
        while True:
            try:
                await self._read(5000)
            except KafkaError as error:
                log.warning("%s cannot be read: %r", self._topic, error)
                await asyncio.sleep(_RETRY_S)

    async def topics(self) -> set[str]:
        """The names of all topics on the broker, asked for anew."""
        assert self._consumer is not None
        return set(await self._consumer.topics())

    async def stop(self) -> None:
        """Close the connection; a fetch that its client gives up meanwhile is none of ours."""
        if self._consumer is not None:
            await asyncio.wait({asyncio.ensure_future(self._consumer.stop())}, timeout=_CLOSE_S)

    async def _read(self, timeout_ms: int) -> None:
        consumer = self._consumer
        assert consumer is not None
        for place, records in (await consumer.getmany(timeout_ms=timeout_ms)).items():
            for record in records:
                try:
                    if record.value is not None:
                        await self.take(record.value)
                except KafkaError:
                    consumer.seek(place, record.offset)  # it stands behind all that it gave, of which this is left
                    raise
