"""Loads: how far a load of the past may go ahead of inputs that were read to their ends.

Whoever loads a year brings one topic after the other. A worker that is there reads the first at once, and what it says
of the time would make late what the others bring. So what is older at its receipt than actions may be, and moves time
on, waits for inputs that are at their ends to come within half a window, as long as something has just come.
"""

from collections.abc import Sequence
from typing import Final

from scoring.clock import Clock
from scoring.kinds import N_INPUTS
from scoring.profile import FAR, NEVER
from streams.waiting import Waiting

__all__ = ["Loads"]

_QUIET_MS: Final = 3_000
"""Without a record for so long, what was loaded is all there is."""
_MOST_MS: Final = 60_000
"""Nothing waits longer, such as where all that ever comes is old and an input has nothing."""


class Loads:
    """Says up to which event time what waits may be applied.

    What it says follows from the wall clock, as what is at its end does: `progress` has what came of it.

    Parameters
    ----------
    lead_ms
        How far an input may be ahead of one that was read to its end.
    old_ms
        How old an event must be at its receipt to be of a load; None: none is.
    """

    def __init__(self, lead_ms: int, old_ms: int | None) -> None:
        self._lead_ms, self._old_ms = lead_ms, old_ms
        self._given_up: set[int] = set()
        self._since_ms: int | None = None

    def until_ms(self, waiting: Waiting, at_end: Sequence[bool], clock: Clock, now_ms: int) -> int:
        """`FAR` if all that waits may be applied; O(slices that wait)."""
        if self._old_ms is None or (first := waiting.first()) is None:
            return FAR
        time_ms, received_ms = first
        if received_ms - time_ms <= self._old_ms:
            self._since_ms = None
            return FAR
        self._given_up -= {source for source in self._given_up if waiting.count[source]}
        reach = {
            source: waiting.front_ms[source] + self._lead_ms
            for source in range(N_INPUTS)
            if at_end[source] and source not in self._given_up
        }
        short = {source for source, ms in reach.items() if ms < time_ms}
        if short and time_ms > clock.watermark_ms:  # what is no later moves nothing on
            self._since_ms = now_ms if self._since_ms is None else self._since_ms
            if max(now_ms - waiting.received_ms, 0) < _QUIET_MS and now_ms - self._since_ms < _MOST_MS:
                return NEVER
            self._given_up |= short
        self._since_ms = None
        known = (ms for source, ms in reach.items() if source not in self._given_up)
        return max(time_ms, min(known, default=FAR))
