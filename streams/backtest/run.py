"""Backtest run: events in order of time through the engine, the learner in the loop, scores as of cutoffs."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Self

import numpy as np
from numpy.typing import NDArray

from schemas.refusal import Refusal
from scoring.engine import Engine
from scoring.evaluation import NO_EVENTS
from scoring.kernel import Events
from scoring.learner import Learner
from scoring.model import Example
from scoring.outcome import Outcome
from scoring.profile import DAY_MS, NEVER
from streams.backtest.history import History, merged
from streams.decoding import Decoder
from streams.learning import learner_config
from streams.limits import Limits
from streams.settings import Settings

__all__ = ["Backtest", "Cutoff", "Result"]

FloatArray = NDArray[np.float64]

_RUN = 20_000
"""Events decoded and applied at once."""


@dataclass(frozen=True, slots=True)
class Cutoff:
    """Everybody seen before a time, scored as of it: (n,) each.

    `percentile` is the rank by the model's own table; while it warms up, the rank among those listed.
    """

    time_ms: int
    rows: NDArray[np.int64]
    customers: Sequence[bytes]
    score: FloatArray
    percentile: FloatArray
    warming_up: bool


@dataclass(slots=True)
class Result:
    """What came of a run; quality by month and segment is the learner's.

    `entered` counts by rule the entries whose action is published, `withheld` the others by rule and first reason.
    """

    learner: Learner
    events: int = 0
    first_ms: int = 0
    last_ms: int = 0
    entered: Counter[str] = field(default_factory=Counter)
    withheld: Counter[tuple[str, str]] = field(default_factory=Counter)
    refused: list[Refusal] = field(default_factory=list)


class Backtest:
    """Runs a history through an engine.

    Each `every_ms` of event time, at multiples of it, the learner takes what has resolved *before* that moment
    and its model is in force from then on. A cutoff is scored from the events before it by the model then in
    force, so cutoffs change nothing and what comes after one cannot reach it.

    Parameters
    ----------
    engine
        A new one; its clock is the events'.
    learner
        Learns in the loop.
    allowed_skew_ms, limits
        As for a worker.
    every_ms
        Event time between models.
    watch
        Shown each run of events that was applied, and what came of it.
    """

    def __init__(
        self,
        engine: Engine,
        learner: Learner,
        allowed_skew_ms: int = 600_000,
        every_ms: int = DAY_MS,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        watch: Callable[[Events, Outcome], None] = lambda _, __: None,
    ) -> None:
        self.engine, self.learner, self.every_ms, self._watch = engine, learner, every_ms, watch
        self._decoder = Decoder(
            engine.profiles.row, engine.state.product, allowed_skew_ms, own_clock=True, limits=limits
        )
        self._waiting: list[Example] = []
        self._result = Result(learner)

    @classmethod
    def of(
        cls,
        settings: Settings,
        engine: Engine,
        learner: Learner | None = None,
        watch: Callable[[Events, Outcome], None] = lambda _, __: None,
    ) -> Self:
        """As a worker and a trainer with these settings would run it; the learner is a new one if none is given."""
        return cls(
            engine,
            learner or Learner(learner_config(settings)),
            settings.allowed_skew_ms,
            settings.snapshot_every_ms,
            Limits.of(settings),
            watch,
        )

    def run(
        self,
        history: History,
        cutoffs_ms: Sequence[int] = (),
        on_cutoff: Callable[[Cutoff], None] = lambda _: None,
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> Result:
        """Run to the last event; `on_progress` is told how many events are done."""
        result = self._result
        result.events = len(history)
        if not len(history):
            return result
        result.first_ms, result.last_ms = int(history.time_ms[0]), int(history.time_ms[-1])
        at, asked = 0, frozenset(cutoffs_ms)
        for moment in self._moments(result.first_ms, result.last_ms, cutoffs_ms):
            at = self._apply(history, at, history.before(moment), on_progress)
            if moment % self.every_ms == 0:
                self._learn(moment)
            if moment in asked:
                on_cutoff(self._score(moment))
        self._apply(history, at, len(history), on_progress)
        return result

    def _moments(self, first_ms: int, last_ms: int, cutoffs_ms: Sequence[int]) -> list[int]:
        """Cutoffs, and the times for a new model between the first event and the last."""
        every = self.every_ms
        end = max(last_ms, *cutoffs_ms) if cutoffs_ms else last_ms
        models = range((first_ms // every + 1) * every, end + 1, every)
        return sorted(set(chain(models, cutoffs_ms)))

    def _apply(self, history: History, start: int, stop: int, on_progress: Callable[[int], None]) -> int:
        for begin in range(start, stop, _RUN):
            end = min(begin + _RUN, stop)
            run = history.take(begin, end)
            decoded, places = [], []
            for source, records in enumerate(run.records):
                if records:
                    one = self._decoder(source, records)
                    self.engine.counts.ignored += one.ignored
                    self.engine.counts.dead_lettered += len(one.refused)
                    self._result.refused += [refusal for _, refusal in one.refused]
                    decoded.append(one)
                    places.append(run.places[source])
            events, details = merged(decoded, places)
            self._take(self.engine.apply(events, details), events)
            on_progress(end)
        return stop

    def _learn(self, moment: int) -> None:
        """Learn what resolved before `moment`, and put the model in force from then on."""
        self._take(self.engine.advance(moment - 1, moment - 1))
        ready = sorted(
            (example for example in self._waiting if example.resolved_ms < moment),
            key=lambda example: (example.resolved_ms, example.id),
        )
        if ready:
            self._waiting = [example for example in self._waiting if example.resolved_ms >= moment]
            self.learner.learn(ready)
            self.engine.versions.swap(self.learner.snapshot(moment, moment - 1, keep_state=False))
        self._take(self.engine.advance(moment, moment))

    def _take(self, outcome: Outcome, events: Events = NO_EVENTS) -> None:
        self._watch(events, outcome)
        self._waiting += outcome.examples
        for action in outcome.actions:
            if action.entered and action.withheld:
                self._result.withheld[action.rule, action.withheld[0]] += 1
            elif action.entered:
                self._result.entered[action.rule] += 1

    def _score(self, moment: int) -> Cutoff:
        engine = self.engine
        first = engine.profiles.rows["first_ms"][: len(engine.profiles)]
        seen = np.flatnonzero((first != NEVER) & (first < moment))
        rows, score, percentile = engine.looking.score_at(moment, seen)
        if np.isnan(percentile).any():
            percentile = _ranks(score)
        keys = engine.profiles.keys
        customers = [keys[row] for row in rows.tolist()]
        return Cutoff(moment, rows, customers, score, percentile, engine.versions.model.warming_up)


def _ranks(score: FloatArray) -> FloatArray:
    """The mid-rank of each in [0, 1]."""
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - 0.5 * count
    return np.asarray(middle[place] / max(len(score), 1))
