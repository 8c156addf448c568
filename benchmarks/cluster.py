"""Cluster: the local Apache Kafka that a benchmark runs against: topics, records on them, and how far groups are."""

import asyncio
from base64 import b64encode
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Self

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

from benchmarks.shop import Made
from schemas.outputs import ModelData, ModelEvent
from schemas.timestamp import from_ms
from scoring.model import Snapshot
from streams.brokers.kafka_local import KafkaLocal
from streams.settings import Settings
from streams.topics import create, rule_names, wanted

__all__ = ["BATCH_BYTES", "Cluster", "Pair"]

BATCH_BYTES = 16_384
"""Batches of the producers: Kafka's default."""

Pair = tuple[bytes | None, bytes | None]


class Cluster:
    """A local Apache Kafka with the topics of one application or several; use as a context manager.

    `rules` are those that have topics; by default those of the settings.
    """

    def __init__(
        self, partitions: int, app_ids: Sequence[str], extra: dict[str, int] | None = None, rules: str = ""
    ) -> None:
        self._rules: dict[str, Any] = {"rules": rules} if rules else {}
        self.partitions = partitions
        self._app_ids = app_ids
        self._extra = extra or {}
        self._kafka = KafkaLocal(quiet=True, heap="1g")
        self._by_key = DefaultPartitioner()
        self._places = list(range(partitions))
        self._partition: dict[bytes, int] = {}

    @property
    def address(self) -> str:
        """Where it accepts."""
        return self._kafka.address

    def settings(self, app_id: str) -> Settings:
        """The settings of one application on it."""
        return Settings(broker=self.address, app_id=app_id, partitions=self.partitions, **self._rules)

    def __enter__(self) -> Self:
        self._kafka.start()
        try:
            for app_id in self._app_ids:
                settings = self.settings(app_id)
                create(settings, wanted(settings, rule_names(settings)))
            self._admin = KafkaAdminClient(bootstrap_servers=self.address)
            self._consumer = KafkaConsumer(bootstrap_servers=self.address)
            if self._extra:
                plan = {name: {"num_partitions": n, "replication_factor": 1} for name, n in self._extra.items()}
                self._admin.create_topics(plan)
        except BaseException:
            self._kafka.stop()
            raise
        return self

    def __exit__(self, *error: Any) -> None:
        self._consumer.close()
        self._admin.close()
        self._kafka.__exit__(*error)

    def partition_of(self, key: bytes) -> int:
        """The partition of a customer, as Kafka's clients choose it."""
        place = self._partition.get(key)
        if place is None:
            place = self._partition[key] = self._by_key(key, self._places, self._places)
        return place

    def produce(self, records: Iterable[Made], prefix: str = "") -> None:
        """Put records on their topics, in order within each partition, and wait until they are there."""
        by_part: dict[tuple[str, int], list[Pair]] = defaultdict(list)
        for made in records:
            by_part[prefix + made.topic, self.partition_of(made.key)].append((made.key, made.value))
        self.send(by_part)

    def send(self, by_part: dict[tuple[str, int], list[Pair]], batch_bytes: int = BATCH_BYTES) -> None:
        """Put key and value pairs on (topic, partition), in order."""
        asyncio.run(self._send(by_part, batch_bytes))

    async def _send(self, by_part: dict[tuple[str, int], list[Pair]], batch_bytes: int) -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=self.address, max_batch_size=batch_bytes, max_request_size=4_194_304, linger_ms=0
        )
        await producer.start()
        try:
            await asyncio.gather(*(self._send_part(producer, *part, pairs) for part, pairs in by_part.items()))
        finally:
            await producer.stop()

    @staticmethod
    async def _send_part(producer: AIOKafkaProducer, topic: str, partition: int, pairs: list[Pair]) -> None:
        batch, sent = producer.create_batch(), None
        for key, value in pairs:
            while batch.append(key=key, value=value, timestamp=None) is None:
                assert batch.record_count(), f"a record of {len(value or b'')} bytes fits no batch"
                sent = await producer.send_batch(batch, topic, partition=partition)
                batch = producer.create_batch()
        if batch.record_count():
            sent = await producer.send_batch(batch, topic, partition=partition)
        if sent is not None:
            await sent

    def publish_model(self, snapshot: Snapshot) -> None:
        """Put a model's version on `models`, as the trainer does."""
        name = f"propensity@{snapshot.version}"
        time = from_ms(snapshot.effective_ms)
        data = ModelData(
            name="propensity",
            version=snapshot.version,
            feature_version=snapshot.feature_version,
            horizon_days=snapshot.horizon_ms / 86_400_000,
            effective_time=time,
            warming_up=snapshot.warming_up,
            examples_seen=snapshot.examples_seen,
            last_example=snapshot.last_example or None,
            metrics=dict(snapshot.metrics),
            snapshot=b64encode(replace(snapshot, state=b"").to_bytes()).decode(),
        )
        value = msgspec.json.encode(ModelEvent.of(f"model/{name}", name, time, data))
        self.send({("models", 0): [(name.encode(), value)]}, 1_048_576)

    # ---- how far things are

    def ends(self, *topics: str) -> dict[tuple[str, int], int]:
        """The next offset of each partition of some topics, or of those that begin so, where a name ends in `*`."""
        there = self._consumer.topics()
        names = [name for name in there for topic in topics if name == topic or
                 (topic.endswith("*") and name.startswith(topic[:-1]))]  # fmt: skip
        parts = [
            TopicPartition(name, place) for name in names for place in self._consumer.partitions_for_topic(name) or ()
        ]
        return {(part.topic, part.partition): end for part, end in self._consumer.end_offsets(parts).items()}

    def records(self, *topics: str) -> int:
        """Offsets used on some topics, transaction markers included (one a partition and commit)."""
        return sum(self.ends(*topics).values())

    def bytes_on(self, topic: str) -> int:
        """Bytes of a topic's log, as the broker keeps it."""
        return sum(
            part["partition_size"]
            for broker in self._admin.describe_log_dirs([topic])
            for found in broker["log_dirs"]
            for each in found["topics"]
            for part in each["partitions"]
        )

    def committed(self, group: str) -> dict[tuple[str, int], int]:
        """Committed offset of each partition of a group."""
        told = self._admin.list_group_offsets(group)[group]
        return {(part.topic, part.partition): meta.offset for part, meta in told.items()}
