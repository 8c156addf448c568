"""Pace: when each event of a load is due, by events a second or by the events' own time."""

from typing import Protocol

__all__ = ["EventTime", "Pace", "Steady"]


class Pace(Protocol):
    """Says when events are due."""

    def due_s(self, time_ms: int) -> float:
        """Return the seconds after the load's start at which the next event, of this event time, is due."""
        ...


class Steady:
    """So many events a second.

    Parameters
    ----------
    rate
        Events a second, above 0.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._count = 0

    def due_s(self, time_ms: int) -> float:
        """Return the seconds after the start; event time makes no difference."""
        due = self._count / self._rate
        self._count += 1
        return due


class EventTime:
    """As the events came, so many times faster; one that is out of order is due at once.

    Parameters
    ----------
    speed
        Seconds of event time in a second, above 0.
    """

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._first_ms: int | None = None

    def due_s(self, time_ms: int) -> float:
        """Return the seconds after the start."""
        if self._first_ms is None:
            self._first_ms = time_ms
        return (time_ms - self._first_ms) / 1000 / self._speed
