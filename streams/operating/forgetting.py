"""Forgetting: a request to forget a customer is published, and what was removed is waited for."""

import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import orjson
from kafka import KafkaConsumer

from schemas.internals import Deletion
from schemas.refusal import Refusal
from schemas.timestamp import from_ms
from scoring.erased import Erased
from streams.connection import ordered_producer, reader
from streams.ends import ends, records_to_end
from streams.erasing import RECEIPTS, erasure_key, read_request
from streams.limits import Limits
from streams.loading import partition_of
from streams.operating.answers import Answers
from streams.operating.group_state import GroupUnknownError
from streams.operating.lag import partitions_of
from streams.operating.stopped import StillRunningError, check_stopped
from streams.outbox import DELETIONS
from streams.receipts import erased_on
from streams.settings import Settings
from streams.topics import check_partitions
from streams.transactions import uses_transactions

__all__ = ["ForgetFailedError", "NoReceiptError", "forget"]

_SEND_S: Final = 60.0
_POLL_MS: Final = 200


class ForgetFailedError(RuntimeError):
    """The request cannot be made; nothing was published."""


class NoReceiptError(RuntimeError):
    """The request is published, and not every receipt came in time; the text says what to do.

    Attributes
    ----------
    found
        Those that came.
    """

    def __init__(self, text: str, found: Sequence[Any]) -> None:
        super().__init__(text)
        self.found = list(found)


def forget(settings: Settings, customer: str, request_id: str, reason: str | None, wait_s: float) -> list[Any]:
    """Ask for the erasure of a customer and return its receipts, that of the id's own partition first.

    If they are there already they are returned at once, and nothing is published.

    Parameters
    ----------
    request_id
        Of the request: each partition writes a receipt once for it. It must not contain the customer's id, as it is
        kept.
    wait_s
        Longest wait for the receipts.

    Raises
    ------
    ForgetFailedError
        If a worker would refuse the request, or nothing is there for its receipt.
    UnfitTopicsError
        If there is no topic for it, or one of another number of partitions than the settings say.
    NoReceiptError
        If no worker runs, or not every receipt comes in time.
    scoring.erased.KeyMismatchError
        If receipts were written with another `erasure_key`: that of this request would not be known; nothing was
        published.
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
    erased = Erased(erasure_key(settings))
    answers = Answers(request_id, partition, erased.hash(key).hex() if erased.has_key else None)
    check_partitions(settings, [DELETIONS])
    with reader(settings) as consumer:
        places = partitions_of(consumer, (RECEIPTS,))
        if not places:
            raise ForgetFailedError(f"{RECEIPTS} is not on {settings.broker}; run `recompra topics create`")
        consumer.assign(places)
        last = ends(consumer, places)
        for place in places:
            for record in records_to_end(consumer, place):
                answers.take(record.key, record.value)
                if erased.has_key and record.value is not None:
                    erased.take(erased_on([orjson.loads(record.value)]))
        if not answers.complete:
            consumer.assign(places)
            for place, end in last.items():
                consumer.seek(place, end)
            if not answers.found:
                _publish(settings, partition, key, value)
            _wait(settings, consumer, answers, wait_s)
        return answers.found


def _publish(settings: Settings, partition: int, key: bytes, value: bytes) -> None:
    producer = ordered_producer(settings, transactions=uses_transactions(settings))
    try:
        producer.send(DELETIONS, value, key=key, partition=partition).get(_SEND_S)
    finally:
        producer.close(timeout=_SEND_S)


def _wait(settings: Settings, consumer: KafkaConsumer, answers: Answers, wait_s: float) -> None:
    again = f"ask again with --request-id {answers.request} to see what has come by then"
    try:
        check_stopped(settings)
    except (StillRunningError, GroupUnknownError):
        pass  # what cannot be known must not end the wait: the request is on its way
    else:
        raise NoReceiptError(
            f"no worker of {settings.app_id} runs: the request on `{DELETIONS}` is done when one starts; {again}",
            answers.found,
        )
    give_up = time.monotonic() + wait_s
    while time.monotonic() < give_up:
        for records in consumer.poll(timeout_ms=_POLL_MS).values():
            for record in records:
                answers.take(record.key, record.value)
        if answers.complete:
            return
    if not answers.found:
        raise NoReceiptError(
            f"no receipt within {wait_s:g} s: `recompra lag` shows whether the request on `{DELETIONS}` was read (a "
            f"worker without erasure_key reads none), `recompra tail {DELETIONS}-dlq --from beginning` whether it was "
            f"refused; {again}",
            (),
        )
    missing = ", ".join(f"{len(ids)} of partition {number}" for number, ids in sorted(answers.missing.items()))
    raise NoReceiptError(
        f"receipts of other ids of the same person did not come within {wait_s:g} s ({missing}): what is held there "
        f"goes once a worker reads those partitions (`recompra lag`); {again}",
        answers.found,
    )
