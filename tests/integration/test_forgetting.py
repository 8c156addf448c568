"""`recompra forget` on Apache Kafka: afterwards nothing names the customer on any disk, but what the receipt lists."""

import time
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import orjson
import pytest
from click.testing import CliRunner, Result
from kafka import KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType

from schemas.timestamp import from_ms
from scoring.packed import plain
from scoring.stored import SIDE
from streams.brokers.kafka_local import KafkaLocal
from streams.changelog import changelog_topic, transfers_topic
from streams.cli.main import main
from streams.connection import admin_client, reader
from streams.ends import records_to_end
from streams.loading import partition_of
from streams.operating.lag import partitions_of
from streams.settings import Settings
from streams.settings_sources import Loaded, environment_of, load
from streams.snapshot_file import SnapshotFile
from streams.tailing import tail
from streams.topics import create, rule_names, wanted
from tests.integration.faults.programs import PATIENCE_S, Program

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("forgetting")]

WHO, BEFORE = "customer-who-is-forgotten", "visitor-who-is-forgotten"
OTHERS = ("other", "nobody-yet")
"""One of each partition."""
ORDER = "order-of-who-is-forgotten"
HOURS_MS = 6 * 3_600_000
"""So long ago was what they did, in which time examples have come due."""
KEY = "a key of the privacy desk"
NAMES = (WHO.encode(), BEFORE.encode())


@pytest.fixture
def broker(kafka_available: None, tmp_path: Path) -> Iterator[KafkaLocal]:
    properties = {"log.cleaner.backoff.ms": "200", "log.initial.task.delay.ms": "100",
                  "log.segment.delete.delay.ms": "100"}  # fmt: skip
    with KafkaLocal(data_dir=tmp_path / "kafka", quiet=True, start_timeout_s=PATIENCE_S, properties=properties) as made:
        yield made


def eager(settings: Settings, topics: list[str]) -> None:
    """Let segments be rolled, compacted, and rid of deletions within seconds."""
    configs = {"segment.ms": "300", "min.cleanable.dirty.ratio": "0", "delete.retention.ms": "2000",
               "max.compaction.lag.ms": "1000"}  # fmt: skip
    with admin_client(settings) as client:
        client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=configs) for topic in topics])


def send(producer: KafkaProducer, topic: str, customer: str, ago_ms: int = 0, **said: Any) -> None:
    ms = time.time_ns() // 1_000_000 - ago_ms
    value = {"messageId": f"{topic}-{customer}-{ms}", "timestamp": from_ms(ms), "userId": customer, **said}
    producer.send(topic, orjson.dumps(value), key=customer.encode())


def click(producer: KafkaProducer, customer: str, name: str, ago_ms: int = 0, **properties: Any) -> None:
    topic = {"Order Completed": "orders", "Consent Denied": "customers"}.get(name, "clickstream")
    send(producer, topic, customer, ago_ms, type="track", event=name, properties=properties)
    producer.flush(60)
    time.sleep(0.002)  # another millisecond, another message


def lives(producer: KafkaProducer) -> None:
    """Looked some hours ago, signed in, put something into the cart, bought and refused marketing."""
    click(producer, BEFORE, "Product Viewed", HOURS_MS, product_id="p-1")
    send(producer, "customers", WHO, HOURS_MS, type="alias", previousId=BEFORE)
    click(producer, WHO, "Product Added", HOURS_MS, product_id="p-1", price=5.0, quantity=1)
    click(producer, WHO, "Order Completed", HOURS_MS, order_id=ORDER, total=5.0)
    click(producer, WHO, "Consent Denied", HOURS_MS, channel="email")


def look(producer: KafkaProducer) -> None:
    """Others look at something now."""
    for customer in OTHERS:
        click(producer, customer, "Product Viewed", product_id="p-2")


def naming(directory: Path, pattern: str) -> set[str]:
    """Names of files whose bytes have one of the ids; what the broker is about to remove is none."""
    found = set()
    for path in filter(Path.is_file, directory.rglob(pattern)):
        try:
            data = path.read_bytes() if path.suffix not in (".deleted", ".cleaned", ".swap") else b""
        except FileNotFoundError:
            continue
        if any(name in data for name in NAMES):
            found.add(path.parent.name.rpartition("-")[0] or path.name)
    return found


def unpacked(rows: Iterable[tuple[bytes, bytes | None]]) -> bytes:
    """Rows of state with their side records unpacked, in which what stays of orders is."""
    return b"\n".join(part for key, value in rows
                      for part in (key, plain(value) if key[:1] == SIDE and value else value or b""))  # fmt: skip


def snapshots(directory: Path) -> bytes:
    """All that the local snapshots hold."""
    found = []
    for path in directory.rglob("*.snapshot"):
        with SnapshotFile(path) as file:
            while (piece := file.piece()) is not None:
                found.append(unpacked(zip(*piece, strict=True)))
    return b"\n".join(found)


def kept(settings: Settings) -> bytes:
    """All that the compacted topics hold, side records and models unpacked."""
    found = []
    with reader(settings) as consumer:
        for topic in (changelog_topic(settings), "scores", "content", "receipts", "models"):
            for place in partitions_of(consumer, (topic,)):
                for record in records_to_end(consumer, place):
                    key, value = record.key or b"", record.value or b""
                    if topic == "models" and value:
                        found.append(b64decode(orjson.loads(value)["data"]["snapshot"]))
                    found.append(unpacked([(key, value)]) if topic == changelog_topic(settings) else key + value)
    return b"\n".join(found)


def metrics(program: Program) -> bytes:
    assert program.ready_line is not None
    with urlopen(program.ready_line.partition("metrics=")[2].strip(), timeout=60) as answer:
        return bytes(answer.read())


def learned(settings: Settings) -> int:
    """How many examples the newest model has learned."""
    models = tail(settings, "models", "beginning", follow=False)
    return max((orjson.loads(each.value)["data"]["examples_seen"] for each in models if each.value), default=0)


def until(condition: Callable[[], bool], meanwhile: Callable[[], None] = lambda: None) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up, "it did not come about"
        meanwhile()
        time.sleep(0.3)


def command(loaded: Loaded, *words: str) -> Result:
    return CliRunner().invoke(main, list(words), env=environment_of(loaded.settings, loaded.origins))


def whatis(loaded: Loaded, customer: str) -> dict[str, Any]:
    """What is held of a customer; nothing where the command says that."""
    done = command(loaded, "whatis", customer)
    assert done.exit_code == 0 or "nothing is held" in done.output, done.output
    return orjson.loads(done.stdout) if done.exit_code == 0 else {}


def test_nothing_on_any_disk_names_who_was_forgotten(broker: KafkaLocal, tmp_path: Path) -> None:
    """Compacted topics, snapshots, models, metrics and logs are searched for the ids as bytes; each was there before.

    A trainer learns of the customer, too, whose examples are due after an hour.

    The two ids are at home on different partitions, so that a history lies between them for its retention; side records
    are unpacked, so that what the customer ordered is found in them before.

    The command says when no worker runs, prints the same receipts however often it is asked, and `whatis` has nothing;
    what is read anew from the beginning brings nobody back.
    """
    loaded = load(broker=broker.address, partitions=2, commit_interval_s=0.2, session_timeout_s=6, web_port=0,
                  state_dir=str(tmp_path / "state"), snapshot_interval="300ms", erasure_key=KEY,
                  clock="events", horizon="1h", snapshot_every="1h")  # fmt: skip
    settings = loaded.settings
    create(settings, wanted(settings, rule_names(settings)))
    compacted = [changelog_topic(settings), "scores", "content", "receipts", "models"]
    eager(settings, compacted)
    logs, state = tmp_path / "kafka" / "data", tmp_path / "state"
    with KafkaProducer(bootstrap_servers=broker.address) as producer:
        lives(producer)
        unasked = command(loaded, "forget", "nobody-yet", "--yes", "--request-id", "r-0")
        assert unasked.exit_code == 1
        assert "no worker" in unasked.output
        trainer = Program("trainer", environment_of(settings, loaded.origins))
        worker = Program("worker", environment_of(settings, loaded.origins)).started()
        try:
            until(lambda: {changelog_topic(settings), "scores"} <= naming(logs, "*.log"))
            until(lambda: bool(naming(state, "*.snapshot*")))
            until(lambda: whatis(loaded, WHO).get("former_ids") == [BEFORE])
            assert partition_of(NAMES[0], 2) != partition_of(NAMES[1], 2)
            until(lambda: transfers_topic(settings) in naming(logs, "*.log"))
            until(lambda: ORDER.encode() in kept(settings))
            until(lambda: ORDER.encode() in snapshots(state))
            until(lambda: "examples" in naming(logs, "*.log") and learned(settings) > 0, lambda: look(producer))
            done = command(loaded, "forget", WHO, "--yes", "--request-id", "r-1")
            assert done.exit_code == 0, done.output
            receipts = orjson.loads(done.output)
            receipt, other = receipts
            assert other["data"]["partition"] == partition_of(NAMES[1], 2)
            assert receipt["data"]["removed"]["profile"]
            assert receipt["data"]["removed"]["links"] == 1
            assert receipt["data"]["refused"]
            assert receipt["data"]["partitions"] == [partition_of(NAMES[1], 2)]
            assert orjson.loads(command(loaded, "forget", WHO, "--yes", "--request-id", "r-1").output) == receipts
            held = command(loaded, "whatis", WHO)
            assert held.exit_code == 1
            assert "marketing was refused is remembered" in held.output

            def go_on() -> None:
                """What comes later lets segments end: those alone are compacted."""
                look(producer)
                for topic in ("scores", "content", "receipts"):
                    for partition in producer.partitions_for(topic):
                        producer.send(topic, None, key=b"roll", partition=partition)

            until(lambda: not naming(logs, "*.log") & set(compacted), go_on)
            assert not [each for each in (*NAMES, ORDER.encode()) if each in kept(settings)]
            assert "clickstream" in naming(logs, "*.log"), "records stay for their retention, as the receipt says"
            until(lambda: bool(list(state.rglob("*.snapshot"))), go_on)
            assert not naming(state, "*")
            assert not [each for each in (*NAMES, ORDER.encode()) if each in snapshots(state)]
            assert b"recompra_customers_forgotten_total 3.0" in metrics(worker)
            for program in (worker, trainer):
                assert not any(name in metrics(program) for name in NAMES)
                program.ask_to_end()
                assert program.ended() == 0
                assert not any(name.decode() in line for name in NAMES for line in program.errors)
        finally:
            worker.kill()
            trainer.kill()
    purge = command(loaded, "forget", WHO, "--purge-inputs")
    listed = {(each["topic"], each["records"]) for each in orjson.loads(purge.stdout)}
    assert {("orders", 1), ("clickstream", 1), ("deletions", 1)} <= listed
    assert "nothing was deleted" in purge.stderr
    assert command(loaded, "reset", "--to", "beginning", "--yes").exit_code == 0
    worker = Program("worker", environment_of(settings, loaded.origins), ()).started()
    try:
        until(lambda: orjson.loads(command(loaded, "lag", "--json").output)["records"] == 0)
        until(lambda: whatis(loaded, "other").get("profile") is not None)  # rows may be seen later than offsets
        assert command(loaded, "whatis", WHO).exit_code == 1
    finally:
        worker.kill()
