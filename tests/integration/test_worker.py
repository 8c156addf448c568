"""A worker as a process of its own, on the embedded broker: killed, stopped, refused, measured."""

import os
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.request import urlopen

import msgspec
import orjson
import pytest
from kafka import KafkaProducer

from schemas.timestamp import from_ms
from scoring.kinds import Kind
from scoring.profile import Profiles
from scoring.stored import PROFILE
from scoring.transfer import Forget
from streams.changelog import changelog_topic, transfers_topic
from streams.children import Child, part
from streams.engine_settings import checked_rules, engine_settings
from streams.loading import partition_of
from streams.operating.lag import lag
from streams.operating.whatis import what_is_held
from streams.outbox import INPUTS
from streams.settings import Settings
from streams.settings_sources import load
from streams.tailing import tail
from streams.topics import create, rule_names, wanted

pytestmark = [pytest.mark.broker, pytest.mark.xdist_group("embedded")]

SHORT = {"RECOMPRA_COMMIT_INTERVAL_S": "0.2", "RECOMPRA_SESSION_TIMEOUT_S": "2", "RECOMPRA_PARTITIONS": "2"}


@pytest.fixture
def settings(fresh_broker: Any) -> Settings:
    """A broker with all topics, two partitions each."""
    found = load(broker=fresh_broker.address, partitions=2).settings
    create(found, wanted(found, rule_names(found)))
    return found


class Worker(Child):
    """A worker; what it says on standard error is kept."""

    def __init__(self, settings: Settings, **environment: str) -> None:
        super().__init__("worker", part("worker"), {"RECOMPRA_BROKER": settings.broker, **SHORT, **environment})

    def end(self, patience_s: float = 60) -> int:
        """Wait for its exit code."""
        give_up = time.monotonic() + patience_s
        while self.returncode is None:
            assert time.monotonic() < give_up, self.last_lines()
            time.sleep(0.05)
        return self.returncode


@contextmanager
def worker(settings: Settings, **environment: str) -> Iterator[Worker]:
    process = Worker(settings, **environment)
    try:
        give_up = time.monotonic() + 120
        while not process.wait_ready(0.2):
            assert process.returncode is None, process.last_lines()
            assert time.monotonic() < give_up, process.last_lines()
        yield process
    finally:
        process.kill()


class Shop:
    """Produces clicks and orders; some orders twice, under other message ids."""

    def __init__(self, settings: Settings) -> None:
        self._producer = KafkaProducer(bootstrap_servers=settings.broker, acks="all")
        self._made = 0

    def send(self, topic: str, customer: str, event: str, properties: Mapping[str, Any], days_ago: int = 0) -> Any:
        """Produce one call of now, or of some days ago; the future of where it lies."""
        self._made += 1
        value = {
            "messageId": f"m{self._made}",
            "userId": customer,
            "type": "track",
            "event": event,
            "timestamp": from_ms(time.time_ns() // 1_000_000 - days_ago * 86_400_000),
            "properties": properties,
        }
        return self._producer.send(topic, orjson.dumps(value), key=customer.encode())

    def alias(self, customer: str, former: str) -> Any:
        """Say that a customer came under another id before."""
        value = {"messageId": "alias", "userId": customer, "type": "alias", "previousId": former}
        value["timestamp"] = from_ms(time.time_ns() // 1_000_000)
        return self._producer.send("customers", orjson.dumps(value), key=customer.encode())

    def produce(self, count: int) -> None:
        """Produce as many views, and an order for every third, and wait until they are there."""
        for i in range(count):
            customer = f"c{i % 23}"
            self.send("clickstream", customer, "Product Viewed", {"product_id": f"p{i % 5}"})
            if i % 3 == 0:
                for _ in range(1 + (i % 12 == 0)):
                    order = {"order_id": f"o{self._made // 2}", "total": 4.25}
                    self.send("orders", customer, "Order Completed", order)
        self._producer.flush(30)

    def last_of_each(self) -> int:
        """Produce, last in each partition of clicks and of orders, one of a customer of its own; how many they are.

        Once all of them are known, all that was produced before is applied.
        """
        made = 0
        for topic, event in (("clickstream", "Product Viewed"), ("orders", "Order Completed")):
            names = [f"last-of-{topic}-{self._made}-{number}" for number in range(99)]
            for partition in range(2):
                name = next(name for name in names if partition_of(name.encode(), 2) == partition)
                self.send(topic, name, event, {"product_id": "p", "order_id": name, "total": 1.0}).get(60)
                made += 1
        return made

    def close(self) -> None:
        """Close the connection."""
        self._producer.close()


@pytest.fixture
def shop(settings: Settings) -> Iterator[Shop]:
    made = Shop(settings)
    yield made
    made.close()


def values(settings: Settings, topic: str) -> list[dict[str, Any]]:
    return [orjson.loads(record.value or b"null") for record in tail(settings, topic, "beginning", follow=False)]


def produced(settings: Settings) -> int:
    return sum(len(values(settings, topic)) for topic in INPUTS)


def counters(settings: Settings) -> Counter[str]:
    """The counters of all partitions, as told with their last commits."""
    last: dict[int, dict[str, Any]] = {}
    for progress in values(settings, "progress"):
        if progress["sequence"] >= last.get(progress["partition"], progress)["sequence"]:
            last[progress["partition"]] = progress
    total: Counter[str] = Counter()
    for progress in last.values():
        total.update(progress["counters"])
    return total


def drained(settings: Settings, patience_s: float = 60) -> None:
    """Wait until all that was produced is counted, and written: rows and offsets come after `progress`."""
    give_up, wanted_reads = time.monotonic() + patience_s, produced(settings)
    while (found := counters(settings))["read"] < wanted_reads:
        assert time.monotonic() < give_up, f"{found} of {wanted_reads}"
        time.sleep(0.2)
    while unread := [each for each in lag(settings) if each.records]:
        assert time.monotonic() < give_up, f"not committed: {unread}"
        time.sleep(0.2)


def metrics(process: Worker) -> tuple[str, Counter[str]]:
    """What a worker serves at /metrics, and the sum of each metric over its labels."""
    assert process.ready_line is not None
    with urlopen(process.ready_line.split("metrics=")[1], timeout=30) as answer:
        text = answer.read().decode()
    found: Counter[str] = Counter()
    for line in text.splitlines():
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            found[name.split("{")[0]] += float(value)
    return text, found


def counted_orders(settings: Settings) -> dict[str, tuple[int, float]]:
    """Orders and revenue of each customer, as they are in the changelog."""
    latest: dict[bytes, bytes | None] = {}
    for record in tail(settings, changelog_topic(settings), "beginning", follow=False):
        latest[record.key or b""] = record.value
    rows = [(key[1:], value) for key, value in latest.items() if key[:1] == PROFILE and value is not None]
    profiles = Profiles(engine_settings(settings, checked_rules(settings)).layout)
    profiles.load([key for key, _ in rows], [value for _, value in rows])
    completed = profiles.rows["total"][: len(profiles), Kind.ORDER_COMPLETED]
    revenue = profiles.rows["revenue"][: len(profiles)]
    return {
        key.decode(): (int(n), float(worth))
        for key, n, worth in zip(profiles.keys, completed, revenue, strict=True)
        if n
    }


def plain_orders(settings: Settings) -> dict[str, tuple[int, float]]:
    """The same, by a plain count straight from the topic."""
    orders: dict[str, dict[str, float]] = defaultdict(dict)
    for said in values(settings, "orders"):
        orders[said["userId"]].setdefault(said["properties"]["order_id"], said["properties"]["total"])
    return {customer: (len(found), sum(found.values())) for customer, found in orders.items()}


def test_killed_three_times_it_counts_every_order_once(settings: Settings, shop: Shop) -> None:
    """Kill -9 under load, three times: orders and revenue are those of the topic, and the counters add up."""
    for _ in range(3):
        with worker(settings):
            for _ in range(6):
                shop.produce(60)
                time.sleep(0.1)
    with worker(settings) as last:
        drained(settings)
        last.ask_to_end()
        assert last.end() == 0, last.last_lines()
    assert counted_orders(settings) == plain_orders(settings)
    total = counters(settings)
    assert total.pop("read") == sum(total.values()) == produced(settings)
    assert total["late"] == total["ignored"] == total["dead_lettered"] == 0


def test_customers_of_two_partitions_become_one(settings: Settings, shop: Shop) -> None:
    """What a guest bought comes to whom they turn out to be, and so does what still comes under the former id."""
    guest, known = (next(name for name in map(str, range(99)) if partition_of(name.encode(), 2) == p) for p in (0, 1))
    order = {"order_id": "first", "total": 4.25}
    with worker(settings) as process:
        shop.send("orders", guest, "Order Completed", order)
        shop.send("clickstream", guest, "Product Viewed", {"product_id": "p"}).get(10)
        drained(settings)
        shop.alias(known, guest).get(10)
        give_up = time.monotonic() + 60
        while guest in counted_orders(settings) or known not in counted_orders(settings):
            assert time.monotonic() < give_up, process.last_lines()
            time.sleep(0.2)
        shop.send("orders", guest, "Order Completed", {"order_id": "second", "total": 5.0}).get(10)
        while counted_orders(settings) != {known: (2, 9.25)}:
            assert time.monotonic() < give_up, process.last_lines()
            time.sleep(0.2)
        drained(settings)
        process.ask_to_end()
        assert process.end() == 0, process.last_lines()
    total = counters(settings)
    assert total["read"] == total["applied"] == 4
    former, held = what_is_held(settings, guest), what_is_held(settings, known)
    assert former is not None
    assert former["former_of"] == known
    assert former["profile"] is None
    assert held is not None
    assert held["former_ids"] == [guest]
    assert held["profile"]["events"]["product_viewed"]["count"] == 1


def test_one_record_a_partition_while_it_was_stopped_is_found(settings: Settings, shop: Shop) -> None:
    """Stopped, one record on each partition of each input, started: all of them are counted."""
    with worker(settings) as first:
        shop.produce(20)
        drained(settings)
        first.ask_to_end()
        assert first.end() == 0, first.last_lines()
    before = counters(settings)["read"]
    sent = Counter()
    for number in range(200):
        customer = f"new-{number}"
        if all(sent[topic, partition] for topic in INPUTS for partition in range(2)):
            break
        for topic, event in (
            ("clickstream", "Product Viewed"),
            ("orders", "Order Completed"),
            ("customers", "Identify"),
        ):
            properties = {"product_id": "p", "order_id": f"late-{number}", "total": 1.0}
            placed = shop.send(topic, customer, event, properties).get(10)
            sent[topic, placed.partition] += 1
    with worker(settings):
        drained(settings)
    assert counters(settings)["read"] == before + sum(sent.values())


def test_missing_topics_are_named_with_the_remedy(fresh_broker: Any) -> None:
    """On a broker without topics it ends at once, with exit code 1."""
    process = Worker(load(broker=fresh_broker.address).settings)
    try:
        assert process.end() == 1
        assert "topics are missing" in process.last_lines()
        assert "recompra topics create" in process.last_lines()
    finally:
        process.kill()


def test_a_state_of_another_layout_ends_it_with_the_reason(settings: Settings, shop: Shop) -> None:
    """An exception in the restore ends the worker with exit code 1 and says what to do."""
    with worker(settings):
        shop.produce(10)
        drained(settings)
    process = Worker(settings, RECOMPRA_HORIZON="14d")
    try:
        assert process.end(patience_s=300) == 1, process.last_lines()
        assert "another app id" in process.last_lines()
    finally:
        process.kill()


def test_metrics_count_what_was_read_and_name_no_customer(settings: Settings, shop: Shop) -> None:
    """At /metrics the five outcomes add up to the records read, lag is nothing, and no id of a customer is there."""
    with worker(settings) as process:
        shop.send("orders", "c1", "Order Completed", {"order_id": "before", "total": 1.0}, days_ago=40)
        shop.produce(50)
        drained(settings)
        there, give_up = produced(settings), time.monotonic() + 60
        while True:  # gauges are brought up to date every second, or more seldom
            text, found = metrics(process)
            told = found["recompra_events_total"], found["recompra_lag_records"], found["recompra_partitions"]
            if (told == (there, 0, 2) and found["recompra_retention_customers"] > 0) or time.monotonic() > give_up:
                break
            time.sleep(0.2)
    assert found["recompra_events_total"] == produced(settings)
    assert found["recompra_lag_records"] == 0
    assert found["recompra_partitions"] == 2
    assert found["recompra_retention_customers"] > 0
    assert '"c1"' not in text
    assert "recompra_commit_duration_seconds_bucket" in text


def test_sigint_ends_it_with_a_last_commit(settings: Settings, shop: Shop) -> None:
    """Ctrl-C writes what was applied, and exits with 0; at the start it said what it does not do yet."""
    with worker(settings, RECOMPRA_COMMIT_INTERVAL_S="10", RECOMPRA_SESSION_TIMEOUT_S="12") as process:
        customers, give_up = 23, time.monotonic() + 120
        while counters(settings)["read"] == produced(settings):  # nothing yet; or all, if a commit came in between
            shop.produce(30)
            customers += shop.last_of_each()
            while metrics(process)[1]["recompra_customers"] != customers:
                assert time.monotonic() < give_up, process.last_lines()
                time.sleep(0.1)
        os.kill(process.pid, signal.SIGINT)
        assert process.end() == 0, process.last_lines()
        assert "requests on `deletions` to forget somebody wait" in process.last_lines()
    assert counters(settings)["read"] == produced(settings)


@pytest.mark.usefixtures("open_gates")
def test_a_rule_told_while_it_runs_takes_effect_at_its_time(settings: Settings, shop: Shop) -> None:
    """A version published on `rules` holds from its event time on, and the action names the version."""
    definition = {
        "sentence": "Has placed an order.",
        "for_each": "order",
        "enter": "order_number >= 1",
        "exit": "order_number == 0",
    }
    with worker(settings):
        shop.send("orders", "before", "Order Completed", {"order_id": "a", "total": 1.0}).get(10)
        drained(settings)
        now = from_ms(time.time_ns() // 1_000_000)
        record = {"name": "second-order", "version": 9, "published_at": now, "definition": definition}
        producer = KafkaProducer(bootstrap_servers=settings.broker, acks="all")
        producer.send("rules", orjson.dumps(record), key=b"second-order@9").get(10)
        producer.close()
        give_up = time.monotonic() + 60
        actions: list[dict[str, Any]] = []
        while not actions:  # read within moments; an order placed before that is told by the former version
            assert time.monotonic() < give_up
            shop.send("orders", f"after-{time.monotonic()}", "Order Completed", {"order_id": "a", "total": 1.0}).get(10)
            drained(settings)
            actions = values(settings, "actions-second-order")
    assert {action["data"]["rule_version"] for action in actions} == {9}
    assert all(action["data"]["customer_id"].startswith("after-") for action in actions)


def test_what_a_worker_cannot_take_ends_it_and_is_read_by_the_next(settings: Settings) -> None:
    """Who is asked by another partition to forget somebody, and has no key, stops with what to do; nothing is lost."""
    producer = KafkaProducer(bootstrap_servers=settings.broker, acks="all")
    asks = msgspec.msgpack.encode(Forget(b"c", "r", 1_700_000_000_000, [], claimed=False))
    with worker(settings) as first:
        for _ in range(3):
            producer.send(transfers_topic(settings), asks, partition=0)
        producer.close()
        assert first.end() != 0
        assert "RECOMPRA_ERASURE_KEY" in first.last_lines()
    with worker(settings, RECOMPRA_ERASURE_KEY="a secret of thirty-two characters") as second:
        give_up = time.monotonic() + 60
        while not any(took_three(settings)):
            assert second.returncode is None, second.last_lines()
            assert time.monotonic() < give_up
            time.sleep(0.2)


def took_three(settings: Settings) -> Iterator[bool]:
    """Whether a commit of partition 0 had taken three transfers, for each commit."""
    for record in tail(settings, "progress", "beginning", follow=False):
        said = orjson.loads(record.value or b"null")
        yield said["partition"] == 0 and said["offsets"]["transfers"] >= 3
