"""Units: the production unit, with short times, that also writes down in each commit how it came to its state."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from itertools import islice
from typing import Any
from unittest.mock import patch

import msgspec
import numpy as np
from simulation.rules import BASE, Version, holding, read_once, timeline_of
from simulation.workload import LATE_MS, POISON, home, poisoned
from strategies.layouts import FULL

from scoring import evaluation as evaluation_module
from scoring.crossing import Crossing, Crossings
from scoring.engine import Engine, EngineSettings
from scoring.features import FEATURE_VERSION, N_FEATURES
from scoring.in_force import blank_model, in_force
from scoring.kernel import Events, Points
from scoring.kinds import Source
from scoring.model import LinearScorer, Snapshot
from scoring.outcome import Action, Outcome
from scoring.profile import HOUR_MS, NEVER, Profiles, stable_hash
from scoring.room import room_for
from scoring.rules import RuleSet
from scoring.stored import PRODUCT
from streams.commit import Record, Taken
from streams.live_rules import Timeline
from streams.suspects import Suspects
from streams.unit import Unit
from streams.unit_options import UnitOptions
from streams.waiting import Run

__all__ = [
    "POISON_ROW",
    "RECORD",
    "FailingEngine",
    "RecordingUnit",
    "Replay",
    "Step",
    "UnfollowableError",
    "model",
    "options",
    "rows_of",
]

RECORD = "simulation-record"
"""The topic on which a commit says how it came to be: more than `progress` does, for a replay to the byte."""

POISON_ROW = PRODUCT + stable_hash(POISON.encode()).to_bytes(8, "big")
"""Key of the product on which the engine fails."""

_HORIZON_MS = 2 * HOUR_MS


@cache
def options() -> UnitOptions:
    """Short times, and rules that are crossed often."""
    settings = EngineSettings(
        layout=replace(FULL, horizon_ms=_HORIZON_MS),
        tick_ms=5_000,
        window_ms=LATE_MS,
        tick_piece=1,
    )
    return UnitOptions(
        settings, RuleSet(BASE), 600_000, own_clock=False, slice_records=6, partition_of=home, erasure_key=b"simulated"
    )


@cache
def model(version: int, effective_ms: int) -> Snapshot:
    """A model of its own for each version."""
    weight = np.linspace(-0.4, 0.4, N_FEATURES) * (1 if version % 2 else -1)
    return Snapshot(
        version=version,
        effective_ms=effective_ms,
        feature_version=FEATURE_VERSION,
        horizon_ms=_HORIZON_MS,
        warming_up=False,
        scorer=LinearScorer(np.zeros(N_FEATURES), np.ones(N_FEATURES), weight, 0.1 * version, 5.0),
        quantiles=np.linspace(-4.0, 4.0, 11),
    )


@contextmanager
def shared_scratch() -> Iterator[None]:
    """Let all engines write their points to the same room, as one thread may: 5 MB less to clear for each."""
    with (
        patch.object(evaluation_module, "room_for", _scratch),
        patch.object(Profiles.__init__, "__defaults__", (16,)),
        read_once(),
    ):
        yield


_scratch = cache(room_for)


class FailingEngine(Engine):
    """The production engine, but that it fails on some records, after it has changed the state."""

    def apply(self, events: Events, *said: Any) -> Outcome:
        """What the production engine does, unless it fails."""
        outcome = super().apply(events, *said)
        if (events.product == _POISON).any():
            raise ZeroDivisionError("the engine fails")
        return outcome


class RecordingUnit(Unit):
    """The production unit; each commit of it also tells which steps led to it, and what was known at each.

    Parameters
    ----------
    told
        The versions of rules that its worker has been told, kept up to date by that.
    forgetful
        Whether it has forgotten all message ids after a restore: they would hide that a record is applied again.
    """

    def __init__(
        self,
        partition: int,
        loaded: Iterable[Snapshot],
        timeline: Timeline = (),
        told: Collection[Version] = (),
        suspects: Suspects | None = None,
        *,
        forgetful: bool,
    ) -> None:
        models = sorted(loaded, key=lambda snapshot: snapshot.version)
        super().__init__(partition, options(), models, timeline, suspects)
        self.engine.__class__ = FailingEngine
        self._told_rules = told
        self._forgetful = forgetful
        self._steps: list[Step] = []

    def apply(self, run: Run, behind: Sequence[int]) -> None:
        """What the production unit does, and note it."""
        read = [0] * len(self._waiting.count)
        for source, count in run.counts:
            read[source] += count
        known = list(self._told_rules)
        self._steps.append(Step(known_models(self.engine), known, read=read, behind=list(behind)))
        super().apply(run, behind)

    def take_transfers(self, records: Sequence[Record]) -> None:
        """What the production unit does, and note it."""
        self._steps.append(Step(known_models(self.engine), list(self._told_rules), transfers=len(records)))
        super().take_transfers(records)

    def take_deletions(self, records: Sequence[Record]) -> None:
        """What the production unit does, and note it."""
        self._steps.append(Step(known_models(self.engine), list(self._told_rules), deletions=len(records)))
        super().take_deletions(records)

    def tick(self, until_ms: int, now_ms: int, *, whole: bool = True) -> None:
        """What the production unit does, and note it."""
        models, known = known_models(self.engine), list(self._told_rules)
        super().tick(until_ms, now_ms, whole=whole)
        self._steps.append(Step(models, known, until_ms=until_ms, now_ms=now_ms))

    def _take_model(self, snapshot: Snapshot) -> None:
        """What the production unit does, and note it: whoever leaves with the next commit is scored by it."""
        super()._take_model(snapshot)
        self._steps.append(Step(known_models(self.engine), list(self._told_rules), told=True))

    def _take_rules(self, timeline: Timeline) -> None:
        """What the production unit does, and note it: the next commit says which rules are in force."""
        super()._take_rules(timeline)
        self._steps.append(Step(known_models(self.engine), list(self._told_rules), told=True))

    def ready(self, committed: Mapping[int, int]) -> dict[int, int]:
        """What the production unit does; a forgetful one no longer knows any message by its id."""
        positions = super().ready(committed)
        self._steps.append(Step(known_models(self.engine), list(self._told_rules), born=True))
        if self._forgetful:
            self.forget()
        return positions

    def anew(self) -> "RecordingUnit":
        """An empty one of this partition number that knows the same rules."""
        return RecordingUnit(self.partition, (), timeline_of(self._told_rules), forgetful=False)

    def forget(self) -> None:
        """Forget the ids of messages, as if more than the span had come since."""
        rows = self.engine.profiles.rows
        rows["message_n"] = 0
        rows["message"] = 0

    def take(self) -> Taken | None:
        """What the production unit gives, and the record."""
        taken = super().take()
        if taken is not None:
            taken.outputs.append((RECORD, None, msgspec.json.encode(self._steps)))
            self._steps = []
        return taken


_POISON = stable_hash(POISON.encode())


class Step(msgspec.Struct):
    """A run of records, a tick, a restore (`born`) or news of rules and models (`told`), and what was known at it.

    `models` are that in force and those to come; `rules` the versions that the worker had been told.
    """

    models: tuple[int, list[tuple[int, int]]]
    rules: list[Version]
    born: bool = False
    told: bool = False
    read: list[int] = []
    transfers: int = 0
    deletions: int = 0
    behind: list[int] = []
    until_ms: int = 0
    now_ms: int = 0


def known_models(engine: Engine) -> tuple[int, list[tuple[int, int]]]:
    """The version in force, and version and effective time of those to come."""
    return engine.versions.model.version, [
        (snapshot.version, snapshot.effective_ms) for snapshot in engine.versions.upcoming
    ]


class UnfollowableError(Exception):
    """A record says what cannot have been."""


class Replay(Unit):
    """The production unit, led through recorded steps: no broker, no faults.

    Attributes
    ----------
    misjudged
        Crossings by another version of a rule than the one that plainly holds, a sentence each.
    """

    def __init__(self, partition: int, inputs: Sequence[Sequence[Record]]) -> None:
        known = Suspects()
        known.poison = {(s, r.offset) for s, records in enumerate(inputs) for r in records if poisoned(r.value)}
        super().__init__(partition, options(), suspects=known)
        self.engine._under_same_rules = self._under_same_rules  # type: ignore[method-assign]
        self.engine._come_to = self._come_to  # type: ignore[method-assign]
        self._inputs = [iter(records) for records in inputs]
        self._since_ms: dict[Version, int] = {}
        self._from_ms = self._until_ms = NEVER
        self.misjudged: list[str] = []

    def follow(self, steps: Sequence[Step]) -> Taken | None:
        """Take the steps of one commit, and what it writes."""
        with patch.object(Crossings, "actions", lambda *said: self._judged(*said)):  # noqa: PLW0108 - it must bind
            self._lead(steps)
        return self.take()

    def renewed(self, rows: Mapping[bytes, bytes]) -> "Replay":
        """One made anew from what this one stored, that reads on, and knows the same rules and models."""
        other = Replay(self.partition, ())
        other._inputs, other._since_ms = self._inputs, self._since_ms
        copy = self.copy()
        for keys, values in [(list(rows), list(rows.values()))] if copy is None else copy.pieces():
            other.restore(keys, values)
        other.ready(dict(enumerate(self._next)))
        other._notes.drain()
        known, before = other.engine.versions, self.engine.versions
        known.model, known.upcoming = before.model, list(before.upcoming)
        known.upcoming_rules = [(NEVER, before.rules), *before.upcoming_rules]
        other.engine.catch_up()
        return other

    def _lead(self, steps: Sequence[Step]) -> None:
        for step in steps:
            self._learn(step)
            self._from_ms, self._until_ms = self.engine.clock.watermark_ms, step.until_ms
            version, upcoming = step.models
            self.engine.versions.model = in_force(model(version, 0)) if version else blank_model()
            self.engine.versions.upcoming = [model(*known) for known in upcoming]
            if step.read:
                self._run(step)
            elif step.transfers:
                records = list(islice(self._inputs[Source.TRANSFERS], step.transfers))
                if len(records) < step.transfers:
                    raise UnfollowableError(f"{step.transfers} transfers were taken, of which there are fewer")
                self.take_transfers(records)
            elif step.deletions:
                records = list(islice(self._inputs[Source.DELETIONS], step.deletions))
                if len(records) < step.deletions:
                    raise UnfollowableError(f"{step.deletions} deletions were taken, of which there are fewer")
                self.take_deletions(records)
            elif step.born:
                self.engine.catch_up()
            elif not step.told:
                self.tick(step.until_ms, step.now_ms)

    def _run(self, step: Step) -> None:
        for source, count in enumerate(step.read):
            records = list(islice(self._inputs[source], count))
            if records:
                self.offer(source, records, 0)
        run = self._waiting.next_run([], sum(step.read))
        if run is None or sum(count for _, count in run.counts) != sum(step.read):
            raise UnfollowableError(f"{step.read} records were read, of which the inputs hold fewer")
        self.apply(run, step.behind)

    def _learn(self, step: Step) -> None:
        """Know the versions of rules that were known then: after a restore perhaps fewer than before."""
        if step.born or len(step.rules) != len(self._since_ms):
            now_ms = self.engine.clock.watermark_ms
            before = {} if step.born else self._since_ms
            self._since_ms = {version: before.get(version, now_ms) for version in step.rules}
            self.engine.plan_rules(timeline_of(step.rules))

    def _judged(
        self, crossings: Crossings, found: Sequence[Crossing], points: Points, events: Events, *more: Any
    ) -> list[Action]:
        actions = _actions(crossings, found, points, events, *more)
        for crossing, action in zip(found, actions, strict=True):
            self._compare(action, self._judged_at_ms(crossing, action, points, events))
        return actions

    def _judged_at_ms(self, crossing: Crossing, action: Action, points: Points, events: Events) -> int:
        """The time that decides which version a crossing is by."""
        if not len(events.row) and not self._until_ms:  # two customers are one: between two events
            return self.engine.clock.watermark_ms
        watermarks = [self._from_ms, *events.watermark_ms.tolist()]
        watermarks.append(max(watermarks[-1], self._until_ms))
        done = int(points.at[crossing.point])
        if action.event >= 0:
            return watermarks[done]
        # What had its time before the tick decides it. But a tick may come when its time is past, by an event out
        # of order, or before the watermark is there, when the customer's next event asks for it.
        return min(max(action.time_ms - 1, watermarks[done]), watermarks[done + 1])

    def _compare(self, action: Action, at_ms: int) -> None:
        """Note a crossing by another version than the one that holds at a time."""
        wanted = holding(action.rule, self._since_ms, at_ms)
        if action.rule_version != wanted:
            self.misjudged.append(f"{action.rule}@{action.rule_version} at {action.time_ms}, not @{wanted}")

    def _under_same_rules(self, *said: Any) -> Outcome:
        """Apply a part of a run, and know where time stood before it."""
        self._from_ms = self.engine.clock.watermark_ms
        return Engine._under_same_rules(self.engine, *said)

    def _come_to(self, at_ms: int, received_ms: int) -> Outcome:
        """Let other rules take effect amid a run, and know from when to when that is."""
        self._from_ms, until_ms = self.engine.clock.watermark_ms, self._until_ms
        self._until_ms = at_ms
        try:
            return Engine._come_to(self.engine, at_ms, received_ms)
        finally:
            self._until_ms = until_ms


_actions = Crossings.actions


def rows_of(unit: Unit) -> dict[bytes, bytes]:
    """Every changelog row that the unit would write if all of it had changed."""
    engine = unit.engine
    keys, find = engine.profiles.keys, engine.profiles.find
    there = [
        row for row in range(len(engine.profiles)) if find(keys[row]) == row
    ]  # the others are somebody else by now
    engine.state.stored.rows.update(there)
    engine.links.fresh.update(dict.fromkeys(engine.links.owner))
    engine.erased.fresh.update(dict.fromkeys(engine.erased.known))
    engine.state.stored.products.extend(engine.products)
    for row in there:
        if engine.sides.find(row) is not None:
            engine.sides.touch(row)
    engine.pending._dirty.update(dict.fromkeys(engine.pending._waiting))
    unit._touched += 1
    taken = unit.take()
    assert taken is not None
    return {key: value for key, value in taken.rows if value is not None}
