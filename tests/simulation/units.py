"""Units: the production unit, with short times, that also writes down in each commit how it came to its state."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import islice
from unittest.mock import patch

import msgspec
import numpy as np
from simulation.workload import LATE_MS

from scoring.engine import Engine, EngineSettings
from scoring.features import FEATURE_VERSION, N_FEATURES
from scoring.in_force import blank_model, in_force
from scoring.model import LinearScorer, Snapshot
from scoring.profile import HOUR_MS, Layout, Profiles
from scoring.rules import Rule, RuleSet, shipped
from streams.commit import Record, Taken
from streams.unit import Unit, UnitOptions
from streams.waiting import Run

__all__ = ["RECORD", "RecordingUnit", "Replay", "Step", "UnfollowableError", "model", "options", "rows_of"]

RECORD = "simulation-record"
"""The topic on which a commit says how it came to be: more than `progress` does, for a replay to the byte."""

_HORIZON_MS = 2 * HOUR_MS


@cache
def options() -> UnitOptions:
    """Short times, and rules that are crossed often."""
    settings = EngineSettings(
        layout=Layout(horizon_ms=_HORIZON_MS),  # the usual rows: a process should compile for one kind only
        tick_ms=5_000,
        window_ms=LATE_MS,
    )
    rules = [
        *shipped(only=["second-order"]).rules,
        Rule(name="looking", sentence="Looked within twenty seconds.", enter="seconds_since(product_viewed) < 20"),
        Rule(name="frequent", sentence="Did three things.", enter="total(any) >= 3", exit="never", audience=True),
        Rule(
            name="likely",
            sentence="Will probably buy.",
            enter="probability >= 0.6",
            exit="probability < 0.4",
            cooldown_ms=20_000,
        ),
    ]
    return UnitOptions(settings, RuleSet(rules), allowed_skew_ms=600_000, own_clock=False, slice_records=6)


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
        patch.object(Engine, "_room_for", staticmethod(_scratch)),
        patch.object(Profiles.__init__, "__defaults__", (16,)),
    ):
        yield


_scratch = cache(Engine._room_for)


class RecordingUnit(Unit):
    """The production unit; each commit of it also tells which steps led to it, and the models known at each.

    Parameters
    ----------
    forgetful
        Whether it has forgotten all message ids after a restore: they would hide that a record is applied again.
    """

    def __init__(self, partition: int, loaded: Iterable[Snapshot], *, forgetful: bool) -> None:
        super().__init__(partition, options(), sorted(loaded, key=lambda snapshot: snapshot.version))
        self._forgetful = forgetful
        self._steps: list[Step] = []
        self._born = True

    def _apply(self, run: Run, behind: Sequence[int]) -> None:
        read = [0] * len(self._waiting.count)
        for source, count in run.counts:
            read[source] += count
        self._steps.append(Step(known_models(self.engine), self._born, read=read, behind=list(behind)))
        self._born = False
        super()._apply(run, behind)

    def _pass_time(self, now_ms: int) -> bool:
        before, models = len(self._ticks), known_models(self.engine)
        more = super()._pass_time(now_ms)
        for _, until_ms in self._ticks[before:]:
            self._steps.append(Step(models, self._born, until_ms=until_ms, now_ms=now_ms))
            self._born = False
        return more

    def ready(self, committed: Mapping[int, int]) -> dict[int, int]:
        """What the production unit does; a forgetful one no longer knows any message by its id."""
        positions = super().ready(committed)
        if self._forgetful:
            self.forget()
        return positions

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


class Step(msgspec.Struct):
    """A run of records, or a tick of quiet time, and the models known before: that in force, and those to come.

    `born` marks the first step of a unit after a restore.
    """

    models: tuple[int, list[tuple[int, int]]]
    born: bool
    read: list[int] = []
    behind: list[int] = []
    until_ms: int = 0
    now_ms: int = 0


def known_models(engine: Engine) -> tuple[int, list[tuple[int, int]]]:
    """The version in force, and version and effective time of those to come."""
    return engine.model.version, [(snapshot.version, snapshot.effective_ms) for snapshot in engine.upcoming]


class UnfollowableError(Exception):
    """A record says what cannot have been."""


class Replay(Unit):
    """The production unit, led through recorded steps: no broker, no faults."""

    def __init__(self, partition: int, inputs: Sequence[Sequence[Record]]) -> None:
        super().__init__(partition, options())
        self._inputs = [iter(records) for records in inputs]

    def follow(self, steps: Sequence[Step]) -> Taken | None:
        """Take the steps of one commit, and what it writes."""
        for step in steps:
            version, upcoming = step.models
            self.engine.model = in_force(model(version, 0)) if version else blank_model()
            self.engine.upcoming = [model(*known) for known in upcoming]
            if step.read:
                self._run(step)
            else:
                self.outbox.tell(self.engine.advance(step.until_ms, step.now_ms), (), self._told_ms)
                self._ticks.append((self._read, step.until_ms))
                self._touched += 1
        return self.take()

    def _run(self, step: Step) -> None:
        for source, count in enumerate(step.read):
            records = list(islice(self._inputs[source], count))
            if records:
                self.offer(source, records, 0)
        run = self._waiting.next_run([], sum(step.read))
        if run is None or sum(count for _, count in run.counts) != sum(step.read):
            raise UnfollowableError(f"{step.read} records were read, of which the inputs hold fewer")
        self._apply(run, step.behind)


def rows_of(unit: Unit) -> dict[bytes, bytes]:
    """Every changelog row that the unit would write if all of it had changed."""
    engine = unit.engine
    engine._stored.rows.update(range(len(engine.profiles)))
    engine._stored.products.extend(engine.products)
    for row in range(len(engine.profiles)):
        if engine.sides.find(row) is not None:
            engine.sides.touch(row)
    engine.pending._dirty.update(dict.fromkeys(engine.pending._waiting))
    unit._touched += 1
    taken = unit.take()
    assert taken is not None
    return {key: value for key, value in taken.rows if value is not None}
