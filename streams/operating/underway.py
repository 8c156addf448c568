"""Under way: what partitions told each other and have not taken in, which is in the state of neither."""

from collections.abc import Mapping

from streams.changelog import transfers_topic
from streams.connection import reader
from streams.ends import ends
from streams.operating.lag import partitions_of, unread_records
from streams.settings import Settings

__all__ = ["ends_of_transfers", "transfers_under_way"]


def ends_of_transfers(settings: Settings) -> dict[int, int]:
    """The offset after the last transfer, by partition number; empty where the topic is not there."""
    with reader(settings) as consumer:
        parts = partitions_of(consumer, (transfers_topic(settings),))
        consumer.assign(parts)
        return {part.partition: end for part, end in ends(consumer, parts).items()} if parts else {}


def transfers_under_way(settings: Settings, offsets: Mapping[int, int]) -> int:
    """How many transfers lie at an offset of each partition, or after it."""
    with reader(settings) as consumer:
        parts = partitions_of(consumer, (transfers_topic(settings),))
        consumer.assign(parts)
        last = ends(consumer, parts) if parts else {}
        return sum(unread_records(consumer, {part: offsets.get(part.partition, 0) for part in parts}, last).values())
