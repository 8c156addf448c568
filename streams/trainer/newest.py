"""Newest: the last version of the model that is on the topic, to go on from."""

import logging
from contextlib import suppress
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from scoring.model import Snapshot, SnapshotRefused
from streams.connection import aiokafka_options
from streams.outbox import INPUTS
from streams.settings import Settings
from streams.trainer.wire import snapshot_of

__all__ = ["inputs_filled", "newest_model", "newest_version"]

log = logging.getLogger(__name__)

_PLACE: Final = TopicPartition("models", 0)
_BACK: Final = 16
"""Offsets looked through from the end; the whole topic only where these hold no version."""
_QUIET_MS: Final = 1_000


async def newest_model(settings: Settings) -> Snapshot | None:
    """The version with the greatest number that can be read, None where there is none.

    Raises
    ------
    SnapshotRefused
        If none of the last versions can be read.
    aiokafka.errors.KafkaError
        From the broker.
    """
    found: list[Snapshot] = []
    refused: SnapshotRefused | None = None
    for value in await _last_values(settings):
        try:
            # Its features are looked at by whoever resumes; a pickle is only unpickled there, too.
            found.append(snapshot_of(value, feature_version=None, allow_pickle=True))
        except SnapshotRefused as error:
            refused = error
        except (msgspec.MsgspecError, ValueError) as error:
            refused = SnapshotRefused("value", value[:40], str(error), "check what writes to the topic")
    if refused is not None and not found:
        raise refused
    if refused is not None:
        log.warning("a version on the topic models cannot be read: %s", refused)
    return max(found, key=lambda snapshot: snapshot.version, default=None)


async def newest_version(settings: Settings) -> int:
    """The greatest number of a version on the topic, whether it can be used or not; 0 where there is none."""
    numbers = [0]
    for value in await _last_values(settings):
        with suppress(msgspec.MsgspecError, UnicodeDecodeError):
            numbers.append(_numbered(value).data.version)
    return max(numbers)


class _Data(msgspec.Struct):
    version: int


class _Numbered(msgspec.Struct):
    data: _Data


_numbered = msgspec.json.Decoder(_Numbered).decode


async def _last_values(settings: Settings) -> list[bytes]:
    consumer = AIOKafkaConsumer(
        **aiokafka_options(settings), enable_auto_commit=False, isolation_level="read_committed"
    )
    try:
        await consumer.start()
        first = (await consumer.beginning_offsets([_PLACE]))[_PLACE]  # before it fetches, which this would wait for
        end = (await consumer.end_offsets([_PLACE]))[_PLACE]
        consumer.assign([_PLACE])
        for start in dict.fromkeys((max(first, end - _BACK), first)):
            consumer.seek(_PLACE, start)
            values = await _values(consumer, end)
            if values:
                return values
    finally:
        await consumer.stop()
    return []


async def _values(consumer: Any, end: int) -> list[bytes]:
    """All values up to the end, and what was added meanwhile; an end that is told too low does not matter."""
    values: list[bytes] = []
    while True:
        records = (await consumer.getmany(_PLACE, timeout_ms=_QUIET_MS)).get(_PLACE, [])
        values += [record.value for record in records if record.value is not None]
        if not records and await consumer.position(_PLACE) >= end:
            return values


async def inputs_filled(settings: Settings) -> frozenset[int]:
    """Numbers of the partitions that hold a record of some input.

    Raises
    ------
    aiokafka.errors.KafkaError
        From the broker; also while it does not tell of every partition: one left out here would not be waited for,
        and its examples would come too late.
    """
    places = [TopicPartition(topic, number) for topic in INPUTS for number in range(settings.partitions)]
    consumer = AIOKafkaConsumer(**aiokafka_options(settings), enable_auto_commit=False)
    try:
        await consumer.start()
        first = await consumer.beginning_offsets(places)
        end = await consumer.end_offsets(places)
        return frozenset(place.partition for place in places if end[place] > first[place])
    finally:
        await consumer.stop()
