"""Loop: an event loop with a virtual clock, that runs what is ready in an order drawn from a seed.

Every await is a scheduling point: whichever callback is ready may be next. Time passes only when nothing is ready,
and then at once. There are no sockets, threads or wall clock, so one seed is one schedule in every process.
"""

import asyncio
import heapq
from collections import deque
from random import Random
from typing import Any

__all__ = ["Loop", "StandstillError"]


class StandstillError(RuntimeError):
    """Nothing is ready and nothing is due: whatever is awaited will never come."""


class Loop(asyncio.BaseEventLoop):
    """asyncio's own loop, but for where time and the order of what is ready come from.

    Parameters
    ----------
    chance
        Draws the order.
    """

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self, chance: Random) -> None:
        super().__init__()
        self._chance = chance
        self._virtual_s = 0.0
        self.steps = 0
        self.set_exception_handler(lambda _loop, _context: None)  # what a dead worker leaves behind says nothing

    def time(self) -> float:
        """Virtual seconds since the start."""
        return self._virtual_s

    def _run_once(self) -> None:
        ready, scheduled = self._ready, self._scheduled
        if not ready:
            if not scheduled:
                raise StandstillError("nothing is ready and nothing is due")
            self._virtual_s = max(self._virtual_s, scheduled[0].when())
        while scheduled and scheduled[0].when() <= self._virtual_s:
            timer = heapq.heappop(scheduled)
            timer._scheduled = False  # type: ignore[attr-defined]  # as the loop that this one stands in for does
            ready.append(timer)
        if len(ready) > 1:
            ready.rotate(-int(self._chance.random() * len(ready)))
        if ready:
            self.steps += 1
            handle = ready.popleft()
            if not handle.cancelled():
                handle._run()

    def _process_events(self, _event_list: Any) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody else can wake it."""
