"""Hysteresis: whoever leaves has moved away from where they entered."""

import pytest

from scoring.rules.hysteresis import conflict
from scoring.rules.predicate import parse


@pytest.mark.parametrize(
    ("enter", "leave"),
    [
        ("percentile >= 0.8", "percentile < 0.7"),
        ("percentile <= 0.1", "percentile > 0.2"),
        ("0.8 <= percentile", "0.7 > percentile"),
        ("days_since(visited) >= 180", "days_since(visited) < 180"),
        ("cart_items > 0 and not hours_since(product_added) < 1", "cart_items == 0 or hours_since(product_added) < 1"),
        ("percentile >= 0.8", "never"),
        ("percentile >= 0.8 or orders > 3", "orders > 5"),
        ("orders > 3", "percentile < 0.7"),
        ("percentile >= 0.8 or orders > 3", "percentile < 0.7 and orders < 2"),
    ],
)
def test_lines_that_lie_apart_are_accepted(enter: str, leave: str) -> None:
    """Exit beyond enter, times at one line, and lines through different quantities."""
    assert conflict(parse(enter), parse(leave)) is None


@pytest.mark.parametrize(
    ("enter", "leave", "reason", "remedy"),
    [
        ("percentile >= 0.8", "percentile < 0.85", "exit is not below enter", "below 0.8"),
        ("percentile >= 0.8", "percentile < 0.8", "exit is not below enter", "below 0.8"),
        ("percentile <= 0.2", "percentile > 0.1", "exit is not above enter", "above 0.2"),
        ("0.8 <= percentile", "0.85 > percentile", "exit is not below enter", "below 0.8"),
        ("not percentile < 0.8", "not percentile >= 0.85", "exit is not below enter", "below 0.8"),
        ("orders > 1 and percentile >= 0.8", "orders == 0 or percentile < 0.9", "exit is not below", "below 0.8"),
        ("percentile >= 0.8", "percentile >= 0.7", "leave at once", "turn the comparison"),
        ("percentile <= 0.2", "percentile < 0.3", "leave at once", "turn the comparison"),
    ],
)
def test_lines_that_meet_are_refused(enter: str, leave: str, reason: str, remedy: str) -> None:
    """A small change would enter and leave over and over, or whoever enters would leave at once."""
    found = conflict(parse(enter), parse(leave))
    assert found is not None
    assert reason in found.reason, found
    assert remedy in found.remedy, found
