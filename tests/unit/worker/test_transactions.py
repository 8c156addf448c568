"""What a producer that has met its end makes of each further step: it is taken anew, or it is another worker's now."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    CoordinatorLoadInProgressError,
    IncompatibleBrokerVersion,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    InvalidTransactionTimeout,
    InvalidTxnState,
    KafkaConnectionError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    TransactionalIdAuthorizationFailed,
    UnknownError,
    UnsupportedVersionError,
    for_code,
)
from aiokafka.protocol.metadata import MetadataResponse_v0

from streams import acknowledged, transactions
from streams.acknowledged import AcknowledgedClient
from streams.changelog import changelog_topic
from streams.commit import CommitFailedError, FencedError
from streams.connection import BrokerUnreachableError
from streams.rights import NotAllowedError
from streams.settings import Settings
from streams.transactions import TransactionalClient, TransactionsUnknownError, have_transactions, translated

SETTINGS = Settings(partitions=1)
OUTPUTS = [("scores", b"c", b"1"), ("examples", b"c", b"2")]
ROWS = [(b"row", b"3")]
TOPICS = ("scores", "examples", changelog_topic(SETTINGS))


class Broker:
    """Answers a producer without a connection; `wrong` names what it answers with by the kind of request.

    A lost connection loses the answer, and so does a mistake of aiokafka's (KeyError); what a broker does not know is
    not sent; all else is an error code. `times` says how often something is wrong, None for always.
    """

    def __init__(self) -> None:
        self.wrong: dict[str, type[Exception]] = {}
        self.times: int | None = None
        self.asked: list[str] = []
        self.producers: list[AIOKafkaProducer] = []

    def producer(self, settings: Settings, transactional_id: str) -> AIOKafkaProducer:
        """A real transactional producer, connected to this."""
        return self._connected(_real_producer(settings, transactional_id))

    def untransactional(self, **options: Any) -> AIOKafkaProducer:
        """A real producer without transactions, connected to this."""
        return self._connected(AIOKafkaProducer(**options))

    def _connected(self, producer: AIOKafkaProducer) -> AIOKafkaProducer:
        client = producer.client
        there = [(0, topic, [(0, 0, 1, [1], [1])]) for topic in TOPICS]
        client.cluster.update_metadata(MetadataResponse_v0([(1, "broker", 9092)], there))
        client.bootstrap = client.ready = client.force_metadata_update = _nothing_to_do
        client.send, client.coordinator_lookup = self._send, self._find
        self.producers.append(producer)
        return producer

    async def _send(self, _node: int, request: Any, **_: Any) -> Any:
        kind = type(request).__name__.removesuffix("Request")
        code = self._code(kind)
        answer = SimpleNamespace(API_VERSION=2, error_code=code, producer_id=7, producer_epoch=0)
        topics = getattr(request, "_topics", [])
        if kind == "Produce":
            answer.topics = [(topic, [(number, code, 0, -1) for number, _ in some]) for topic, some in topics]
        elif kind == "TxnOffsetCommit":
            answer.errors = [(topic, [(number, code) for number, *_ in some]) for topic, some in topics]
        elif kind == "AddPartitionsToTxn":
            answer.errors = [(topic, [(number, code) for number in some]) for topic, some in topics]
        return answer

    async def _find(self, kind: Any, _key: str) -> int:
        if code := self._code(f"FindCoordinator of {kind.name.lower()}"):
            raise for_code(code)
        return 1

    def _code(self, kind: str) -> int:
        self.asked.append(kind)
        error = self.wrong.get(kind)
        if error is not None and self.times is not None:
            self.times -= 1
            error = error if self.times >= 0 else None
        if error in (KafkaConnectionError, KeyError, IncompatibleBrokerVersion, NotImplementedError):
            raise error("closed")
        return 0 if error is None else int(error.errno)


_real_producer = transactions._producer


async def _nothing_to_do(*_: Any, **__: Any) -> bool:
    return True


def run(
    scenario: Callable[[TransactionalClient, Broker], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> list[dict[str, Any]]:
    """Run it on a partition that is ours; what asyncio complains of, as of errors that nobody has looked at."""
    complaints: list[dict[str, Any]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        broker = Broker()
        monkeypatch.setattr(transactions, "_producer", broker.producer)
        client = TransactionalClient(SETTINGS, SimpleNamespace())
        await client.fence(0)
        await scenario(client, broker)
        await client.release(0)

    asyncio.run(main())
    gc.collect()
    return complaints


async def write(client: TransactionalClient) -> None:
    """One commit, as the protocol makes it."""
    await client.begin(0)
    for step in STEPS.values():
        await step(client)


STEPS: dict[str, Callable[[TransactionalClient], Awaitable[None]]] = {
    "outputs": lambda client: client.send_outputs(0, OUTPUTS),
    "rows": lambda client: client.send_rows(0, ROWS),
    "offsets": lambda client: client.commit_offsets(0, {0: 5}),
    "end": lambda client: client.end(0),
}

ENDS = [
    pytest.param("FindCoordinator of group", KafkaConnectionError, CommitFailedError, id="the broker ends"),
    *(
        pytest.param(kind, error, becomes, id=f"{kind}-{error.__name__}")
        for kind in ("AddPartitionsToTxn", "AddOffsetsToTxn", "TxnOffsetCommit", "EndTxn")
        for error, becomes in (
            (InvalidTxnState, CommitFailedError),
            (InvalidProducerEpoch, FencedError),
            (InvalidProducerIdMapping, FencedError),
        )
    ),
]
"""What a sender does not live through, and what it means."""


@pytest.mark.parametrize(("kind", "error", "becomes"), ENDS)
def test_what_ends_a_producer_is_said_at_every_step_from_then_on(
    kind: str, error: type[Exception], becomes: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that cannot know whether it wrote takes the partition anew; one that was replaced asks the group."""

    async def scenario(client: TransactionalClient, broker: Broker) -> None:
        broker.wrong[kind] = error
        with pytest.raises(becomes):
            await write(client)
        assert broker.producers[0]._txn_manager.is_fatal_error()
        for step in (lambda client: client.begin(0), *STEPS.values()):
            with pytest.raises(becomes):
                await step(client)

    run(scenario, monkeypatch)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    ("error", "becomes"), [(InvalidTxnState, CommitFailedError), (InvalidProducerEpoch, FencedError)]
)
def test_a_producer_that_ends_while_nobody_waits(
    step: str, error: type[Exception], becomes: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever step is the next one tells what ended it, not that it has ended."""

    async def scenario(client: TransactionalClient, broker: Broker) -> None:
        broker.wrong["AddPartitionsToTxn"] = error
        await client.begin(0)
        await client.send_outputs(0, OUTPUTS)
        await asyncio.wait([broker.producers[0]._sender.sender_task])
        with pytest.raises(becomes):
            await STEPS[step](client)

    run(scenario, monkeypatch)


@pytest.mark.parametrize(
    ("error", "becomes"),
    [
        (MessageSizeTooLargeError, CommitFailedError),
        (OutOfOrderSequenceNumber, CommitFailedError),
        (InvalidProducerEpoch, FencedError),
    ],
)
def test_what_the_broker_refuses_to_write(
    error: type[Exception], becomes: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The producer lives; its transaction is aborted, unless the broker has already ended it for another's."""

    async def scenario(client: TransactionalClient, broker: Broker) -> None:
        broker.wrong["Produce"] = error
        with pytest.raises(becomes):
            await write(client)
        assert ("EndTxn" in broker.asked) == (becomes is CommitFailedError)

    run(scenario, monkeypatch)


@pytest.mark.parametrize(("kind", "error", "becomes"), ENDS)
def test_a_partition_taken_anew_is_written_again(
    kind: str, error: type[Exception], becomes: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another producer takes the place of the one that has ended."""

    async def scenario(client: TransactionalClient, broker: Broker) -> None:
        broker.wrong[kind] = error
        with pytest.raises(becomes):
            await write(client)
        broker.wrong.clear()
        await client.fence(0)
        await write(client)
        assert broker.asked[-1] == "EndTxn"

    run(scenario, monkeypatch)


@pytest.mark.parametrize(("kind", "error", "becomes"), [end for end in ENDS if end.values[0] != "AddPartitionsToTxn"])
def test_one_failure_is_told_once(
    kind: str, error: type[Exception], becomes: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each batch of a commit fails with it; only the commit says so."""

    async def scenario(client: TransactionalClient, broker: Broker) -> None:
        broker.wrong[kind] = error
        with pytest.raises(becomes):
            await write(client)

    assert run(scenario, monkeypatch) == []


def test_nothing_of_a_producer_goes_on_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given up while the broker says nothing, it would connect anew, and try for ever to write what it holds."""

    async def main() -> None:
        async def silent(*_: Any, **__: Any) -> None:
            await asyncio.Event().wait()

        broker = Broker()
        monkeypatch.setattr(transactions, "_producer", broker.producer)
        monkeypatch.setattr(transactions, "_STOP_S", 0.05)
        client = TransactionalClient(SETTINGS, SimpleNamespace())
        await client.fence(0)
        broker.producers[0].client.send = silent
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(write(client), 0.05)
        await client.release(0)
        assert broker.producers[0]._sender.sender_task.done()

    asyncio.run(main())


def test_a_producer_that_cannot_be_stopped_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its sender ends with, its connections are closed and the partition can be taken anew."""

    async def scenario(client: TransactionalClient, broker: Broker) -> None:
        closed = []

        async def ends_badly() -> None:
            raise KeyError("partition")

        async def close() -> None:
            closed.append(True)

        producer = broker.producers[0]
        task, producer._sender.close, producer.client.close = producer._sender.sender_task, ends_badly, close
        await client.fence(0)
        assert closed
        task.cancel()
        await write(client)

    run(scenario, monkeypatch)


def test_without_transactions_a_producer_that_has_ended_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """One producer writes for all partitions: it would fail at every commit from then on."""

    async def main() -> None:
        broker = Broker()
        monkeypatch.setattr(acknowledged, "AIOKafkaProducer", broker.untransactional)
        client = AcknowledgedClient(SETTINGS, SimpleNamespace())
        await client.fence(0)
        broker.wrong["Produce"] = KeyError
        with pytest.raises(CommitFailedError):
            await client.send_outputs(0, OUTPUTS)
        broker.wrong.clear()
        await client.fence(0)
        await client.send_outputs(0, OUTPUTS)
        assert len(broker.producers) == 2
        await client.fence(1)
        assert len(broker.producers) == 2
        await client.close()

    asyncio.run(main())


def test_a_mistake_of_our_own_stays_one() -> None:
    """An assertion that fails while state is read must end the worker: trying again would not help."""

    async def main() -> None:
        async with translated(None):
            raise AssertionError("a row that cannot be")

    with pytest.raises(AssertionError, match="a row that cannot be"):
        asyncio.run(main())


# ---- whether a broker has them

LOOKING, ASKING = "FindCoordinator of transaction", "InitProducerId"


def probed(broker: Broker, monkeypatch: pytest.MonkeyPatch, patience_s: float = 30.0) -> bool:
    """What a worker that starts makes of the broker's answers."""
    monkeypatch.setattr(transactions, "_producer", broker.producer)
    monkeypatch.setattr(transactions, "_PROBE_S", patience_s)
    monkeypatch.setattr(transactions, "_PAUSE_S", 0.01)
    return asyncio.run(have_transactions(SETTINGS))


@pytest.mark.parametrize(("question", "error"), [
    (LOOKING, CoordinatorLoadInProgressError),
    (LOOKING, KafkaConnectionError),
    (LOOKING, UnknownError),
    (ASKING, CoordinatorLoadInProgressError),
    (ASKING, KafkaConnectionError),
    (ASKING, UnknownError),
])  # fmt: skip
def test_a_broker_that_is_not_ready_has_transactions(
    question: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that took a coordinator that loads for a no would write without them until it ends."""
    broker = Broker()
    broker.wrong[question], broker.times = error, 2
    assert probed(broker, monkeypatch)
    assert broker.asked.count(question) == 3


@pytest.mark.parametrize("question", [LOOKING, ASKING])
@pytest.mark.parametrize("error", [IncompatibleBrokerVersion, UnsupportedVersionError, NotImplementedError])
def test_only_a_broker_that_does_not_know_the_question_has_none(
    question: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is an answer, and it is not asked again."""
    broker = Broker()
    broker.wrong[question] = error
    assert not probed(broker, monkeypatch)
    assert broker.asked.count(question) == 1


@pytest.mark.parametrize("question", [LOOKING, ASKING])
def test_who_answers_with_an_unknown_error_again_and_again_has_none(
    question: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So does the embedded broker; once or twice it may be a fault of the moment."""
    broker = Broker()
    broker.wrong[question] = UnknownError
    assert not probed(broker, monkeypatch)
    assert broker.asked.count(question) == 3


@pytest.mark.parametrize(("question", "error", "told", "kind"), [
    (LOOKING, CoordinatorLoadInProgressError, "answered GroupLoadInProgress.*exactly_once", TransactionsUnknownError),
    (ASKING, CoordinatorLoadInProgressError, "no answer in.*exactly_once", TransactionsUnknownError),
    (ASKING, InvalidTransactionTimeout, "InvalidTransactionTimeout.*exactly_once", TransactionsUnknownError),
    (ASKING, TransactionalIdAuthorizationFailed, "does not let us write", NotAllowedError),
])  # fmt: skip
def test_who_cannot_tell_does_not_start(
    question: str, error: type[Exception], told: str, kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither yes nor no ends the start, with what to do."""
    broker = Broker()
    broker.wrong[question] = error
    with pytest.raises(kind, match=told):
        probed(broker, monkeypatch, 0.3)


def test_where_nobody_answers_that_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not a broker without transactions, and not one that may have them soon."""

    def unreachable(settings: Settings, transactional_id: str) -> AIOKafkaProducer:
        async def bootstrap() -> None:
            raise KafkaConnectionError("Unable to bootstrap")

        producer = Broker().producer(settings, transactional_id)
        producer.client.bootstrap = bootstrap
        return producer

    monkeypatch.setattr(transactions, "_producer", unreachable)
    with pytest.raises(BrokerUnreachableError, match="no broker answers"):
        asyncio.run(have_transactions(SETTINGS))
