"""Clocks: the ages at which time alone changes an answer."""

import pytest

from scoring.rules.clocks import clocks_of, daily_of
from scoring.rules.columns import KINDS, Column, Op
from scoring.rules.expression import truth
from scoring.rules.predicate import parse

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
ORDERED, ADDED = KINDS["order_completed"], KINDS["product_added"]


@pytest.mark.parametrize(
    ("text", "clocks"),
    [
        ("days_since(order_completed) >= 180", {(ORDERED, 180 * DAY_MS)}),
        ("days_since(order_completed) < 180", {(ORDERED, 180 * DAY_MS)}),
        ("days_since(order_completed) > 180", {(ORDERED, 180 * DAY_MS + 1)}),
        ("days_since(order_completed) <= 180", {(ORDERED, 180 * DAY_MS + 1)}),
        ("not hours_since(product_added) < 1", {(ADDED, HOUR_MS)}),
        ("1 <= hours_since(product_added) < 2", {(ADDED, HOUR_MS), (ADDED, 2 * HOUR_MS)}),
        ("2 * hours_since(product_added) + 1 >= 3", {(ADDED, HOUR_MS)}),
        ("7 - days_since(order_completed) <= 0", {(ORDERED, 7 * DAY_MS)}),
        ("seconds_since(product_added) / 60 >= 90", {(ADDED, 90 * 60_000)}),
        ("minutes_since(any) >= 0.001", {(KINDS["any"], 60)}),
        ("orders > 3", set()),
        ("total(product_added) > 3", set()),
        ("never", set()),
        ("days_since(order_completed) >= mean_gap_days", set()),
    ],
)
def test_clocks_are_the_first_moments_with_another_answer(text: str, clocks: set[tuple[int, int]]) -> None:
    """`>=` and `<` change at the line, `>` and `<=` a millisecond later; what does not depend on time has none."""
    assert clocks_of(parse(text)) == clocks


@pytest.mark.parametrize("days", [0.1, 0.3, 1 / 3, 7.7, 180, 1234.567])
@pytest.mark.parametrize("op", [">=", ">", "<", "<="])
def test_the_answer_changes_exactly_there(op: str, days: float) -> None:
    """Just before the clock the answer is the old one, at the clock the new one, however days are rounded."""
    predicate = parse(f"days_since(order_completed) {op} {days!r}")
    [(_, age_ms)] = clocks_of(predicate)
    column = Column(Op.SINCE, ORDERED)
    answers = [truth(predicate, {column: float(ms)}.__getitem__) for ms in (0, age_ms - 1, age_ms, age_ms + DAY_MS)]
    assert answers[0] == answers[1] != answers[2] == answers[3]


@pytest.mark.parametrize(
    ("text", "daily"),
    [
        ("days_since(order_completed) >= 180", 0),
        ("count(product_viewed, days=14) >= 3 and orders == 0", 1),
        ("days_with(visited, days=14) >= 3", 1),
        ("days_since(order_completed) >= 1.5 * mean_gap_days", 1),
        ("tenure_days > 30", 1),
        ("hour >= 9 or weekday == 0", 2),
        ("days_since(order_completed) - days_since(visited) > 3", 0),
        ("orders > 3", 0),
    ],
)
def test_what_has_no_clock_is_known(text: str, daily: int) -> None:
    """Comparisons that time changes without a fixed age are named: they are seen once a day, or at an event."""
    assert len(daily_of(parse(text))) == daily
