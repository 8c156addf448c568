"""Unit: one partition number, that is its three inputs and the engine that they feed.

It is driven by `streams.commit.CommitProtocol`, reads no clock and sends nothing itself.
"""

import itertools
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import msgspec
import numpy as np

from scoring.engine import Counts, Engine
from scoring.erased import Erasure, KeyMismatchError
from scoring.kernel import LATE, Events
from scoring.kinds import N_INPUTS, N_READ, Source
from scoring.layout_number import LayoutMismatchError
from scoring.model import Snapshot
from scoring.outcome import Outcome
from scoring.profile import FAR, NEVER
from scoring.rules import RuleSet
from scoring.shop.snapshot import ShopSnapshot
from scoring.stored import Copied
from streams.arrivals import Arrivals
from streams.commit import Record, Taken
from streams.decoding import Decoded, Decoder
from streams.deletions import Deletions, skip_erased, whose
from streams.loads import Loads
from streams.outbox import SOURCES, Outbox
from streams.quiet_time import QuietTime
from streams.steps import MODEL, READY, RULES, SHOP, START, Steps, timeline_id
from streams.suspects import POISON, PoisonError, Suspects
from streams.unit_options import UnitOptions
from streams.unit_row import UNIT_KEY, UnitRow, unit_row
from streams.waiting import Run, Waiting

__all__ = ["StateLostError", "Unit", "UnitCopy", "UnitStatus"]

log = logging.getLogger(__name__)

RUN_EVENTS: Final = 8192
"""Most events applied at once, so that other partitions and the heartbeat get their turn."""
RUN_LOOKS: Final = 16_384
"""Most daily looks at customers that a run brings along, unless a single day has more: a few thousand orders of a year
come with hundreds of thousands of scores, too many for one commit."""
_DAY_MS: Final = 86_400_000
_MOST_DAYS: Final = 64
POISONED: Final = Decoded(Events.blank(0), {}, [], 0, [(0, POISON)])
"""What a record that makes the engine fail is decoded to."""
_TRANSFERS_AT_ONCE: Final = 256


class StateLostError(RuntimeError):
    """The group's offsets are ahead of the state: what lies between would be lost."""


@dataclass(frozen=True, slots=True)
class UnitStatus:
    """Figures of a unit; times in ms, None before the first event.

    `newest_ms` is the time of the newest event; the watermark goes on without events, too.
    """

    pending: int
    whole: bool
    watermark_ms: int | None
    newest_ms: int | None
    counts: Counts
    waiting: tuple[int, ...]
    behind: tuple[bool, ...]
    customers: int
    model_version: int
    warming_up: bool
    shop_version: int
    trials: Mapping[str, Sequence[int]]


@dataclass(frozen=True, slots=True)
class UnitCopy:
    """All rows of a unit as of one moment."""

    engine: Copied
    meta: bytes

    @property
    def whole(self) -> bool:
        """Whether all is copied, or cannot be."""
        return self.engine.live is None

    def fill(self) -> None:
        """Copy what `Unit.copy` left: see `Copied.fill`."""
        self.engine.fill()

    def pieces(self) -> Iterator[tuple[list[bytes], list[bytes]]]:
        """Keys and values, piece by piece, the unit's own row last."""
        yield from self.engine.pieces()
        yield [UNIT_KEY], [self.meta]


class Unit:
    """The state of one partition number: see `streams.commit.UnitState` for what is asked of it.

    Parameters
    ----------
    partition
        Its number.
    options
        What all units share.
    loaded
        The models that are known so far.
    timeline
        The rule sets that are known so far, each with the event time from which it holds.
    shop
        The versions of the shop's knowledge that are known so far.
    suspects
        What is known of records that make the engine fail; shared by the units that follow each other.
    erased
        Who was forgotten by others who had this partition, by hash: for a unit that lives through the past.
    watch
        Shown each run of events that was applied, and what came of it.
    """

    def __init__(
        self,
        partition: int,
        options: UnitOptions,
        loaded: Sequence[Snapshot] = (),
        timeline: Sequence[tuple[int, RuleSet]] = (),
        suspects: Suspects | None = None,
        shop: Sequence[ShopSnapshot] = (),
        watch: Callable[[Events, Outcome], None] = lambda _, __: None,
        erased: Mapping[bytes, Erasure] | None = None,
    ) -> None:
        self.partition = partition
        self._watch = watch
        self._options = options
        self.engine = Engine(options.engine, options.rules, partition, self._is_home, options.erasure_key)
        self.engine.erased.take(erased or {})
        self.engine.pending.kept = not options.shadow
        self._decode = Decoder(
            self.engine.profiles.find,
            self.engine.state.product,
            options.allowed_skew_ms,
            own_clock=options.own_clock,
            limits=options.limits,
            categories=options.engine.layout.parts.seen > 0,
            page=self.engine.state.page if options.engine.layout.parts.pages else None,
        )
        self.outbox = Outbox(
            partition,
            options.engine.layout.horizon_ms,
            [name for name, _ in options.engine.bands],
            self.engine.profiles.keys,
            replay=options.engine.replay or options.shadow,
            since_ms=self.engine.since_ms,
        )
        self._waiting = Waiting(self.engine.profiles.index)
        self._loads = Loads(options.engine.window_ms // 2, options.engine.max_action_age_ms)
        self._deletions = Deletions(self.engine, self.outbox, options.limits, partition, options.partition_of)
        self._arrivals = Arrivals(self.engine, self.outbox, self._decode, self._deletions, watch)
        self._caught_up = [False] * N_READ
        self._next = [0] * N_READ
        self._moved: set[int] = set()
        self._sequence = 0
        self._told_ms = NEVER
        self._touched = 0
        self._copying: UnitCopy | None = None
        self._quiet = QuietTime(
            self.engine,
            options.engine.tick_ms,
            options.engine.window_ms // 2,
            lambda outcome: self.outbox.tell(outcome, (), self._told_ms),
            self._ticked,
        )
        self._notes = Steps()
        self._models = list(loaded)
        self._timeline = timeline
        self._shop = list(shop)
        self._suspects = suspects or Suspects()
        self._broken = False
        self._restored = False
        self._ahead: dict[int, int] = {}
        self._counted_before = self._counts_taken = Counts()
        self._told_taken: Counter[tuple[str, ...]] = Counter()
        self._counted: list[int] | None = None

    def _is_home(self, customer: bytes) -> bool:
        partition_of = self._options.partition_of
        return partition_of is None or partition_of(customer) == self.partition

    # ---- reading

    def offer(self, source: int, records: Sequence[Record], end_offset: int) -> None:
        """Take fetched records of one input, of transfers or of deletions, the next in order."""
        if source >= N_INPUTS:
            (self._arrivals.waiting if source == Source.TRANSFERS else self._deletions.waiting).extend(records)
            return
        for piece in self._apart(source, records):
            self._waiting.add(source, piece, self._decoded_apart(source, piece))
        self._caught_up[source] = records[-1].offset + 1 >= end_offset

    def _decoded_apart(self, source: int, piece: Sequence[Record]) -> Decoded:
        """A piece that `_apart` made, decoded."""
        poisoned = (source, piece[0].offset) in self._suspects.poison
        return POISONED if poisoned else self._decode(source, piece)

    def _forgot(self) -> None:
        """Let what waits know that who was one when it was decoded may be so no more."""
        if self._deletions.outdated:
            self._waiting.decode_again(self._decoded_apart)
            self._deletions.outdated = False

    def _apart(self, source: int, records: Sequence[Record]) -> list[Sequence[Record]]:
        """The records with each poisoned one apart."""
        poison = self._suspects.poison
        if not poison:
            return [records]
        cuts = [i for i, record in enumerate(records) if (source, record.offset) in poison]
        edges = sorted({0, len(records), *cuts, *(i + 1 for i in cuts)})
        return [records[start:stop] for start, stop in itertools.pairwise(edges)]

    def idle(self, source: int, position: int, end_offset: int) -> None:
        """Learn that nothing lies between what was offered and `position`."""
        self._caught_up[source] = position >= end_offset

    def wants(self, source: int) -> bool:
        """Whether more of this input may be offered; the one that is ahead in event time waits, full."""
        if source == Source.TRANSFERS:
            return len(self._arrivals.waiting) < self._options.slice_records
        if source == Source.DELETIONS:
            return self.engine.erased.has_key and len(self._deletions.waiting) < self._options.slice_records
        return self._waiting.count[source] < self._options.slice_records

    # ---- applying

    def pump(self, now_ms: int, *, filling: bool = False) -> bool:
        """Apply some of what waits; True if there is more to do at once.

        `filling`: more is about to be offered, so that what is left behind a run waits for it, if it is not half a
        run; each costs some 2 ms with all rules, however short.

        When nothing waits and all inputs are caught up, event time goes on by the wall time that passed since the last
        record was received that was about its own time, unless older ones moved it on, and by half a window at most.
        That is done in pieces, some customers at a call, and nothing else is applied or written before the last.
        What other partitions tell comes before records, whenever it is there, and requests to forget somebody before
        that.
        While the rows are copied somewhere else (`copy`), nothing is done.
        """
        if self._copying is not None:
            if not self._copying.whole:
                return False
            self._copying = None
        if self._quiet.under_way:
            return self._tick_on()
        again = self._reads_again()
        if self._deletions.waiting and not again:
            self.take_deletions([self._deletions.waiting.popleft() for _ in range(len(self._deletions.waiting))])
            return True
        if self._arrivals.waiting and not again:
            limit = self._suspects.limit or _TRANSFERS_AT_ONCE
            self.take_transfers(
                [self._arrivals.waiting.popleft() for _ in range(min(limit, len(self._arrivals.waiting)))]
            )
            return True
        behind, run = self._next_run(
            until_ms=self._loads.until_ms(self._waiting, self._caught_up, self.engine.clock, now_ms)
        )
        if run is not None:
            self.apply(run, behind)
            left = len(self._waiting)
            waits = filling and len(run.causes) >= RUN_EVENTS // 2 > left
            return (left > 0 and not waits) or again
        if not behind and not len(self._waiting):
            return self._pass_time(now_ms)
        return False

    def _reads_again(self) -> bool:
        """Whether records come that a crash amid a commit left applied to some rows and not to others.

        Until they are applied to all, nobody knows who is one by them.
        """
        return any(
            self._next[source] <= offset and (self._waiting.count[source] > 0 or not self._caught_up[source])
            for source, offset in self._ahead.items()
        )

    def pump_by_time(self, span_ms: int | None = None, wait: Callable[[int], None] = lambda _: None) -> int:
        """Apply some of what waits in the order of event time alone; how many records that were, 0 if nothing may be.

        Time has then come as far as the newest event, as if all inputs had been read to their ends: what a rule says,
        and from when on it holds, does not depend on how much of which input is read at once. At most `span_ms` of
        event time is applied, if that is given, after `wait` was told where it begins.
        """
        _, run = self._next_run(span_ms)
        if run is None:
            return 0
        if len(run.causes):
            wait(int(run.events.time_ms[0]))
        self.apply(run, ())
        return sum(count for _, count in run.counts)

    def _next_run(self, span_ms: int | None = None, until_ms: int = FAR) -> tuple[list[int], Run | None]:
        behind = [source for source in range(N_INPUTS) if not self._caught_up[source]]
        limit = self._suspects.limit or RUN_EVENTS
        if not len(self._waiting):
            return behind, None
        span_ms = self._run_span_ms() if span_ms is None else span_ms
        return behind, self._waiting.next_run(behind, limit, span_ms, until_ms)

    def _run_span_ms(self) -> int:
        """As many days as bring a run's looks along, if each event is of somebody new; a small shop's are few."""
        days, customers = 1, len(self.engine.profiles)
        while days < _MOST_DAYS and 2 * days * (customers + self._waiting.within(2 * days * _DAY_MS)) <= RUN_LOOKS:
            days *= 2
        return days * _DAY_MS

    def apply(self, run: Run, behind: Sequence[int]) -> None:
        """Apply records in their order, while these inputs have more to come.

        Raises
        ------
        PoisonError
            If the engine fails on one of them.
        """
        engine, before_ms = self.engine, self.engine.clock.watermark_ms
        engine.clock.behind[:] = 0
        engine.clock.behind[list(behind)] = 1
        for source, record, refusal in run.refused:
            self.outbox.refuse(source, record, refusal)
        if len(run.causes):
            try:
                skip_erased(engine, run)
                outcome = engine.apply(run.events, run.details, lambda i: whose(engine.erased, *run.causes[i]))
                self.outbox.tell(outcome, run.causes, self._told_ms)
                self.outbox.transfers(outcome, run.causes)
            except Exception as error:
                self._broken = True
                self._suspects.failed([(source, record.offset) for source, record in run.causes])
                raise PoisonError(f"applying {len(run.causes)} records failed: {error!r}") from error
            self._watch(run.events, outcome)
            for i in np.flatnonzero(run.events.status == LATE).tolist():
                self.outbox.late(*run.causes[i])
            if not self._options.own_clock:
                self._quiet.note(run, self._options.allowed_skew_ms, before_ms)
        engine.counts.ignored += run.ignored
        engine.counts.dead_lettered += len(run.refused)
        read = sum(count for _, count in run.counts)
        self._notes.run(run.counts, behind)
        self._touched += read
        for source, offset in run.next.items():
            self._next[source] = offset
            self._moved.add(source)

    def take_deletions(self, records: Sequence[Record]) -> None:
        """Do what requests to forget somebody ask for, in their order.

        Raises
        ------
        PoisonError
            If the engine fails on one of them.
        """
        for record in records:
            try:
                if (Source.DELETIONS, record.offset) in self._suspects.poison:
                    self.outbox.refuse(Source.DELETIONS, record, POISON)
                    self.engine.counts.dead_lettered += 1
                else:
                    self._deletions.do(record, self._next[:N_INPUTS])
            except Exception as error:
                self._broken = True
                self._suspects.failed([(Source.DELETIONS, record.offset)])
                raise PoisonError(f"a request to forget somebody failed: {error!r}") from error
            self._next[Source.DELETIONS] = record.offset + 1
        self._notes.run([(int(Source.DELETIONS), len(records))], None)
        self._touched += len(records)
        self._moved.add(Source.DELETIONS)
        self._forgot()

    def take_transfers(self, records: Sequence[Record]) -> None:
        """Take what other partitions tell, in its order.

        Raises
        ------
        KeyMismatchError
            If somebody is to be forgotten, and there is no key here.
        PoisonError
            If the engine fails on one of them.
        """
        for record in records:
            try:
                if (Source.TRANSFERS, record.offset) in self._suspects.poison:
                    self.outbox.refuse(Source.TRANSFERS, record, POISON)
                else:
                    self._arrivals.do(record, self._next[:N_INPUTS], self._told_ms)
            except KeyMismatchError:
                raise
            except Exception as error:
                self._broken = True
                self._suspects.failed([(Source.TRANSFERS, record.offset)])
                raise PoisonError(f"what another partition told failed: {error!r}") from error
            self._next[Source.TRANSFERS] = record.offset + 1
        self._notes.run([(int(Source.TRANSFERS), len(records))], None)
        self._touched += len(records)
        self._moved.add(Source.TRANSFERS)
        self._forgot()

    def _pass_time(self, now_ms: int) -> bool:
        due = self._quiet.due(now_ms)
        if due is None:
            return False
        until_ms, more = due
        self.tick(until_ms, now_ms, whole=False)
        return self._quiet.under_way or more

    def tick(self, until_ms: int, now_ms: int, *, whole: bool = True) -> None:
        """Let quiet time pass up to a time, as of a wall time; or begin to, and `pump` goes on."""
        if whole:
            self._quiet.pass_at_once(until_ms, now_ms)
        else:
            with self._breaking():
                self._quiet.begin(until_ms, now_ms)

    def _ticked(self, until_ms: int, now_ms: int) -> None:
        self._notes.tick(until_ms, now_ms)
        self._touched += 1

    def _tick_on(self) -> bool:
        with self._breaking():
            return self._quiet.go_on()

    def finish(self) -> None:
        """Do what is left of the pieces of quiet time, at once."""
        while self._quiet.under_way:
            self._tick_on()

    @contextmanager
    def _breaking(self) -> Iterator[None]:
        """Let nothing be written of what failed half-way."""
        try:
            yield
        except Exception:
            self._broken = True
            raise

    # ---- writing

    def take(self) -> Taken | None:
        """Give what is to be written since the last call; None if nothing changed, or a tick is under way."""
        if not self._touched or self._broken or self._quiet.under_way:
            return None
        engine = self.engine
        self.outbox.give(engine.departures.sent())
        self.outbox.tell(engine.exchange.close(), (), self._told_ms)
        watermark_ms = engine.clock.watermark_ms
        if watermark_ms > self._told_ms and watermark_ms != NEVER:
            self._told_ms = watermark_ms
            self.outbox.watermark(watermark_ms)
        self._sequence += 1
        self.outbox.put("progress", str(self.partition).encode(), self._progress())
        rows = [*engine.changes(), (UNIT_KEY, self._meta())]
        engine.exchange.pack()
        offsets = {source: self._next[source] for source in self._moved}
        taken = Taken(self.outbox.drain(), rows, offsets, self._deletions.done())
        self._counts_taken = replace(engine.counts)
        self._told_taken += self.outbox.told
        self.outbox.told.clear()
        self._moved.clear()
        self._touched = len(engine.departures.packed)
        return taken

    def copy(self, *, later: bool = False) -> UnitCopy | None:
        """Copy all rows, as the changelog holds them once what was taken is written; None while more is to be taken.

        `later`: whoever asks calls `fill` on what is returned, in whatever thread; until that is done `pump` does
        nothing.
        """
        engine = None if self._touched or self._broken or self._quiet.under_way else self.engine.copy()
        if engine is None:
            return None
        copy = UnitCopy(engine, self._meta())
        if later:
            self._copying = copy
        else:
            copy.fill()
        return copy

    def _meta(self) -> bytes:
        counts = self.engine.counts
        counted = [counts.applied, counts.duplicate, counts.late, counts.ignored, counts.dead_lettered]
        return msgspec.msgpack.encode(UnitRow(self._next, self._sequence, self._told_ms, self._quiet.live, counted))

    def _progress(self) -> dict[str, Any]:
        counts, watermark_ms = self.engine.counts, self.engine.clock.watermark_ms
        steps, its = self._notes.drain(), self._options.fingerprint
        started = any(what == START for _, _, what, _ in steps["told"])
        return {
            "partition": self.partition,
            "sequence": self._sequence,
            "watermark_ms": None if watermark_ms == NEVER else watermark_ms,
            "offsets": dict(zip(SOURCES, self._next, strict=True)),
            **steps,
            "settings": its.stamp,
            **({"settings_values": its.values} if started and its.values else {}),
            "model_version": self.engine.versions.model.version,
            "shop_version": self.engine.versions.shop_version,
            "rules": [f"{rule.name}@{rule.version}" for rule in self.engine.versions.rules.rules],
            "counters": {
                "read": counts.total(),
                "applied": counts.applied,
                "duplicate": counts.duplicate,
                "late": counts.late,
                "ignored": counts.ignored,
                "dead_lettered": counts.dead_lettered,
            },
        }

    # ---- restoring

    def restore(self, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """Put changelog rows in place, in order; those of former layouts are brought to this one.

        Raises
        ------
        LayoutMismatchError
            If a row is of a newer layout, or of other settings.
        """
        told = [value for key, value in zip(keys, values, strict=True) if value and key == UNIT_KEY]
        if told:
            meta = unit_row(told[-1])
            self._next, self._sequence = meta.next, meta.sequence
            self._told_ms, self._quiet.live = meta.told_ms, meta.live
            self._counted = meta.counts
        try:
            self.engine.load(keys, values)
        except LayoutMismatchError as error:
            raise LayoutMismatchError(f"partition {self.partition}: {error}") from None

    def ready(self, committed: Mapping[int, int]) -> dict[int, int]:
        """Finish the restore; return the next offset to read of each input.

        What the rows say holds: without transactions they are written before the offsets, so that the
        committed offsets may lag. Those are then committed next, whether or not anything else is read: whoever
        watches the lag would see one for ever.

        Raises
        ------
        StateLostError
            If the committed offsets are ahead of the state.
        """
        for source, offset in committed.items():
            if offset > self._next[source]:
                raise StateLostError(
                    f"partition {self.partition}: {SOURCES[source]} is committed up to {offset}, but the changelog's "
                    f"state only holds what lies before {self._next[source]}; run `recompra reset` or `recompra "
                    "import` again if one was interrupted, restore the changelog topic, or start under another app_id "
                    "to read everything anew"
                )
            if max(offset, 0) < self._next[source]:
                self._moved.add(source)
                self._touched += 1
        self.engine.restored()
        self._ahead = {s: last for s, last in enumerate(self.engine.applied()) if last >= self._next[s]}
        for source in (Source.DELETIONS, Source.TRANSFERS):
            self.engine.forgetting.finish(source, self._next[source])
        self._touched += len(self.engine.departures.packed)
        self.engine.state.counts = Counts(*self._counted or ())
        self._counted_before = self._counts_taken = replace(self.engine.counts)
        self._waiting.front_ms[:] = self.engine.clock.seen_ms.tolist()
        self._restored = True
        for snapshot in sorted(self._models, key=lambda snapshot: snapshot.version):
            self.engine.versions.swap(snapshot)
        for known in sorted(self._shop, key=lambda snapshot: snapshot.version):
            self.engine.versions.swap_shop(known)
        self.engine.plan_rules(self._timeline)
        self.engine.catch_up()
        self._tell_start()
        return dict(enumerate(self._next))

    def decoded(self, source: int, records: Sequence[Record]) -> Decoded:
        """Decode records of one input, the next in order."""
        return self._decode(source, records)

    def _tell_start(self) -> None:
        note = self._notes.told
        note(START, "")
        for what, known in ((MODEL, self._models), (SHOP, self._shop)):
            if known:
                note(what, str(max(snapshot.version for snapshot in known)))
        note(RULES, timeline_id(self._timeline))
        note(READY, "")

    def swap_model(self, snapshot: Snapshot) -> None:
        """Use a model from its effective time on; while the state is still being read, once it is there."""
        if self._restored:
            self._quiet.between(lambda: self._take_model(snapshot))
        else:
            self._models.append(snapshot)

    def _take_model(self, snapshot: Snapshot) -> None:
        self.engine.versions.swap(snapshot)
        self._notes.told(MODEL, str(snapshot.version))

    def swap_shop(self, snapshot: ShopSnapshot) -> None:
        """Use a version of the shop's knowledge from its effective time on, as a model."""
        if self._restored:
            self._quiet.between(lambda: self._take_shop(snapshot))
        else:
            self._shop.append(snapshot)

    def _take_shop(self, snapshot: ShopSnapshot) -> None:
        self.engine.versions.swap_shop(snapshot)
        self._notes.told(SHOP, str(snapshot.version))

    def plan_rules(self, timeline: Sequence[tuple[int, RuleSet]]) -> None:
        """Use each rule set from its event time on; while the state is still being read, once it is there."""
        self._timeline = timeline
        if self._restored:
            self._quiet.between(lambda: self._take_rules(timeline))

    def _take_rules(self, timeline: Sequence[tuple[int, RuleSet]]) -> None:
        self.engine.plan_rules(timeline)
        self._notes.told(RULES, timeline_id(timeline))

    # ---- figures

    def status(self) -> UnitStatus:
        """Figures as of now; O(1)."""
        engine = self.engine
        watermark_ms, newest_ms = engine.clock.watermark_ms, int(engine.clock.seen_ms.max())
        return UnitStatus(
            pending=len(self.outbox) + self._touched + self._quiet.under_way,
            whole=not self._quiet.under_way,
            watermark_ms=None if watermark_ms == NEVER else watermark_ms,
            newest_ms=None if newest_ms == NEVER else newest_ms,
            counts=engine.counts,
            waiting=(*self._waiting.count, len(self._arrivals.waiting), len(self._deletions.waiting)),
            behind=tuple(not caught_up for caught_up in self._caught_up[:N_INPUTS]),
            customers=engine.profiles.customers,
            model_version=engine.versions.model.version,
            shop_version=engine.versions.shop_version,
            trials=engine.sides.trials.arms,
            warming_up=engine.versions.model.warming_up,
        )

    def counted(self) -> dict[str, int]:
        """What became of how many records, as of the last `take`: since the last call, or since the restore.

        What is applied while a commit is under way is read again where the next one fails: it is not counted yet.
        """
        before, self._counted_before = asdict(self._counted_before), self._counts_taken
        return {outcome: count - before[outcome] for outcome, count in asdict(self._counts_taken).items()}

    def told(self) -> Counter[tuple[str, ...]]:
        """What was told of what was taken since the last call, by kind (`Outbox.told`)."""
        told, self._told_taken = self._told_taken, Counter()
        return told
