"""The shop's knowledge, as a process of its own against a real broker, publishes each version once and survives."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from schemas.timestamp import from_ms
from scoring.profile import DAY_MS, HOUR_MS
from scoring.shop.snapshot import ShopSnapshot
from streams.brokers.kafka_local import KafkaLocal
from streams.cloud_event import CONTENT_TYPE
from streams.settings_sources import load
from streams.shop.wire import read_part
from streams.topics import create, wanted

pytestmark = pytest.mark.xdist_group("embedded")

START = 20_000 * DAY_MS
HOURS = 30


@pytest.fixture
def broker(fresh_broker: Any) -> str:
    """A broker with all topics; the inputs have two partitions."""
    settings = load(broker=fresh_broker.address, partitions=2).settings
    create(settings, wanted(settings, ()))
    return str(fresh_broker.address)


def produce(broker: str, first: int, last: int) -> None:
    """Orders and views of these hours, on both partitions, and a record that is none."""
    producer = KafkaProducer(bootstrap_servers=broker)
    for hour in range(first, last):
        for partition in (0, 1):
            customer = f"customer-{partition}"
            said = {"type": "track", "userId": customer, "timestamp": from_ms(START + hour * HOUR_MS)}
            lines = [{"product_id": "tea", "price": 5, "quantity": 1}, {"product_id": f"cup-{hour % 3}", "price": 2}]
            order = {"event": "Order Completed", "messageId": f"o{hour}", "properties": {"products": lines}}
            order["properties"]["order_id"] = f"{customer}-{hour}"  # type: ignore[index]
            view = {"event": "Product Viewed", "messageId": f"v{hour}"}
            view["properties"] = {"product_id": "tea", "price": 4 + hour % 2}  # type: ignore[assignment]
            for topic, event in (("orders", order), ("clickstream", view)):
                value = orjson.dumps(said | event)
                producer.send(topic, value, key=customer.encode(), partition=partition)
    producer.send("orders", b"{", key=b"x", partition=0)
    producer.flush()
    producer.close()


@contextmanager
def shop(broker: str, quiet_s: str = "60") -> Iterator[subprocess.Popen[str]]:
    """A process that says that it reads."""
    environment = {
        **os.environ,
        "RECOMPRA_PARTITIONS": "2",
        "RECOMPRA_SHOP_QUIET_S": quiet_s,
        "RECOMPRA_SHOP_STATE_EVERY_S": "0.5",
        "RECOMPRA_SHOP_VERSIONS_KEPT": "10",
        "RECOMPRA_WEB_PORT": "0",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "streams.cli", "shop", "--broker", broker],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("ready metrics=http://"), process.stderr.read()
        yield process
    finally:
        process.kill()
        process.communicate()


class Topic:
    """The versions on `products`, as they come."""

    def __init__(self, broker: str) -> None:
        self.consumer = KafkaConsumer(bootstrap_servers=broker)
        place = TopicPartition("products", 0)
        self.consumer.assign([place])
        self.consumer.seek_to_beginning(place)
        self.values: dict[int, set[bytes]] = {}
        self.deleted: set[bytes] = set()

    def until(self, version: int) -> ShopSnapshot:
        """Read until this version is there."""
        by = time.monotonic() + 60
        while version not in self.values:
            assert time.monotonic() < by, f"version {version} does not come; there are {sorted(self.values)}"
            for records in self.consumer.poll(timeout_ms=200).values():
                for record in records:
                    if record.value is None:
                        self.deleted.add(record.key)
                    else:
                        assert list(record.headers) == [CONTENT_TYPE]
                        self.values.setdefault(read_part(record.value).version, set()).add(record.value)
        [value] = self.values[version]
        part = read_part(value)
        return ShopSnapshot(part.version, part.effective_ms, [part.data])


def test_killed_and_started_again_it_publishes_what_it_would_have(broker: str) -> None:
    """Versions come by the hour; after kill -9 the numbers go on, and whatever is published twice is the same."""
    produce(broker, 0, 12)
    topic = Topic(broker)
    with shop(broker) as process:
        first = topic.until(10)
        assert first.effective_ms == START + 10 * HOUR_MS
        process.send_signal(signal.SIGKILL)
        process.wait()
    produce(broker, 12, HOURS)
    with shop(broker) as process:
        last = topic.until(HOURS - 2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert sorted(topic.values) == list(range(1, HOURS - 1))
    assert all(len(values) == 1 for values in topic.values.values()), "a version was published with other content"
    assert last.companions("tea", 3) == ["cup-0", "cup-2", "cup-1"], "those of the last hours before others"
    assert last.popularity("tea") == pytest.approx(2 * (HOURS - 2), rel=0.03)
    assert {f"shop@{version}/0".encode() for version in range(1, HOURS - 12)} <= topic.deleted


def test_a_partition_that_ends_with_a_transaction_is_read_to_its_end(kafka_available: None, tmp_path: Path) -> None:
    """Behind the last record stands the transaction's mark, which nobody reads: silent, it is not waited for."""
    with KafkaLocal(data_dir=tmp_path / "kafka", quiet=True) as kafka:
        settings = load(broker=kafka.address, partitions=2).settings
        create(settings, wanted(settings, ()))
        asyncio.run(transaction(kafka.address, "orders", call("Order Completed", 0, order_id="1")))
        producer = KafkaProducer(bootstrap_servers=kafka.address)
        producer.send("clickstream", call("Product Viewed", 9, product_id="tea"), key=b"ann", partition=0)
        producer.close()
        with shop(kafka.address, quiet_s="2"):
            assert Topic(kafka.address).until(1).popularity("tea") == pytest.approx(1, rel=0.03)


def call(event: str, hour: int, **said: Any) -> bytes:
    said = {"products": [{"product_id": "tea"}], **said}
    at = from_ms(START + hour * HOUR_MS)
    value = {"type": "track", "userId": "ann", "event": event, "messageId": event, "timestamp": at}
    return orjson.dumps({**value, "properties": said})


async def transaction(broker: str, topic: str, value: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=broker, transactional_id="till")
    await producer.start()
    async with producer.transaction():
        await producer.send_and_wait(topic, value, key=b"ann", partition=0)
    await producer.stop()


def test_missing_topics_are_told(fresh_broker: Any) -> None:
    """It ends with what to do."""
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", "shop", "--broker", fresh_broker.address],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode != 0
    assert "recompra topics create" in done.stderr
