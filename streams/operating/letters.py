"""Dead letters: what was refused and why, and how it returns to its input once the reason is mended."""

from base64 import b64decode
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import msgspec
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata

from schemas.internals import DeadLetter
from schemas.timestamp import to_ms
from streams.changelog import transfers_topic
from streams.connection import kafka_python_options, ordered_producer, reader
from streams.ends import records_to_end
from streams.operating.lag import partitions_of
from streams.outbox import INPUTS, KEY_LIMIT, TRANSFERS
from streams.receipts import IsErased, erased_since
from streams.settings import Settings
from streams.topics import check_there
from streams.transactions import uses_transactions

__all__ = ["HEADER", "Letter", "Redriven", "letters", "redrive"]

HEADER: Final = "recompra-redriven"
"""Header of a record that returned: the id of its dead letter."""
_AT_ONCE: Final = 500
"""Records of one transaction, or between two commits."""
_SEND_S: Final = 60.0

_decode = msgspec.json.Decoder(DeadLetter).decode


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter where it lies; `passed` says whether a redrive came to it."""

    place: TopicPartition
    offset: int
    key: bytes | None
    letter: DeadLetter
    passed: bool

    @property
    def returned(self) -> bool:
        """Whether it was sent back; what was not kept whole never is."""
        return self.passed and self.whole

    @property
    def payload(self) -> bytes | None:
        """The original bytes, as many as were kept."""
        return None if self.letter.payload is None else b64decode(self.letter.payload)

    @property
    def whole(self) -> bool:
        """Whether key and value were kept whole."""
        payload = self.payload
        whole_value = payload is None or len(payload) == self.letter.payload_bytes
        return whole_value and (self.key is None or len(self.key) < KEY_LIMIT)


@dataclass(slots=True)
class Redriven:
    """What became of the letters: records that returned, by input, and ids of those that were not kept whole.

    `erased` were of customers who are forgotten since, and do not return.
    """

    records: Counter[str] = field(default_factory=Counter)
    cut: list[str] = field(default_factory=list)
    erased: int = 0


def letters(settings: Settings, inputs: Sequence[str] = INPUTS) -> Iterator[Letter]:
    """Yield the dead letters of these inputs that are on the broker, by input and partition, in order.

    Raises
    ------
    BrokerUnreachableError
        If no broker answers.
    UnfitTopicsError
        If it does not have their topics: of what is not there, nothing was refused.
    """
    names = tuple(f"{name}-dlq" for name in inputs)
    with reader(settings) as consumer:
        places = partitions_of(consumer, names)
        check_there(settings, names, {place.topic for place in places})
        done = _done(settings, places)
        for place in places:
            yield from _of_partition(consumer, place, done[place])


def redrive(settings: Settings, inputs: Sequence[str] = INPUTS) -> Redriven:
    """Send what was refused back to its input: in order, to the partition that it came from, each letter once.

    How far that went is the committed offset of a group of its own, in one transaction with the records where the
    broker has transactions; elsewhere a crash in between may send up to 500 records again, which their `messageId`
    then tells. What is refused again gets a new letter at the end of the topic, for the next time. What was received of
    a customer before the request to forget them stays where it is, and counts as done.

    Raises
    ------
    BrokerUnreachableError
        If no broker answers.
    scoring.erased.KeyMismatchError
        If somebody is forgotten, and without the key nobody can say whose letters are not to return.
    kafka.errors.KafkaError
        If the broker refuses a record.
    """
    told, is_erased = Redriven(), erased_since(settings, for_sure=True)
    with _producer(settings) as (producer, transactional):
        batch: list[Letter] = []
        for each in letters(settings, inputs):
            if each.passed:
                continue
            if batch and (len(batch) == _AT_ONCE or each.place != batch[0].place):
                _send(settings, producer, transactional, batch, is_erased, told)
                batch = []
            batch.append(each)
        if batch:
            _send(settings, producer, transactional, batch, is_erased, told)
    return told


def _group(settings: Settings) -> str:
    return f"{settings.app_id}-redrive"


def _done(settings: Settings, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
    """The offset of each partition up to which letters returned, or were named as not whole."""
    with _member(settings) as consumer:
        return {place: consumer.committed(place) or 0 for place in places}


@contextmanager
def _member(settings: Settings) -> Iterator[KafkaConsumer]:
    options = kafka_python_options(settings)
    consumer = KafkaConsumer(**options, group_id=_group(settings), enable_auto_commit=False)
    try:
        yield consumer
    finally:
        consumer.close()


def _of_partition(consumer: KafkaConsumer, place: TopicPartition, done: int) -> Iterator[Letter]:
    for record in records_to_end(consumer, place):
        if record.value is not None:
            yield Letter(place, record.offset, record.key, _decode(record.value), record.offset < done)


@contextmanager
def _producer(settings: Settings) -> Iterator[tuple[KafkaProducer, bool]]:
    """A producer, and whether it has transactions; two that redrive at once fence each other."""
    transactional = uses_transactions(settings)
    options = {"transactional_id": _group(settings)} if transactional else {}
    producer = ordered_producer(settings, transactions=transactional, **options)
    try:
        if transactional:
            producer.init_transactions()
        yield producer, transactional
    finally:
        producer.close(timeout=_SEND_S)


def _send(
    settings: Settings, producer: KafkaProducer, transactional: bool, batch: Sequence[Letter], is_erased: IsErased,
    told: Redriven,
) -> None:  # fmt: skip
    place, done = batch[0].place, OffsetAndMetadata(batch[-1].offset + 1, "", -1)
    kept = [each for each in batch if not is_erased(each.key, to_ms(each.letter.received_at))]
    whole = [each for each in kept if each.whole]
    if transactional:
        producer.begin_transaction()
    sent = [
        producer.send(
            transfers_topic(settings) if each.letter.topic == TRANSFERS else each.letter.topic,
            each.payload,
            key=each.key,
            partition=each.letter.partition,
            headers=[(HEADER, each.letter.id.encode())],
        )
        for each in whole
    ]
    for future in sent:
        future.get(_SEND_S)
    if transactional:
        producer.send_offsets_to_transaction({place: done}, _group(settings))
        producer.commit_transaction()
    else:
        with _member(settings) as consumer:
            consumer.assign([place])
            consumer.commit({place: done})
    told.records.update(each.letter.topic for each in whole)
    told.cut += [each.letter.id for each in kept if not each.whole]
    told.erased += len(batch) - len(kept)
