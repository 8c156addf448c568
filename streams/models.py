"""Models: the snapshots that the trainer publishes, read whole by each worker with its own consumer."""

import asyncio
import binascii
import logging
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.outputs import ModelEvent
from schemas.refusal import DECODE_ERRORS
from scoring.features import FEATURE_VERSION
from scoring.model import Snapshot, SnapshotRefused
from streams.connection import aiokafka_options
from streams.settings import Settings

__all__ = ["Models", "snapshot_of"]

log = logging.getLogger(__name__)

TOPIC = "models"
_RETRY_S = 1.0


def snapshot_of(value: bytes, settings: Settings) -> Snapshot:
    """Return the snapshot in a record of `models`, without the learner's state, which a scorer never needs.

    Raises
    ------
    SnapshotRefused
        If it is none, or one of another feature version or horizon.
    """
    try:
        event = msgspec.json.decode(value, type=ModelEvent)
        data = b64decode(event.data.snapshot, validate=True)
    except (*DECODE_ERRORS, binascii.Error) as error:
        raise SnapshotRefused("value", value[:40], str(error), "check what writes to the topic") from None
    snapshot = Snapshot.from_bytes(data, feature_version=FEATURE_VERSION, allow_pickle=settings.allow_pickled_models)
    if snapshot.horizon_ms != settings.horizon_ms:
        raise SnapshotRefused(
            "horizon_ms",
            snapshot.horizon_ms,
            f"this worker scores a horizon of {settings.horizon_ms} ms",
            "give trainer and workers the same horizon, and another app_id where it changes",
        )
    return replace(snapshot, state=b"")


class Models:
    """All snapshots on the topic, in order of version.

    Parameters
    ----------
    found
        Told each new one that can be used.
    refused
        Told each that cannot, once.
    """

    def __init__(
        self,
        settings: Settings,
        found: Callable[[Snapshot], None],
        refused: Callable[[SnapshotRefused], None],
    ) -> None:
        self._settings = settings
        self._found = found
        self._refused = refused
        self._consumer: AIOKafkaConsumer | None = None
        self.known: dict[int, Snapshot] = {}

    def in_order(self) -> list[Snapshot]:
        """Those known so far."""
        return [self.known[version] for version in sorted(self.known)]

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
        place = TopicPartition(TOPIC, 0)
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        end = (await consumer.end_offsets([place]))[place]
        while await consumer.position(place) < end:
            await self._read(1000)

    async def follow(self) -> None:
        """Read what is added, until cancelled; a broker that is away is waited for."""
        while True:
            try:
                await self._read(5000)
            except KafkaError as error:
                log.warning("models cannot be read: %r", error)
                await asyncio.sleep(_RETRY_S)

    async def stop(self) -> None:
        """Close the connection."""
        if self._consumer is not None:
            await self._consumer.stop()

    async def _read(self, timeout_ms: int) -> None:
        assert self._consumer is not None
        for records in (await self._consumer.getmany(timeout_ms=timeout_ms)).values():
            for record in records:
                if record.value is not None:
                    self._take(record.value)

    def _take(self, value: bytes) -> None:
        try:
            snapshot = snapshot_of(value, self._settings)
        except SnapshotRefused as error:
            log.warning("%s", error)
            self._refused(error)
            return
        if snapshot.version not in self.known:
            self.known[snapshot.version] = snapshot
            self._found(snapshot)
