"""Tiers: the rank of a balance within its tier or among all, and how balances of points get into a snapshot."""

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stories.story import START_MS, Player, Step
from strategies.layouts import FULL

from scoring.engine import EngineSettings
from scoring.model import Example
from scoring.pending import _Waiting
from scoring.profile import DAY_MS
from scoring.tiers import tier_rank
from streams.trainer.wire import read_example

NAN = math.nan
EVEN = np.linspace(0.0, 2000.0, 5)
TIED = np.array([100.0, 500.0, 500.0, 500.0, 900.0])
BALANCES = st.lists(st.integers(-50, 3000).map(float), min_size=2, max_size=30).map(sorted)


@pytest.mark.parametrize(
    ("points", "marks", "balances", "rank"),
    [
        (1500.0, (500, 1000, 5000), EVEN, 0.5),
        (750.0, (500, 1000, 5000), EVEN, 0.5),
        (1000.0, (500, 1000, 5000), EVEN, 0.0),
        (125.0, (500, 1000, 5000), EVEN, 0.25),  # below the first mark
        (1500.0, (1000,), EVEN, 0.5),  # above the last
        (9000.0, (1000,), EVEN, 1.0),
        (-5.0, (500,), EVEN, 0.0),
        (500.0, (500, 901), TIED, 0.5 / 0.75),  # those who have exactly the mark are in the tier, and have as many
        (300.0, (500,), TIED, 0.5),
        (6000.0, (500, 1000, 5000), EVEN, NAN),  # nobody is known in that tier
        (NAN, (500,), EVEN, NAN),
        (700.0, (500,), np.empty(0), NAN),
        (500.0, (), EVEN, 0.25),  # among all
        (2000.0, (), EVEN, 1.0),
        (-20.0, (), EVEN, 0.0),
        (500.0, (), TIED, 0.75),
    ],
)
def test_ranks(points: float, marks: tuple[float, ...], balances: Any, rank: float) -> None:
    """The share of those of the same tier at or below, between the marks around the balance."""
    assert tier_rank(points, marks, balances) == pytest.approx(rank, nan_ok=True)


@settings(max_examples=30)
@given(BALANCES, st.lists(st.integers(1, 2000), min_size=1, max_size=4, unique=True).map(sorted))
def test_a_rank_grows_with_the_points_of_a_tier(balances: list[float], marks: list[int]) -> None:
    """From 0 to 1, which whoever has most has where all are of one tier."""
    table = np.array(balances)
    asked = np.unique([*range(-60, 3010, 90), *marks, *balances])
    tiers = np.searchsorted(marks, asked, side="right")
    for tier in range(len(marks) + 1):
        ranks = [tier_rank(points, marks, table) for points in asked[tiers == tier].tolist()]
        assert all(low <= high or math.isnan(low) for low, high in pairwise(ranks))
        assert all(0.0 <= rank <= 1.0 for rank in ranks if not math.isnan(rank))
    assert tier_rank(balances[-1], [9000], table) == 1.0


def examples_of(rule: str) -> list[Example]:
    """What one customer teaches, to whom points are told three times, under one rule."""
    player = Player(rule, replace(EngineSettings(FULL), example_customers=1_000))
    told = [Step(START_MS + day * DAY_MS, "Points Changed", {"points": points}) for day, points in BALANCE.items()]
    player.play([Step(START_MS, "Page Viewed", {}), *told, Step(START_MS + 90 * DAY_MS, "", {})])
    found = [read_example(value or b"") for topic, _, value in player.outbox.drain() if topic == "examples"]
    return [one for one in found if isinstance(one, Example)]


BALANCE = {10: 400, 25: 1200, 45: 700}


def test_an_example_has_the_points_of_its_moment() -> None:
    """Not those at its outcome; none before they are told, and none where no rule ranks by them."""
    found = examples_of("tier-up")
    assert len(found) > 5
    for one in found:
        known = [points for day, points in BALANCE.items() if START_MS + day * DAY_MS <= one.made_ms]
        np.testing.assert_equal(one.points, float(known[-1]) if known else NAN)
    assert len({one.points for one in found}) > 2
    assert all(math.isnan(one.points) for one in examples_of("streak"))


def test_examples_that_waited_before_they_had_points_are_read() -> None:
    """Their points are unknown."""
    told = msgspec.msgpack.decode(msgspec.msgpack.encode(_Waiting(b"", 1, 0.5, 0.5, 1, False, "f", points=3.0)))
    assert told[-1] == 3.0
    assert math.isnan(msgspec.msgpack.decode(msgspec.msgpack.encode(told[:-1]), type=_Waiting).points)
