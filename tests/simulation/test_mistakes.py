"""The schedules find each planted mistake: what they let pass would be found too."""

from collections.abc import Callable

import pytest
from simulation.mistakes import MISTAKES
from simulation.schedule import Verdict, play

SEEDS = 1_000


def found(mistake: str) -> Verdict | None:
    """The first schedule that finds it."""
    verdicts = (play(seed, MISTAKES[mistake]) for seed in range(SEEDS))
    return next((verdict for verdict in verdicts if verdict.broken), None)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_found(mistake: str, record_property: Callable[[str, object], None]) -> None:
    """A protocol or unit that is wrong in one way breaks a promise within a thousand schedules."""
    verdict = found(mistake)
    assert verdict is not None, f"{mistake}: not found in {SEEDS} schedules"
    record_property("seeds", verdict.seed + 1)
    print(f"{mistake}: found after {verdict.seed + 1} schedules: {verdict.broken[0][:200]}")
