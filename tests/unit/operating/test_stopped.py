"""Stopped: who is asked whether workers run, and what is made of the answer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    KafkaError,
    NotCoordinatorForGroupError,
)

from streams.connection import BrokerUnreachableError
from streams.operating import stopped
from streams.operating.stopped import StillRunningError, check_stopped
from streams.rights import NotAllowedError
from streams.settings import Settings


class Answer:
    """What a coordinator says of one group."""

    def __init__(self, state: str, error_code: int = 0) -> None:
        self.state, self.error_code = state, error_code

    def to_object(self) -> dict[str, Any]:
        """As a dictionary."""
        return {"groups": [{"error_code": self.error_code, "state": self.state}]}


class OthersOnly:
    """An admin client of a cluster whose other brokers are up: their groups are listed, without the one asked for."""

    def list_groups(self) -> list[dict[str, str]]:
        """None of ours."""
        return [{"group_id": "other", "group_state": "Stable"}]


@pytest.fixture
def coordinator(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Have a group's coordinator answer so, one after the other, the last for ever; returns how often it was asked."""

    async def nothing(_: AIOKafkaAdminClient) -> None:
        """There is no broker."""

    @contextmanager
    def others(_: Settings) -> Iterator[OthersOnly]:
        yield OthersOnly()

    def says(*answers: KafkaError | Answer) -> list[int]:
        asked: list[int] = []

        async def describe(_: AIOKafkaAdminClient, names: list[str]) -> list[Answer]:
            answer = answers[min(len(asked), len(answers) - 1)]
            asked.append(1)
            if isinstance(answer, Answer):
                return [answer]
            raise answer

        monkeypatch.setattr(AIOKafkaAdminClient, "describe_consumer_groups", describe)
        return asked

    monkeypatch.setattr(AIOKafkaAdminClient, "start", nothing)
    monkeypatch.setattr(AIOKafkaAdminClient, "close", nothing)
    monkeypatch.setattr(stopped, "admin_client", others)
    monkeypatch.setattr("streams.operating.group_state._PATIENCE_S", 0.5, raising=False)
    return says


def test_a_coordinator_that_is_down_is_no_proof_that_nobody_runs(coordinator: Callable[..., list[int]]) -> None:
    """While it does not answer, nobody knows: the group is missing from the list of the brokers that do."""
    asked = coordinator(GroupCoordinatorNotAvailableError())
    with pytest.raises(BrokerUnreachableError, match=r"coordinates the group .* try again when all brokers are up"):
        check_stopped(Settings())
    assert len(asked) > 1


@pytest.mark.parametrize("state", ["Dead", "Empty", "Unknown"])
def test_one_that_has_only_begun_is_asked_again(coordinator: Callable[..., list[int]], state: str) -> None:
    """Where no group was ever heard of, it is made as it is asked for; then none of its members run."""
    asked = coordinator(
        GroupCoordinatorNotAvailableError(), Answer("", NotCoordinatorForGroupError.errno), Answer(state)
    )
    check_stopped(Settings())
    assert len(asked) == 3


@pytest.mark.parametrize("state", ["Stable", "PreparingRebalance", "CompletingRebalance"])
def test_members_are_in_the_way(coordinator: Callable[..., list[int]], state: str) -> None:
    """A group that has members, or is about to, has workers."""
    coordinator(Answer(state))
    with pytest.raises(StillRunningError, match=state):
        check_stopped(Settings())


def test_a_group_that_is_kept_from_us_is_not_taken_for_none(coordinator: Callable[..., list[int]]) -> None:
    """Who may not ask is told so."""
    coordinator(Answer("", GroupAuthorizationFailedError.errno))
    with pytest.raises(NotAllowedError, match="describe the group"):
        check_stopped(Settings())
