"""Living through: a partition's inputs, in order of event time."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, Final, Protocol

from kafka import TopicPartition

from scoring.kinds import N_INPUTS
from streams.commit import Taken
from streams.connection import reader
from streams.ends import ends
from streams.outbox import INPUTS, TRANSFERS
from streams.settings import Settings
from streams.slice_reader import SliceReader
from streams.unit import Unit

__all__ = ["Inputs", "Pacing", "inputs_of", "live_through"]

log = logging.getLogger(__name__)

_COMMIT_EVENTS: Final = 50_000
"""Outputs are taken after about so many events; until then they are in memory."""


class Inputs:
    """The inputs of a partition number, from where they begin or from given offsets, up to an end; to be closed.

    Parameters
    ----------
    begin, end
        The offset to begin at, and that after the last record, by source; None: all that is there now.
    topics
        The three inputs, or all that a unit reads.

    Attributes
    ----------
    first
        The offset of the oldest record that is there, by source.
    end
        The offset after the last record, by source.

    Raises
    ------
    BrokerUnreachableError
        If no broker answers.
    """

    def __init__(
        self,
        settings: Settings,
        partition: int,
        begin: Sequence[int] | None = None,
        end: Sequence[int | None] | None = None,
        topics: Sequence[str] = INPUTS,
    ) -> None:
        self._most = settings.slice_records
        self._places = [(topic, partition) for topic in topics]
        parts = [TopicPartition(*place) for place in self._places]
        wanted = [None] * len(parts) if end is None else list(end)
        with reader(settings) as consumer:
            consumer.assign(parts)
            first = consumer.beginning_offsets(parts)
            last = ends(consumer, parts) if None in wanted else {}
        self.first = [int(first[part]) for part in parts]
        self.end = [last[part] if known is None else known for part, known in zip(parts, wanted, strict=True)]
        self._settings, self._begin = settings, dict(zip(self._places, begin or self.first, strict=True))
        self._started: SliceReader | None = None

    @property
    def _reader(self) -> SliceReader:
        """Connected once something is read: whoever only asks what there is needs none."""
        if self._started is None:
            self._started = SliceReader(self._settings, self._begin)
        return self._started

    def position(self, source: int) -> int:
        """The next offset to read."""
        return self._reader.position(self._places[source])

    def poll(self, sources: Sequence[int]) -> Iterator[tuple[int, list[Any]]]:
        """What comes next of some of the inputs, up to their ends."""
        taken = self._reader.take([self._places[source] for source in sources], self._most)
        for source in sources:
            some = taken.get(self._places[source], ())
            records = [record for record in some if record.offset < self.end[source]]
            if records:
                yield source, records

    def close(self) -> None:
        """Leave the broker."""
        if self._started is not None:
            self._started.close()


@contextmanager
def inputs_of(
    settings: Settings,
    partition: int,
    begin: Sequence[int] | None = None,
    end: Sequence[int | None] | None = None,
    topics: Sequence[str] = INPUTS,
) -> Iterator[Inputs]:
    """Give the inputs of a partition number, from their beginning or given offsets to an end (None: that of now).

    Raises
    ------
    BrokerUnreachableError
        If no broker answers.
    """
    with closing(Inputs(settings, partition, begin, end, topics)) as inputs:
        yield inputs


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
    many records were read. A warning tells where customers have ids on other partitions, whose units are not asked.
    """
    apart = set[bytes | None]()

    def take(read: int) -> None:
        taken = unit.take()
        if taken is not None:
            apart.update(key for topic, key, _ in taken.outputs if topic == TRANSFERS)
        written(taken, read)

    pace: dict[str, Any] = {} if pacing is None else {"span_ms": pacing.span_ms, "wait": pacing.wait}
    most = _COMMIT_EVENTS if pacing is None else 1
    read = 0
    while unit.engine.clock.watermark_ms < until_ms:
        open_ = [source for source in range(N_INPUTS) if inputs.position(source) < inputs.end[source]]
        for source in set(range(N_INPUTS)) - set(open_):
            unit.idle(source, inputs.end[source], inputs.end[source])
        for source, records in inputs.poll([source for source in open_ if unit.wants(source)]) if open_ else ():
            unit.offer(source, records, inputs.end[source])
        while unit.engine.clock.watermark_ms < until_ms and (applied := unit.pump_by_time(**pace)):
            read += applied
            if read >= most:
                take(read)
                read = 0
        if not open_:
            break
    take(read)
    if apart:
        log.warning("partition %d: its customers came under %d ids of other partitions; by event time each partition "
                    "is lived through by itself, so that these are customers of their own (docs/identity.md)",
                    unit.partition, len(apart))  # fmt: skip
