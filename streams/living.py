"""Living through: a partition's inputs from their beginning to their ends, in order of event time."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition

from scoring.kinds import N_INPUTS
from streams.commit import Taken
from streams.connection import reader
from streams.ends import ends
from streams.outbox import INPUTS
from streams.settings import Settings
from streams.unit import Unit

__all__ = ["Inputs", "inputs_of", "live_through"]

_POLL_MS: Final = 250
_COMMIT_EVENTS: Final = 50_000
"""Outputs are taken after about so many events; until then they are in memory."""


class Inputs:
    """The inputs of a partition number, up to what is their end now.

    Each has a consumer of its own, which is left alone while the input is ahead: kafka-python gives no more of a
    partition that was paused while some of it was fetched.

    Parameters
    ----------
    most
        Records that are read of one input at once.
    topics
        The three inputs, or all that a unit reads.

    Attributes
    ----------
    end
        The offset after the last record, by source.
    """

    def __init__(
        self, consumers: Sequence[KafkaConsumer], partition: int, most: int, topics: Sequence[str] = INPUTS
    ) -> None:
        self._most = most
        self._consumers = list(zip(consumers, (TopicPartition(topic, partition) for topic in topics), strict=True))
        self.end = []
        for consumer, part in self._consumers:
            consumer.assign([part])
            self.end.append(ends(consumer, [part])[part])
            consumer.seek_to_beginning(part)

    def position(self, source: int) -> int:
        """The next offset to read."""
        consumer, part = self._consumers[source]
        return int(consumer.position(part))

    def poll(self, sources: Sequence[int]) -> Iterator[tuple[int, list[Any]]]:
        """What comes next of some of the inputs, up to their ends."""
        for source in sources:
            consumer, part = self._consumers[source]
            polled = consumer.poll(timeout_ms=_POLL_MS, max_records=self._most)
            records = [record for record in polled.get(part, ()) if record.offset < self.end[source]]
            if records:
                yield source, records


@contextmanager
def inputs_of(settings: Settings, partition: int, topics: Sequence[str] = INPUTS) -> Iterator[Inputs]:
    """Give the inputs of a partition number, or all `topics`, from their beginning to what is their end now.

    Raises
    ------
    BrokerUnreachableError
        If no broker answers.
    """
    with ExitStack() as stack:
        consumers = [stack.enter_context(reader(settings)) for _ in topics]
        yield Inputs(consumers, partition, settings.slice_records, topics)


def live_through(
    unit: Unit, inputs: Any, until_ms: int, written: Callable[[Taken | None, int], None] = lambda _, __: None
) -> None:
    """Give a unit its inputs in order of event time, the one that is ahead waiting, to their ends or up to a time.

    `written` is given, each some ten thousand records, what the unit would write, and how many records were read.
    """
    read = 0
    while unit.engine.clock.watermark_ms < until_ms:
        open_ = [source for source in range(N_INPUTS) if inputs.position(source) < inputs.end[source]]
        for source in set(range(N_INPUTS)) - set(open_):
            unit.idle(source, inputs.end[source], inputs.end[source])
        for source, records in inputs.poll([source for source in open_ if unit.wants(source)]) if open_ else ():
            unit.offer(source, records, inputs.end[source])
            read += len(records)
        while unit.pump_by_time():
            pass
        if read >= _COMMIT_EVENTS or not open_:
            written(unit.take(), read)
            read = 0
        if not open_:
            return
