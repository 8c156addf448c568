"""Running a replay: each partition lives through its past once more, and tells it to a shadow."""

import asyncio
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec
from kafka import TopicPartition

from schemas.internals import Progress
from scoring.erased import Erasure
from scoring.kinds import N_INPUTS, N_READ
from scoring.profile import FAR, NEVER
from scoring.rules import RuleSet
from streams.changelog import source_topics
from streams.commit import Record, Taken
from streams.connection import reader
from streams.ends import ends, records_to_end
from streams.garbage import collected_by_the_clock
from streams.living import Inputs, inputs_of, live_through
from streams.outbox import DELETIONS, INPUTS
from streams.receipts import erased_on, receipts
from streams.replay.following import Follower
from streams.replay.knowledge import Knowledge, Limited, UnfollowableError
from streams.replay.pacing import Paced
from streams.replay.plan import Plan, settings_stamp
from streams.replay.shadow import Shadow
from streams.replay.starting import SavedState, known_at
from streams.replay.then import Then
from streams.rights import check_readable
from streams.ruling.snapshots import read_used
from streams.settings import Settings
from streams.steps import timeline_id
from streams.topics import check_partitions
from streams.unit import Unit
from streams.unit_options import UnitOptions

__all__ = ["Asked", "Replay", "Replayed"]

_READ = (*INPUTS, DELETIONS, "receipts", "rules", "models", "products", "progress")
_decode = msgspec.json.Decoder(Progress).decode


@dataclass(frozen=True, slots=True)
class Asked:
    """What a replay is asked for.

    Parameters
    ----------
    name
        Of the shadow.
    span_ms
        From which event time to before which other is told; what comes before is lived through in silence.
    as_it_was
        Whether `progress` is followed, so that what was told live is told again to the byte. Else by event time, with
        each version from its effective time on: the same however often, and in whatever pieces, it is done.
    topics
        Only these: of the inputs, what is read; of the others, what is told. None of a kind: all of it.
    snapshot
        Directory with the states to begin with: an export, or a worker's snapshots; None: with nothing.
    speed
        How many times as fast as it was; None: as fast as possible.
    settings_of_now
        Whether what is followed as it was may have been told under other settings.
    """

    name: str
    span_ms: tuple[int, int] = (NEVER, FAR)
    as_it_was: bool = False
    topics: frozenset[str] = frozenset()
    snapshot: Path | None = None
    speed: float | None = None
    settings_of_now: bool = False


@dataclass(frozen=True, slots=True)
class Replayed:
    """How far a replay is: records read of all there are, and records told, of which `skipped` were there before."""

    read: int
    of: int
    written: int
    skipped: int


class _Job(NamedTuple):
    """A partition that is to be replayed."""

    partition: int
    plan: Plan
    begin: Sequence[int]
    saved: SavedState | None
    known: Limited


class Replay:
    """Replays the inputs into shadow topics; nothing else is written. A context, at whose end all is written.

    Parameters
    ----------
    options, rules
        Of a worker.
    asked
        What is to be done.
    show
        Told how far it is, after some thousand records each, by one thread at a time.

    Raises
    ------
    NotAShadowError
        If the shadow's topics would be live ones.
    BrokerUnreachableError, kafka.errors.KafkaError
        From the broker.
    """

    def __init__(
        self,
        settings: Settings,
        options: UnitOptions,
        rules: RuleSet,
        asked: Asked,
        show: Callable[[Replayed], None] = lambda _: None,
    ) -> None:
        self._settings, self._asked, self._show = settings, asked, show
        check_readable(settings, _READ)
        check_partitions(settings, INPUTS)
        self._stop_ms = asked.span_ms[1]
        self._options = replace(options, shadow=True)
        self._known = Knowledge(rules, asyncio.run(read_used(settings)), _published(settings))
        self._receipts = receipts(settings)
        told = asked.topics - frozenset(INPUTS)
        self._shadow = Shadow(settings, asked.name, asked.span_ms, self._known.names, told)
        first_ms = NEVER if asked.as_it_was else asked.span_ms[0]
        self._pacing = None if asked.speed is None else Paced(asked.speed, first_ms)
        self._read: Counter[int] = Counter()
        self._of = 0
        self._jobs: list[_Job] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._shadow.close()

    def plan(self, partitions: Sequence[int]) -> Mapping[int, int]:
        """Agree on what is to be done for some partitions, and say how many records are to be read of each.

        What was asked for the first time under this name is done: what came to the topics since then is left out, and
        a partition that is done is not done again, and not among these.

        Raises
        ------
        OtherReplayError
            If something else was asked for.
        NoStartError
            If it cannot begin with the saved state.
        UnfollowableError
            If what was read or known then is not there any more.
        BrokerUnreachableError, kafka.errors.KafkaError
            From the broker.
        """
        for counter in (self._read, self._shadow.written, self._shadow.skipped):
            counter.update(dict.fromkeys(partitions, 0))  # so that threads may count while another adds up
        self._jobs = [job for job in map(self._planned, partitions) if job is not None]
        return {job.partition: sum(job.plan.end) - sum(job.begin) for job in self._jobs}

    def run(self) -> Replayed:
        """Replay what was planned, one partition after the other; at a pace, all at once.

        Each holds its own state in memory.

        Raises
        ------
        UnfollowableError
            If what was read or known then is not there any more.
        OtherSettingsError
            If live had other settings than these, and that was not allowed for.
        BrokerUnreachableError, kafka.errors.KafkaError
            From the broker.
        """
        with collected_by_the_clock():
            if self._pacing is None:
                for job in self._jobs:
                    self._do(job)
            elif self._jobs:
                self._do_at_once(self._jobs, self._pacing)
        return self.told()

    def _do_at_once(self, jobs: Sequence[_Job], pacing: Paced) -> None:
        with ThreadPoolExecutor(len(jobs)) as threads:
            try:
                for done in as_completed([threads.submit(self._do, job) for job in jobs]):
                    done.result()
            except BaseException:
                pacing.stop()
                raise

    def _planned(self, partition: int) -> _Job | None:
        """What is to be done for a partition; None if it is done."""
        asked, known = self._asked, self._known
        saved = None
        if asked.snapshot is not None:
            saved = SavedState(asked.snapshot, partition, self._settings.partitions)
        with inputs_of(self._settings, partition) as inputs:
            if saved is not None:
                saved.check(asked.span_ms[0], inputs)
            begin, end = list(inputs.first if saved is None else saved.offsets), list(inputs.end)
            if asked.as_it_was and saved is None and any(inputs.first):
                raise UnfollowableError(
                    f"partition {partition}: the inputs begin at {inputs.first} and not at 0, as retention has removed "
                    "records or the state was begun anew: begin with a saved state, or replay by event time"
                )
        read = asked.topics & frozenset(INPUTS)
        end = [at if not read or name in read else start for name, start, at in zip(INPUTS, begin, end, strict=True)]
        plan, done = self._shadow.plans.agreed(
            partition,
            Plan(
                kind="as-it-was" if asked.as_it_was else "merged",
                first_ms=asked.span_ms[0],
                stop_ms=asked.span_ms[1],
                topics=sorted(asked.topics),
                settings=settings_stamp(self._options),
                begin=None if saved is None else saved.offsets,
                sequence=0 if saved is None else saved.sequence,
                end=end,
                commits=self._commits_end(partition) if asked.as_it_was else 0,
                values=dict(self._options.fingerprint.values),
                models=[each.version for each in known.models],
                shop=[each.version for each in known.shop],
                rules=timeline_id(known.last),
                start=begin,
            ),
        )
        if done is not None:
            self._read[partition], self._of = done.read, self._of + done.read
            self._shadow.skipped[partition] = done.told
            return None
        for then, now in plan.removed(begin):
            raise UnfollowableError(
                f"partition {partition}: {asked.name} was begun with records from offset {then} of an input on, which "
                f"holds those from {now} on by now: what is still to be told would be told without them; delete the "
                "topics that begin with that name, or give another, to begin with what is there"
            )
        self._of += sum(plan.end) - sum(begin)
        return _Job(partition, plan, begin, saved, known.limited(plan.models, plan.shop, plan.rules))

    def _commits_end(self, partition: int) -> int:
        place = TopicPartition("progress", partition)
        with reader(self._settings) as consumer:
            consumer.assign([place])
            return ends(consumer, [place])[place]

    def _do(self, job: _Job) -> None:
        partition = job.partition
        if self._asked.as_it_was:
            topics, beside = source_topics(self._settings), [0] * (N_READ - N_INPUTS)
            begin = [*job.begin, *(beside if job.saved is None else job.saved.beside)]
            with inputs_of(self._settings, partition, begin, [*job.plan.end, *[None] * len(beside)], topics) as inputs:
                self._follow(job, inputs)
        else:
            with inputs_of(self._settings, partition, job.begin, job.plan.end) as inputs:
                self._merge(job, inputs)
        shadow = self._shadow
        told = shadow.written[partition] + shadow.skipped[partition]
        shadow.plans.done(partition, job.plan, self._read[partition], told)

    def told(self) -> Replayed:
        """How far it is."""
        read, shadow = self._read.total(), self._shadow
        return Replayed(read, max(self._of, read), shadow.written.total(), shadow.skipped.total())

    def _erased(self, partition: int) -> dict[bytes, Erasure]:
        """Who was forgotten: nothing is told of them again."""
        return erased_on(self._receipts, partition)

    def _merge(self, job: _Job, inputs: Inputs) -> None:
        used, erased = job.known.used, self._erased(job.partition)
        unit = Unit(job.partition, self._options, used.models, job.known.timeline, shop=used.shop, erased=erased)
        if job.saved is not None:
            job.saved.restore(unit)
        unit.ready({})

        def written(taken: Taken | None, records: int) -> None:
            self._count(job.partition, records)
            self._write(job.partition, taken)

        live_through(unit, inputs, self._stop_ms, written, self._pacing)

    def _write(self, partition: int, taken: Taken | None) -> None:
        if taken is not None:
            self._shadow.write(partition, taken.outputs)
        with self._lock:
            self._show(self.told())

    def _follow(self, job: _Job, inputs: Inputs) -> None:
        partition = job.partition
        unit = Unit(partition, self._options, erased=self._erased(partition))
        if job.saved is not None:
            job.saved.restore(unit)
        unit.ready({})
        follower = Follower(unit, self._known, _Records(inputs, partial(self._count, partition)))
        then = Then()
        commits = self._commits(job, then)
        before = 0
        if job.saved is not None:
            follower.know(known_at(job.saved, (progress for _, progress in commits)))
            before = job.saved.sequence
        for written_ms, progress in commits:
            if progress.sequence != before + 1:
                raise UnfollowableError(
                    f"partition {partition}: `progress` goes from commit {before} to {progress.sequence}; without "
                    "transactions on the broker, after a reset, or once its retention has passed, it cannot be "
                    "followed: replay by event time, or begin with a later state"
                )
            before = progress.sequence
            if not self._asked.settings_of_now:
                then.check(progress, self._options.fingerprint)
            if self._pacing is not None and (progress.watermark_ms or NEVER) >= self._asked.span_ms[0]:
                self._pacing.wait(written_ms)
            self._write(partition, follower.follow(progress))
            if progress.watermark_ms is not None and NEVER < self._stop_ms <= progress.watermark_ms:
                return

    def _count(self, partition: int, records: int) -> None:
        self._read[partition] += records

    def _commits(self, job: _Job, then: Then) -> Iterator[tuple[int, Progress]]:
        """When each commit was written, and what led to it; `then` has seen it."""
        with reader(self._settings) as consumer:
            for record in records_to_end(consumer, TopicPartition("progress", job.partition)):
                if record.value is not None and record.offset < job.plan.commits:
                    progress = _decode(record.value)
                    then.see(progress)
                    yield record.timestamp, progress


class _Records:
    """The records of a partition's inputs, so many at a time."""

    def __init__(self, inputs: Inputs, count: Callable[[int], None]) -> None:
        self._inputs, self._count = inputs, count
        self._waiting: list[deque[Any]] = [deque() for _ in range(N_READ)]

    def __call__(self, source: int, count: int) -> Sequence[Record]:
        waiting = self._waiting[source]
        while len(waiting) < count and self._inputs.position(source) < self._inputs.end[source]:
            for _, records in self._inputs.poll([source]):
                waiting += records
        taken = [waiting.popleft() for _ in range(min(count, len(waiting)))]
        self._count(len(taken))
        return taken


def _published(settings: Settings) -> list[bytes]:
    with reader(settings) as consumer:
        return [record.value for record in records_to_end(consumer, TopicPartition("rules", 0)) if record.value]
