"""Pace: when events are due."""

import pytest

from streams.pace import EventTime, Pace, Steady

HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    ("pace", "times_ms", "due_s"),
    [
        (Steady(4), [0, 0, HOUR_MS, 0, 0], [0, 0.25, 0.5, 0.75, 1]),
        (EventTime(1), [5_000, 6_500, 8_000], [0, 1.5, 3]),
        (EventTime(3600), [0, HOUR_MS, 3 * HOUR_MS], [0, 1, 3]),
        (EventTime(0.5), [0, 1000], [0, 2]),
        (EventTime(1), [5_000, 4_000], [0, -1]),
    ],
    ids=["steady", "real-time", "an-hour-a-second", "half-speed", "out-of-order-is-due-at-once"],
)
def test_events_are_due(pace: Pace, times_ms: list[int], due_s: list[float]) -> None:
    """Seconds after the start."""
    assert [pace.due_s(time_ms) for time_ms in times_ms] == due_s
