"""`recompra load` on real brokers: every event once, under its key, on its partition; what is bad is told."""

import csv
import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from aiokafka.partitioner import murmur2
from click.testing import CliRunner, Result
from kafka import KafkaConsumer, TopicPartition

from streams.cli.main import main
from streams.connection import kafka_python_options
from streams.ends import ends
from streams.settings import Settings
from streams.settings_sources import load
from streams.tailing import Record, tail
from streams.topics import create, rule_names, wanted

pytestmark = pytest.mark.broker


def run(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["load", *arguments], input=stdin, catch_exceptions=False)


def call(
    message: str, customer: str, event: str = "Product Viewed", time: str = "2024-05-01T09:30:00Z", **said: Any
) -> str:
    properties = {"sku": "s", **said}
    value = {"messageId": message, "timestamp": time, "userId": customer, "type": "track", "event": event}
    return json.dumps({**value, "properties": properties})


def records(settings: Settings, topic: str) -> list[Record]:
    return list(tail(settings, topic, "beginning", follow=False))


@pytest.fixture
def settings(fresh_broker: Any) -> Settings:
    found = load(broker=fresh_broker.address, partitions=3).settings
    create(found, [spec for spec in wanted(found, rule_names(found)) if spec.role == "input"])
    return found


def test_every_event_arrives_once_on_its_key_s_partition(settings: Settings, tmp_path: Path) -> None:
    """Twenty thousand events of a thousand customers, in two files, one gzipped; each customer's in order."""
    lines = [call(f"m{i}", f"c{i % 1000}") for i in range(20_000)]
    (tmp_path / "a.ndjson").write_text("\n".join(lines[:12_000]))
    (tmp_path / "b.ndjson.gz").write_bytes(gzip.compress("\n".join(lines[12_000:]).encode()))
    ran = run(str(tmp_path / "a.ndjson"), str(tmp_path / "b.ndjson.gz"), "--broker", settings.broker, "--json")
    assert ran.exit_code == 0
    summary = json.loads(ran.stdout)
    assert (summary["events"], summary["by_topic"], summary["bad"]) == (20_000, {"clickstream": 20_000}, 0)
    found = records(settings, "clickstream")
    assert [json.loads(r.value or b"")["messageId"] for r in sorted(found, key=number)] == [
        f"m{i}" for i in range(20_000)
    ]
    assert all(r.partition == (murmur2(r.key) & 0x7FFFFFFF) % 3 for r in found)
    for partition in range(3):
        own = sorted((r for r in found if r.partition == partition), key=lambda r: r.offset)
        assert [number(r) for r in own] == sorted(number(r) for r in own)


def number(record: Record) -> int:
    return int(json.loads(record.value or b"")["messageId"][1:])


def test_bad_lines_do_not_stop_the_rest(settings: Settings, tmp_path: Path) -> None:
    """Exit code 3; each is told on standard error with file, line, reason and remedy, and in the JSON."""
    path = tmp_path / "mixed.ndjson"
    lines = [call("m1", "c"), "{", call("m2", "c", "Order Completed"), call("m3", "c")]
    path.write_text("\n".join(lines))
    ran = run(str(path), "--broker", settings.broker, "--json")
    assert ran.exit_code == 3
    summary = json.loads(ran.stdout)
    assert (summary["events"], summary["bad"]) == (2, 2)
    assert [(bad["line"], bad["field"], bad["code"]) for bad in summary["bad_lines"]] == [
        (2, "$", "malformed"),
        (3, "properties.order_id", "missing"),
    ]
    assert f"{path}:3: properties.order_id: is required and absent (found nothing); send the order's id" in ran.stderr
    assert len(records(settings, "clickstream")) == 2


def test_options_name_the_columns_of_a_csv(settings: Settings, tmp_path: Path) -> None:
    """From the command line to the topic; orders of nobody are counted by their reason."""
    path = tmp_path / "orders.csv"
    path.write_text("Kunde;Nr;Tag;Summe\nk1;b1;2024-05-01;5.5\n;b2;2024-05-01;6\n")
    options = ["customer=Kunde", "order=Nr", "time=Tag", "total=Summe", "delimiter=;"]
    given = [part for option in options for part in ("--option", option)]
    ran = run(str(path), "--broker", settings.broker, "--format", "orders-csv", *given)
    assert ran.exit_code == 0
    assert "1 to orders" in ran.stdout
    assert "skipped 1 lines: no customer is named" in ran.stdout
    [order] = records(settings, "orders")
    assert order.key == b"k1"
    assert json.loads(order.value or b"")["properties"] == {"order_id": "b1", "total": 5.5}


def test_real_invoices_are_loaded_whole(settings: Settings, tmp_path: Path) -> None:
    """The first hundred thousand lines of the demo's orders: all their invoices, none twice, none bad."""
    from streams.demo.source import DATA

    with gzip.open(DATA, "rt", encoding="utf-8") as whole:
        part = "".join(islice(whole, 100_001))
    (tmp_path / "part.csv.gz").write_bytes(gzip.compress(part.encode(), 1))
    invoices = {
        row["InvoiceNo"]: row["CustomerID"]
        for row in csv.DictReader(part.splitlines())
        if row["CustomerID"] and float(row["UnitPrice"]) > 0
    }
    ran = run(str(tmp_path / "part.csv.gz"), "--broker", settings.broker, "--format", "online-retail", "--json")
    assert ran.exit_code == 0
    summary = json.loads(ran.stdout)
    assert (summary["lines"], summary["by_topic"], summary["bad"]) == (100_001, {"orders": len(invoices)}, 0)
    consumer = KafkaConsumer(**kafka_python_options(settings))
    partitions = [TopicPartition("orders", number) for number in range(3)]
    try:
        consumer.assign(partitions)
        there = ends(consumer, partitions)
    finally:
        consumer.close()
    assert sum(there.values()) == len(invoices) > 3_000
    assert min(there.values()) > 1_000


@pytest.mark.parametrize("pace", [("--rate", "100000"), ("--speed", "1e9")])
def test_a_paced_load_brings_all_events(settings: Settings, tmp_path: Path, pace: tuple[str, str]) -> None:
    """By rate, or by event time with the files merged."""
    (tmp_path / "a").write_text("\n".join(call(f"m{2 * i}", "c", time=minute(2 * i)) for i in range(20)))
    (tmp_path / "b").write_text("\n".join(call(f"m{2 * i + 1}", "c", time=minute(2 * i + 1)) for i in range(20)))
    assert run(str(tmp_path / "a"), str(tmp_path / "b"), "--broker", settings.broker, *pace).exit_code == 0
    order = [number(r) for r in sorted(records(settings, "clickstream"), key=lambda r: r.offset)]
    assert sorted(order) == list(range(40))
    assert (order == list(range(40))) == (pace[0] == "--speed")


def minute(i: int) -> str:
    return f"2024-05-01T09:{i:02}:00Z"


def test_standard_input_is_sent_while_it_is_still_open(settings: Settings) -> None:
    """A pipe's events do not wait for more, or for its end; SIGINT ends the command with what was sent."""
    child = subprocess.Popen(
        [sys.executable, "-m", "streams.cli", "load", "-", "--broker", settings.broker],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert child.stdin is not None
    try:
        child.stdin.write(call("m1", "c").encode() + b"\n")
        child.stdin.flush()
        [record] = tail(settings, "clickstream", "beginning", limit=1)
        assert number(record) == 1
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=30)
        assert child.returncode == 1
        assert b"interrupted: 1 events were loaded" in said
    finally:
        child.kill()
        child.wait()


def test_missing_topics_are_told_with_the_remedy(fresh_broker: Any, tmp_path: Path) -> None:
    """Nothing is created on the way, and nothing is sent."""
    (tmp_path / "a").write_text(call("m1", "c"))
    ran = run(str(tmp_path / "a"), "--broker", fresh_broker.address)
    assert ran.exit_code == 1
    assert ": clickstream, orders, customers; run `recompra topics create" in ran.stderr
    assert f"recompra topics create --broker {fresh_broker.address}" in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--format", "orders-csv", "--option", "custommer=x"], "did you mean 'customer'?"),
        (["--format", "orders-csv", "--option", "customer"], "is not NAME=VALUE"),
        (["--format", "nonsense"], "nonsense"),
        (["--rate", "5", "--speed", "5"], "not both"),
        (["--rate", "0"], "--rate"),
        (["no-such-file"], "no-such-file"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_read(tmp_path: Path, arguments: list[str], told: str) -> None:
    """Exit code 2, without a broker."""
    (tmp_path / "a").write_text(call("m1", "c"))
    ran = run(str(tmp_path / "a"), *arguments)
    assert ran.exit_code == 2
    assert told in ran.stderr


@pytest.mark.kafka
def test_apache_kafka_takes_it_from_an_idempotent_producer(
    kafka_broker: Any, tmp_path: Path, unique: Callable[[str], str]
) -> None:
    """The same events, none twice, whoever else uses the broker."""
    settings = load(broker=kafka_broker.address, partitions=3).settings
    create(settings, [spec for spec in wanted(settings, rule_names(settings)) if spec.role == "input"])
    customer = unique("customer")
    (tmp_path / "a").write_text("\n".join(call(f"m{i}", customer) for i in range(3000)))
    ran = run(str(tmp_path / "a"), "--broker", settings.broker, "--json")
    assert ran.exit_code == 0
    assert json.loads(ran.stdout)["idempotent_producer"] is True
    found = [r for r in records(settings, "clickstream") if r.key == customer.encode()]
    assert [number(r) for r in sorted(found, key=lambda r: r.offset)] == list(range(3000))
