"""Loading: the events of files, produced to the input topics as any client would produce them."""

import asyncio
import heapq
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, NamedTuple

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import ClusterAuthorizationFailedError, KafkaConnectionError
from aiokafka.partitioner import murmur2

from schemas.adapters.canonical import BadLine, Canonical
from schemas.adapters.options import Format
from schemas.refusal import Refusal
from schemas.timestamp import LAST_MS, from_ms
from streams.connection import BrokerUnreachableError, aiokafka_options, unreachable
from streams.files import LineFile, UnreadableError
from streams.handover import Handover
from streams.limits import Limits, too_large
from streams.pace import Pace
from streams.settings import Settings
from streams.topics import check_there, found
from streams.transactions import given_an_id

__all__ = ["INPUTS", "Bad", "Loaded", "Ready", "events_of", "load", "partition_of"]

INPUTS: Final = ("clickstream", "orders", "customers")
"""The topics that events are loaded to."""

_BATCH_BYTES: Final = 256 * 1024
_IN_FLIGHT: Final = 64
"""Batches that wait for their acknowledgement; with their size it bounds the memory."""
_LINGER_S: Final = 0.1
_REASONS: Final = 1_000
"""Distinct reasons for skipping that are counted apart."""


class Ready(NamedTuple):
    """One event as it is produced; `time_ms` is its event time."""

    topic: str
    key: bytes
    value: bytes
    time_ms: int


class Bad(NamedTuple):
    """A line that could not be read."""

    file: str
    line_number: int
    refusal: Refusal


@dataclass(slots=True)
class Loaded:
    """What became of the files' lines: events acknowledged by topic, lines skipped by reason, bad lines."""

    events: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    lines: int = 0
    bad: int = 0
    idempotent: bool = True


def events_of(
    files: Sequence[LineFile],
    reader: Format,
    options: Mapping[str, str],
    loaded: Loaded,
    on_bad: Callable[[Bad], None],
    *,
    by_time: bool = False,
    max_record_bytes: int = Limits().max_record_bytes,
    until_ms: Callable[[], int] = lambda: LAST_MS,
) -> Iterator[Ready]:
    """Yield the events of files, one file after the other; what else they hold is counted and told.

    With `by_time` the files, each of which should be in order, are merged by event time. What is larger than
    `max_record_bytes`, or later than `until_ms` says when it is read, is told as bad, as a worker would refuse it. So
    is what is of the begin of 1970 or before: the years that follow would be lived through day by day.

    Raises
    ------
    OptionError
        At once, if an option is unknown or wrong.
    """
    reader((), options=options)
    each = [_events(file, reader, options, loaded, on_bad, max_record_bytes, until_ms) for file in files]
    if by_time:
        return heapq.merge(*each, key=lambda event: event.time_ms)
    return (event for events in each for event in events)


def _events(
    file: LineFile,
    reader: Format,
    options: Mapping[str, str],
    loaded: Loaded,
    on_bad: Callable[[Bad], None],
    max_record_bytes: int,
    until_ms: Callable[[], int],
) -> Iterator[Ready]:
    def bad(line_number: int, refusal: Refusal) -> None:
        loaded.bad += 1
        on_bad(Bad(file.name, line_number, refusal))

    try:
        for outcome in reader(file, options=options):
            if isinstance(outcome, Canonical):
                value = orjson.dumps(outcome.value)
                at = outcome.line_number or file.line_number
                if len(value) > max_record_bytes:
                    bad(at, too_large(value, max_record_bytes))
                elif not 0 < outcome.time_ms <= until_ms():
                    bad(at, _no_time(outcome.time_ms))
                else:
                    yield Ready(outcome.topic, outcome.key.encode(), value, outcome.time_ms)
            elif isinstance(outcome, BadLine):
                bad(outcome.line_number, outcome.refusal)
            elif outcome.why in loaded.skipped or len(loaded.skipped) < _REASONS:
                loaded.skipped[outcome.why] += 1
            else:
                loaded.skipped["other reasons"] += 1
    except UnreadableError as error:
        remedy = "get the whole file and load it again: of orders of several lines those read last have not gone out"
        refusal = Refusal("file", "", str(error), remedy, "unreadable")
        bad(file.line_number + 1, refusal)
    finally:
        loaded.lines += file.line_number


def _no_time(time_ms: int) -> Refusal:
    remedy = "write when it happened; some mark with such a time that there is none"
    if time_ms <= 0:
        return Refusal("timestamp", from_ms(time_ms), "is not later than the begin of 1970", remedy, "range")
    return Refusal("timestamp", from_ms(time_ms), "lies in the future", remedy, "future")


def load(
    settings: Settings,
    events: Iterable[Ready],
    loaded: Loaded,
    pace: Pace | None = None,
) -> None:
    """Produce events, each keyed by its customer and placed as Kafka's own clients place it.

    The producer is idempotent where the broker can: a retry repeats nothing. About 4 µs an event beside
    reading it. `loaded.events` counts what the broker has acknowledged.

    Raises
    ------
    UnfitTopicsError
        If an input topic is not there.
    BrokerUnreachableError
        If no broker answers, or it does not say within a minute whether it gives producer ids.
    KafkaError
        If the broker refuses the events; those before may be there.
    """
    partitions = {topic.name: topic.partitions for topic in found(settings, INPUTS)}
    check_there(settings, INPUTS, partitions)
    asyncio.run(_load(settings, events, loaded, pace, partitions))


async def _load(
    settings: Settings,
    events: Iterable[Ready],
    loaded: Loaded,
    pace: Pace | None,
    partitions: Mapping[str, int],
) -> None:
    producer, loaded.idempotent = await _started(settings)
    batches = _Batches(producer, partitions, loaded)
    reading = Handover(events)
    start = time.monotonic()
    try:
        while (taken := await reading.take(_LINGER_S)) is not None:
            for event in taken:
                if pace is not None:
                    wait = start + pace.due_s(event.time_ms) - time.monotonic()
                    if wait > _TICK_S:
                        await batches.flush()
                        await asyncio.sleep(wait)
                await batches.add(event)
            await batches.flush(older_than_s=_LINGER_S)
        await batches.flush()
    finally:
        reading.stop()
        await batches.settled()
        await producer.stop()


_TICK_S: Final = 0.01
"""Shorter waits are made up for by the next longer one: a sleep takes about a millisecond itself."""


async def _started(settings: Settings) -> tuple[Any, bool]:
    """Return a started producer, and whether it is idempotent: unless the broker gives no producer ids."""

    def unsaid(said: str) -> BrokerUnreachableError:
        return BrokerUnreachableError(
            f"the broker at {settings.broker} does not say whether it gives producer ids, by which it knows what is "
            f"sent twice ({said}); try again when it is up"
        )

    producer = await given_an_id(
        settings, lambda: _producer(settings, idempotent=True), unsaid, (ClusterAuthorizationFailedError,)
    )
    if producer is not None:
        return producer, True
    producer = _producer(settings, idempotent=False)
    try:
        await producer.start()
    except KafkaConnectionError as error:
        await producer.stop()
        raise unreachable(settings, error) from None
    return producer, False


def _producer(settings: Settings, *, idempotent: bool) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        **aiokafka_options(settings), max_batch_size=_BATCH_BYTES, acks="all", enable_idempotence=idempotent
    )


class _Batches:
    """Ready-made batches by partition: fifteen times cheaper than one `send` a record."""

    def __init__(self, producer: Any, partitions: Mapping[str, int], loaded: Loaded) -> None:
        self._producer = producer
        self._partitions = partitions
        self._loaded = loaded
        self._open: dict[tuple[str, int], Any] = {}
        self._sent: deque[tuple[str, int, Any]] = deque()
        self._flushed_s = time.monotonic()

    async def add(self, event: Ready) -> None:
        topic, key, value, _ = event
        place = (topic, partition_of(key, self._partitions[topic]))
        batch = self._open.get(place)
        if batch is not None and batch.append(key=key, value=value, timestamp=None) is not None:
            return
        if batch is not None:
            await self._send(place)
        batch = self._open[place] = self._producer.create_batch()
        batch.append(key=key, value=value, timestamp=None)

    async def flush(self, older_than_s: float = 0.0) -> None:
        """Send what is collected, unless the last flush was less than so many seconds ago."""
        now = time.monotonic()
        if now - self._flushed_s < older_than_s:
            return
        self._flushed_s = now
        for place in list(self._open):
            await self._send(place)

    async def settled(self) -> None:
        """Wait until all that was sent is acknowledged."""
        while self._sent:
            await self._acknowledged()

    async def _send(self, place: tuple[str, int]) -> None:
        batch = self._open.pop(place)
        count = batch.record_count()
        batch.close()
        topic, partition = place
        future = await self._producer.send_batch(batch, topic, partition=partition)
        self._sent.append((topic, count, future))
        while len(self._sent) > _IN_FLIGHT or (self._sent and self._sent[0][2].done()):
            await self._acknowledged()

    async def _acknowledged(self) -> None:
        topic, count, future = self._sent.popleft()
        await future
        self._loaded.events[topic] += count


@lru_cache(maxsize=65_536)
def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition that Kafka's own clients choose for a key (murmur2)."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions
