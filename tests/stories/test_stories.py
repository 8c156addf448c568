"""Every shipped rule does what its stories say, and every shipped rule has its stories."""

from dataclasses import replace

import pytest
from stories.story import (
    LAYOUT,
    SNAPSHOT,
    START_MS,
    Player,
    Step,
    Told,
    busy,
    read_stories,
    rule_named,
    rules_with_stories,
    why_no_story,
)

from scoring.engine import EngineSettings
from scoring.gates import GateSettings
from scoring.gates.settings import Cap
from scoring.profile import FAR
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


@pytest.mark.parametrize("rule", SHIPPED)
def test_nothing_is_published_in_a_replay(rule: str) -> None:
    """The same story lived through again: the same crossings, each withheld."""
    story = read_stories(rule)["enters"]
    told = Player(rule, EngineSettings(LAYOUT, replay=True)).play(story.steps)
    assert [each.how for each in told] == ["withheld replay"]


@pytest.mark.parametrize("rule", SHIPPED)
def test_what_is_learned_of_too_late_is_stale(rule: str) -> None:
    """The same story, received two days after it happened: the action would come too late."""
    story = read_stories(rule)["enters"]
    told = Player(rule, receipt_ms=2 * 86_400_000).play(story.steps)
    assert [each.how for each in told] == ["withheld stale"]


SEEN_DAILY = {"next-order-due", "next-order-overdue", "propensity-drop"}
"""Rules that hold before the daily look at them: the first of a machine's events would be seen before it is one."""


@pytest.mark.parametrize("rule", [rule for rule in SHIPPED if rule not in SEEN_DAILY])
def test_a_machine_is_told_nothing(rule: str) -> None:
    """The same story, of somebody with more events in an hour than a person makes."""
    story = read_stories(rule)["enters"]
    told = Player(rule, EngineSettings(LAYOUT, automated_per_hour=2)).play(busy(story).steps)
    assert [each.how for each in entering(told)][:1] == ["withheld automated"]


@pytest.mark.parametrize("rule", [rule for rule in SHIPPED if rule_named(rule).reads_score])
def test_a_score_that_is_not_learned_yet_tells_nothing(rule: str) -> None:
    """While the model warms up, what its score decides is withheld, or is not known at all."""
    story = read_stories(rule)["enters"]
    told = Player(rule, snapshot=replace(SNAPSHOT, warming_up=True)).play(story.steps)
    assert {each.how for each in told} <= {"withheld warming_up"}


SHUT = {
    "no_consent": {"consent_unknown": False, "marketing": Cap(None)},
    "negative_experience": {"negative_ms": FAR},
    "frequency_cap": {"marketing": Cap(0)},
    "holdout": {"holdout_global": 1.0},
}
"""By gate: the settings that shut it for everybody."""


@pytest.mark.parametrize("gate", SHUT)
@pytest.mark.parametrize("rule", SHIPPED)
def test_a_gate_withholds_marketing_and_lets_service_pass(rule: str, gate: str) -> None:
    """Nobody who said nothing, who has a complaint open, was written to often enough or is held out gets marketing."""
    story = read_stories(rule)["enters"]
    steps = [step for step in story.steps if gate != "no_consent" or step.name != "Subscribed"]
    if gate == "negative_experience":
        steps.insert(0, Step(START_MS, "Ticket Opened", {"ticket_id": "T0"}))
    settings = EngineSettings(LAYOUT, gates=replace(GateSettings.open(), **SHUT[gate]))
    player = Player(rule, settings)
    player.play(steps)
    entered = [action for action in player.actions if action.entered]
    if rule_named(rule).action_class == "service":
        assert [action.withheld for action in entered] == [()]
    elif entered:
        assert gate in entered[0].withheld
    else:
        assert rule in OF_SUBSCRIBERS


OF_SUBSCRIBERS = {"subscribed", "subscriber-engaged", "subscriber-silent"}
"""Rules that nobody enters who has not consented."""


@pytest.mark.parametrize("rule", SHIPPED)
def test_a_rule_that_is_paused_tells_nothing(rule: str) -> None:
    """The same story while the rule is paused: the crossing is withheld."""
    told = Player(rule, paused=True).play(read_stories(rule)["enters"].steps)
    assert [each.how for each in told] == ["withheld rule_paused"]
