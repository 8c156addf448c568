"""Slice reader on Apache Kafka: what retention has removed is told of, and not passed over."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from kafka import KafkaProducer, TopicPartition

from streams.connection import admin_client, kafka_python_options
from streams.settings_sources import load
from streams.slice_reader import RecordsGoneError, SliceReader
from streams.topics import create, wanted

pytestmark = pytest.mark.kafka


def test_what_is_removed_before_it_is_read_is_told_of(kafka_broker: Any, unique: Callable[[str], str]) -> None:
    """Who is to read from an offset on that is gone is not given what comes after it."""
    settings = load(broker=kafka_broker.address, app_id=unique("app"), partitions=1).settings
    (spec,) = (spec for spec in wanted(settings, ()) if spec.name == "clickstream")
    topic = replace(spec, name=unique("input"), partitions=1)
    create(settings, [topic])
    with KafkaProducer(**kafka_python_options(settings)) as producer:
        for n in range(10):
            producer.send(topic.name, str(n).encode(), partition=0)
    with admin_client(settings) as client:
        client.delete_records({TopicPartition(topic.name, 0): 5})
    place = (topic.name, 0)
    said = pytest.raises(RecordsGoneError, match=rf"{topic.name}/0 at offset 4; .* keep its records for longer")
    with closing(SliceReader(settings, {place: 4})) as late, said:
        until_some(late, place)
    with closing(SliceReader(settings, {place: 5})) as early:
        assert until_some(early, place) == [b"5", b"6", b"7", b"8", b"9"]


def until_some(reader: SliceReader, place: tuple[str, int]) -> list[bytes | None]:
    """The values of what comes first."""
    for _ in range(100):
        taken = reader.take([place], 100).get(place)
        if taken:
            return [record.value for record in taken]
    raise AssertionError("nothing came")
