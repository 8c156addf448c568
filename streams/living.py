"""Living through: a partition's inputs, in order of event time."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final, Protocol

from kafka import KafkaConsumer, TopicPartition

from scoring.kinds import N_SOURCES
from streams.commit import Taken
from streams.connection import reader
from streams.ends import ends
from streams.outbox import INPUTS
from streams.settings import Settings
from streams.unit import Unit

__all__ = ["Inputs", "Pacing", "inputs_of", "live_through"]

_POLL_MS: Final = 250
_COMMIT_EVENTS: Final = 50_000
"""Outputs are taken after about so many events; until then they are in memory."""


class Inputs:
    """The three inputs of a partition number, from where they begin or from given offsets, up to an end.

    Each has a consumer of its own, which is left alone while the input is ahead: kafka-python gives no more of a
    partition that was paused while some of it was fetched.

    Parameters
    ----------
    most
        Records that are read of one input at once.
    begin, end
        The offset to begin at, and that after the last record, by source; None: all that is there now.

    Attributes
    ----------
    first
        The offset of the oldest record that is there, by source.
    end
        The offset after the last record, by source.
    """

    def __init__(
        self,
        consumers: Sequence[KafkaConsumer],
        partition: int,
        most: int,
        begin: Sequence[int] | None = None,
        end: Sequence[int] | None = None,
    ) -> None:
        self._most = most
        self._consumers = list(zip(consumers, (TopicPartition(topic, partition) for topic in INPUTS), strict=True))
        self.first, self.end = [], []
        for source, (consumer, part) in enumerate(self._consumers):
            consumer.assign([part])
            self.first.append(int(consumer.beginning_offsets([part])[part]))
            self.end.append(ends(consumer, [part])[part] if end is None else end[source])
            consumer.seek(part, self.first[source] if begin is None else begin[source])

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
def inputs_of(
    settings: Settings, partition: int, begin: Sequence[int] | None = None, end: Sequence[int] | None = None
) -> Iterator[Inputs]:
    """Give the inputs of a partition number, from their beginning or given offsets to an end (None: that of now).

    Raises
    ------
    BrokerUnreachableError
        If no broker answers.
    """
    with ExitStack() as stack:
        consumers = [stack.enter_context(reader(settings)) for _ in INPUTS]
        yield Inputs(consumers, partition, settings.slice_records, begin, end)


class Pacing(Protocol):
    """Says when events are due: at most `span_ms` of them are applied at once, after `wait` has returned."""

    @property
    def span_ms(self) -> int: ...  # noqa: D102
    def wait(self, time_ms: int) -> None: ...  # noqa: D102


def live_through(
    unit: Unit,
    inputs: Any,
    until_ms: int,
    written: Callable[[Taken | None, int], None] = lambda _, __: None,
    pacing: Pacing | None = None,
) -> None:
    """Give a unit its inputs in order of event time, the one that is ahead waiting, to their ends or up to a time.

    `written` is given, each some ten thousand records, or at a pace each moment, what the unit would write, and how
    many records were read.
    """
    pace: dict[str, Any] = {} if pacing is None else {"span_ms": pacing.span_ms, "wait": pacing.wait}
    most = _COMMIT_EVENTS if pacing is None else 1
    read = 0
    while unit.engine.clock.watermark_ms < until_ms:
        open_ = [source for source in range(N_SOURCES) if inputs.position(source) < inputs.end[source]]
        for source in set(range(N_SOURCES)) - set(open_):
            unit.idle(source, inputs.end[source], inputs.end[source])
        for source, records in inputs.poll([source for source in open_ if unit.wants(source)]) if open_ else ():
            unit.offer(source, records, inputs.end[source])
        while unit.engine.clock.watermark_ms < until_ms and (applied := unit.pump_by_time(**pace)):
            read += applied
            if read >= most:
                written(unit.take(), read)
                read = 0
        if not open_:
            break
    written(unit.take(), read)
