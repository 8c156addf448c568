"""Hold-back: how far the feed may go ahead of those who read it, in event time."""

import asyncio
from collections.abc import Callable

from streams.demo.history import DAY_MS
from streams.demo.standing import Standing
from streams.demo.watched import Watched

__all__ = ["MODEL_AHEAD_MS", "WORKER_AHEAD_MS", "HoldBack"]

WORKER_AHEAD_MS = 4 * DAY_MS
"""Beyond what every partition has passed."""
MODEL_AHEAD_MS = 8 * DAY_MS
"""Beyond the newest model: the horizon is 30 days, so one that is a few days old is a good one."""


class HoldBack:
    """Lets the feed go on when worker and trainer have come near enough, as seen on their topics.

    Without it a year would be in the topics before the first model was learned, and all of it would be
    scored by nothing but the ranking of the warm-up.

    Parameters
    ----------
    standing, watched
        What was read so far of `progress` and of the other topics.
    start_ms, horizon_ms
        Where the event times begin; no outcome is known, and no model expected, within the first horizon.

    Attributes
    ----------
    waiting_for
        Who is waited for, in words.
    """

    def __init__(self, standing: Standing, watched: Watched, start_ms: int, horizon_ms: int) -> None:
        self.waiting_for = "nobody"
        self._standing = standing
        self._watched = watched
        self._start_ms = start_ms
        self._learns_from_ms = start_ms + horizon_ms + MODEL_AHEAD_MS
        self._moved = asyncio.Event()
        self._first = True

    def moved(self) -> None:
        """Look again: something was read."""
        self._moved.set()

    async def may_go(self, until_ms: int) -> None:
        """Return when records up to `until_ms` may be produced; the first ones always may."""
        if self._first:
            self._first = False
            return
        await self.until(lambda: self._passed_ms() >= until_ms - WORKER_AHEAD_MS, "the worker")
        if until_ms > self._learns_from_ms:
            await self.until(lambda: self._watched.model_ms >= until_ms - MODEL_AHEAD_MS, "the trainer")

    def _passed_ms(self) -> int:
        """What every partition has passed; the start, as long as one of them has been given nothing yet."""
        return max(self._standing.watermark_ms, self._start_ms)

    async def until(self, ready: Callable[[], bool], whom: str) -> None:
        """Return when `ready()` holds, which is asked whenever something moved."""
        self.waiting_for = whom
        while not ready():
            self._moved.clear()
            await self._moved.wait()

    async def quiet(self, span_s: float) -> None:
        """Return when nothing has moved for `span_s`."""
        while True:
            self._moved.clear()
            try:
                await asyncio.wait_for(self._moved.wait(), span_s)
            except TimeoutError:
                return
