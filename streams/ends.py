"""Ends: the offset after a partition's last record, as a fetch says it."""

import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition

from streams.connection import BrokerUnreachableError

__all__ = ["ends", "records_to_end"]

_POLLS: Final = 40
_POLL_MS: Final = 250
_PATIENCE_S: Final = 60.0
_WHOLE_BATCH: Final = 1_000_000
"""More records than a batch holds."""


def ends(consumer: KafkaConsumer, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
    """Return the end of each partition; moves the positions of a consumer that these are assigned to.

    Asked for its ends, Apache Kafka answers rightly. The embedded broker answers with the *first* offset of
    the last batch plus one, which is short where a batch holds several records. What a fetch of that batch
    brings is right on both, so the last batch is fetched.
    """
    told: dict[TopicPartition, int] = dict(consumer.end_offsets(partitions))
    first = consumer.beginning_offsets(partitions)
    filled = [partition for partition in partitions if told[partition] > first[partition]]
    for partition in partitions:
        if partition in filled:
            consumer.seek(partition, told[partition] - 1)
        else:
            consumer.pause(partition)
    for _ in range(_POLLS):
        # A fetch may bring no record (the last thing written was a transaction's marker), but always a mark.
        if all(consumer.highwater(partition) is not None for partition in filled):
            break
        for partition, records in consumer.poll(timeout_ms=_POLL_MS, max_records=_WHOLE_BATCH).items():
            told[partition] = max(told[partition], records[-1].offset + 1)
    consumer.resume(*partitions)
    return told


def records_to_end(consumer: KafkaConsumer, partition: TopicPartition) -> Iterator[Any]:
    """Yield a partition's records, in order, up to what is its end now; the consumer then has this partition alone.

    Raises
    ------
    BrokerUnreachableError
        If nothing comes for a minute, though there is more.
    """
    consumer.assign([partition])
    end = ends(consumer, [partition])[partition]
    consumer.seek_to_beginning(partition)
    before, came_at = -1, time.monotonic()
    while (at := consumer.position(partition)) < end:
        if at != before:
            before, came_at = at, time.monotonic()
        elif time.monotonic() - came_at > _PATIENCE_S:
            raise BrokerUnreachableError(
                f"nothing came of {partition.topic}/{partition.partition} for {_PATIENCE_S:.0f} s, at offset {at} of "
                f"{end}: see whether the broker still runs, and run the command again"
            )
        for record in consumer.poll(timeout_ms=_POLL_MS).get(partition, ()):
            if record.offset < end:
                yield record
