"""What a data engineer does beside a running application: how far it is, what was refused, and back with it."""

import json
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import orjson
import pytest
from click.testing import CliRunner
from kafka import KafkaProducer, TopicPartition

from schemas.internals import Counters, Progress
from schemas.timestamp import from_ms, to_ms
from scoring.erased import Erased, Removed
from streams.changelog import transfers_topic
from streams.cli.main import main
from streams.cloud_event import cloud_event
from streams.connection import reader
from streams.erasing import receipt
from streams.operating.lag import lag, watermarks
from streams.operating.letters import HEADER, letters, redrive
from streams.outbox import DELETIONS, INPUTS
from streams.settings import Settings
from streams.settings_sources import load
from streams.tailing import tail
from streams.topics import create, wanted

KEY = "a key of the privacy desk"
BROKERS = [
    pytest.param("embedded_broker", marks=pytest.mark.broker),
    pytest.param("kafka_broker", marks=pytest.mark.kafka),
]


@pytest.fixture(params=BROKERS)
def place(request: pytest.FixtureRequest, unique: Callable[[str], str]) -> tuple[Settings, str]:
    """An input of two partitions and the topic of its dead letters, on both brokers."""
    settings = load(broker=request.getfixturevalue(request.param).address, app_id=unique("app")).settings
    name = unique("orders")
    (spec,) = (spec for spec in wanted(settings, ()) if spec.name == "orders")
    create(settings, [replace(spec, name=topic, partitions=2) for topic in (name, f"{name}-dlq")])
    return settings, name


def refuse(
    settings: Settings, topic: str, *records: tuple[int, int, bytes], kept: int = 10_000, key: bytes = b"anna",
    onto: str | None = None,
) -> None:  # fmt: skip
    """Write a dead letter for each (partition, offset, payload)."""
    with KafkaProducer(bootstrap_servers=settings.broker) as producer:
        for partition, offset, payload in records:
            letter = {
                "id": f"{topic}-{partition}-{offset}",
                "topic": topic,
                "partition": partition,
                "offset": offset,
                "field": "properties.total",
                "value": '"12,50"',
                "reason": "it is not a number",
                "remedy": "send 12.50",
                "code": "type",
                "payload": b64encode(payload[:kept]).decode(),
                "received_at": "2024-05-01T09:30:00.000Z",
                "payload_bytes": len(payload),
            }
            producer.send(f"{onto or topic}-dlq", orjson.dumps(letter), key=key, partition=partition)
        producer.flush(60)


@pytest.mark.broker
def test_a_watermark_is_found_however_much_came_since(fresh_broker: Any) -> None:
    """Behind hundreds of records that tell none, the newest is found; where there is none, none."""
    settings = load(broker=fresh_broker.address, partitions=3).settings
    create(settings, [spec for spec in wanted(settings, ()) if spec.name == "progress"])
    told = {0: [*range(1000, 1030), *[None] * 500], 1: [None] * 300, 2: [5]}
    with KafkaProducer(bootstrap_servers=settings.broker, enable_idempotence=False) as producer:
        for partition, watermarks_ms in told.items():
            for watermark_ms in watermarks_ms:
                producer.send("progress", progress(partition, watermark_ms), partition=partition)
    with reader(settings) as consumer:
        assert watermarks(consumer) == {0: 1029, 2: 5}


def progress(partition: int, watermark_ms: int | None) -> bytes:
    """What a commit tells."""
    counters = Counters(read=0, applied=0, duplicate=0, late=0, ignored=0, dead_lettered=0)
    told = Progress(
        partition=partition, sequence=1, watermark_ms=watermark_ms, offsets={}, runs=[], ticks=[], model_version=0,
        rules=[], counters=counters,
    )  # fmt: skip
    return msgspec.json.encode(told)


def values(settings: Settings, topic: str) -> dict[int, list[bytes | None]]:
    found: dict[int, list[bytes | None]] = {0: [], 1: []}
    for record in sorted(tail(settings, topic, "beginning", follow=False), key=lambda one: one.offset):
        found[record.partition].append(record.value)
    return found


def eventually(holds: Callable[[], bool]) -> None:
    """Wait: what a transaction wrote, and its offsets, may be seen a moment after it was committed."""
    give_up = time.monotonic() + 60
    while not holds() and time.monotonic() < give_up:
        time.sleep(0.1)


def first_of(settings: Settings, topic: str) -> tuple[Any, Any, Any]:
    """Key, value and headers of the first record of partition 0."""
    partition = TopicPartition(topic, 0)
    with reader(settings) as consumer:
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        for _ in range(600):
            for record in consumer.poll(timeout_ms=100).get(partition, ()):
                return record.key, record.value, list(record.headers)
    raise AssertionError("nothing came")


def test_what_was_refused_returns_in_order_and_once(place: tuple[Settings, str]) -> None:
    """Each letter returns to its partition, in order; a second time only what came since; what was cut stays."""
    settings, topic = place
    refuse(settings, topic, *((n % 2, n, b"%d" % n) for n in range(1100)))
    assert [each.returned for each in letters(settings, [topic])] == [False] * 1100
    told = redrive(settings, [topic])
    assert (told.records, told.cut) == ({topic: 1100}, [])
    eventually(lambda: sum(map(len, values(settings, topic).values())) >= 1100)
    assert values(settings, topic) == {p: [b"%d" % n for n in range(p, 1100, 2)] for p in (0, 1)}
    assert first_of(settings, topic) == (b"anna", b"0", [(HEADER, f"{topic}-0-0".encode())])
    eventually(lambda: all(each.returned for each in letters(settings, [topic])))
    assert all(each.returned for each in letters(settings, [topic]))
    refuse(settings, topic, (1, 2000, b"mended"))
    refuse(settings, topic, (1, 2001, b"too large"), kept=3)
    told = redrive(settings, [topic])
    assert (told.records, told.cut) == ({topic: 1}, [f"{topic}-1-2001"])
    eventually(lambda: len(values(settings, topic)[1]) > 550)
    assert values(settings, topic)[1][550:] == [b"mended"]
    eventually(lambda: sum(not each.returned for each in letters(settings, [topic])) == 1)
    assert [each.letter.id for each in letters(settings, [topic]) if not each.returned] == told.cut
    assert redrive(settings, [topic]).records == {}


@pytest.mark.broker
def test_the_commands(fresh_broker: Any) -> None:
    """`dlq list`, `show`, `redrive` and `lag` tell it in words and as JSON, and say what is not there."""
    settings = load(broker=fresh_broker.address, partitions=2).settings
    create(settings, wanted(settings, ()))

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, [*arguments, "--broker", fresh_broker.address])
        return result.exit_code, result.output

    refuse(settings, "orders", (0, 3, b'{"total": "12,50"}'), (1, 4, b"{}"))
    code, said = run("dlq", "list", "--json")
    (row,) = json.loads(said)
    assert (code, row["input"], row["code"], row["letters"], row["waiting"]) == (0, "orders", "type", 2, 2)
    assert "send 12.50" in run("dlq", "show", "orders-0-3")[1]
    assert json.loads(run("dlq", "show", "orders-0-3", "--json")[1])["record"] == '{"total": "12,50"}'
    assert "no dead letter" in run("dlq", "show", "orders-0-9")[1]
    assert "2 dead letters, 2 not sent back" in run("dlq", "list")[1]
    assert "2 records sent back" in run("dlq", "redrive", "--input", "orders")[1]
    found = {(each.topic, each.partition): each for each in lag(settings)}
    assert sorted(found) == sorted((topic, partition) for topic in (*INPUTS, DELETIONS) for partition in (0, 1))
    assert [found["orders", p].records for p in (0, 1)] == [1, 1]
    assert found["orders", 0].committed is None
    assert "2 records unread" in run("lag")[1]
    assert run("lag", "--max", "1")[0] == 1
    assert json.loads(run("lag", "--json")[1])["records"] == 2
    refuse(settings, "transfers", (1, 7, b"from elsewhere"), onto="customers")
    assert "1 records sent back" in run("dlq", "redrive", "--input", "customers")[1]
    assert values(settings, transfers_topic(settings)) == {0: [], 1: [b"from elsewhere"]}


@pytest.mark.broker
def test_who_is_forgotten_is_left_out(fresh_broker: Any) -> None:
    """Letters of theirs do not return, and `digest` and `diff` leave out what was told before; all say how many."""
    settings = load(broker=fresh_broker.address, partitions=2).settings
    create(settings, [*wanted(settings, ()), *(replace(each, name="was-audiences") for each in wanted(settings, ())
                                               if each.name == "audiences")])  # fmt: skip

    def run(*arguments: str, key: str | None = KEY) -> tuple[int, str]:
        environment = {"RECOMPRA_BROKER": settings.broker, "RECOMPRA_ERASURE_KEY": key}
        result = CliRunner().invoke(main, [*arguments], env=environment)
        return result.exit_code, result.stdout

    refuse(settings, "orders", (0, 3, b"{}"))
    refuse(settings, "orders", (0, 4, b"{}"), key=b"bob")
    erased, at_ms = Erased(KEY.encode()), to_ms("2024-05-01T09:30:00.000Z")
    whose = erased.hash(b"anna")
    with KafkaProducer(bootstrap_servers=settings.broker) as producer:
        for topic, who in (("audiences", "anna"), ("audiences", "bob"), ("was-audiences", "bob")):
            told = cloud_event(f"audience/1/{who}", "recompra.audience", "audience.v1", who, from_ms(at_ms - 1),
                               {"customer_id": who})  # fmt: skip
            producer.send(topic, orjson.dumps(told), key=who.encode(), partition=0)
        name, event = receipt(
            "r-1", Removed(), erased.key, whose, 0, at_ms, dict.fromkeys(INPUTS, 0), [], refused=False
        )
        producer.send("receipts", orjson.dumps(event), key=name.encode())
    code, said = run("diff", "was", "--json", key=None)
    assert (code, json.loads(said)["topics"]["audiences"]["only_live"]) == (1, 1)
    code, said = run("diff", "was", "--json")
    assert (code, json.loads(said)["erased"]) == (0, 1)
    (told_live,) = [each for each in json.loads(run("digest", "--json")[1]) if each["topic"] == "audiences"]
    assert (told_live["records"], told_live["erased"]) == (1, 1)
    assert run("dlq", "redrive", key=None)[0] == 2, "nobody could say who is not to come back"
    assert json.loads(run("dlq", "redrive", "--json")[1]) == {"records": {"orders": 1}, "cut": [], "erased": 1}
    assert first_of(settings, "orders")[0] == b"bob"


def sold(report: str) -> tuple[int, str]:
    """First orders that a report tells of, and its last sentence."""
    told = json.loads(report)
    return sum(week["first_orders"] for week in told["weeks"]), told["said"][-1]


@pytest.mark.broker
def test_reports_leave_out_who_is_forgotten(fresh_broker: Any) -> None:
    """What was received before the request is not counted, and the report says so; without the key it says that."""
    settings = load(broker=fresh_broker.address, partitions=2).settings
    create(settings, wanted(settings, ()))
    erased = Erased(KEY.encode())

    def report(key: str | None) -> tuple[int, str]:
        environment = {"RECOMPRA_BROKER": settings.broker, "RECOMPRA_ERASURE_KEY": key}
        return sold(CliRunner().invoke(main, ["report", "trends", "--json"], env=environment).stdout)

    with KafkaProducer(bootstrap_servers=settings.broker) as producer:
        for who in ("anna", "bob", "carl"):
            order = {"messageId": who, "userId": who, "type": "track", "event": "Order Completed",
                     "timestamp": "2024-05-01T09:30:00Z", "properties": {"order_id": who, "total": 5.0}}  # fmt: skip
            producer.send("orders", orjson.dumps(order), key=who.encode(), partition=0)
        for who, at in (("anna", "2024-05-01T09:30:00.000Z"), ("bob", "2999-05-01T09:30:00.000Z")):
            whose = erased.hash(who.encode())
            name, event = receipt(
                "r-1", Removed(), erased.key, whose, 0, to_ms(at), dict.fromkeys(INPUTS, 0), [], refused=False
            )
            producer.send("receipts", orjson.dumps(event), key=name.encode())
    assert report(KEY) == (2, "1 records of customers who were forgotten since are left out.")
    orders, said = report(None)
    assert orders == 3
    assert "2 receipts" in said
    assert "without erasure_key" in said
