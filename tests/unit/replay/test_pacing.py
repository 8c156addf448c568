"""Pace of a replay: when what happened is due, and how long it will take yet."""

from typing import Any

import pytest

from streams.cli.replay_progress import Pace
from streams.replay import pacing
from streams.replay.pacing import Paced, StoppedError
from streams.replay.running import Replayed


class Waits:
    """In place of the event that a replay waits on: time passes by as much as is waited."""

    def __init__(self) -> None:
        self.now, self.stopped = 0.0, False
        self.waited: list[float] = []

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.waited.append(seconds)
        self.now += seconds

    def is_set(self) -> bool:
        """Whether the replay is given up."""
        return self.stopped

    def set(self) -> None:
        """Give it up."""
        self.stopped = True


def test_events_are_due_by_their_own_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many times faster from a time on; what lies before it, or is out of order, at once."""
    waits: Any = Waits()
    monkeypatch.setattr(pacing.time, "monotonic", lambda: waits.now)
    paced = Paced(60, 100_000)
    paced._stopped = waits
    assert paced.span_ms == 15_000
    for time_ms in (10_000, 99_000, 100_000, 160_000, 130_000, 400_000):
        paced.wait(time_ms)
    assert waits.waited == [0.0, 1.0, 0.0, 4.0]
    waits.now += 100  # the machine was slow: it is made up for
    paced.wait(700_000)
    assert waits.waited[-1] == 0.0
    paced.stop()
    with pytest.raises(StoppedError):
        paced.wait(0)


def test_rate_and_time_left_are_told() -> None:
    """Of what was read since it began, whatever had been read before."""
    now = [0.0]
    pace = Pace(lambda: now[0])
    assert pace(Replayed(1_000, 20_000, 0, 0)) == "…"
    now[0] = 2.0
    assert pace(Replayed(5_000, 20_000, 0, 0)) == "2,000 records/s, 0:00:08 left"
    now[0] = 4.0
    assert pace(Replayed(5_000, 20_004_000, 0, 0)) == "1,000 records/s, 5:33:19 left"
