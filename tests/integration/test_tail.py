"""Tailing a topic: from either end or a time, a number of records, and without moving anybody's offsets."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest
from click.testing import CliRunner
from kafka import KafkaProducer

from streams.cli.main import main
from streams.settings import Settings
from streams.settings_sources import load
from streams.tailing import Place, UnknownTopicError, parse_place, tail
from streams.topics import create, wanted

BROKERS = [
    pytest.param("embedded_broker", marks=pytest.mark.broker),
    pytest.param("kafka_broker", marks=pytest.mark.kafka),
]

DAY_MS = 86_400_000


@pytest.fixture(params=BROKERS)
def topic(request: pytest.FixtureRequest, unique: Callable[[str], str]) -> tuple[Settings, str]:
    """A topic of two partitions with six records, one a day, their times those of the writer."""
    settings = load(broker=request.getfixturevalue(request.param).address).settings
    spec = next(spec for spec in wanted(settings, ()) if spec.name == "scores")
    spec = replace(spec, name=unique("scores"), partitions=2)
    create(settings, [spec])
    send(settings, spec.name, *range(6))
    return settings, spec.name


def send(settings: Settings, topic: str, *days: int) -> None:
    with KafkaProducer(bootstrap_servers=settings.broker) as producer:
        for day in days:
            value = json.dumps({"day": day}).encode()
            producer.send(topic, value, key=b"anna", partition=day % 2, timestamp_ms=day * DAY_MS)
        producer.flush(10)


def days(settings: Settings, topic: str, place: Place, limit: int | None = None) -> list[int]:
    records = tail(settings, topic, place, limit=limit, follow=False)
    return sorted(json.loads(record.value or b"")["day"] for record in records)


def test_from_each_place(topic: tuple[Settings, str]) -> None:
    """The beginning gives all, the latest end none, a time those at or after it, however they are partitioned."""
    settings, name = topic
    assert days(settings, name, "beginning") == [0, 1, 2, 3, 4, 5]
    assert days(settings, name, "latest") == []
    assert days(settings, name, 3 * DAY_MS) == [3, 4, 5]
    assert days(settings, name, 3 * DAY_MS + 1) == [4, 5]
    assert days(settings, name, 9 * DAY_MS) == []
    assert days(settings, name, -DAY_MS) == [0, 1, 2, 3, 4, 5], "before 1970"


def test_a_limit_ends_it(topic: tuple[Settings, str]) -> None:
    """No more than the limit is given, though more is there."""
    settings, name = topic
    assert len(days(settings, name, "beginning", limit=4)) == 4


def test_following_gives_what_comes_later(topic: tuple[Settings, str]) -> None:
    """From the latest end on, a record written afterwards is given, and nothing before it."""
    settings, name = topic
    records = tail(settings, name, "beginning", limit=7)
    assert len(list(islice(records, 6))) == 6
    send(settings, name, 8)
    assert [json.loads(record.value or b"")["day"] for record in records] == [8]


def test_an_unknown_topic_is_told_the_nearest(topic: tuple[Settings, str]) -> None:
    """A misspelt topic is refused with the name that was meant, and is not created."""
    settings, name = topic
    for _ in range(2):
        with pytest.raises(UnknownTopicError, match=f"did you mean '{name}'"):
            next(tail(settings, name + "x", "beginning"))


def test_the_command(topic: tuple[Settings, str]) -> None:
    """`recompra tail` prints a line a record, JSON where asked, and an unknown topic ends with exit code 1."""
    settings, name = topic
    common = ["--broker", settings.broker, "--from", "beginning"]
    done = CliRunner().invoke(main, ["tail", name, *common, "--limit", "6", "--json"])
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {(line["key"], line["partition"], line["value"]["day"]) for line in lines} == {
        ("anna", day % 2, day) for day in range(6)
    }
    done = CliRunner().invoke(main, ["tail", name, *common, "--no-follow"])
    assert (done.exit_code, len(done.stdout.splitlines())) == (0, 6)
    done = CliRunner().invoke(main, ["tail", name + "x", *common, "--no-follow"])
    assert done.exit_code == 1
    assert f"did you mean '{name}'" in done.stderr


def test_the_command_ends_cleanly_with_a_signal(topic: tuple[Settings, str]) -> None:
    """Ctrl-C and SIGTERM end it with exit code 0 and no traceback, after what it has shown."""
    settings, name = topic
    command = [sys.executable, "-m", "streams.cli", "tail", name, "--broker", settings.broker]
    command += ["--from", "beginning", "--json"]
    for number in (signal.SIGINT, signal.SIGTERM):
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                assert process.stderr is not None
                for _ in range(6):
                    assert json.loads(process.stdout.readline())["topic"] == name
                process.send_signal(number)
                assert process.wait(30) == 0
                assert "Traceback" not in process.stderr.read()
            finally:
                process.kill()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("beginning", "beginning"),
        ("latest", "latest"),
        ("1970-01-02", DAY_MS),
        ("1970-01-02T00:00:00Z", DAY_MS),
        ("1970-01-02T02:00:00+02:00", DAY_MS),
        ("1970-01-02T00:00:00.250", DAY_MS + 250),
    ],
)
def test_places(text: str, place: Place) -> None:
    """A place is an end or an ISO 8601 time, in UTC where no zone is given."""
    assert parse_place(text) == place


@pytest.mark.parametrize("text", ["", "yesterday", "1970-13-01", "12345"])
def test_places_that_are_none(text: str) -> None:
    """Anything else is refused with an example."""
    with pytest.raises(ValueError, match="such as 2011-12-01"):
        parse_place(text)


@pytest.mark.kafka
def test_only_what_was_committed_is_shown(kafka_broker: Any, unique: Callable[[str], str]) -> None:
    """Records of a transaction that was given up are left out, and markers at the end do not keep it waiting."""
    settings = load(broker=kafka_broker.address).settings
    spec = next(spec for spec in wanted(settings, ()) if spec.name == "scores")
    create(settings, [spec := replace(spec, name=unique("scores"), partitions=1)])
    with KafkaProducer(bootstrap_servers=settings.broker, transactional_id=spec.name) as producer:
        producer.init_transactions()
        for number in range(4):
            producer.begin_transaction()
            producer.send(spec.name, json.dumps({"day": number}).encode(), key=b"anna")
            producer.commit_transaction() if number % 2 == 0 else producer.abort_transaction()
    assert days(settings, spec.name, "beginning") == [0, 2]
    assert days(settings, spec.name, "latest") == []
