"""Brokers of this machine, really started: they accept, stop, and Apache Kafka keeps what it was given."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from kafka import KafkaProducer

from streams.brokers.embedded import EmbeddedBroker
from streams.brokers.kafka_libs import class_archive, find_java, kafka_libs
from streams.brokers.kafka_local import KafkaLocal, _shared, archive_classes, usable
from streams.brokers.process import BrokerError, free_port
from streams.settings_sources import load
from streams.tailing import tail
from streams.topics import create, found, wanted


def send(address: str, topic: str, *values: bytes) -> None:
    with KafkaProducer(bootstrap_servers=address) as producer:
        for value in values:
            producer.send(topic, value, key=b"anna")
        producer.flush(60)


def read(address: str, topic: str) -> list[bytes | None]:
    records = tail(load(broker=address).settings, topic, "beginning", follow=False)
    return [record.value for record in records]


@pytest.mark.broker
def test_the_embedded_broker_starts_empty_and_ends() -> None:
    """It accepts on a loopback port, takes records, and a second start on its port is refused."""
    with EmbeddedBroker() as broker:
        assert broker.accepts()
        assert broker.address == f"127.0.0.1:{broker.port}"
        settings = load(broker=broker.address).settings
        assert found(settings) == ()
        create(settings, wanted(settings, ()))
        send(broker.address, "orders", b"1", b"2")
        assert read(broker.address, "orders") == [b"1", b"2"]
        with pytest.raises(BrokerError, match="is not free"):
            EmbeddedBroker(broker.port).start()
        broker.start()  # once more is nothing
        pid = broker.pid
    assert not broker.accepts()
    assert not broker.running
    assert not Path(f"/proc/{pid}/cmdline").exists() or sys.platform != "linux"


@pytest.mark.broker
def test_the_embedded_broker_forgets_when_it_stops() -> None:
    """A restart on the same port is a new, empty broker: it is in memory only, as its notice says."""
    with EmbeddedBroker() as broker:
        settings = load(broker=broker.address).settings
        create(settings, wanted(settings, ()))
        port = broker.port
        broker.restart()
        assert broker.port == port
        assert found(settings) == ()


@pytest.mark.kafka
@pytest.mark.slow
def test_the_local_kafka_keeps_what_it_was_given(kafka_available: None, tmp_path: Path) -> None:
    """Topics and acknowledged records outlive kill -9, a restart and another process on the same directory."""
    with KafkaLocal(data_dir=tmp_path / "made" / "here", quiet=True) as kafka:
        settings = load(broker=kafka.address).settings
        specs = [spec for spec in wanted(settings, ()) if spec.name == "orders"]
        create(settings, specs)
        send(kafka.address, "orders", b"1")
        kafka.kill()
        assert not kafka.accepts()
        kafka.start()
        send(kafka.address, "orders", b"2")
    archive_classes()  # there already, after `make ready`
    told = ["-Xlog:class+load:file=classes.txt"]
    with KafkaLocal(data_dir=tmp_path / "made" / "here", java_options=told, quiet=True) as kafka:
        assert read(kafka.address, "orders") == [b"1", b"2"]
    classes = (tmp_path / "made" / "here" / "classes.txt").read_text().splitlines()
    (broker,) = (line for line in classes if "kafka.server.BrokerServer source:" in line)
    assert "shared objects file" in broker, "it is started from what Java kept"


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.parametrize("damaged", [False, True])
def test_what_java_kept_is_used_unless_it_is_damaged(kafka_available: None, tmp_path: Path, damaged: bool) -> None:
    """An archive cut short or with a wrong byte is not kept; one that is damaged later is passed over."""
    archive_classes()
    libs, java = kafka_libs(), find_java()
    assert java is not None
    whole = class_archive(libs, java).read_bytes()
    copy = tmp_path / "copy.jsa"
    wrong = bytearray(whole)
    wrong[len(wrong) // 2] ^= 0xFF
    copy.write_bytes(wrong if damaged else whole)
    assert usable(copy, libs, java) is not damaged
    tool = [java, "-XX:+UseSerialGC", *_shared(copy), "-cp", f"{libs}/*", "kafka.tools.StorageTool", "random-uuid"]
    assert subprocess.run(tool, capture_output=True, cwd=tmp_path).returncode == 0
    copy.write_bytes(copy.read_bytes()[: len(whole) // 2])
    assert not usable(copy, libs, java)


@pytest.mark.kafka
@pytest.mark.slow
def test_kafka_in_the_foreground(kafka_available: None, tmp_path: Path) -> None:
    """`make kafka` prints the address alone on standard output and ends with Ctrl-C, exit code 0."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "streams.brokers",
        "kafka",
        "--port",
        str(port),
        "--data-dir",
        str(tmp_path),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == f"127.0.0.1:{port}\n"
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
            assert process.stdout.read() == ""
        finally:
            process.kill()
