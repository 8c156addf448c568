"""Uplift: the interval holds what it says, and where there is no effect it says so."""

import math

import numpy as np
import pytest

from scoring.uplift import Arms, uplift

SHOPS = 400


@pytest.mark.parametrize(
    ("arms", "low", "high"),
    [
        # Newcombe (1998), table II: the examples (a) to (h), method 10.
        (Arms(70, 56, 80, 48), 0.0524, 0.3339),
        (Arms(10, 9, 10, 3), 0.1705, 0.8090),
        (Arms(7, 6, 7, 2), 0.0582, 0.8062),
        (Arms(56, 5, 29, 0), -0.0381, 0.1926),
        (Arms(10, 0, 20, 0), -0.1611, 0.2775),
        (Arms(10, 0, 10, 0), -0.2775, 0.2775),
        (Arms(10, 10, 20, 0), 0.6791, 1.0),
        (Arms(10, 10, 10, 0), 0.6075, 1.0),
    ],
)
def test_intervals_are_those_of_the_paper(arms: Arms, low: float, high: float) -> None:
    """The published examples come out to the digits that are printed."""
    found = uplift(arms)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("rate", "effect", "customers", "control"),
    [(0.2, 0.05, 3000, 160), (0.2, 0.0, 3000, 160), (0.02, 0.03, 800, 40), (0.6, -0.1, 500, 500)],
)
def test_the_interval_covers_as_often_as_it_says(rate: float, effect: float, customers: int, control: int) -> None:
    """Of four hundred shops of one effect, about 95 in 100 have it in their interval, and 80 in that of 80 %."""
    rng = np.random.default_rng(7)
    buyers, held = rng.binomial(customers, rate + effect, SHOPS), rng.binomial(control, rate, SHOPS)
    for confidence in (0.95, 0.8):
        found = [
            uplift(Arms(customers, int(a), control, int(b)), confidence) for a, b in zip(buyers, held, strict=True)
        ]
        covered = sum(one.low <= effect <= one.high for one in found) / SHOPS
        assert abs(covered - confidence) < 4 * math.sqrt(confidence * (1 - confidence) / SHOPS)
        if effect == 0:
            assert sum(one.proven for one in found) / SHOPS < 2 * (1 - confidence)


def test_an_effect_is_proven_where_there_are_enough() -> None:
    """The same shares say nothing of a few customers, and something of many."""
    assert not uplift(Arms(100, 30, 10, 2)).proven
    assert uplift(Arms(10_000, 3000, 1000, 200)).proven


def test_without_a_control_nothing_is_said() -> None:
    """Nobody held out, or nobody contacted: no estimate."""
    assert math.isnan(uplift(Arms(100, 10)).estimate)
    assert math.isnan(uplift(Arms(0, 0, 100, 10)).estimate)
    assert not uplift(Arms(100, 10)).proven
