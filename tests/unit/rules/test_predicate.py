"""Predicates: what they mean, and what is said of those that cannot be read."""

import math

import pytest

from scoring.rules.columns import FIELDS, KINDS, LABELS, Column, Field, Op
from scoring.rules.expression import Compare, Constant, Read, truth
from scoring.rules.predicate import MAX_LENGTH, PredicateError, parse
from scoring.rules.words import FIELD_NAMES, FUNCTIONS

HOUR_MS, DAY_MS = 3_600_000.0, 86_400_000.0
CUSTOMER = {
    Column(Op.FIELD, Field.CART_ITEMS): 2.0,
    Column(Op.FIELD, Field.ORDERS): 3.0,
    Column(Op.FIELD, Field.SCORE): 0.4,
    Column(Op.FIELD, Field.PERCENTILE): 0.9,
    Column(Op.FIELD, Field.REVENUE): 90.0,
    Column(Op.FIELD, Field.MEAN_GAP_DAYS): 20.0,
    Column(Op.FIELD, Field.WARMING_UP): 0.0,
    Column(Op.FIELD, Field.HOUR): 14.0,
    Column(Op.SINCE, KINDS["order_completed"]): 40 * DAY_MS,
    Column(Op.SINCE, KINDS["visited"]): 2 * HOUR_MS,
    Column(Op.TOTAL, KINDS["product_viewed"]): 12.0,
    Column(Op.COUNT_DAYS, KINDS["product_viewed"], 14): 5.0,
    Column(Op.COUNT_HOURS, KINDS["product_viewed"], 2): 1.0,
    Column(Op.DAYS_WITH, KINDS["visited"], 14): 3.0,
}


def holds(text: str, **parameters: float) -> bool:
    """Whether the predicate holds for the customer above, who knows nothing of all else."""
    return truth(parse(text, parameters), lambda column: CUSTOMER.get(column, math.nan))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cart_items > 0", True),
        ("cart_items > 2", False),
        ("cart_items >= 2", True),
        ("cart_items < 2", False),
        ("cart_items <= 2", True),
        ("cart_items == 2", True),
        ("cart_items != 2", False),
        ("2 < cart_items + 1", True),
        ("1 < orders <= 3", True),
        ("1 < orders < 3", False),
        ("never", False),
        ("not never", True),
        ("orders == 3 and cart_items == 2", True),
        ("orders == 0 or cart_items == 2", True),
        ("orders == 0 and cart_items == 2 or percentile > 0.8", True),
        ("orders == 0 and (cart_items == 2 or percentile > 0.8)", False),
        ("not orders == 0 and not cart_items == 0", True),
        ("warming_up", False),
        ("not warming_up", True),
        ("probability >= 0.4", True),
        ("revenue / orders == 30", True),
        ("revenue - 10 >= 80", True),
        ("-revenue < 0", True),
        ("days_since(order_completed) >= 40", True),
        ("days_since(order_completed) > 40", False),
        ("days_since(order_completed) >= 1.5 * mean_gap_days", True),
        ("hours_since(visited) < 3 and minutes_since(visited) >= 120 and seconds_since(visited) >= 7200", True),
        ("total(product_viewed) >= 12", True),
        ("count(product_viewed, days=14) == 5", True),
        ("count(product_viewed, hours=2) == 1", True),
        ("days_with(visited, days=14) >= 3", True),
        ("hour >= 9 and hour < 18", True),
    ],
)
def test_predicates_mean_what_they_say(text: str, expected: bool) -> None:
    """Comparisons, chained ones too, and, or, not, arithmetic, functions and fields give the expected answer."""
    assert holds(text) is expected


@pytest.mark.parametrize("op", ["<", "<=", ">", ">=", "==", "!="])
def test_no_comparison_with_the_unknown_holds(op: str) -> None:
    """Who never removed anything from a cart is neither before nor after any time; `not` of that holds."""
    against = "cart_value" if op in ("==", "!=") else "days_since(product_removed)"
    assert not holds(f"{against} {op} 10")
    assert holds(f"not {against} {op} 10")


def test_division_by_nothing_is_unknown() -> None:
    """A quotient whose divisor happens to be 0 is unknown: no comparison with it holds."""
    assert not holds("revenue / (orders - 3) > 0")
    assert not holds("revenue / (orders - 3) < 1")


def test_parameters_stand_for_their_values() -> None:
    """A rule's parameter is a plain number wherever it stands, in a window too."""
    assert holds(
        "days_since(order_completed) >= quiet and count(product_viewed, days=window) == 5", quiet=40, window=14
    )
    assert not holds("days_since(order_completed) >= quiet", quiet=41)


def test_line_ends_are_white_space() -> None:
    """A predicate may be written over several lines."""
    assert holds("cart_items > 0\n  and\n  orders == 3")


@pytest.mark.parametrize(
    ("text", "column", "reason", "remedy"),
    [
        ("", 1, "is empty", "never"),
        ("card_items > 0", 1, "unknown feature 'card_items'", "'cart_items'"),
        ("orders == 0 and precentile > 0.8", 17, "unknown feature 'precentile'", "'percentile'"),
        ("days_sinse(order_completed) > 3", 1, "unknown function 'days_sinse'", "days_since(order_completed)"),
        ("days_since(order_complete) > 3", 12, "unknown kind of event 'order_complete'", "'order_completed'"),
        ("days_since() > 3", 1, "takes one kind", "days_since(order_completed)"),
        ("days_since(visited, orders) > 3", 21, "takes one kind", "days_since(order_completed)"),
        ("days_since(3) > 3", 12, "not a kind of event", "days_since(order_completed)"),
        ("count(visited) > 3", 1, "needs a window", "days=14"),
        ("count(visited, weeks=2) > 3", 16, "no argument 'weeks'", "days=14"),
        ("count(visited, days=2, hours=3) > 3", 1, "not both", "days=14"),
        ("count(visited, days=91) > 3", 21, "91 days is not kept", "1 to 90"),
        ("count(visited, days=1.5) > 3", 21, "1.5 days is not kept", "whole number"),
        ("count(visited, hours=25) > 3", 22, "25 hours is not kept", "1 to 24"),
        ("count(any, days=3) > 3", 7, "not kept for 'any'", "visited"),
        ("count(visited, days=orders) > 3", 21, "must be a number", "number"),
        ("visited > 3", 1, "is a kind of event", "days_since(visited)"),
        ("orders(visited) > 3", 1, "takes no arguments", "write orders"),
        ("days_since > 3", 1, "needs its arguments", "days_since(order_completed)"),
        ("orders", 1, "stands where a condition should", "compare it"),
        ("orders = 3", 8, "'=' does not compare", "=="),
        ("count(visited, hours=3 > 2", 6, "not an expression", "brackets"),
        ("hours_since(visited, nth=2 < 2", 12, "not an expression", "brackets"),
        ("count(visited, days=2) = 3", 24, "'=' does not compare", "=="),
        ("count(visited, days=1, days=30) > 3", 24, "'days' stands twice", "remove one"),
        ("orders > 1 and ord\u0435rs > 2", 19, "the character '\u0435' is not in the language", "plain letters"),
        ("\uff4frders > 1", 1, "the character '\uff4f' is not in the language", "plain letters"),
        ("orders > 3 && cart_items > 0", 13, "'&&' is not in the language", "and"),
        ("orders => 3", 8, "'=>' is not in the language", ">="),
        ("(orders > 3) & (cart_items > 0)", 1, "not in the language", "and"),
        ("orders > 'three'", 10, "text in quotes", "without quotes"),
        ("orders in (1, 2)", 11, "not in the language", "=="),
        ("orders ** 2 > 3", 1, "only + - * /", "and"),
        ("__import__('os').system('ls')", 1, "not in the language", "by its name"),
        ("orders.real > 3", 1, "not in the language", "list of fields"),
        ("[orders][0] > 3", 1, "not in the language", "list of fields"),
        ("(lambda: orders)() > 3", 1, "not in the language", "by its name"),
        ("True", 1, "True and False", "never"),
        ("orders > 3 # many", 12, "comment", "above"),
        ("orders > 1 / 0", 10, "division by zero", "another"),
        ("orders > 1e300", 10, "too large", "below"),
        ("orders > never", 10, "is a condition", "alone"),
        ("orders > (cart_items > 0)", 11, "a condition stands where a number should", "brackets"),
        ("warming_up == 1", 1, "true or false is not compared", "alone"),
        ("orders > 3)", 11, "not an expression", "brackets"),
    ],
)  # fmt: skip
def test_errors_name_place_reason_and_remedy(text: str, column: int, reason: str, remedy: str) -> None:
    """A predicate that cannot be read is refused with the column, the reason and what to write instead."""
    with pytest.raises(PredicateError) as caught:
        parse(text)
    assert (caught.value.column, reason in caught.value.reason, remedy in caught.value.remedy) == (
        column,
        True,
        True,
    ), caught.value


def test_a_column_counts_characters() -> None:
    """The first that is not ASCII is named by its place, however many bytes it has."""
    with pytest.raises(PredicateError) as caught:
        parse("ördérs > 1")
    assert caught.value.column == 1
    with pytest.raises(PredicateError) as caught:
        parse("orders > 1 and (orders > 2 or ü > 3)")
    assert caught.value.column == 31


def test_very_long_and_very_deep_predicates_are_refused() -> None:
    """Neither length nor nesting can bring the program to its limits."""
    with pytest.raises(PredicateError, match="longer than"):
        parse("orders > 1 and " * MAX_LENGTH + "orders > 1")
    with pytest.raises(PredicateError, match=r"nested deeper|cannot be read"):
        parse("not " * 300 + "orders > 1")
    with pytest.raises(PredicateError):
        parse("(" * 900 + "orders" + ")" * 900 + " > 1")


@pytest.mark.parametrize(
    ("text", "reason", "remedy"),
    [
        ("type == bigg", "'bigg' is not a type of customer", "nearest known: 'big'"),
        ("stage == 4", "'4' is not a stage of a customer", "nearest known"),
        ("stage == big", "'big' is not a stage of a customer", "nearest known"),
        ("rfm_group >= loyal", "more or less than none", "use == or !="),
        ("type", "stands where a condition should", "compare it"),
        ("big == type", "unknown feature 'big'", "nearest known"),
    ],
)
def test_types_stages_and_groups_are_compared_by_name(text: str, reason: str, remedy: str) -> None:
    """One name may mean a stage and a group; what is none is told with the nearest."""
    assert parse("stage == loyal") == Compare("==", Read(Column(Op.FIELD, Field.STAGE)), Constant(4.0))
    assert parse("rfm_group != loyal") == Compare("!=", Read(Column(Op.FIELD, Field.RFM_GROUP)), Constant(9.0))
    with pytest.raises(PredicateError) as caught:
        parse(text)
    assert reason in caught.value.reason
    assert remedy in caught.value.remedy


def test_every_word_of_the_language_is_readable() -> None:
    """Each field and each function, as its own description shows it, stands in a predicate that is accepted."""
    for name, field in FIELD_NAMES.items():
        facts = FIELDS[field]
        for label in LABELS.get(facts.unit, ()):
            parse(f"{name} == {label}")
        if facts.unit in LABELS:
            continue
        parse(name if facts.unit.name == "TRUTH" else f"{name} >= {max(facts.low, 0) + (1 if facts.high > 1 else 0.5)}")
    for example in " or ".join(FUNCTIONS.values()).split(" or "):
        parse(f"{example} > 1")
