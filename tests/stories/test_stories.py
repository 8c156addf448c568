"""Every shipped rule does what its stories say, and every shipped rule has its stories."""

import pytest
from stories.story import Player, Told, read_stories, rule_named, rules_with_stories, why_no_story

from scoring.rules.shipped import SHIPPED

STORIES = [(rule, title) for rule in SHIPPED for title in read_stories(rule)]


def entering(told: list[Told]) -> list[Told]:
    """Those of entering, whatever became of them."""
    return [each for each in told if each.how != "leaves" and each.how != "withheld entry_withheld"]


@pytest.mark.parametrize(("rule", "title"), STORIES)
def test_a_story_is_what_happens(rule: str, title: str) -> None:
    """What the rule tells of these events is what the story says, to the minute, and nothing else."""
    story = read_stories(rule)[title]
    told = Player(rule).play(story.steps)
    for i, wanted in enumerate(story.told[: len(told)]):
        told[i] = told[i].as_far_as(wanted)
    assert told == story.told


@pytest.mark.parametrize("rule", SHIPPED)
def test_a_rule_has_its_stories(rule: str) -> None:
    """Who enters, who nearly does, who leaves, and what happens the second time."""
    definition, stories, none = rule_named(rule), read_stories(rule), why_no_story(rule)
    assert [told.how for told in stories["enters"].told] == ["enters"]
    assert not stories["near miss"].told
    leaves = any(told.how == "leaves" for story in stories.values() for told in story.told)
    assert leaves == (definition.exit != "never")
    assert ("again" in stories) != ("once" in none)
    if "again" in stories:
        assert [told.how for told in entering(stories["again"].told)].count("enters") == 2
    assert ("cooldown" in stories, "never sooner" in none).count(True) == bool(definition.cooldown_ms)
    if "cooldown" in stories:
        assert "withheld cooldown" in [told.how for told in stories["cooldown"].told]


def test_no_story_is_of_a_rule_that_is_not_there() -> None:
    """Files of stories are those of the shipped rules."""
    assert rules_with_stories() == set(SHIPPED)
