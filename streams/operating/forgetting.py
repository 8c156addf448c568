"""Forgetting: a request to forget a customer is published, and what was removed is waited for."""

import time
from typing import Any, Final

import msgspec
import orjson
from kafka import KafkaConsumer, TopicPartition

from schemas.internals import Deletion
from schemas.refusal import Refusal
from schemas.timestamp import from_ms
from scoring.erased import Erased
from streams.connection import ordered_producer, reader
from streams.ends import ends, records_to_end
from streams.erasing import RECEIPTS, erasure_key, read_request
from streams.limits import Limits
from streams.loading import partition_of
from streams.operating.lag import partitions_of
from streams.operating.stopped import StillRunningError, check_stopped
from streams.outbox import DELETIONS
from streams.settings import Settings
from streams.transactions import uses_transactions

__all__ = ["ForgetFailedError", "NoReceiptError", "forget"]

_SEND_S: Final = 60.0
_POLL_MS: Final = 200


class ForgetFailedError(RuntimeError):
    """The request cannot be made; nothing was published."""


class NoReceiptError(RuntimeError):
    """The request is published, and its receipt did not come in time; the text says what to do."""


def forget(settings: Settings, customer: str, request_id: str, reason: str | None, wait_s: float) -> Any:
    """Ask for the erasure of a customer and return the receipt; one that is there already is returned at once.

    Parameters
    ----------
    request_id
        Of the request: a receipt is written once for each. It must not contain the customer's id, as it is kept.
    wait_s
        Longest wait for the receipt.

    Raises
    ------
    ForgetFailedError
        If a worker would refuse the request, or its topics are missing.
    NoReceiptError
        If no worker runs, or the receipt does not come in time.
    BrokerUnreachableError, kafka.errors.KafkaError
        From the broker.
    """
    requested_at = from_ms(time.time_ns() // 1_000_000)
    value = msgspec.json.encode(Deletion(request_id, customer, requested_at, reason))
    key = customer.encode("utf-8", "surrogatepass")
    partition = partition_of(key, settings.partitions)
    refused = read_request(key, value, Limits.of(settings))
    if isinstance(refused, Refusal):
        raise ForgetFailedError(f"a worker would refuse the request: {refused}")
    with reader(settings) as consumer:
        places = partitions_of(consumer, (RECEIPTS,))
        if not places or not partitions_of(consumer, (DELETIONS,)):
            raise ForgetFailedError(
                f"{DELETIONS} or {RECEIPTS} is not on {settings.broker}; run `recompra topics create`"
            )
        consumer.assign(places)
        last = ends(consumer, places)
        wanted = _Wanted(settings, request_id, key)
        found = _receipt(consumer, places, wanted)
        if found is not None:
            return found
        for place, end in last.items():
            consumer.seek(place, end)
        _publish(settings, partition, key, value)
        return _waited(settings, consumer, wanted, wait_s)


class _Wanted:
    """Says which record is the receipt of a request; without the key of the hashes, the request's id must do.

    One that was asked for by another id of the same person, of the same partition, is a receipt for this one, too.
    """

    def __init__(self, settings: Settings, request_id: str, customer: bytes) -> None:
        erased = Erased(erasure_key(settings))
        self.request_id = request_id
        self._whose = erased.hash(customer).hex() if erased.has_key else None

    def __call__(self, record: Any) -> bool:
        name, _, whose = (record.key or b"").decode().rpartition("/")
        if record.value is None or name != self.request_id:
            return False
        return self._whose in (None, whose) or self._whose in orjson.loads(record.value)["data"]["others"]


def _receipt(consumer: KafkaConsumer, places: list[TopicPartition], wanted: _Wanted) -> Any:
    for place in places:
        for record in records_to_end(consumer, place):
            if wanted(record):
                found = orjson.loads(record.value)
                consumer.assign(places)
                return found
    consumer.assign(places)
    return None


def _publish(settings: Settings, partition: int, key: bytes, value: bytes) -> None:
    producer = ordered_producer(settings, transactions=uses_transactions(settings))
    try:
        producer.send(DELETIONS, value, key=key, partition=partition).get(_SEND_S)
    finally:
        producer.close(timeout=_SEND_S)


def _waited(settings: Settings, consumer: KafkaConsumer, wanted: _Wanted, wait_s: float) -> Any:
    again = f"ask again with --request-id {wanted.request_id} to see the receipt"
    try:
        check_stopped(settings)
    except StillRunningError:
        pass
    else:
        raise NoReceiptError(
            f"no worker of {settings.app_id} runs: the request is on `{DELETIONS}` and is done when one starts; {again}"
        )
    give_up = time.monotonic() + wait_s
    while time.monotonic() < give_up:
        for records in consumer.poll(timeout_ms=_POLL_MS).values():
            for record in records:
                if wanted(record):
                    return orjson.loads(record.value)
    raise NoReceiptError(
        f"no receipt within {wait_s:g} s: `recompra lag` shows whether the request on `{DELETIONS}` was read (a worker "
        f"without erasure_key reads none), `recompra dlq list` whether it was refused; {again}"
    )
