"""Transactions: outputs, rows and offsets of one partition and commit, all of them or none."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    IllegalOperation,
    IncompatibleBrokerVersion,
    InvalidProducerIdMapping,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    ProducerFenced,
    TransactionalIdAuthorizationFailed,
    UnknownError,
    UnsupportedVersionError,
)

from streams.batches import BATCH_BYTES, send_batches, send_to_topics
from streams.changelog import changelog_topic, read_changelog, source_topics, transfers_topic
from streams.commit import CommitFailedError, FencedError, Sink
from streams.connection import BrokerUnreachableError, aiokafka_options, unreachable
from streams.group import Group
from streams.rights import NotAllowedError
from streams.settings import Settings

__all__ = ["TransactionalClient", "TransactionsUnknownError", "ended_with", "given_an_id", "have_transactions",
           "stopped", "translated", "uses_transactions"]  # fmt: skip

log = logging.getLogger(__name__)

_REQUEST_MS = 15_000
_TRANSACTION_MS = 60_000
_COMMIT_S = 45.0
"""A transaction that is not through by then is given up; the broker ends it a little later."""
_STOP_S = 5.0
"""A producer that is not aborted, or not closed, by then is left behind."""
_PROBE_S = 60.0
"""How long a broker is asked for an id: coordinators of a cluster that was started anew take long."""
_PAUSE_S = 0.2
_UNKNOWN_TIMES = 3
"""An unknown error so often in a row is no fault of the moment: the embedded broker answers so, always."""
_PASSING = (TimeoutError, KafkaTimeoutError, UnknownError)
"""What asking again may help against, beside what says so itself."""
_NO_SUCH_QUESTION = (IncompatibleBrokerVersion, UnsupportedVersionError, NotImplementedError)
_ANSWERS = (KafkaError, NotImplementedError, TimeoutError)
_REFUSALS = (KafkaError, IllegalOperation, OSError, TimeoutError, AssertionError)
"""What a producer says no with; its state machine asserts what cannot be done any more."""


class TransactionsUnknownError(BrokerUnreachableError):
    """The broker has said neither that it has transactions nor that it has none."""


async def have_transactions(settings: Settings) -> bool:
    """Find out whether the broker has transactions, by asking for a producer's id.

    Only a broker that does not know the question has none: it says so, or answers with an unknown error again and
    again (the embedded one). One that cannot answer yet (its coordinator begins, a connection was lost) is asked for a
    minute: who took that for a no would write without transactions to the end, and nobody would notice until a crash.

    Raises
    ------
    streams.rights.NotAllowedError
        If it has, and keeps them from us: what is not allowed must not look as if it were not there.
    streams.connection.BrokerUnreachableError
        If no broker answers.
    TransactionsUnknownError
        If it has not answered in that time, or otherwise than with an id.
    """

    def unsaid(said: str) -> TransactionsUnknownError:
        return TransactionsUnknownError(
            f"the broker at {settings.broker} does not say whether it has transactions ({said}); try again when it is "
            "up, or set exactly_once to off if it has none (at least once, with ids by which repeats are told)"
        )

    try:
        producer = await given_an_id(settings, lambda: _producer(settings, f"{settings.app_id}-probe"), unsaid)
    except TransactionalIdAuthorizationFailed:
        what = f"write with the transactional id {settings.app_id}-probe (or set exactly_once to off)"
        raise NotAllowedError(settings.broker, settings.sasl_username, what) from None
    if producer is None:
        return False
    await stopped(producer)
    return True


async def given_an_id(
    settings: Settings,
    make: Callable[[], AIOKafkaProducer],
    unsaid: Callable[[str], BrokerUnreachableError],
    refusals: tuple[type[KafkaError], ...] = (),
) -> AIOKafkaProducer | None:
    """Return a started producer that the broker gave an id; None if it gives none.

    It gives none if it says that it does not know the question, or answers with an unknown error again and again; one
    that cannot answer yet is asked for a minute.

    Parameters
    ----------
    make
        Makes a producer that asks for an id when it is started.
    unsaid
        Makes the error of a broker that says neither, from what it said instead.
    refusals
        Further answers that mean no.

    Raises
    ------
    aiokafka.errors.TransactionalIdAuthorizationFailed
        If the id is kept from us.
    streams.connection.BrokerUnreachableError
        If no broker answers; what `unsaid` made if it has not answered in that time, or otherwise.
    """
    loop = asyncio.get_running_loop()
    give_up, told, unknown = loop.time() + _PROBE_S, False, 0
    while True:
        producer = make()
        try:
            await asyncio.wait_for(producer.start(), max(give_up - loop.time(), _PAUSE_S))
            return producer
        except BaseException as error:
            await stopped(producer)
            if isinstance(error, TransactionalIdAuthorizationFailed) or not isinstance(error, _ANSWERS):
                raise
            why = error.__cause__ or error  # aiokafka wraps what looking for the coordinator ended with
            unknown = unknown + 1 if isinstance(why, UnknownError) else 0
            if isinstance(why, (*_NO_SUCH_QUESTION, *refusals)) or unknown == _UNKNOWN_TIMES:
                log.info("no producer ids: %r", why)
                return None
            if isinstance(error, KafkaConnectionError) and not told:
                raise unreachable(settings, error) from None
            if not _passes(why) or loop.time() >= give_up:
                raise unsaid(_said(why)) from None
            if not told and not unknown:
                log.warning("the broker cannot say yet whether it gives producer ids, asking again (%r)", why)
                told = True
        await asyncio.sleep(_PAUSE_S)


def _passes(error: BaseException) -> bool:
    """Whether asking again may help."""
    return isinstance(error, _PASSING) or (isinstance(error, KafkaError) and bool(error.retriable))


def _said(error: BaseException) -> str:
    return f"it answered {type(error).__name__}" if isinstance(error, KafkaError) else f"no answer in {_PROBE_S:.0f} s"


def uses_transactions(settings: Settings) -> bool:
    """Whether the application writes in transactions, as far as settings and broker say; it blocks."""
    return settings.exactly_once != "off" and asyncio.run(have_transactions(settings))


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
        self._rows: dict[int, tuple[asyncio.Future[Any], int]] = {}

    async def fence(self, partition: int) -> None:
        """See `streams.commit.BrokerClient`."""
        await self.release(partition)
        producer = _producer(self._settings, f"{self._settings.app_id}-{partition}")
        try:
            async with translated():
                await producer.start()
        except BaseException:
            await stopped(producer)
            raise
        self._producers[partition] = producer

    async def restore(self, partition: int, sink: Sink, start: int | None = None) -> int | None:
        """See `streams.commit.BrokerClient`."""
        async with translated(None):
            return await read_changelog(self._settings, partition, sink, start, committed=True)

    async def committed(self, partition: int) -> Mapping[int, int]:
        """See `streams.commit.BrokerClient`."""
        async with translated():
            return await self._group.committed(partition)

    async def begin(self, partition: int) -> None:
        """See `streams.commit.BrokerClient`."""
        self._sent[partition].clear()
        self._rows.pop(partition, None)
        async with self._writing(partition) as producer:
            await producer.begin_transaction()

    async def send_outputs(self, partition: int, outputs: Sequence[tuple[str, bytes | None, bytes | None]]) -> None:
        """Hand them over; in a transaction they are acknowledged with it."""
        async with self._writing(partition) as producer:
            self._sent[partition] += await send_to_topics(
                producer, outputs, partition, self._settings.partitions, transfers_topic(self._settings)
            )

    async def send_rows(self, partition: int, rows: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Hand them over; in a transaction they are acknowledged with it."""
        topic = changelog_topic(self._settings)
        async with self._writing(partition) as producer:
            sent = await send_batches(producer, topic, partition, rows)
            self._sent[partition] += sent
            self._rows[partition] = sent[0], len(rows)

    async def commit_offsets(self, partition: int, offsets: Mapping[int, int]) -> None:
        """See `streams.commit.BrokerClient`."""
        topics = source_topics(self._settings)
        places = {TopicPartition(topics[source], partition): offset for source, offset in offsets.items()}
        async with self._writing(partition) as producer:
            await producer.send_offsets_to_transaction(places, self._settings.app_id)

    async def end(self, partition: int) -> int | None:
        """See `streams.commit.BrokerClient`.

        Rows lie one behind the other, as nobody else writes there. If somebody did, what is returned would lie before
        the last of ours, and that is as good: rows that are read again leave the same state.
        """
        async with self._writing(partition) as producer:
            await asyncio.gather(*self._sent[partition])
            self._sent[partition].clear()
            first, count = self._rows.pop(partition, (None, 0))
            await producer.commit_transaction()
        if first is None or first.result().offset < 0:  # it was acknowledged as one that had come before
            return None
        return int(first.result().offset) + count

    async def release(self, partition: int) -> None:
        """See `streams.commit.BrokerClient`."""
        producer = self._producers.pop(partition, None)
        self._sent.pop(partition, None)
        if producer is not None:
            await stopped(producer)

    def _producer(self, partition: int) -> AIOKafkaProducer:
        try:
            return self._producers[partition]
        except KeyError:
            raise FencedError(f"partition {partition} was given up") from None

    @asynccontextmanager
    async def _writing(self, partition: int) -> AsyncIterator[AIOKafkaProducer]:
        """Give the partition's producer; where something fails, abort, and tell what failed first.

        A producer whose sender has ended fails at each further step on something else (an assertion, an illegal
        operation): only what the sender ended with says whether another worker has taken over.
        """
        producer = self._producer(partition)
        async with translated():
            try:
                yield producer
            except BaseException as error:
                await _aborted(producer, error)
                if isinstance(error, _REFUSALS):
                    cause = ended_with(producer) or error
                    raise _refused(cause) from cause
                raise


async def _aborted(producer: AIOKafkaProducer, error: BaseException) -> None:
    if not isinstance(error, ProducerFenced) and ended_with(producer) is None:
        with suppress(*_REFUSALS):
            await asyncio.wait_for(producer.abort_transaction(), _STOP_S)


def ended_with(producer: AIOKafkaProducer) -> BaseException | None:
    """What ended the producer's sender; None while it works."""
    task = producer._sender.sender_task
    return task.exception() if task is not None and task.done() and not task.cancelled() else None


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
    except (KafkaError, IllegalOperation, OSError, TimeoutError) as error:
        raise _refused(error) from error


def _refused(error: BaseException) -> FencedError | CommitFailedError:
    cause = error.__cause__ or error
    if isinstance(cause, (ProducerFenced, InvalidProducerIdMapping)):
        return FencedError("another worker has taken the partition over")
    return CommitFailedError(f"{type(error).__name__}: {cause}")


async def stopped(producer: AIOKafkaProducer) -> None:
    """Stop a producer, in whatever state it is; what it still holds belongs to no transaction of ours.

    The sender first: it would try for ever to get rid of what it holds, and connect anew after the rest is closed.
    """
    for stop in (producer._sender.close, producer.stop, producer.client.close):
        with suppress(Exception):
            await asyncio.wait_for(stop(), _STOP_S)
    manager = producer._txn_manager
    end = None if manager is None else manager.wait_for_transaction_end()
    if end is not None and end.done() and not end.cancelled():
        end.exception()  # seen: what ended it was told already
