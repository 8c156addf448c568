"""Rules for some countries, regions or cities: who is elsewhere does not enter."""

from dataclasses import replace

import pytest
from stories import story
from stories.story import Player, Story, rule_named

from scoring.rules import Rule, RuleError, read_rules

[IN_TOWN] = read_rules(
    """
    name: in-town
    sentence: Is in Berlin or anywhere in Austria, and has come lately.
    cities: [Berlin]
    countries: [AT]
    enter: days_since(visited) < 30
    """,
    "in-town.yaml",
)
IN_BERLIN = replace(rule_named("location-moment"), cities=("Berlin",))

STORIES = {
    "somebody elsewhere": (
        IN_TOWN,
        """
        1d     Location Entered  place=airport city=Hamburg country=DE
        2d     Page Viewed
        20d    ...
        """,
    ),
    "nobody knows where": (IN_TOWN, "1d  Page Viewed"),
    "somebody who comes to town, and stays in the list when they go": (
        IN_TOWN,
        """
        1d     Location Entered  place=airport city=Hamburg
        2d     Page Viewed
        5d     Location Entered  place=station city=BERLIN
        5d     -> enters
        9d     Location Entered  place=port city=Hamburg
        20d    ...
        32d    -> leaves
        """,
    ),
    "one of several countries": (
        IN_TOWN,
        """
        1d     Page Viewed
        2d     Location Entered  place=airport city=Vienna country=at
        2d     -> enters
        """,
    ),
    "a place in town": (
        IN_BERLIN,
        """
        10h    Location Entered  place=StoreA city=Hamburg
        11h    Location Entered  place=StoreB city=berlin
        11h    -> enters StoreB
        13h    -> leaves StoreB
        """,
    ),
    "the town itself": (
        IN_BERLIN,
        """
        10h    Location Entered  place=Berlin
        10h    -> enters Berlin
        12h    -> leaves Berlin
        """,
    ),
}


@pytest.mark.parametrize("title", STORIES)
def test_only_those_who_are_there_enter(title: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By city, country or the place's name, in capitals or not, as of the moment."""
    rule, text = STORIES[title]
    monkeypatch.setattr(story, "rule_named", lambda _: rule)
    told = Story.of(text)
    assert Player(rule.name).play(told.steps) == told.told


def test_a_list_of_places_holds_names() -> None:
    """Nothing else; the error says how to write it."""
    with pytest.raises(RuleError, match=r"rule x, cities .*is no list of names; write it as \[Berlin\]"):
        read_rules("name: x\nsentence: X.\nenter: orders > 0\ncities: Berlin", "x.yaml")


def test_where_customers_are_is_not_kept_without_need() -> None:
    """Only where a rule in force asks for it."""
    player = Player("location-moment")
    player.play(Story.of("10h  Location Entered  place=StoreA city=Hamburg").steps)
    assert player.engine.sides.touch(0).moved == ()
    assert not Rule(name="x", sentence="X.", enter="orders > 0").is_local
