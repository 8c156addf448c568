"""Engine: one partition's scoring, from a run of events to what is told of it and to what must be stored."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise

import numpy as np

from scoring.engine_settings import Counts, EngineSettings
from scoring.evaluation import NO_EVENTS, Evaluation
from scoring.exchange import Exchange
from scoring.forgetting import Forgetting
from scoring.kernel import (
    APPLIED,
    DUPLICATE,
    ERASED,
    LATE,
    PASSED_ON,
    SKIPPED,
    Events,
    admit,
    derive_rows,
    watermarks,
)
from scoring.kinds import N_INPUTS, Kind
from scoring.looking import Looking
from scoring.outcome import Outcome
from scoring.profile import FAR, NEVER
from scoring.reading import reading_of
from scoring.rules import RuleSet
from scoring.running import Running
from scoring.sides import Detail
from scoring.state import State
from scoring.stored import Copied
from scoring.uniting import Uniting
from scoring.versions import Versions

__all__ = ["Counts", "Engine", "EngineSettings"]


class Engine:
    """One partition's state and arithmetic; no clock, no broker.

    A run may be cut anywhere with the same outcome. Applying costs a few microseconds an event.

    Parameters
    ----------
    settings
        Sizes, times and limits.
    rules
        The lists; a kind that they count by the day or the hour must have a ring in the layout, and what else they read
        a part of the row.
    partition
        The partition's number, for examples.
    home
        Whether an id belongs to this partition.
    secret
        What the hashes of erased ids are keyed with; empty: nobody can be erased.

    Attributes
    ----------
    state
        What is kept; its parts are the engine's, too.
    versions
        What is in force, and what is to come.
    evaluation
        What points are made into.
    looking
        Customers as of a time, without any change.
    forgetting
        Who is to be forgotten.
    exchange
        Who comes from other partitions, and goes there.

    Raises
    ------
    ValueError
        If a rule counts a kind that has no ring, or reads what the layout does not keep.
    """

    def __init__(
        self,
        settings: EngineSettings,
        rules: RuleSet,
        partition: int = 0,
        home: Callable[[bytes], bool] = lambda _: True,
        secret: bytes = b"",
    ) -> None:
        self.settings = settings
        self.state = state = State(settings, partition, home, secret)
        self.config = state.config
        self.profiles, self.clock, self.sides, self.pending = state.profiles, state.clock, state.sides, state.pending
        self.links, self.departures, self.erased = state.links, state.departures, state.erased
        self.products, self.since_ms, self.returned = state.products, state.since_ms, state.returned
        self.versions = Versions(rules)
        self.evaluation = Evaluation(state, self.versions)
        self._running = Running(state, self.versions, self.evaluation)
        self._uniting = Uniting(state, self.evaluation, self._running)
        self.looking = Looking(state, self.versions, self.evaluation)
        self.forgetting = Forgetting(state, self.versions)
        self.exchange = Exchange(state, self.evaluation, self._running, self._uniting, self.forgetting.voids)

    @property
    def counts(self) -> Counts:
        """What became of the records."""
        return self.state.counts

    def apply(
        self, events: Events, details: dict[int, Detail], customer: Callable[[int], bytes | None] = lambda _: b""
    ) -> Outcome:
        """Apply a run of events of one partition in the order of input.

        Parameters
        ----------
        events
            Columns; `status` and `watermark_ms` are filled here, and `cart_items` and `cart_value` where the cart
            changed. `clock.behind` says which inputs have more to come.
        details
            By index, what orders and cart events carry beside the columns.
        customer
            Gives the id of whom an event is about; asked where its row is -1. One who has no row gets one, but for
            an event that is late: made-up names in old records leave nothing behind. None: of somebody forgotten.

        An event that tells of a former id of its customer makes two customers one before it is applied itself.
        """
        linking = sorted(i for i, detail in details.items() if detail.former)
        if not linking:
            return self._applied(events, details, customer)
        outcome = Outcome()
        for start, stop in pairwise([*dict.fromkeys((0, *linking)), len(events.row)]):
            told = {i - start: details[i] for i in range(start, stop) if i in details}
            if 0 in told and (former := told[0].former):
                linked = self._uniting.link(events, start, former, customer)
                if linked is not None:
                    outcome.extend(linked, start)
                elif told[0] == Detail(former=former):  # as where they were one when it was decoded
                    del told[0]
            piece = Events._make(column[start:stop] for column in events)
            outcome.extend(self._applied(piece, told, partial(_later, customer, start)), start)
        return outcome

    def _applied(self, events: Events, details: dict[int, Detail], customer: Callable[[int], bytes | None]) -> Outcome:
        """Apply events, each under the rules that are in force by then.

        What rules ask to be kept of a customer is read off all events of a run before the first of them is applied, so
        that a run ends where other rules take effect.
        """
        changes = self._rule_changes(events)
        if not changes:
            return self._under_same_rules(events, details, customer)
        outcome, start = Outcome(), 0
        for stop, at_ms in [*changes, (len(events.row), FAR)]:
            if start < stop:
                told = {i - start: details[i] for i in range(start, stop) if i in details}
                piece = Events._make(column[start:stop] for column in events)
                outcome.extend(self._under_same_rules(piece, told, partial(_later, customer, start)), start)
            if at_ms < FAR:
                outcome.extend(self._come_to(at_ms, int(events.received_ms[stop])), stop)
            start = stop
        return outcome

    def _come_to(self, at_ms: int, received_ms: int) -> Outcome:
        """Do all that is due up to a time at which other rules take effect, and let them."""
        self.sides.begin()
        return self._running.run(NO_EVENTS, at_ms, received_ms)

    def _rule_changes(self, events: Events) -> list[tuple[int, int]]:
        """The events from which on other rules are in force, each with the time of that."""
        times, clock = [at_ms for at_ms, _ in self.versions.upcoming_rules], self.clock
        if not times or not len(events.row):
            return []
        watermarks(events, clock.seen_ms.copy(), clock.behind, clock.watermark_ms)
        first = np.searchsorted(events.watermark_ms, times).tolist()
        return [(i, at_ms) for i, at_ms in zip(first, times, strict=True) if i < len(events.row)]

    def _under_same_rules(
        self, events: Events, details: dict[int, Detail], customer: Callable[[int], bytes | None]
    ) -> Outcome:
        clock = self.clock
        self.links.follow(events.row)
        watermark = watermarks(events, clock.seen_ms, clock.behind, clock.watermark_ms)
        passed_on, erased = self.state.find_rows(events, customer)
        rows = self.profiles.rows
        admit(rows, events, self.config.window_ms)
        events.status[erased] = ERASED
        for one in passed_on:
            fresh = self.links.passed(one.origin, int(events.source[one.event]), int(events.offset[one.event]))
            events.status[one.event] = PASSED_ON if fresh else SKIPPED
        if self.state.awaits_pages:
            self.state.remember_pages(events.product[events.kind == Kind.PAGE].tolist())
        self.sides.begin()
        self.sides.apply(events, details, rows, self.versions.usual_gap_ms)
        self.state.stored.rows.update(events.row.tolist())
        self.state.stored.rows.discard(-1)
        outcome = self._running.run(events, watermark, clock.received_ms)
        outcome.passed_on += [one for one in passed_on if events.status[one.event] == PASSED_ON]
        self.sides.settle()
        tally = np.bincount(events.status[events.source < N_INPUTS], minlength=6)
        self.counts.applied += int(tally[APPLIED] + tally[SKIPPED] + tally[PASSED_ON])
        self.counts.duplicate += int(tally[DUPLICATE])
        self.counts.late += int(tally[LATE])
        self.counts.ignored += int(tally[ERASED])
        return outcome

    def advance(self, watermark_ms: int, received_ms: int) -> Outcome:
        """Let event time pass up to `watermark_ms` without an event: run the ticks that are due.

        `received_ms` is the time at which that became known, for the gate against stale actions.
        """
        if watermark_ms <= self.clock.watermark_ms:
            return Outcome()
        self.sides.begin()
        return self._running.run(NO_EVENTS, watermark_ms, received_ms)

    def advance_in_pieces(self, watermark_ms: int, received_ms: int) -> Iterator[Outcome]:
        """`advance`, a few customers at a time: their outcomes in turn, the same all together.

        Until the last is asked for nothing else may be: neither events, models or rules, nor what is to be stored.
        """
        if watermark_ms <= self.clock.watermark_ms:
            return
        self.sides.begin()
        done = False
        while not done:
            outcome = Outcome()
            done, _ = self._running.step(NO_EVENTS, 0, watermark_ms, received_ms, outcome, self.settings.tick_piece)
            self.state.stored.pack()
            yield outcome

    def look_at_everybody(self) -> Outcome:
        """Ask the rules in force about everybody at the next tick, as the daily look asks each customer once a day."""
        rows, tick_ms = self.profiles.rows[: len(self.profiles)], self.config.tick_ms
        if not len(rows):
            return Outcome()
        at_ms = (self.clock.watermark_ms // tick_ms + 1) * tick_ms
        rows["rescore_ms"][rows["first_ms"] != NEVER] = at_ms
        self._running.schedule()
        return self.advance(at_ms, at_ms)

    def plan_rules(self, timeline: Sequence[tuple[int, RuleSet]]) -> None:
        """Use each rule set from its time on; see `Versions.plan_rules`.

        Raises
        ------
        ValueError
            If a rule counts a kind that has no ring, or reads what a row does not keep; what was planned stays.
        """
        for _, rules in timeline:
            reading_of(rules, self.settings.layout)
        self.versions.plan_rules(timeline, self.clock.watermark_ms)

    def catch_up(self) -> None:
        """Use now what has its time already, as the next run would; after a restore, so that nobody is told else."""
        self._running.take_effect(self.clock.watermark_ms)

    def changes(self) -> list[tuple[bytes, bytes | None]]:
        """Every changelog row that changed since the last call (None: it is gone), the partition's own row last."""
        return self.state.changes()

    def copy(self) -> Copied | None:
        """Copy all, as `changes` has given it, but for the rows (`Copied.fill`); None while a change waits for it."""
        return self.state.copy()

    def load(self, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """Put changelog rows in place, in the order of the changelog; call `restored` after the last.

        Raises
        ------
        LayoutMismatchError
            If a row was written with other ring sizes or another horizon.
        """
        self.state.load(keys, values)

    def applied(self) -> list[int]:
        """By input the last offset that is applied to any row; -1 for none. O(customers).

        Of half a commit the side record may have been written and the row not.
        """
        rows = self.profiles.rows[: len(self.profiles)]
        sides = [side for row in self.state.stored.ahead if (side := self.sides.find(row)) is not None]
        return [
            max([int(rows["applied"][:, source].max(initial=-1)), *(side.applied[source] for side in sides)])
            for source in range(N_INPUTS)
        ]

    def restored(self) -> None:
        """After rows were loaded: derive what is not stored, find each rule's bit and queue what is due."""
        left = self.links.restored()
        known = len(self.profiles)
        derive_rows(self.profiles.rows, known, self.state.acc, float(self.config.horizon_ms))
        self.evaluation.use(self.versions.rules)
        for former in left:
            self.exchange.pack_one(former, self.profiles.index.pop(former))
        self._running.schedule()


def _later(customer: Callable[[int], bytes | None], start: int, i: int) -> bytes | None:
    """Whom event `i` of the part of a run that begins at `start` is about."""
    return customer(start + i)
