"""A worker without transactions, after one that wrote in them, on Apache Kafka."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from streams.acknowledged import AcknowledgedClient
from streams.changelog import changelog_topic
from streams.connection import aiokafka_options
from streams.settings import Settings
from streams.settings_sources import load
from streams.topics import create, wanted

pytestmark = pytest.mark.kafka


def test_what_was_not_brought_to_an_end_is_no_state(kafka_broker: Any, unique: Callable[[str], str]) -> None:
    """Rows of a transaction that was given up stand on the topic; their outputs and offsets are not there."""
    settings = load(broker=kafka_broker.address, app_id=unique("app"), partitions=1, exactly_once="off").settings
    create(settings, [spec for spec in wanted(settings, ()) if spec.name == changelog_topic(settings)])
    assert asyncio.run(restored(settings)) == [b"kept", b"kept, too"]


async def restored(settings: Settings) -> list[bytes]:
    """The rows that it begins with, after three transactions of which the second was given up."""
    producer = AIOKafkaProducer(**aiokafka_options(settings), transactional_id=f"{settings.app_id}-0")
    await producer.start()
    for row in (b"kept", b"given up", b"kept, too"):
        await producer.begin_transaction()
        await producer.send_and_wait(changelog_topic(settings), row, key=row, partition=0)
        await (producer.abort_transaction() if row == b"given up" else producer.commit_transaction())
    await producer.stop()
    found: list[bytes] = []
    client = AcknowledgedClient(settings, SimpleNamespace())  # type: ignore[arg-type]
    await client.restore(0, lambda keys, _values: found.extend(keys))
    return found
