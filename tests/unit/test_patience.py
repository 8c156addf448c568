"""What the trainer asks of a broker that is away is asked again; what no waiting helps against ends it."""

import asyncio
from collections.abc import Iterator

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError, TopicAuthorizationFailedError

from streams.patience import patiently


def asked(answers: Iterator[object]) -> object:
    """Ask, and be given these: a value, or an error that is raised."""

    async def ask() -> object:
        answer = next(answers)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return asyncio.run(patiently("models", ask, pause_s=0))


def test_a_broker_that_is_away_is_asked_until_it_answers(caplog: pytest.LogCaptureFixture) -> None:
    """Lost connections, timeouts and refused sockets are waited for, and told of once."""
    answers = iter(
        [KafkaConnectionError(), KafkaTimeoutError(), ConnectionRefusedError(), "version 3", "not asked for"]
    )
    assert asked(answers) == "version 3"
    assert next(answers) == "not asked for"
    assert len(caplog.records) == 1


def test_what_waiting_does_not_help_against_is_raised() -> None:
    """A refused authorization is not asked for again."""
    answers = iter([TopicAuthorizationFailedError("models"), "not asked for"])
    with pytest.raises(TopicAuthorizationFailedError):
        asked(answers)
    assert next(answers) == "not asked for"
