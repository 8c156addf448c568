"""Slice reader: the records of some partitions from given offsets on, read in bulk by code that waits for them.

kafka-python takes 15 µs a record to read, this takes one.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from streams.background import Background
from streams.commit import Record
from streams.connection import aiokafka_options, unreachable
from streams.settings import Settings
from streams.slices import deliver_slices

__all__ = ["RecordsGoneError", "SliceReader"]

_WAIT_S: Final = 0.25
"""Longest wait for records that are not there yet."""


class RecordsGoneError(RuntimeError):
    """Records that were still to be read are not there any more."""


class SliceReader:
    """Reads what is committed, outside of every group; to be closed.

    Parameters
    ----------
    begin
        The offset to begin at, by topic and partition.

    Raises
    ------
    BrokerUnreachableError
        If no broker answers.
    """

    def __init__(self, settings: Settings, begin: Mapping[tuple[str, int], int]) -> None:
        self._places = {place: TopicPartition(*place) for place in begin}
        self._next = dict(begin)
        self._waiting: dict[tuple[str, int], list[Record]] = {place: [] for place in begin}
        self._loop = Background()
        try:
            self._consumer = self._loop.run(_started(settings, {self._places[each]: at for each, at in begin.items()}))
        except BaseException:
            self._loop.close()
            raise

    def position(self, place: tuple[str, int]) -> int:
        """The next offset that will be given."""
        waiting = self._waiting[place]
        return waiting[0].offset if waiting else self._next[place]

    def take(self, places: Iterable[tuple[str, int]], most: int) -> dict[tuple[str, int], list[Record]]:
        """What comes next of some partitions, at most so many records of each; waits a moment where there is none.

        Raises
        ------
        RecordsGoneError
            If retention has removed what comes next: what follows would be read as if it had never been there.
        aiokafka.errors.KafkaError
            From the broker.
        """
        wanted = list(places)
        empty = [self._places[place] for place in wanted if not self._waiting[place]]
        if empty:
            self._fetch(empty, 0.0 if len(empty) < len(wanted) else _WAIT_S)
        taken = {}
        for place in wanted:
            waiting = self._waiting[place]
            if waiting:
                taken[place], self._waiting[place] = waiting[:most], waiting[most:]
        return taken

    def _fetch(self, places: list[TopicPartition], wait_s: float) -> None:
        try:
            fetched = self._loop.run(self._consumer._fetcher.fetched_records(places, timeout=wait_s))
        except OffsetOutOfRangeError as error:
            raise RecordsGoneError(_gone(error)) from None
        for place, slices in fetched.items():
            known = (place.topic, place.partition)
            for each in slices:
                self._waiting[known] += each.records
                self._next[known] = each.next

    def close(self) -> None:
        """Leave the broker."""
        self._loop.run(self._consumer.stop())
        self._loop.close()


def _gone(error: OffsetOutOfRangeError) -> str:
    asked = ", ".join(f"{place.topic}/{place.partition} at offset {at}" for place, at in error.args[0].items())
    return (
        f"records were to be read that are not there any more: {asked}; retention removes them faster than they are "
        "read: let the topic keep its records for longer, and run the command again, from a later state if there is one"
    )


async def _started(settings: Settings, begin: Mapping[TopicPartition, int]) -> Any:
    consumer = AIOKafkaConsumer(
        **aiokafka_options(settings),
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_partition_fetch_bytes=settings.fetch_partition_bytes,
        fetch_max_bytes=settings.fetch_max_bytes,
        fetch_max_wait_ms=settings.fetch_max_wait_ms,
        isolation_level="read_committed",
    )
    try:
        await consumer.start()
    except (KafkaError, OSError) as error:
        await consumer.stop()
        raise unreachable(settings, error) from None
    deliver_slices(consumer)
    consumer.assign(list(begin))
    for place, offset in begin.items():
        consumer.seek(place, offset)
    return consumer
