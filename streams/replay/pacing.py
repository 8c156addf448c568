"""Pacing: when what happened is due in a replay that is not as fast as it can be."""

import threading
import time
from typing import Final

from streams.pace import EventTime

__all__ = ["Paced", "StoppedError"]

_STEP_S: Final = 0.25
"""What happened within so long is told at once."""


class StoppedError(Exception):
    """The replay is given up."""


class Paced:
    """So many times as fast as it was, for several partitions at once; what lies before a time is due at once.

    Parameters
    ----------
    speed
        Seconds of then in a second of now, above 0.
    first_ms
        From when on it is waited.
    """

    def __init__(self, speed: float, first_ms: int) -> None:
        self._pace, self._first_ms = EventTime(speed), first_ms
        self.span_ms = max(int(speed * _STEP_S * 1000), 1)
        self._lock, self._stopped = threading.Lock(), threading.Event()
        self._start_s: float | None = None

    def wait(self, time_ms: int) -> None:
        """Return when what happened at a time is due.

        Raises
        ------
        StoppedError
            If nobody waits for it any more.
        """
        if time_ms >= self._first_ms:
            with self._lock:
                if self._start_s is None:
                    self._start_s = time.monotonic()
                due_s = self._start_s + self._pace.due_s(time_ms)
            self._stopped.wait(max(due_s - time.monotonic(), 0.0))
        if self._stopped.is_set():
            raise StoppedError

    def stop(self) -> None:
        """Let nobody wait any more."""
        self._stopped.set()
