"""Running a replay: each partition lives through its past once more, and tells it to a shadow."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from kafka import TopicPartition

from schemas.internals import Progress
from scoring.kinds import N_SOURCES
from scoring.profile import NEVER
from scoring.rules import RuleSet
from streams.changelog import source_topics
from streams.commit import Record, Taken
from streams.connection import reader
from streams.ends import records_to_end
from streams.living import Inputs, inputs_of, live_through
from streams.outbox import INPUTS
from streams.replay.following import Follower, UnfollowableError
from streams.replay.knowledge import Knowledge
from streams.replay.shadow import Shadow
from streams.ruling.snapshots import read_used
from streams.settings import Settings
from streams.unit import Unit, UnitOptions

__all__ = ["Replay", "Replayed"]

_decode = msgspec.json.Decoder(Progress).decode


@dataclass(frozen=True, slots=True)
class Replayed:
    """How far a replay is: records read of all there are, and records told, of which `skipped` were there before."""

    read: int
    of: int
    written: int
    skipped: int


class Replay:
    """Replays the inputs, from their beginning, into shadow topics; nothing else is written.

    Parameters
    ----------
    options, rules
        Of a worker.
    name
        Of the shadow.
    span_ms
        From which event time to before which other is told; what comes before is lived through in silence.
    show
        Told how far it is, after some thousand records each.
    """

    def __init__(
        self,
        settings: Settings,
        options: UnitOptions,
        rules: RuleSet,
        name: str,
        span_ms: tuple[int, int],
        show: Callable[[Replayed], None] = lambda _: None,
    ) -> None:
        self._settings, self._show, self._stop_ms = settings, show, span_ms[1]
        self._options = replace(options, shadow=True)
        self._known = Knowledge(rules, asyncio.run(read_used(settings)), _published(settings))
        self._shadow = Shadow(settings, name, span_ms)
        self._read = self._of = 0

    def run(self, partitions: Sequence[int], *, as_it_was: bool) -> Replayed:
        """Replay some partitions, one after the other; each holds its own state in memory.

        As it was: `progress` is followed, so that what was told live is told again to the byte. Else by event time,
        with each version from its effective time on: the same however often, and in whatever pieces, it is done.

        Raises
        ------
        UnfollowableError
            As it was: if what was read or known then is not there any more.
        BrokerUnreachableError, kafka.errors.KafkaError
            From the broker.
        """
        try:
            for partition in partitions:
                topics = source_topics(self._settings) if as_it_was else INPUTS
                with inputs_of(self._settings, partition, topics) as inputs:
                    self._of += sum(inputs.end[s] - inputs.position(s) for s in range(len(topics)))
                    if as_it_was:
                        self._follow(partition, inputs)
                    else:
                        self._merge(partition, inputs)
        finally:
            self._shadow.close()
        return self._told()

    def _told(self) -> Replayed:
        return Replayed(self._read, max(self._of, self._read), self._shadow.written, self._shadow.skipped)

    def _merge(self, partition: int, inputs: Inputs) -> None:
        known = self._known
        unit = Unit(partition, self._options, known.models, known.last, shop=known.shop)
        unit.ready({})

        def written(taken: Taken | None, records: int) -> None:
            self._count(records)
            self._write(partition, taken)

        live_through(unit, inputs, self._stop_ms, written)

    def _write(self, partition: int, taken: Taken | None) -> None:
        if taken is not None:
            self._shadow.write(partition, taken.outputs)
        self._show(self._told())

    def _follow(self, partition: int, inputs: Inputs) -> None:
        unit = Unit(partition, self._options)
        unit.ready({})
        follower = Follower(unit, self._known, _Records(inputs, self._count))
        before = 0
        for progress in self._progress(partition):
            if progress.sequence != before + 1:
                raise UnfollowableError(
                    f"partition {partition}: `progress` goes from commit {before} to {progress.sequence}; without "
                    "transactions on the broker, or once its retention has passed, it cannot be followed: replay by "
                    "event time"
                )
            before = progress.sequence
            self._write(partition, follower.follow(progress))
            if progress.watermark_ms is not None and NEVER < self._stop_ms <= progress.watermark_ms:
                return

    def _count(self, records: int) -> None:
        self._read += records

    def _progress(self, partition: int) -> Iterator[Progress]:
        with reader(self._settings) as consumer:
            for record in records_to_end(consumer, TopicPartition("progress", partition)):
                if record.value is not None:
                    yield _decode(record.value)


class _Records:
    """The records of a partition's inputs, so many at a time."""

    def __init__(self, inputs: Inputs, count: Callable[[int], None]) -> None:
        self._inputs, self._count = inputs, count
        self._waiting: list[list[Any]] = [[] for _ in range(N_SOURCES)]

    def __call__(self, source: int, count: int) -> Sequence[Record]:
        waiting = self._waiting[source]
        while len(waiting) < count and self._inputs.position(source) < self._inputs.end[source]:
            for _, records in self._inputs.poll([source]):
                waiting += records
        taken, self._waiting[source] = waiting[:count], waiting[count:]
        self._count(len(taken))
        return taken


def _published(settings: Settings) -> list[bytes]:
    with reader(settings) as consumer:
        return [record.value for record in records_to_end(consumer, TopicPartition("rules", 0)) if record.value]
