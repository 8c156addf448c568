"""Brokers as processes: what is told when one cannot be started."""

import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from streams.brokers import kafka_libs
from streams.brokers.__main__ import brokers
from streams.brokers.embedded import EmbeddedBroker
from streams.brokers.kafka_libs import KafkaUnavailableError, find_java, kafka_files, missing_parts
from streams.brokers.kafka_local import KafkaLocal
from streams.brokers.process import BrokerError, BrokerProcess, free_ports
from streams.children import Children
from streams.instance import Instance
from streams.interrupts import Interrupts


class Scripted(BrokerProcess):
    """A broker that is a line of Python, to end or to stay silent as a test wants."""

    name = "scripted broker"

    def __init__(self, script: str, **options: float) -> None:
        super().__init__(**options)
        self.script = script

    def command(self) -> tuple[Sequence[str], Mapping[str, str], Path | None]:
        """Return Python and the line."""
        return [sys.executable, "-c", self.script], {}, None


def test_a_broker_that_ends_while_all_runs_is_told_with_its_last_words() -> None:
    """Its log is removed with it, so that naming the file would say nothing."""
    broker = Scripted("")
    broker.log.write_text("begun\nno space left on device\n")
    with pytest.raises(BrokerError, match=r"scripted broker has ended; its last lines:\n  begun\n  no space left"):
        Instance(broker, (), {}, Children(Interrupts())).check()
    broker.__exit__(None, None, None)


def test_free_ports_differ() -> None:
    """Ports that are asked for together are not the same one twice."""
    assert len(set(free_ports(20))) == 20


def test_a_taken_port_is_told_before_anything_starts() -> None:
    """A port that another program holds is named, with the remedy, and no process is left."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        broker = EmbeddedBroker(sock.getsockname()[1])
        with pytest.raises(BrokerError, match=rf"port {broker.port} is not free \(.*\); give another"):
            broker.start()
        assert not broker.running


def test_a_broker_that_ends_at_start_shows_the_end_of_its_log() -> None:
    """The reason that the broker wrote is part of the error."""
    broker = Scripted("print('out of cheese'); raise SystemExit(1)")
    with pytest.raises(BrokerError, match=r"scripted broker ended at start:\n  out of cheese"), broker:
        pass
    assert not broker.running


def test_a_broker_that_never_accepts_is_ended() -> None:
    """One that stays silent is given up after the time given, and does not live on."""
    broker = Scripted("import time; print('thinking', flush=True); time.sleep(600)", start_timeout_s=0.5)
    with pytest.raises(BrokerError, match="did not accept in 0 s"), broker:
        pass
    assert not broker.running


def test_one_that_ignores_the_request_to_end_is_ended_hard() -> None:
    """SIGTERM is tried first, and SIGKILL when it does not help."""
    script = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); "
    broker = Scripted(script + "time.sleep(600)")
    broker.accepts = lambda: "ready" in broker.log.read_text()  # type: ignore[method-assign]
    with broker:
        process = broker._process
        assert process is not None
        broker.stop(timeout_s=0.2)
    assert process.returncode == -9


def test_a_broker_that_was_not_started_has_no_process_id() -> None:
    """Asking for it is an error that says so."""
    with pytest.raises(BrokerError, match="was not started"):
        _ = Scripted("").pid


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with neither Java nor Maven nor fetched jars."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("RECOMPRA_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return tmp_path


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_missing_java_and_maven_are_both_named(bare_machine: Path) -> None:
    """The error names Java 17 and Maven, how to install them, and the way without them."""
    assert missing_parts() == ["Java 17", "Maven"]
    with pytest.raises(KafkaUnavailableError) as error:
        KafkaLocal(quiet=True).start()
    for part in (
        "Java 17 or later and Maven",
        "missing here: Java 17 and Maven",
        "apt install",
        "--data-dir",
    ):
        assert part in str(error.value)
    done = CliRunner().invoke(brokers, ["kafka"])
    assert done.exit_code == 1
    assert "missing here: Java 17 and Maven" in done.output


def test_fetching_says_aloud_what_is_missing_and_goes_on(bare_machine: Path) -> None:
    """`make test` goes on without Apache Kafka, and says so."""
    done = CliRunner().invoke(brokers, ["fetch"])
    assert done.exit_code == 0
    assert "APACHE KAFKA IS NOT USED: Java 17 and Maven missing" in done.output


def test_an_old_java_does_not_count(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Java 8 and 11 are passed over; one of JAVA_HOME comes before the path's."""
    script(bare_machine / "java", "echo 'openjdk version \"1.8.0_392\"' >&2")
    assert find_java() is None
    home = bare_machine / "home"
    script(home / "bin" / "java", "echo 'openjdk version \"21.0.2\" 2024-01-16' >&2")
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert find_java() == str(home / "bin" / "java")


def test_what_maven_says_is_shown_when_it_fails(bare_machine: Path) -> None:
    """A failing Maven's errors are in the message, and no half set of jars is left behind."""
    script(bare_machine / "java", "echo 'openjdk version \"17.0.1\"' >&2")
    script(bare_machine / "mvn", "echo '[INFO] scanning'; echo '[ERROR] no route to host'; exit 1")
    with pytest.raises(BrokerError, match=r"could not fetch Apache Kafka:\n  \[ERROR\] no route to host"):
        kafka_libs.kafka_libs(quiet=True)
    assert [path.name for path in (bare_machine / "cache").iterdir()] == ["kafka.lock"]


def test_jars_are_kept_in_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """The jars lie under the user's cache directory, never in the repository or the package."""
    monkeypatch.delenv("RECOMPRA_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere/cache")
    assert kafka_libs.cache_directory() == Path("/somewhere/cache/recompra")
    assert (kafka_files() / "server.properties").is_file()


def test_a_data_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A file where the directory should be is named."""
    (tmp_path / "file").touch()
    with pytest.raises(BrokerError, match=r"data directory .*/file/data cannot be made"):
        KafkaLocal(data_dir=tmp_path / "file" / "data", quiet=True).start()
