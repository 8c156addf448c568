"""A world for faults: Apache Kafka, its topics, workers and trainers, a shop that goes on, and a ledger of it all."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self
from urllib.request import urlopen

from aiokafka.partitioner import murmur2
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import CoordinatorNotAvailableError
from prometheus_client.parser import text_string_to_metric_families

from scoring.learner import Learner
from streams.brokers.kafka_local import KafkaLocal
from streams.learning import learner_config
from streams.outbox import INPUTS
from streams.settings import Settings
from streams.settings_sources import environment_of, load
from streams.topics import create, rule_names, wanted
from streams.trainer.training import Training
from streams.trainer.wire import Watermark, model_record, read_example
from tests.integration.faults.forks import Server
from tests.integration.faults.ledger import Ledger
from tests.integration.faults.programs import PATIENCE_S, Program
from tests.integration.faults.shop import Made, Shop

__all__ = ["HISTORY_MS", "World"]

HISTORY_MS = 1_700_000_000_000
"""Where the events' own time begins (November 2023)."""
_SEEN_S = 30.0
"""How long it is waited until what is committed is seen: Kafka answers a commit before it writes the markers that end
it in each partition."""


class World:
    """Everything that a fault can hit; use as a context manager.

    Parameters
    ----------
    directory
        Where Kafka keeps its data.
    customers, seed
        Of the shop.
    live
        Whether events are of the moment at which they are produced; else they have a time of their own, in which
        outcomes are known after a minute of load, so that a model can learn.
    server
        Forks the programs that run under no fault of their own, except the first of each kind; None: all are started
        for real.
    given
        Settings beside the ones for short tests.
    """

    def __init__(
        self,
        directory: Path,
        *,
        customers: int = 200,
        seed: int = 1,
        live: bool = False,
        server: Server | None = None,
        **given: Any,
    ) -> None:
        self.broker = KafkaLocal(data_dir=directory, quiet=True, start_timeout_s=PATIENCE_S)
        self.live = live
        history = {"clock": "events", "horizon": "1d", "snapshot_every": "12h"}
        history |= {"warm_up_positives": 20, "warm_up_negatives": 20}
        short = {"partitions": 4, "commit_interval_s": 0.2, "session_timeout_s": 2, "web_port": 0}
        short |= {"consent_unknown": "yes"}  # what is published and what is withheld are both there
        self._loaded = load(broker=self.broker.address, **{**short, **({} if live else history), **given})
        self.settings: Settings = self._loaded.settings
        self.shop = Shop(seed, customers, HISTORY_MS, step_ms=20_000)
        self.programs: list[Program] = []
        self._server = server
        self._started_for_real: set[str] = set()
        self._marked: dict[int, int] = {}

    def __enter__(self) -> Self:
        self.broker.start()
        try:
            create(self.settings, wanted(self.settings, rule_names(self.settings)))
            self.producer = self._producer()
            self.ledger = Ledger(self.settings)
        except BaseException:
            self.broker.stop()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        for program in self.programs:
            program.kill()
        self.producer.close(timeout=5)
        self.ledger.close()
        self.broker.stop()

    # ---- programs

    def start(self, name: str, *under: str, wait: bool = True, **changed: Any) -> Program:
        """Start a worker or a trainer, under a fault of its own process if one is named (`programs.WRAPPED`)."""
        environment = environment_of(self.settings, self._loaded.origins)
        environment |= {f"RECOMPRA_{key.upper()}": str(value) for key, value in changed.items()}
        server = self._server if name in self._started_for_real else None
        self._started_for_real.add(name)
        program = Program(name, environment, under, server)
        self.programs.append(program)
        return program.started() if wait else program

    def kill(self, program: Program) -> None:
        """End it at once (SIGKILL)."""
        program.kill()
        self.programs.remove(program)

    def stop(self, *programs: Program) -> None:
        """Ask them to end; each must do so with exit code 0, unless Python itself was not up yet."""
        ready = [program.ready for program in programs]
        for program in programs:
            program.ask_to_end()
        for program, was_ready in zip(programs, ready, strict=True):
            code = program.ended()
            assert code == 0 or (not was_ready and code == -signal.SIGTERM), f"{code}: {program.last_lines()}"
            self.kill(program)  # its pipes

    def running(self, name: str, count: int) -> list[Program]:
        """Make sure that so many of them run, and read; one that has ended is the finding of an earlier test."""
        for ended in [program for program in self.programs if program.returncode is not None]:
            self.kill(ended)
        there = [program for program in self.programs if program.name == name]
        self.stop(*there[count:])
        more = [self.start(name, wait=False) for _ in range(count - len(there))]
        return [program.started() for program in [*there[:count], *more]]

    def until(self, condition: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
        """Wait for something."""
        give_up = time.monotonic() + patience_s
        while not condition():
            assert time.monotonic() < give_up, f"it did not come about in {patience_s} s\n{self._said()}"
            time.sleep(0.2)

    def _said(self) -> str:
        return "\n".join(f"{program.name}:\n{program.last_lines()}" for program in self.programs)

    @staticmethod
    def metrics(program: Program, name: str) -> dict[str, float]:
        """Values of one of its metrics, by partition ("" where it has none)."""
        assert program.ready_line is not None
        with urlopen(program.ready_line.partition("metrics=")[2].strip(), timeout=30) as answer:
            families = text_string_to_metric_families(answer.read().decode())
            samples = [sample for family in families for sample in family.samples if sample.name == name]
        return {sample.labels.get("partition", ""): sample.value for sample in samples}

    def metric(self, program: Program, name: str) -> float:
        """The sum over its labels."""
        return sum(self.metrics(program, name).values())

    # ---- load

    def send(self, made: Made) -> Any:
        """Hand one record to the producer."""
        return self.producer.send(made.topic, made.value, key=made.key)

    def produce(self, count: int) -> None:
        """Produce at once, and wait until all of it is on the broker."""
        for made in self.shop.records(count, self._now_ms()):
            self.send(made)
        self.producer.flush(PATIENCE_S)

    def everyone(self) -> None:
        """Produce one visit of each customer."""
        if self.live:
            self.shop.now_ms = time.time_ns() // 1_000_000 - self.shop.customers
            self.shop.step_ms = 1
        for made in self.shop.everyone():
            self.send(made)
        self.producer.flush(PATIENCE_S)

    def one_a_partition(self) -> list[Made]:
        """Make one click for each partition."""
        found: dict[int, Made] = {}
        for made in self.shop.everyone():
            found.setdefault(self.partition_of(made.key), made)
        return list(found.values())

    def partition_of(self, key: bytes) -> int:
        """The partition of a customer."""
        return (murmur2(key) & 0x7FFFFFFF) % self.settings.partitions

    def send_compressed(self, made: Made) -> None:
        """Produce a record that is larger than the topic takes, unless compressed."""
        producer = KafkaProducer(
            bootstrap_servers=self.broker.address, compression_type="gzip", max_request_size=64_000_000
        )
        producer.send(made.topic, made.value, key=made.key).get(30)
        producer.close()

    @contextmanager
    def load(self, rate: float = 400) -> Iterator[None]:
        """Produce in the background, whatever the broker does, until the end of the block."""
        over = Event()
        failed: list[BaseException] = []

        def go_on() -> None:
            try:
                while not over.wait(0.1):
                    for made in self.shop.records(round(rate / 10), self._now_ms()):
                        self.send(made)
                self.producer.flush(PATIENCE_S)
            except BaseException as error:
                failed.append(error)

        thread = Thread(target=go_on, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(PATIENCE_S)
        assert not failed, failed
        assert not thread.is_alive(), "the load could not be produced"

    def _now_ms(self) -> int | None:
        return time.time_ns() // 1_000_000 if self.live else None

    def _producer(self) -> Any:
        return KafkaProducer(
            bootstrap_servers=self.broker.address,
            acks="all",
            linger_ms=5,
            max_request_size=4_194_304,
            reconnect_backoff_max_ms=500,
            compression_type=None,
        )

    # ---- where everybody is

    def ends(self) -> dict[TopicPartition, int]:
        """Where each input ends."""
        places = [TopicPartition(topic, number) for topic in INPUTS for number in range(self.settings.partitions)]
        return self.ledger.ends(places)

    def lag(self) -> dict[TopicPartition, tuple[int, int]]:
        """Inputs whose committed offset is not their end: both."""
        with self._admin() as admin:
            try:
                found = admin.list_group_offsets(self.settings.app_id)[self.settings.app_id]
            except CoordinatorNotAvailableError:  # a broker that has just started has not made its topic of groups yet
                found = {}
        committed = {place: found[place].offset if place in found else 0 for place in self.ends()}
        return {place: (max(committed[place], 0), end) for place, end in self.ends().items() if committed[place] != end}

    @contextmanager
    def _admin(self) -> Iterator[Any]:
        admin = KafkaAdminClient(bootstrap_servers=self.broker.address)
        try:
            yield admin
        finally:
            admin.close()

    def configure(self, topic: str, **configs: str) -> None:
        """Change a topic's configuration on the broker; only what is named."""
        from kafka.admin import ConfigResource, ConfigResourceType

        named = {key.replace("_", "."): value for key, value in configs.items()}
        with self._admin() as admin:
            admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=named)])

    def drained(self, patience_s: float = PATIENCE_S) -> None:
        """Wait until all that was produced is applied and committed."""
        give_up = time.monotonic() + patience_s
        while lag := self.lag():
            for program in self.programs:
                assert program.returncode is None, f"{program.name} has ended:\n{program.last_lines()}"
            assert time.monotonic() < give_up, f"not applied: {lag}\n{self._said()}"
            time.sleep(0.2)

    def checked(self, patience_s: float = PATIENCE_S) -> None:
        """Wait until all is applied, and hold what was told against a plain count."""
        without = [program.name for program in self.programs if program.said("has no transactions")]
        assert not without, f"{without} write without transactions"
        self.drained(patience_s)
        give_up = time.monotonic() + _SEEN_S
        while not self.ledger.all_told() and time.monotonic() < give_up:
            time.sleep(0.05)
        self.ledger.catch_up()
        self.ledger.check()

    def mark(self) -> None:
        """Remember how many commits each partition has made by now."""
        self.ledger.catch_up()
        self._marked = {partition: len(told) for partition, told in self.ledger.progress.items()}

    def all_go_on(self) -> bool:
        """Whether each partition has committed something since `mark`."""
        self.ledger.catch_up()
        told, marked = self.ledger.progress, self._marked
        return all(len(told[number]) > marked.get(number, 0) for number in range(self.settings.partitions))

    def goes_on(self) -> None:
        """Wait until each partition has committed something from now on."""
        self.mark()
        self.until(self.all_go_on)

    def counted(self, partition: int) -> int:
        """Records that a partition has read, as its last commit says."""
        self.ledger.catch_up()
        return int(self.ledger.progress[partition][-1]["counters"]["read"])

    # ---- the model

    def versions(self) -> int:
        """Newest version of the model."""
        self.ledger.catch_up()
        return max((int(key.rpartition(b"@")[2]) for key, _ in self.ledger.models), default=0)

    def published(self) -> list[bytes]:
        """Versions of the model as they lie on the topic, each once, in order."""
        self.ledger.catch_up()
        return list(dict.fromkeys(value for _, value in self.ledger.models))

    def learned_again(self) -> list[bytes]:
        """Versions that a trainer makes that reads the examples once, and never dies."""
        training = Training(Learner(learner_config(self.settings)), self.settings.snapshot_every_ms)
        training.required = frozenset(range(self.settings.partitions))
        made: list[bytes] = []
        for offset, value in self.ledger.examples:
            said = read_example(value)
            if isinstance(said, Watermark):
                told = training.watermark(offset, said.partition, said.watermark_ms)
                made += [model_record(snapshot)[1] for snapshot in told]
            else:
                training.example(offset, said)
        return made

    def next_score(self, after: dict[TopicPartition, int], patience_s: float = PATIENCE_S) -> float:
        """Wait for a score whose cause lies at or behind these input offsets; the monotonic time at which it came."""
        consumer = KafkaConsumer(
            bootstrap_servers=self.broker.address,
            isolation_level="read_committed",
            enable_auto_commit=False,
            check_crcs=False,
        )
        try:
            places = [TopicPartition("scores", number) for number in range(self.settings.partitions)]
            consumer.assign(places)
            for place, end in self.ledger.ends(places).items():
                consumer.seek(place, max(end - 50, 0))
            give_up = time.monotonic() + patience_s
            while time.monotonic() < give_up:
                for records in consumer.poll(timeout_ms=50).values():
                    if any(_caused(record.value, after) for record in records):
                        return time.monotonic()
            raise AssertionError(f"no new score in {patience_s} s; not applied: {self.lag()}\n{self._said()}")
        finally:
            with suppress(OSError):
                consumer.close()


def _caused(value: bytes, after: dict[TopicPartition, int]) -> bool:
    """Whether a score's id (`score/topic-partition-offset`) names a cause at or behind these offsets."""
    name = value.partition(b'"id":"score/')[2].partition(b'"')[0].decode()
    parts = name.rsplit("-", 2)
    if len(parts) != 3 or parts[0] not in INPUTS:
        return False
    return int(parts[2]) >= after[TopicPartition(parts[0], int(parts[1]))]
