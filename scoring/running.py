"""Running: events are applied, and ticks between them; what comes of them is told, and versions take effect."""

from scoring.evaluation import NO_EVENTS, Evaluation
from scoring.kernel import DONE, HEAP, SWAP, Events, reschedule
from scoring.kernel import run as run_kernel
from scoring.kernel import settle as settle_row
from scoring.outcome import Outcome
from scoring.queue import grown, new_heap
from scoring.room import ROOM
from scoring.state import State
from scoring.versions import Versions

__all__ = ["Running"]


class Running:
    """Leads the kernel through one partition's events and ticks."""

    def __init__(self, state: State, versions: Versions, evaluation: Evaluation) -> None:
        self._state, self._versions, self._evaluation = state, versions, evaluation
        self._profiles, self._clock, self._pending = state.profiles, state.clock, state.pending

    def run(self, events: Events, until_ms: int, received_ms: int) -> Outcome:
        """Apply events, with the ticks between them, then ticks up to a time."""
        outcome, done, i = Outcome(), False, 0
        while not done:
            done, i = self.step(events, i, until_ms, received_ms, outcome)
        return outcome

    def step(
        self, events: Events, i: int, until_ms: int, received_ms: int, outcome: Outcome, most: int = ROOM
    ) -> tuple[bool, int]:
        """Go on from event `i` for at most so many evaluation points; whether that was all, and the next event."""
        state, evaluation, profiles = self._state, self._evaluation, self._profiles
        points = evaluation.points._replace(row=evaluation.points.row[:most])
        stop, scorer = self._versions.next_ms(), self._versions.model.scorer
        why, i, m, resolved = run_kernel(
            profiles.rows, len(profiles), events, i, state.heap, self._clock.watermark, until_ms, received_ms, stop,
            state.choice, points, scorer, evaluation.reading, state.config, state.acc,
        )  # fmt: skip
        if m:
            evaluation.tell(m, events, outcome)
        if resolved:
            self._pending.resolve(points, resolved, profiles.keys, outcome)
        if why == HEAP:
            state.make_room()
        elif why == SWAP:
            self.take_effect(stop)
        return why == DONE, i

    def settle(self, row: int, ms: int, outcome: Outcome) -> None:
        """Run the ticks of one row up to a time."""
        state, evaluation, profiles, done = self._state, self._evaluation, self._profiles, False
        while not done:
            state.make_room()
            done, m, resolved = settle_row(
                profiles.rows, row, ms, self._clock.watermark, state.heap, state.choice, evaluation.points,
                self._versions.model.scorer, evaluation.reading, state.config,
            )  # fmt: skip
            if m:
                evaluation.tell(m, NO_EVENTS, outcome)
            if resolved:
                self._pending.resolve(evaluation.points, resolved, profiles.keys, outcome)

    def come_up(self) -> Outcome:
        """Do all that is due by now, as before an event."""
        self._state.sides.begin()
        return self.run(NO_EVENTS, self._clock.watermark_ms, self._clock.received_ms)

    def take_effect(self, at_ms: int) -> None:
        """Use the rules, models and shop's knowledge whose time has come; all ticks up to it are done."""
        before = self._versions.rules
        for rules in self._versions.rules_until(at_ms):
            self._evaluation.use(rules)
        if self._versions.rules is not before:
            self.schedule()
        self._state.asked_anew.use(self._versions.rules.object_ages, at_ms)
        self._versions.take_effect(at_ms)

    def schedule(self) -> None:
        """Queue every row anew for when time alone can next change anything under the rules in force."""
        state, profiles, known = self._state, self._profiles, len(self._profiles)
        state.stored.unpack()
        state.heap = grown(new_heap(0), 4 * known + 4096)
        reading, watermark_ms = self._evaluation.reading, self._clock.watermark_ms
        reschedule(profiles.rows, known, state.heap, watermark_ms, reading, state.config)
