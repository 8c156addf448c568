"""Quiet time: event time that passes in a unit of whose inputs nothing more comes, in pieces.

A piece is some customers; whatever else would change the unit meanwhile waits for the last of them.
"""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from scoring.engine import Engine
from scoring.outcome import Outcome
from scoring.profile import NEVER
from streams.waiting import Run

__all__ = ["QuietTime"]

_TICKS_AT_ONCE: Final = 60
"""Most ticks that quiet time runs at once."""
_OVER: Final = object()


class QuietTime:
    """Knows how far time may pass, and lets it.

    Parameters
    ----------
    engine
        Of the unit.
    tick_ms
        The time between two ticks.
    furthest_ms
        How far past the newest event it may come: a wall clock that is wrong must not make what comes late for ever, as
        the watermark is kept.
    tell
        Takes what a piece told.
    passed
        Told once all pieces up to a time, as of a wall time, are done.

    Attributes
    ----------
    live
        The watermark when the newest live record was received, and its receipt; None where one of a load moved time on.
    """

    def __init__(
        self,
        engine: Engine,
        tick_ms: int,
        furthest_ms: int,
        tell: Callable[[Outcome], None],
        passed: Callable[[int, int], None],
    ) -> None:
        self._engine = engine
        self._tick_ms, self._furthest_ms = tick_ms, furthest_ms
        self._tell, self._passed = tell, passed
        self._pieces: Iterator[None] | None = None
        self._held_back: list[Callable[[], None]] = []
        self.live: tuple[int, int] | None = None

    @property
    def under_way(self) -> bool:
        """Whether there are pieces to do."""
        return self._pieces is not None

    def note(self, run: Run, allowed_skew_ms: int, before_ms: int) -> None:
        """Remember when the newest live record was received, and the watermark then; none if an older one moved it.

        One that is older and moved nothing on since `before_ms`, such as an order of this morning, stops no clock; nor
        does one that is not beyond what the time would have come to by its receipt, as after a downtime.
        """
        received_ms, time_ms = run.events.received_ms, run.events.time_ms
        live = np.abs(received_ms - time_ms) <= allowed_skew_ms
        watermark_ms = self._engine.clock.watermark_ms
        last = int(np.where(live, received_ms, NEVER).argmax())
        old = int(np.where(live, NEVER, time_ms).argmax())
        if live.all() or not before_ms < watermark_ms <= time_ms[old]:
            if live.any():
                self.live = (watermark_ms, int(received_ms[last]))
            return
        known = (int(time_ms[last]), int(received_ms[last])) if live.any() else self.live
        if known is not None and time_ms[old] > known[0] + received_ms[old] - known[1]:
            known = None
        self.live = known

    def due(self, now_ms: int) -> tuple[int, bool] | None:
        """Up to when time has passed by a wall time, some ticks at a time, and whether there is more; None for none."""
        if self.live is None:
            return None
        tick, (watermark_ms, received_ms) = self._tick_ms, self.live
        at = self._engine.clock.watermark_ms
        furthest = int(self._engine.clock.seen_ms.max()) + self._furthest_ms
        target = min(watermark_ms + now_ms - received_ms, furthest) // tick * tick
        if target <= at:
            return None
        step = min(target, (at // tick + _TICKS_AT_ONCE) * tick)
        return step, step < target

    def pass_at_once(self, until_ms: int, now_ms: int) -> None:
        """Let time pass up to `until_ms`, as of a wall time."""
        self._tell(self._engine.advance(until_ms, now_ms))
        self._passed(until_ms, now_ms)

    def begin(self, until_ms: int, now_ms: int) -> None:
        """Do the first piece of the same; `go_on` does the others."""
        self._pieces = self._in_pieces(until_ms, now_ms)
        self.go_on()

    def _in_pieces(self, until_ms: int, now_ms: int) -> Iterator[None]:
        for outcome in self._engine.advance_in_pieces(until_ms, now_ms):
            self._tell(outcome)
            yield
        self._passed(until_ms, now_ms)

    def go_on(self) -> bool:
        """Do the next piece; whether there is another, or something came up meanwhile."""
        if self._pieces is None or next(self._pieces, _OVER) is not _OVER:
            return self._pieces is not None
        self._pieces = None
        for told in self._held_back:
            told()
        self._held_back.clear()
        return True

    def between(self, told: Callable[[], None]) -> None:
        """Do something now, or once all pieces are done."""
        if self._pieces is None:
            told()
        else:
            self._held_back.append(told)
