"""Apache Kafka's jars: fetched once with Maven and kept in the cache directory."""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from streams.brokers.process import BrokerError

__all__ = [
    "KafkaUnavailableError",
    "cache_directory",
    "class_archive",
    "find_java",
    "kafka_files",
    "kafka_libs",
    "missing_parts",
]

JAVA_AT_LEAST = 17
_JARS = 45
"""About how many jars there are: only the progress bar's length depends on it."""


class KafkaUnavailableError(BrokerError):
    """Java 17 or Maven is missing, so that the local Apache Kafka cannot run here."""


def cache_directory() -> Path:
    """Return where fetched files are kept: `RECOMPRA_CACHE`, else `recompra` in the XDG cache directory."""
    named = os.environ.get("RECOMPRA_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "recompra"


def kafka_files() -> Path:
    """Return the directory of `pom.xml`: in the wheel beside this file, else in `deploy/`.

    Raises
    ------
    BrokerError
        If neither is there: the installation is not whole.
    """
    here = Path(__file__).resolve()
    for directory in (here.parent / "kafka-local", here.parents[2] / "deploy" / "kafka-local"):
        if (directory / "pom.xml").is_file():
            return directory
    raise BrokerError("the files of the local Apache Kafka (pom.xml) are missing: install recompra again")


def find_java() -> str | None:
    """Return a Java of version 17 or later, from `JAVA_HOME` or the path; None where there is none."""
    home = os.environ.get("JAVA_HOME")
    for candidate in (str(Path(home) / "bin" / "java") if home else None, shutil.which("java")):
        if candidate is not None and Path(candidate).is_file() and _version(candidate) >= JAVA_AT_LEAST:
            return candidate
    return None


@lru_cache
def _version(java: str) -> int:
    """The version of a Java; 0 if it does not say it."""
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(version[1]) if version else 0


def missing_parts() -> list[str]:
    """Return what the local Apache Kafka needs and this machine lacks (empty: it can run)."""
    missing = [] if find_java() else [f"Java {JAVA_AT_LEAST}"]
    if not _libs_directory().is_dir() and shutil.which("mvn") is None:
        missing.append("Maven")
    return missing


def kafka_libs(*, quiet: bool = False) -> Path:
    """Return the directory of Kafka's jars, fetched (about 70 MB) the first time; safe across processes.

    Raises
    ------
    KafkaUnavailableError
        If Java 17 or Maven is missing.
    BrokerError
        If Maven fails, with the end of what it said.
    """
    missing = missing_parts()
    if missing:
        raise KafkaUnavailableError(
            f"the local Apache Kafka needs Java {JAVA_AT_LEAST} or later and Maven; missing here: "
            f"{' and '.join(missing)}. Install them (Debian: apt install openjdk-17-jre-headless maven; "
            "macOS: brew install openjdk@17 maven), or go without --data-dir for the embedded broker, "
            "which keeps everything in memory"
        )
    libs = _libs_directory()
    if libs.is_dir():
        return libs
    libs.parent.mkdir(parents=True, exist_ok=True)
    with locked(libs.parent / "kafka.lock"):
        if not libs.is_dir():  # another process may have fetched them while we waited
            _fetch(libs, quiet)
    return libs


def class_archive(libs: Path, java: str) -> Path:
    """Return where what this Java has read of Kafka's classes lies, if `archive_classes` has let it keep them.

    Another Java, or jars that were fetched again, have another.
    """
    real = Path(java).resolve()
    its = f"{real} {real.stat().st_mtime_ns} {libs.stat().st_mtime_ns}"
    return libs.with_name(f"{libs.name}-{blake2b(its.encode(), digest_size=6).hexdigest()}.jsa")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock between processes; the system frees it when its holder ends, however it ends."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _libs_directory() -> Path:
    pom = (kafka_files() / "pom.xml").read_text(encoding="utf-8")
    version = re.search(r"<artifactId>kafka_2\.13</artifactId>\s*<version>([^<]+)</version>", pom)
    assert version is not None
    return cache_directory() / f"kafka-{version[1]}"


def _fetch(libs: Path, quiet: bool) -> None:
    """Let Maven copy the jars beside their place and move them there whole: half a set is never used."""
    with tempfile.TemporaryDirectory(prefix="kafka-fetch-", dir=libs.parent) as directory:
        target = Path(directory) / "libs"
        command = ["mvn", "-B", "-f", str(kafka_files() / "pom.xml"), "dependency:copy-dependencies"]
        command += [f"-DoutputDirectory={target}", "-DincludeScope=runtime"]
        said: list[str] = []
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        with (
            Progress(*columns, console=Console(stderr=True), disable=quiet) as progress,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as maven,
        ):
            task = progress.add_task("fetching Apache Kafka with Maven (once, about 70 MB)", total=_JARS)
            assert maven.stdout is not None
            for line in maven.stdout:
                said.append(line.rstrip())
                if re.search(r"Copying \S+\.jar|Downloaded from .*\.jar", line):
                    progress.advance(task)
        if maven.returncode != 0 or not any(target.glob("kafka_2.13-*.jar")):
            shown = "\n".join(f"  {line[:200]}" for line in said if "ERROR" in line) or "\n".join(said[-10:])
            raise BrokerError(f"Maven could not fetch Apache Kafka:\n{shown}")
        target.rename(libs)
