"""Hostile records on a real broker: each ends as the corpus says, in a worker that is a process of its own."""

import time
from collections import Counter
from dataclasses import replace
from typing import Any

import orjson
import pytest
from kafka import KafkaProducer

from schemas.hostile import Case, hostile_cases
from schemas.timestamp import to_ms
from streams.outbox import INPUTS
from streams.settings import Settings
from streams.settings_sources import load
from streams.tailing import tail
from streams.topics import create, rule_names, wanted
from tests.integration.test_worker import counters, worker

pytestmark = [pytest.mark.broker, pytest.mark.xdist_group("embedded")]

_EARLIER = b'{"userId":"early","messageId":"early","type":"identify","timestamp":"2024-05-01T09:29:59Z"}'
_EARLIER_MS = to_ms("2024-05-01T09:30:00Z")
OUTCOMES = ("applied", "duplicate", "late", "ignored", "dead_lettered")


@pytest.fixture
def settings(fresh_broker: Any) -> Settings:
    """A broker with all topics of one partition, that keeps the times at which the corpus says records came."""
    found = load(broker=fresh_broker.address, partitions=1).settings
    specs = wanted(found, rule_names(found))
    create(found, [replace(spec, timestamp_type="CreateTime") if spec.name in INPUTS else spec for spec in specs])
    return found


def send(settings: Settings, cases: tuple[Case, ...]) -> dict[tuple[str, int], Case]:
    """Produce all cases in order; each by the topic and the offset at which it lies.

    Before them comes an earlier event of each input. Without it an input that is slow to come has no time of its own
    yet when another's old records are applied, and nothing is late before the time of all is known.
    """
    producer = KafkaProducer(bootstrap_servers=settings.broker, acks="all", max_request_size=2_000_000)
    for topic in INPUTS:
        producer.send(topic, _EARLIER, key=b"early", partition=0, timestamp_ms=_EARLIER_MS).get(10)
    sent = [
        (case, producer.send(case.topic, case.payload, key=case.key, partition=0, timestamp_ms=case.received_ms))
        for case in cases
    ]
    producer.flush(60)
    places = {(case.topic, future.get(10).offset): case for case, future in sent}
    producer.close()
    return places


def test_every_hostile_record_ends_as_told_in_a_worker(settings: Settings) -> None:
    """The five counters are what the corpus says, each dead letter has its field and code, late ones are as sent."""
    places = send(settings, hostile_cases())
    with worker(settings, RECOMPRA_PARTITIONS="1") as process:
        give_up = time.monotonic() + 120
        while counters(settings)["read"] < len(places) + len(INPUTS):
            assert process.returncode is None, process.last_lines()
            assert time.monotonic() < give_up, counters(settings)
            time.sleep(0.2)
    expected = Counter(case.outcome.replace("-", "_") for case in hostile_cases())
    expected += Counter(applied=1, duplicate=2)  # the earlier event, on three topics
    found = counters(settings)
    assert {name: found[name] for name in OUTCOMES} == {name: expected[name] for name in OUTCOMES}
    assert found["read"] == len(hostile_cases()) + len(INPUTS)
    letters = {}
    for topic in INPUTS:
        for record in tail(settings, f"{topic}-dlq", "beginning", follow=False):
            letter = orjson.loads(record.value or b"")
            assert letter["id"] == f"{topic}-0-{letter['offset']}"
            letters[topic, letter["offset"]] = (letter["field"], letter["code"])
    assert letters == {place: (c.field, c.code) for place, c in places.items() if c.outcome == "dead-lettered"}
    late = [r.value for topic in INPUTS for r in tail(settings, f"{topic}-late", "beginning", follow=False)]
    wanted_late = [c.payload for topic in INPUTS for c in places.values() if (c.outcome, c.topic) == ("late", topic)]
    assert late == wanted_late
