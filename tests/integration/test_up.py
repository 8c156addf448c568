"""`recompra up`, as somebody meets it who starts it and brings their own Kafka client."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import orjson
import pytest
from kafka import KafkaConsumer, KafkaProducer
from prometheus_client.parser import text_string_to_metric_families

from tests.family import alive, descendants

READY = re.compile(r"ready broker=(127\.0\.0\.1:\d+) web=(http://127\.0\.0\.1:\d+)\n")


class Up:
    """A running `recompra up`."""

    def __init__(self, process: subprocess.Popen[str], errors: Path) -> None:
        self.process = process
        self.errors = errors
        assert process.stdout is not None
        line = process.stdout.readline()
        match = READY.fullmatch(line)
        assert match, f"{line!r}: {errors.read_text()}"
        self.broker, self.web = match[1], match[2]
        self.family = descendants(process.pid)

    def stopped(self, number: int) -> int:
        """Send a signal; return the exit code, having seen that standard output held the one line only."""
        self.process.send_signal(number)
        code = self.process.wait(60)
        assert self.process.stdout is not None
        assert self.process.stdout.read() == ""
        return code

    def left(self) -> list[int]:
        """Processes of it that still run."""
        return [pid for pid in self.family if alive(pid)]


@contextmanager
def up(tmp_path: Path, *options: str, **environment: str) -> Iterator[Up]:
    errors = tmp_path / "stderr"
    with (
        errors.open("w") as file,
        subprocess.Popen(
            [sys.executable, "-m", "streams.cli", "up", *options],
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
            env={**os.environ, **environment},
        ) as process,
    ):
        try:
            yield Up(process, errors)
        finally:
            if process.poll() is None:
                process.terminate()


def eventually(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.1)


def order(producer: Any, customer: str, number: str, minutes_ago: int) -> None:
    value = {
        "type": "track",
        "event": "Order Completed",
        "messageId": f"m-{number}",
        "userId": customer,
        "timestamp": (datetime.now(UTC) - timedelta(minutes=minutes_ago)).isoformat(timespec="milliseconds"),
        "properties": {"order_id": number, "total": 12.5, "products": [{"product_id": "mug", "price": 12.5}]},
    }
    producer.send("orders", key=customer.encode(), value=orjson.dumps(value))
    producer.flush()


@contextmanager
def producing(broker: str) -> Iterator[Any]:
    producer = KafkaProducer(bootstrap_servers=broker)
    try:
        yield producer
    finally:
        producer.close()


def first_record(broker: str, topic: str) -> dict[str, Any]:
    """The first record of a topic, waited for."""
    consumer = KafkaConsumer(topic, bootstrap_servers=broker, auto_offset_reset="earliest", consumer_timeout_ms=60_000)
    try:
        value = orjson.loads(next(consumer).value)
        assert isinstance(value, dict)
        return value
    finally:
        consumer.close()


def orders_of(web: str, customer: str) -> int:
    """How many orders a customer's page tells of; none while nothing is held of them."""
    try:
        with urlopen(f"{web}/customers/{customer}", timeout=30) as answer:
            held = json.loads(answer.read())
    except HTTPError as error:
        with error:
            if error.code != HTTPStatus.NOT_FOUND:
                raise
        return 0
    profile = held["profile"]
    return int(profile["events"]["order_completed"]["count"]) if profile else 0


def metrics(web: str) -> dict[str, list[Any]]:
    with urlopen(f"{web}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    return {family.name: family.samples for family in text_string_to_metric_families(text)}


@pytest.mark.broker
@pytest.mark.slow
@pytest.mark.usefixtures("open_gates")
def test_orders_in_action_out_and_a_clean_end(tmp_path: Path) -> None:
    """Two orders by kafka-python give a second-order action; metrics and page are there; SIGTERM ends it with 0."""
    with up(tmp_path) as running:
        with producing(running.broker) as producer:
            order(producer, "ann", "o-1", minutes_ago=5)
            order(producer, "ann", "o-2", minutes_ago=1)
        action = first_record(running.broker, "actions-second-order")
        assert action["data"]["customer_id"] == "ann"
        assert action["data"]["object"] == "o-2"
        assert action["data"]["crossing"] == "entered"

        found = metrics(running.web)
        assert {s.labels["part"]: s.value for s in found["recompra_part_up"]} == {"worker": 1, "trainer": 1, "shop": 1}
        with urlopen(running.web) as answer:
            assert running.broker in answer.read().decode()
        eventually(lambda: orders_of(running.web, "ann") == 2)  # an action is there before what was counted

        assert len(running.family) >= 5  # itself, broker, worker, trainer, shop
        assert running.stopped(signal.SIGTERM) == 0
        assert running.left() == []
    assert "in memory only" in running.errors.read_text()


@pytest.mark.broker
@pytest.mark.slow
def test_a_part_that_is_killed_ends_it_all(tmp_path: Path) -> None:
    """SIGKILL of the worker: the error names it, the exit code is 1, and nothing is left behind."""
    with up(tmp_path) as running:
        worker = next(
            pid for pid in running.family if b"worker" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        )
        os.kill(worker, signal.SIGKILL)
        assert running.process.wait(60) == 1
        assert running.left() == []
    assert "the worker was ended by SIGKILL" in running.errors.read_text()


def test_a_data_directory_without_java_is_an_error_that_says_so(tmp_path: Path) -> None:
    """Where Java and Maven are missing, `--data-dir` names both, and nothing is started."""
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", "up", "--data-dir", str(tmp_path / "data")],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PATH": str(tmp_path), "JAVA_HOME": "", "RECOMPRA_CACHE": str(tmp_path)},
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Java 17" in done.stderr
    assert "Maven" in done.stderr


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.usefixtures("open_gates")
def test_a_second_run_on_the_same_directory_goes_on(tmp_path: Path, kafka_available: None) -> None:
    """An order before the stop and one after the next start are first and second; Ctrl-C ends both runs with 0."""
    for number in ("o-1", "o-2"):
        with up(tmp_path, "--data-dir", str(tmp_path / "data")) as running:
            with producing(running.broker) as producer:
                order(producer, "ben", number, minutes_ago=1)
            if number == "o-1":
                first_record(running.broker, "scores")
            else:
                assert first_record(running.broker, "actions-second-order")["data"]["object"] == "o-2"
            assert running.stopped(signal.SIGINT) == 0
            assert running.left() == []
