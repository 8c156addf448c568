"""A load is idempotent wherever the broker can: a hiccup at its start does not count as a no."""

import asyncio

import pytest
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    CoordinatorLoadInProgressError,
    IncompatibleBrokerVersion,
    InvalidTransactionTimeout,
    KafkaConnectionError,
    UnknownError,
    UnsupportedVersionError,
)

from streams import loading, transactions
from streams.connection import BrokerUnreachableError
from tests.unit.worker.test_transactions import ASKING, SETTINGS, Broker


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    broker = Broker()
    monkeypatch.setattr(loading, "AIOKafkaProducer", broker.untransactional)
    monkeypatch.setattr(transactions, "_PAUSE_S", 0.01)
    monkeypatch.setattr(transactions, "_PROBE_S", 5.0)
    return broker


def idempotent() -> bool:
    """Whether a load that starts is."""

    async def main() -> bool:
        producer, found = await loading._started(SETTINGS)
        await producer.stop()
        return found

    return asyncio.run(main())


@pytest.mark.parametrize("error", [UnknownError, CoordinatorLoadInProgressError, KafkaConnectionError])
def test_a_broker_that_is_not_ready_is_asked_again(broker: Broker, error: type[Exception]) -> None:
    """A load without producer ids repeats events after a connection that was lost."""
    broker.wrong[ASKING], broker.times = error, 2
    assert idempotent()
    assert broker.asked.count(ASKING) == 3


@pytest.mark.parametrize(
    "error", [IncompatibleBrokerVersion, UnsupportedVersionError, NotImplementedError, ClusterAuthorizationFailedError]
)
def test_a_broker_that_gives_no_ids_takes_the_load_without(broker: Broker, error: type[Exception]) -> None:
    """It does not know the question, or keeps them from us: that is an answer, and is not asked again."""
    broker.wrong[ASKING] = error
    assert not idempotent()
    assert broker.asked.count(ASKING) == 1


def test_who_answers_with_an_unknown_error_again_and_again_gives_none(broker: Broker) -> None:
    """So does the embedded broker."""
    broker.wrong[ASKING] = UnknownError
    assert not idempotent()
    assert broker.asked.count(ASKING) == 3


@pytest.mark.parametrize("error", [CoordinatorLoadInProgressError, InvalidTransactionTimeout])
def test_who_cannot_tell_takes_no_load(broker: Broker, error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither yes nor no ends it before anything is sent, with what to do."""
    monkeypatch.setattr(transactions, "_PROBE_S", 0.3)
    broker.wrong[ASKING] = error
    with pytest.raises(BrokerUnreachableError, match=r"producer ids.*try again"):
        idempotent()
