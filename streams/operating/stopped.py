"""Stopped: what may only be done while no worker runs: emptying the state, and saying where reading begins."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from kafka import TopicPartition
from kafka.errors import KafkaError, TopicAlreadyExistsError, UnknownTopicOrPartitionError
from kafka.structs import OffsetAndMetadata

from streams.changelog import changelog_topic, transfers_topic
from streams.connection import admin_client
from streams.operating.group_state import group_state
from streams.outbox import DELETIONS
from streams.settings import Settings
from streams.topics import create, rule_names, wanted

__all__ = ["StillRunningError", "begin_at", "check_stopped", "empty_state"]

_GONE_S: Final = 60.0
_AT_REST: Final = ("Empty", "Dead", "Unknown")
"""States of a group without members; the embedded broker does not know any other than the last."""


class StillRunningError(RuntimeError):
    """Workers of the application are members of its group."""


def check_stopped(settings: Settings) -> None:
    """Make sure that no worker runs.

    Raises
    ------
    StillRunningError
        If the group has members: a worker that was killed is one until its session has timed out.
    GroupUnknownError
        If the broker that knows does not answer.
    BrokerUnreachableError
        If no broker answers, or it does not let us ask.
    """
    state = asyncio.run(group_state(settings))
    if state not in _AT_REST:
        raise StillRunningError(
            f"workers of {settings.app_id} run (its group is {state}); stop them first (one that was killed counts for "
            f"{settings.session_timeout_s:g} s more)"
        )


def empty_state(settings: Settings) -> None:
    """Delete the changelog and the transfers and create them anew: snapshots of the former are refused by themselves.

    Raises
    ------
    kafka.errors.KafkaError
        If the broker refuses.
    TimeoutError
        If a topic is not gone after a minute.
    """
    names = {changelog_topic(settings), transfers_topic(settings)}
    spec = [each for each in wanted(settings, rule_names(settings)) if each.name in names]
    with admin_client(settings) as client:
        for name in sorted(names):
            with suppress(UnknownTopicOrPartitionError):
                client.delete_topics([name])
        give_up = time.monotonic() + _GONE_S
        while left := names.intersection(client.list_topics()):
            if time.monotonic() > give_up:
                raise TimeoutError(f"{', '.join(sorted(left))} is still there a minute after it was deleted")
            time.sleep(0.2)
    while True:
        try:
            create(settings, spec)
            return
        except (TopicAlreadyExistsError, KafkaError):
            if time.monotonic() > give_up:
                raise
            time.sleep(0.2)


def begin_at(settings: Settings, offsets: Mapping[int, Mapping[str, int]]) -> None:
    """Set the group's offsets, by partition number and input; transfers and deletions are read from the beginning.

    Raises
    ------
    kafka.errors.KafkaError
        If the broker refuses one.
    """
    places = {
        TopicPartition(name, number): OffsetAndMetadata(offset, "", -1)
        for number, by_input in offsets.items()
        for name, offset in {**by_input, transfers_topic(settings): 0, DELETIONS: 0}.items()
    }
    with admin_client(settings) as client:
        done: Mapping[TopicPartition, Any] = client.alter_group_offsets(settings.app_id, places)
    for error in done.values():
        if error is not None and error.errno:
            raise error
