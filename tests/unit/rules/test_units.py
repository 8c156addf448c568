"""Units: values are compared and added only with what they can be compared with."""

import pytest

from scoring.rules.predicate import PredicateError, parse


@pytest.mark.parametrize(
    "text",
    [
        "days_since(visited) >= mean_gap_days",
        "days_since(visited) + 1 > 3",
        "revenue > 3 * average_order",
        "revenue / orders > cart_value",
        "orders + cancelled > 3",
        "score * revenue > 10",
        "tenure_days / orders > 30",
        "hours_since(visited) / hours_since(order_completed) < 0.5",
    ],
)
def test_what_belongs_together_is_accepted(text: str) -> None:
    """Same units, plain numbers, and products and quotients that have a meaning."""
    parse(text)


@pytest.mark.parametrize(
    ("text", "reason", "remedy"),
    [
        ("hours_since(visited) > mean_gap_days", "a duration in hours with a duration in days", "one unit"),
        ("hours_since(visited) + mean_gap_days > 3", "cannot be added", "one unit"),
        ("revenue > orders", "an amount of money with a count", "values of one unit"),
        ("revenue + orders > 3", "cannot be added", "values of one unit"),
        ("revenue * cart_value > 3", "has no meaning", "plain number"),
        ("hour > weekday", "an hour of the day with a weekday", "values of one unit"),
        ("percentile >= 80", "lies between 0 and 1", "write 0.8 for 80 %"),
        ("score > 1", "lies between 0 and 1", "from 0 to 1"),
        ("0 > percentile", "the answer never changes", "from 0 to 1"),
        ("orders < 0", "never below 0", "from 0"),
        ("orders >= -1", "never below 0", "from 0"),
        ("days_with(visited, days=7) > 7", "lies between 0 and 7", "from 0 to 7"),
        ("days_since(visited) < 0", "never below 0", "from 0"),
        ("hour == 24", "lies between 0 and 23", "from 0 to 23"),
        ("days_since(visited) == 3", "one millisecond only", ">="),
        ("3 > 2", "compares two numbers", "a field or a function"),
        ("warming_up + 1 > 0", "true or false, not a number", "and"),
    ],
)
def test_what_does_not_belong_together_is_refused(text: str, reason: str, remedy: str) -> None:
    """Different units, a share written in per cent, and comparisons whose answer never changes, with the remedy."""
    with pytest.raises(PredicateError) as caught:
        parse(text)
    assert reason in caught.value.reason, caught.value
    assert remedy in caught.value.remedy, caught.value
