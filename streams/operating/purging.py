"""Purging: which records of a customer the broker could delete of its topics, and what else would go with them."""

from dataclasses import dataclass
from typing import Final

from schemas.topics import FOREVER
from streams.connection import reader
from streams.ends import records_to_end
from streams.operating.lag import partitions_of
from streams.settings import Settings
from streams.topics import rule_names, wanted

__all__ = ["WHY_NOT", "Purgeable", "purgeable"]

WHY_NOT: Final = (
    "Kafka deletes only whole beginnings of a partition (DeleteRecords up to an offset), with the records of everybody "
    "in them; nothing was deleted. To delete one, give partition and offset to kafka-delete-records.sh."
)


@dataclass(frozen=True, slots=True)
class Purgeable:
    """Records of one customer on a partition of a topic that keeps records for a time.

    Attributes
    ----------
    records
        How many there are.
    up_to
        The offset up to which would have to be deleted.
    others
        Records of others that would go with them.
    retention_days
        When the broker deletes them by itself.
    """

    topic: str
    partition: int
    records: int
    up_to: int
    others: int
    retention_days: float


def purgeable(settings: Settings, customer: str) -> list[Purgeable]:
    """Look through the topics for records of a customer; O(records on them), deletes nothing.

    Raises
    ------
    BrokerUnreachableError
        If no broker answers.
    """
    who, found = customer.encode(), []
    with reader(settings) as consumer:
        for spec in wanted(settings, rule_names(settings)):
            if spec.cleanup != "delete" or spec.retention_ms == FOREVER:
                continue
            for place in partitions_of(consumer, (spec.name,)):
                records = others = waiting = up_to = 0
                for record in records_to_end(consumer, place):
                    if record.key == who:
                        records, others, waiting, up_to = records + 1, others + waiting, 0, record.offset + 1
                    else:
                        waiting += 1
                if records:
                    days = spec.retention_ms / 86_400_000
                    found.append(Purgeable(place.topic, place.partition, records, up_to, others, days))
    return found
