"""Rule sets: the rules in force, told apart by name and evaluated together."""

import numpy as np
import pytest

from scoring.engine import Engine, EngineSettings
from scoring.rules import Rule, RuleError, RuleSet
from scoring.rules.columns import KINDS, Column, Field, Op
from scoring.rules.rule import ForEach
from scoring.rules.ruleset import MAX_RULES


def rule(name: str, enter: str, leave: str | None = None, for_each: ForEach = ForEach.NONE) -> Rule:
    """A rule of which only this matters."""
    return Rule(name=name, sentence="Who is in it.", enter=enter, exit=leave, for_each=for_each)


def test_what_rules_read_is_put_together() -> None:
    """Columns once each in their fixed order, clocks sorted, a flag for each rule that reads a score."""
    rules = RuleSet(
        [
            rule("likely", "percentile >= 0.8", "percentile < 0.7"),
            rule("quiet", "days_since(order_completed) >= 30 and orders > 1"),
            rule("second", "order_number == 2", "never", ForEach.ORDER),
            rule("looking", "count(product_viewed, days=3) > 2 and count(searched, hours=1) > 0"),
            rule("early", "hours_since(order_completed) >= 1 and orders > 0"),
        ]
    )
    assert rules.names == ("likely", "quiet", "second", "looking", "early")
    assert rules.columns == (
        Column(Op.SINCE, KINDS["order_completed"]),
        Column(Op.COUNT_DAYS, KINDS["product_viewed"], 3),
        Column(Op.COUNT_HOURS, KINDS["searched"], 1),
        Column(Op.FIELD, Field.ORDERS),
        Column(Op.FIELD, Field.ORDER_NUMBER),
        Column(Op.FIELD, Field.PERCENTILE),
    )
    assert rules.clocks == ((KINDS["order_completed"], 3_600_000), (KINDS["order_completed"], 30 * 86_400_000))
    assert rules.reads_score.tolist() == [True, False, False, False, False]
    assert rules.for_each[2] is ForEach.ORDER
    assert rules.day_kinds == {KINDS["product_viewed"]}
    assert rules.hour_kinds == {KINDS["searched"]}


def test_entering_and_leaving_have_a_row_each() -> None:
    """One row a rule and one column a point; without exit, whoever does not enter leaves."""
    rules = RuleSet([rule("many", "orders >= 5", "orders < 2"), rule("some", "orders >= 1")])
    orders = np.array([[0.0], [1.0], [3.0], [5.0], [np.nan]])
    assert rules.enters(orders).tolist() == [[False, False, False, True, False], [False, True, True, True, False]]
    assert rules.leaves(orders).tolist() == [[True, True, False, False, False], [True, False, False, False, True]]
    entering, leaving = rules.evaluate(orders)
    assert (entering.tolist(), leaving.tolist()) == (rules.enters(orders).tolist(), rules.leaves(orders).tolist())


def test_fields_that_are_counted_by_the_day_need_a_ring() -> None:
    """Days with a visit, or with any event, are kept only where their ring is: without it an engine does not start."""
    assert RuleSet([rule("loyal", "visited_days > 5")]).day_kinds == {KINDS["visited"]}
    busy = RuleSet([rule("busy", "active_days > 5")])
    assert busy.day_kinds == {KINDS["any"]}
    with pytest.raises(ValueError, match="day_kinds: a rule counts kind -1, which has no ring"):
        Engine(EngineSettings(), busy)


def test_no_rules_are_a_rule_set_too() -> None:
    """Without rules nothing is read, nothing is due and nobody enters."""
    rules = RuleSet([])
    assert (len(rules), rules.columns, rules.clocks) == (0, (), ())
    assert rules.enters(np.zeros((3, 0))).shape == (0, 3)


def test_two_rules_of_one_name_are_refused() -> None:
    """The error names the rule."""
    with pytest.raises(RuleError, match=r"rule twice.*stands twice"):
        RuleSet([rule("twice", "orders > 1"), rule("once", "orders > 1"), rule("twice", "orders > 2")])


def test_more_rules_than_a_row_has_bits_are_refused() -> None:
    """64 rules are accepted, the 65th is named."""
    rules = [rule(f"rule-{number}", f"orders > {number}") for number in range(MAX_RULES + 1)]
    assert len(RuleSet(rules[:MAX_RULES])) == 64
    with pytest.raises(RuleError, match=r"rule rule-64.*there can be 64"):
        RuleSet(rules)


def test_more_kinds_by_the_day_than_a_row_has_rings_are_refused() -> None:
    """The rule that reads the seventh kind is named, with the kind and the predicate."""
    kinds = ["page", "product_viewed", "searched", "product_added", "cart_viewed", "checkout_started", "coupon"]
    rules = [rule(f"by-{kind.replace('_', '-')}", f"count({kind}, days=7) > 2") for kind in kinds]
    assert len(RuleSet(rules[:6]).day_kinds) == 6
    with pytest.raises(RuleError, match=r"rule by-coupon, enter.*counts coupon by the day"):
        RuleSet(rules)
