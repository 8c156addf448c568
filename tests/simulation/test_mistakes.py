"""The schedules find each planted mistake: what they let pass would be found too."""

from collections.abc import Callable

import pytest
from simulation.mistakes import MISTAKES
from simulation.schedule import Verdict, play

SEEDS = 1_000
RARE = {
    "rows flushed before the outbox": 15,
    "no applied-offset check": 69,
    "a revoked partition still written": 23,
    "a snapshot of mixed offsets": 47,
    "a snapshot of what was not committed": 13,
    "a slice taken that begins too late": 26,
    "an older model brought back": 224,
    "a model taken on arrival": 25,
    "a rule asked about the time before it": 31,
    "counters in front of their offsets": 69,
    "a crossing judged by itself": 191,
    "later events overtake the history": 143,
    "what comes from another partition again counts again": 194,
    "what went round in a circle has come before": 3155,
    "a history that goes round in a circle is not waited for": 19494,
    "a fenced owner goes on": 89,
    "a lag left by a crash": 37,
    "what is under way to somebody forgotten is judged by its time": 1140,
    "what waits is not decoded again once somebody is forgotten": 2722,
    "examples are removed after their customer": 1303,
    "a request is taken for an earlier one of its id": 8946,
    "whoever claimed somebody forgotten still has them": 16738,
    "whoever gets themselves back was never forgotten": 12682,
    "an owner is taken for somebody who was claimed": 1227,
    "ids are told as they came": 633,
    "a receipt takes the place of another": 2030,
    "examples outlive two who became one": 346,
}
"""By mistake, a schedule that found it, where the first to do so came late: it is played first, then all in turn.

A change to the simulation makes other schedules of the seeds: a mistake that takes long again is found by the schedule
that the test prints.
"""


def found(mistake: str) -> Verdict | None:
    """A schedule that finds it."""
    verdicts = (play(seed, MISTAKES[mistake]) for seed in (RARE.get(mistake, 0), *range(SEEDS)))
    return next((verdict for verdict in verdicts if verdict.broken), None)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_found(mistake: str, record_property: Callable[[str, object], None]) -> None:
    """A protocol or unit that is wrong in one way breaks a promise in a thousand schedules, or in one that is known."""
    verdict = found(mistake)
    assert verdict is not None, f"{mistake}: not found in {SEEDS} schedules"
    record_property("seed", verdict.seed)
    print(f"{mistake}: found by schedule {verdict.seed}: {verdict.broken[0][:200]}")
