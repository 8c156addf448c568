"""Rules with marks: a list for each, checked and named."""

import pytest

from scoring.rules import Rule, RuleError, RuleSet, read_rules
from scoring.rules.rule import ForEach
from scoring.rules.slots import Slots

TIERS = """
name: tiers
sentence: Has {marks} points or more.
parameters: {marks: [100, 250.5], keep: 0.5}
enter: points >= mark and points < next_mark
exit: points < keep * mark
"""


def test_each_mark_has_a_list_of_its_own() -> None:
    """With its number and that of the one above it in the lines; the sentence names all."""
    rules = RuleSet(read_rules(TIERS, "tiers.yaml"))
    [tiers] = rules.rules
    assert tiers.sentence == "Has 100 or 250.5 points or more."
    assert rules.list_names == ("tiers/100", "tiers/250.5")
    assert rules.names == ("tiers",)
    low, high = tiers.of_marks
    assert (low.names["mark"], low.names["next_mark"]) == (100, 250.5)
    assert high.names["next_mark"] > 1e15
    assert low.columns == high.columns == tiers.columns
    assert Slots().assign(rules.list_names) == ([0, 1], 0)


def test_a_rule_without_marks_is_its_own_list() -> None:
    """Under its own name, where `mark` is a parameter like others."""
    rule = Rule(name="x", sentence="X.", enter="points >= mark", parameters={"mark": 7})
    assert rule.of_marks == (rule,)
    assert RuleSet([rule]).list_names == ("x",)


def test_marks_can_be_changed_by_the_settings() -> None:
    """As a list; another parameter is changed as ever."""
    [tiers] = read_rules(TIERS, "tiers.yaml", {"tiers": {"marks": [10.0, 20.0, 30.0], "keep": 0.9}})
    assert (tiers.marks, tiers.parameters["keep"]) == ((10, 20, 30), 0.9)


@pytest.mark.parametrize(
    ("marks", "reason"),
    [
        ("[250, 100]", "do not increase"),
        ("[0, 100]", "do not increase"),
        ("[]", "is no list of numbers"),
        ("[ten]", "is no list of numbers"),
        ("100", "is no list of numbers"),
        ("[100, .inf]", "is no list of numbers"),
    ],
)
def test_marks_that_are_none_are_refused(marks: str, reason: str) -> None:
    """With the rule, the parameter and what to write."""
    with pytest.raises(RuleError, match=rf"rule tiers, parameters.marks .*{reason}.*; write increasing numbers"):
        read_rules(TIERS.replace("[100, 250.5]", marks), "tiers.yaml")


def test_more_marks_than_lists_are_refused_at_once() -> None:
    """Before each is checked by itself, however many there are."""
    with pytest.raises(RuleError, match=r"some.yaml line 4: rule tiers, parameters.marks .*: are 50000, and there can"):
        read_rules(TIERS.replace("100, 250.5", ", ".join(map(str, range(1, 50_001)))), "some.yaml")


def test_marks_need_lists_of_different_names() -> None:
    """A list is named by six digits of its mark."""
    with pytest.raises(RuleError, match=r"lists would both be tiers/1e\+06; let them differ in six digits"):
        read_rules(TIERS.replace("[100, 250.5]", "[100, 1000000, 1000001]"), "tiers.yaml")


def test_marks_must_be_used_and_be_of_customers() -> None:
    """In `enter`, of a rule that is not for each order or the like; no parameter takes their names."""
    with pytest.raises(RuleError, match=r"are not used; write mark in enter"):
        Rule(name="x", sentence="X.", enter="points >= 7", marks=(5.0, 7.0))
    with pytest.raises(RuleError, match=r"remove marks, or for_each"):
        Rule(name="x", sentence="X.", enter="order_number >= mark", marks=(5.0,), for_each=ForEach.ORDER)
    with pytest.raises(RuleError, match=r"'mark': already has a meaning"):
        Rule(name="x", sentence="X.", enter="points >= mark", marks=(5.0,), parameters={"mark": 1})


def test_every_mark_is_checked_against_its_own_exit() -> None:
    """A list that would be left and entered over and over is refused, whichever mark it is of."""
    with pytest.raises(RuleError, match=r"exit is not below enter.*enter >= 100, exit < 200"):
        read_rules(TIERS.replace("keep * mark", "keep * 400"), "tiers.yaml")


def test_a_list_of_each_mark_takes_room() -> None:
    """There are 64 lists, whoever they belong to."""
    many = Rule(name="x", sentence="X.", enter="points >= mark", marks=tuple(float(n) for n in range(1, 65)))
    assert len(RuleSet([many]).list_names) == 64
    with pytest.raises(RuleError, match="makes 65 lists, and there can be 64"):
        RuleSet([many, Rule(name="y", sentence="Y.", enter="points >= 1")])
