"""Reading rules: each mistake is told with file, line, rule, field, value, reason and remedy."""

import pytest

from scoring.rules import Rule, RuleError, read_rules
from scoring.rules.reading import duration_ms
from scoring.rules.rule import ActionClass, Carry, ForEach

FULL = """\
# A comment first.
name: quiet-cart
version: 3
sentence: Left a cart of {worth} or more for {quiet} hours.
parameters:
  quiet: 90m
  worth: 20
enter: cart_value >= worth and hours_since(product_added) >= quiet
exit: cart_value < 10
action_class: service
cooldown: 1.5d
expires_after: 2h
priority: 70
gain: 2.5
carries: [cart, reasons]
audience: yes
"""
SOME, LEAST = "some-rule", "parameters.least"
NEEDED = "name: some-rule\nsentence: Who is in it.\nenter: orders > 0\n"
TICKETS = NEEDED + "for_each: ticket\n"


def test_a_rule_is_read_whole() -> None:
    """Every field of a file arrives in the rule, parameters in its sentence too."""
    [rule] = read_rules(FULL, "quiet-cart.yaml")
    assert (rule.name, rule.version, rule.priority, rule.gain, rule.audience) == ("quiet-cart", 3, 70, 2.5, True)
    assert rule.sentence == "Left a cart of 20 or more for 1.5 hours."
    assert dict(rule.parameters) == {"quiet": 1.5, "worth": 20.0}
    assert (rule.action_class, rule.for_each) == (ActionClass.SERVICE, ForEach.NONE)
    assert (rule.cooldown_ms, rule.expires_after_ms) == (129_600_000, 7_200_000)
    assert rule.carries == (Carry.CART, Carry.REASONS)


def test_what_is_not_written_has_its_default() -> None:
    """Name, sentence and enter are enough; whoever no longer meets enter leaves."""
    [rule] = read_rules(NEEDED, "some.yaml")
    same = Rule(name="some-rule", sentence="Who is in it.", enter="orders > 0")
    assert rule == same
    assert (rule.version, rule.cooldown_ms, rule.expires_after_ms, rule.carries) == (1, 0, None, ())


def test_a_file_may_hold_several_rules() -> None:
    """One YAML document a rule, in their order; an empty document is none."""
    text = NEEDED + "---\n---\n" + NEEDED.replace("some-rule", "other-rule")
    assert [rule.name for rule in read_rules(text, "rules.yaml")] == ["some-rule", "other-rule"]


@pytest.mark.parametrize(
    ("given", "quiet"), [(2, 2.0), (0.5, 0.5), ("3", 3.0), ("2h", 2.0), ("45m", 0.75), ("1d", 24.0), ("1w", 168.0)]
)
def test_settings_replace_parameters(given: float | str, quiet: float) -> None:
    """A number takes the predicate's unit; a duration is turned into it."""
    [rule] = read_rules(FULL, "quiet-cart.yaml", {"quiet-cart": {"quiet": given}, "other": {"x": 1}})
    assert rule.parameters["quiet"] == quiet
    assert rule.parameters["worth"] == 20


@pytest.mark.parametrize(
    ("enter", "value"),
    [
        ("hours_since(visited) + span <= hours_since(order_completed)", 1.5),
        ("category_minutes - span >= 0", 90.0),
        ("category_minutes >= span", 90.0),
        ("tenure_days >= span", 0.0625),
    ],
)
def test_a_duration_has_the_unit_of_what_it_stands_with(enter: str, value: float) -> None:
    """Of what it is compared with, and also of what it is added to."""
    [rule] = read_rules(f"name: x\nsentence: X.\nenter: {enter}\nparameters: {{span: 1.5h}}\n", "x.yaml")
    assert rule.parameters["span"] == value


@pytest.mark.parametrize(
    ("text", "line", "rule", "field", "value", "reason", "remedy"),
    [
        ("", 1, "?", "file", "some.yaml", "holds no rule", "write a rule"),
        ("name: [", 1, "?", "file", "some.yaml", "not YAML", "indentation"),
        ("- a\n- b\n", 1, "?", "rule", "[…]", "not a mapping", "field: value"),
        (NEEDED + "priority: \x00\n", 4, "?", "file", "some.yaml", "the character 0x0", "remove it"),
        (NEEDED + "traits: " + 9_000 * "[", 1, "?", "file", "some.yaml", "nested too deep", "on one line"),
        (NEEDED + "traits: [a]\n", 4, SOME, "traits", "[…]", "is no mapping", "plan"),
        (NEEDED + "cities:\n  a: b\n", 4, SOME, "cities", "{…}", "no list of names", "[Berlin]"),
        (NEEDED + "parameters:\n  least: [1]\n", 5, SOME, LEAST, "[…]", "neither a number", "2h"),
        (NEEDED + "nam: x\n", 4, SOME, "nam", "nam", "unknown field", "'name'"),
        (NEEDED + "enter: orders > 1\n", 4, SOME, "enter", "enter", "stands twice", "remove one"),
        ("name: some-rule\nenter: orders > 0\n", 1, SOME, "sentence", "", "missing", "add 'sentence"),
        (NEEDED.replace(SOME, "Some Rule"), 1, "Some Rule", "name", "Some Rule", "lower-kebab", "win-back"),
        (NEEDED + "version: one\n", 4, SOME, "version", "one", "not a whole number", "as 1"),
        (NEEDED + "version: 0\n", 4, SOME, "version", "0", "count from 1", "1 or more"),
        (NEEDED + f"version: {10**30}\n", 4, SOME, "version", "1000", "too large", "up to 2147483647"),
        (NEEDED + f"priority: -{10**30}\n", 4, SOME, "priority", "-1000", "too large", "up to 2147483647"),
        (NEEDED + "gain: much\n", 4, SOME, "gain", "much", "not a number", "as 1.5"),
        (NEEDED + "gain: 0\n", 4, SOME, "gain", "0.0", "not above 0", "as 1.5"),
        (NEEDED + "gain: nan\n", 4, SOME, "gain", "nan", "not above 0", "as 1.5"),
        (NEEDED + "cooldown: 7\n", 4, SOME, "cooldown", "7", "not a duration", "7d"),
        (NEEDED + "expires_after: 0d\n", 4, SOME, "expires_after", "0", "not positive", "3d"),
        (NEEDED + f"cooldown: {'9' * 400}d\n", 4, SOME, "cooldown", "999", "than 100 years", "7d"),
        (NEEDED + "expires_after: 500000w\n", 4, SOME, "expires_after", "500000w", "than 100 years", "7d"),
        (NEEDED + f"parameters:\n  least: {'9' * 400}\n", 5, SOME, LEAST, "999", "not a number", "number"),
        (NEEDED + "parameters:\n  least: -1e30\n", 5, SOME, LEAST, "-1e30", "too large", "below 9e15"),
        (NEEDED + f"parameters:\n  least: {'9' * 400}h\n", 5, SOME, LEAST, "999", "than 100 years", "2h"),
        (NEEDED.replace(SOME, "all"), 1, "all", "name", "all", "is taken: the setting rules", "another name"),
        (NEEDED.replace(SOME, "basic"), 1, "basic", "name", "basic", "is taken: the setting rules", "another name"),
        (NEEDED.replace(SOME, "withheld"), 1, "withheld", "name", "withheld", "actions-withheld", "another name"),
        (NEEDED.replace("Who", '"\\ud800"').replace(" is in it.", ""), 2, SOME, "sentence", "\ud800", "half", "plain"),
        (NEEDED + 'cities: ["\\ud800"]\n', 4, SOME, "cities", "\ud800", "half of a character", "remove it"),
        (NEEDED + 'traits: {plan: ["\\e[2J"]}\n', 4, SOME, "traits", "\x1b[2J", "control character", "remove it"),
        (NEEDED + 'traits: {"\\ud800": [pro]}\n', 4, SOME, "traits", "\ud800", "half of a character", "remove it"),
        (NEEDED + "countries: [DE, [AT]]\n", 4, SOME, "countries", "[…]", "no list of names", "[Berlin]"),
        (NEEDED + "traits: {plan: [pro, [free]]}\n", 4, SOME, "traits", "plan", "no list of values", "plan"),
        (NEEDED + "traits:\n  plan: [a]\n  plan: [b]\n", 6, SOME, "plan", "plan", "stands twice", "remove one"),
        (NEEDED + "traits: {'': [pro]}\n", 4, SOME, "traits", "", "no name of a trait", "plan"),
        (NEEDED + "parameters: {marks: [1, [2], 3]}\n", 4, SOME, "parameters.marks", "[…]", "no list of", "increasing"),
        (NEEDED + "audience: maybe\n", 4, SOME, "audience", "maybe", "neither true nor false", "true or false"),
        (NEEDED + "for_each: shop\n", 4, SOME, "for_each", "shop", "not known", "order, product"),
        (NEEDED + "action_class: advert\n", 4, SOME, "action_class", "advert", "not known", "marketing, service"),
        (NEEDED + "carries: cart\n", 4, SOME, "carries", "cart", "not a list", "[reasons, cart]"),
        (NEEDED + "carries: [card]\n", 4, SOME, "carries", "card", "holds something unknown", "nearest known: 'cart'"),
        (NEEDED + "carries: [days_since(its_referred)]\n", 4, SOME, "carries", "its_referred", "of an", "write order"),
        (NEEDED + "carries: [orders > 1]\n", 4, SOME, "carries", "orders > 1", "a condition stands", "brackets"),
        (NEEDED + "carries: [tier_rank]\n", 4, SOME, "carries", "tier_rank", "marks of points", "give the rule such"),
        (NEEDED + "carries: [order]\n", 4, SOME, "carries", "order", "each customer has no order", "for_each: order"),
        (TICKETS + "carries: [companions]\n", 5, SOME, "carries", "companions", "ticket has no companions", "leave"),
        (TICKETS + "carries: [best_sellers]\n", 5, SOME, "carries", "best_sellers", "no best sellers", "leave it away"),
        (NEEDED + "carries:\n  - [cart]\n", 4, SOME, "carries", "[…]", "holds something unknown", "cart"),
        (NEEDED + "exit:\n  a: 1\n", 4, SOME, "exit", "{…}", "single value", "on one line"),
        (NEEDED + "exit: orders >= 0\n", 4, SOME, "exit", "orders >= 0", "leave at once", "turn"),
        (NEEDED.replace("orders", "oders"), 3, SOME, "enter", "oders > 0", "unknown feature 'oders'", "'orders'"),
        (NEEDED + "parameters:\n  least: many\n", 5, SOME, LEAST, "many", "neither a number", "2h"),
        (NEEDED + "parameters:\n  least: 2h\n", 5, SOME, LEAST, "2h", "one unit of time", "number"),
        (NEEDED + "parameters:\n  least: .nan\n", 5, SOME, LEAST, ".nan", "number", "number"),
        (NEEDED + "parameters:\n  least: 2\n", 4, SOME, LEAST, "2", "not used", "remove it"),
        (NEEDED + "parameters:\n  orders: 2\n", 4, SOME, "parameters.orders", "orders", "has a meaning", "another"),
        (NEEDED.replace("in it", "{it}"), 2, SOME, "sentence", "Who is {it}.", "unknown parameter 'it'", "braces"),
        (NEEDED.replace("orders", "order_number"), 3, SOME, "enter", "order_number", "an order is concerned", "order"),
    ],
)  # fmt: skip
def test_each_mistake_names_its_place(
    text: str, line: int, rule: str, field: str, value: str, reason: str, remedy: str
) -> None:
    """File, line, rule, field, value, what is wrong and what to write instead."""
    with pytest.raises(RuleError) as caught:
        read_rules(text, "some.yaml")
    error = caught.value
    assert (error.file, error.line, error.rule, error.field) == ("some.yaml", line, rule, field), error
    assert value in error.value, error
    assert reason in error.reason, error
    assert remedy in error.remedy, error
    assert f"some.yaml line {line}: rule {rule}, {field}" in str(error)


@pytest.mark.parametrize(
    ("overrides", "field", "reason"),
    [
        ({"quit": 1}, "parameters.quit", "no such parameter"),
        ({"worth": 10**400}, "parameters.worth", "not a number"),
        ({"quiet": "6000w"}, "parameters.quiet", "longer than 100 years"),
        ({"quiet": float("nan")}, "parameters.quiet", "not a number"),
        ({"quiet": "soon"}, "parameters.quiet", "neither a number nor a duration"),
        ({"worth": "2h"}, "parameters.worth", "one unit of time"),
    ],
)
def test_settings_that_do_not_fit_are_refused(overrides: dict[str, float | str], field: str, reason: str) -> None:
    """A parameter that the rule has not, and a value that it cannot have, are named with the rule."""
    with pytest.raises(RuleError) as caught:
        read_rules(FULL, "quiet-cart.yaml", {"quiet-cart": overrides})
    assert (caught.value.rule, caught.value.field) == ("quiet-cart", field)
    assert reason in caught.value.reason


def test_a_long_value_is_cut() -> None:
    """An error shows 80 characters of a value, those around the place that is wrong."""
    enter = " and ".join(["orders > 1"] * 30 + ["oders > 1"])
    with pytest.raises(RuleError) as caught:
        read_rules(NEEDED.replace("orders > 0", enter), "some.yaml")
    assert len(caught.value.value) <= 80
    assert "oders" in caught.value.value.replace("orders", "")
    with pytest.raises(RuleError) as caught:
        read_rules(NEEDED.replace(SOME, 5_000 * "X") + 5_000 * "y" + ": 1\n", "some.yaml")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("text", "ms"),
    [("90s", 90_000), ("30m", 1_800_000), ("1.5h", 5_400_000), ("7d", 604_800_000), ("2 w", 1_209_600_000)],
)
def test_durations(text: str, ms: int) -> None:
    """A number and one of s, m, h, d, w."""
    assert duration_ms(text) == ms


def test_what_is_told_can_be_printed() -> None:
    """What a terminal would obey, and what no encoding holds, is written out."""
    with pytest.raises(RuleError) as caught:
        read_rules(NEEDED.replace(SOME, '"\\ud800\\e[2J"') + '"\\e]": 1\n', "\x1bsome.yaml")
    told = str(caught.value)
    assert told.isascii()
    assert told.isprintable()
    assert told.startswith(r"\x1bsome.yaml line 1: rule \ud800\x1b[2J, name ")


def test_durations_end_at_a_hundred_years() -> None:
    """Whatever is longer has no date when it ends; a rule that is not read from a file is refused, too."""
    assert duration_ms("36525d") == 36_525 * 86_400_000
    with pytest.raises(OverflowError):
        duration_ms("36526d")
    with pytest.raises(RuleError, match=r"cooldown .*: is longer than 100 years"):
        Rule(name="x", sentence="X.", enter="orders > 0", cooldown_ms=duration_ms("36525d") + 1)


@pytest.mark.parametrize("text", ["", "7", "d", "-1d", "1y", "1h30m", "1e3s"])
def test_other_durations_are_refused(text: str) -> None:
    """A bare number could be anything; neither signs nor sums are read."""
    with pytest.raises(ValueError, match=f"^{text}$"):
        duration_ms(text)
