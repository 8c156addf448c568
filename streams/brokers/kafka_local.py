"""The local Apache Kafka: one node in KRaft mode, with transactions and data on disk."""

import base64
import os
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from string import Template
from types import TracebackType

from streams.brokers.kafka_libs import class_archive, find_java, kafka_files, kafka_libs, locked
from streams.brokers.process import BrokerError, BrokerProcess, free_port

__all__ = ["KafkaLocal", "archive_classes", "usable"]

_PATIENCE_S = 60


class KafkaLocal(BrokerProcess):
    """Apache Kafka 4.1 on loopback ports, its files under `data_dir`.

    Parameters
    ----------
    port
        Where it accepts; a free port if None.
    data_dir
        Where it keeps topics and offsets; formatted the first time, found again the next.
        If None, a directory that is removed when the context ends.
    heap
        The most that Java's heap takes, such as `512m`.
    java_options
        Further options for the broker's Java.
    properties
        Further lines of the broker's configuration; the last of a name holds.
    quiet
        Whether to show no progress while the jars are fetched.

    Raises
    ------
    KafkaUnavailableError
        At start, if Java 17 or Maven is missing.
    BrokerError
        At start, if it does not come up; with the end of its log.
    """

    name = "local Apache Kafka"

    def __init__(
        self,
        port: int | None = None,
        data_dir: Path | None = None,
        *,
        heap: str = "512m",
        start_timeout_s: float = 90,
        java_options: Sequence[str] = (),
        properties: Mapping[str, str] | None = None,
        quiet: bool = False,
    ) -> None:
        self._own_data = tempfile.TemporaryDirectory(prefix="recompra-kafka-") if data_dir is None else None
        self.data_dir = Path(self._own_data.name if self._own_data else data_dir or ".").resolve()
        super().__init__(port, log=self.data_dir / "kafka.log", start_timeout_s=start_timeout_s)
        self.heap = heap
        self.java_options = tuple(java_options)
        self.properties = dict(properties or {})
        self.quiet = quiet

    def command(self) -> tuple[Sequence[str], Mapping[str, str], Path | None]:
        """Write the configuration, format the directory if it is new, and return Java's command line."""
        libs, files, java = kafka_libs(quiet=self.quiet), kafka_files(), find_java()
        assert java is not None  # kafka_libs refuses without
        properties = self.data_dir / "server.properties"
        controller = free_port()
        while controller == self.port:
            controller = free_port()
        text = Template((files / "server.properties").read_text(encoding="utf-8"))
        filled = text.substitute(broker_port=self.port, controller_port=controller, data=self.data_dir / "data")
        further = "".join(f"{name}={value}\n" for name, value in self.properties.items())
        properties.write_text(filled + further, encoding="utf-8")
        run = [java, f"-Xmx{self.heap}", "-XX:+UseSerialGC"]
        if (archive := class_archive(libs, java)).is_file():
            run += _shared(archive)
        run += [f"-Dlog4j2.configurationFile={files / 'log4j2.yaml'}", "-cp", f"{libs}/*"]
        if not (self.data_dir / "data" / "meta.properties").is_file():
            self._format(run, properties)
        return [*run, *self.java_options, "kafka.Kafka", str(properties)], {}, self.data_dir

    def start(self) -> None:
        """Make the data directory if it is not there, start and wait until it accepts: two to five seconds."""
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BrokerError(f"the data directory {self.data_dir} cannot be made: {error.strerror}") from None
        if not os.access(self.data_dir, os.W_OK | os.X_OK):
            raise BrokerError(f"the data directory {self.data_dir} cannot be written to; give another")
        super().start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        if self._own_data is not None:
            self._own_data.cleanup()

    def _format(self, run: list[str], properties: Path) -> None:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if cluster.startswith("-"):  # the tool would read it as an option
            cluster = "A" + cluster[1:]
        done = subprocess.run(
            [
                run[0],
                "-XX:TieredStopAtLevel=1",
                *run[1:],
                "kafka.tools.StorageTool",
                "format",
                "-t",
                cluster,
                "-c",
                str(properties),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip()[-800:]
            raise BrokerError(f"the data directory {self.data_dir} could not be formatted:\n  {said}")


def archive_classes(said: Callable[[str], None] = lambda _: None) -> None:
    """Let Java keep what it has read of Kafka's classes, some 50 MB beside its jars, if it has not yet.

    A start then takes half the time. To make it, a broker is started and ended once, in ten seconds; what Java cannot
    use is not kept.

    Parameters
    ----------
    said
        Told that this begins.

    Raises
    ------
    BrokerError
        If that broker does not start.
    """
    libs, java = kafka_libs(), find_java()
    assert java is not None  # kafka_libs refuses without
    archive = class_archive(libs, java)
    with locked(libs.parent / "kafka.lock"), tempfile.TemporaryDirectory(prefix="kafka-", dir=libs.parent) as directory:
        if archive.is_file():
            return
        said("Java keeps what it reads of Apache Kafka, once, in ten seconds")
        made, data = Path(directory) / archive.name, Path(directory) / "data"
        broker = KafkaLocal(data_dir=data, java_options=[f"-XX:ArchiveClassesAtExit={made}"], quiet=True)
        try:
            broker.start()
        finally:
            broker.stop(_PATIENCE_S)
        if made.is_file() and usable(made, libs, java):
            with made.open("rb") as file:
                os.fsync(file.fileno())
            made.replace(archive)


def usable(archive: Path, libs: Path, java: str) -> bool:
    """Whether Java takes an archive of classes; of one that was not written to its end it would die at each start."""
    command = [java, "-Xshare:on", "-XX:+UseSerialGC", *_shared(archive), "-cp", f"{libs}/*", "-version"]
    return subprocess.run(command, capture_output=True, cwd=archive.parent, check=False).returncode == 0


def _shared(archive: Path) -> list[str]:
    """Options to read classes from an archive, unless it does not fit or its checksum is wrong."""
    return [f"-XX:SharedArchiveFile={archive}", "-XX:+UnlockDiagnosticVMOptions", "-XX:+VerifySharedSpaces"]
