"""Rules with a profile: whom Identify tells to be somebody else does not enter."""

import pytest
from stories import story
from stories.story import Player, Story

from scoring.rules import RuleError, read_rules
from scoring.traits import with_traits

TEXT = """
    name: fitting
    sentence: Came lately and is whom we look for.
    traits: {plan: [Pro, business], staff: [50]}
    enter: days_since(any) < 30
"""
[FITTING] = read_rules(TEXT, "fitting.yaml")


STORIES = {
    "nobody knows who": "1d  Page Viewed",
    "somebody who fits, in capitals": """
        1d     Identify  plan=PRO staff=50
        1d     -> enters
    """,
    "somebody who fits in one of two": "1d  Identify  plan=pro staff=51",
    "somebody who comes to fit, and stays in the list after": """
        1d     Identify  plan=free staff=50
        2d     Page Viewed
        3d     Identify  plan=business
        3d     -> enters
        5d     Identify  plan=free
        6d     Page Viewed
        20d    ...
    """,
}


@pytest.mark.parametrize("title", STORIES)
def test_only_those_who_fit_enter(title: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each trait is one of the values, in capitals or not, as last said by then; who is in stays."""
    monkeypatch.setattr(story, "rule_named", lambda _: FITTING)
    told = Story.of(STORIES[title])
    assert Player("fitting").play(told.steps) == told.told


def test_what_is_said_out_of_order_is_the_same_in_the_end() -> None:
    """Of a trait the last few are kept by time, and only of those asked for."""
    first = with_traits(with_traits({}, 1, {"plan": "a", "age": "9"}, ["plan"]), 2, {"plan": "b"}, ["plan"])
    second = with_traits(with_traits({}, 2, {"plan": "b"}, ["plan"]), 1, {"plan": "a", "age": "9"}, ["plan"])
    assert first == second == {"plan": ((1, "a"), (2, "b"))}


@pytest.mark.parametrize(
    ("traits", "reason"), [("[pro]", "is no mapping"), ("{plan: pro}", "has no list"), ("{plan: []}", "has no list")]
)
def test_a_profile_that_is_none_is_told(traits: str, reason: str) -> None:
    """With the remedy; and a list of orders has no traits."""
    with pytest.raises(RuleError, match=reason):
        read_rules(TEXT.replace("{plan: [Pro, business], staff: [50]}", traits), "fitting.yaml")
    with pytest.raises(RuleError, match="has no traits"):
        read_rules(TEXT + "    for_each: order\n", "fitting.yaml")
