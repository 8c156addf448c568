"""The page for marketers has every rule, as it is and with what it really publishes."""

from importlib.resources import files
from pathlib import Path

import orjson
import pytest
from stories.page import PAGE, page
from stories.story import Player, read_stories, rule_named

from schemas.accepted import refused
from scoring.rules.shipped import SHIPPED
from streams.settings_sources import load
from streams.topics import rule_names, wanted

ROOT = Path(__file__).parents[2]


def test_the_page_is_that_of_the_rules() -> None:
    """What differs is written anew by `PYTHONPATH=tests:. python -m stories.page`."""
    assert PAGE.read_text("utf-8") == page()


@pytest.mark.parametrize("rule", SHIPPED)
def test_a_rule_has_its_entry_topic_and_schema(rule: str) -> None:
    """Each has an entry on the page and a topic, and what it publishes in its story is of the topic's schema."""
    assert f"\n## {rule}\n\n**{rule_named(rule).sentence}**\n" in PAGE.read_text("utf-8")
    settings = load(rules="all").settings
    assert f"actions-{rule}" in {spec.name for spec in wanted(settings, rule_names(settings))}
    player = Player(rule)
    player.play(read_stories(rule)["enters"].steps)
    published = list(player.published())
    assert f"actions-{rule}" in dict(published)
    assert ("audiences" in dict(published)) == rule_named(rule).audience
    for topic, value in published:
        assert refused("audience.v1" if topic == "audiences" else "action.v1", orjson.dumps(value)) is None


@pytest.mark.parametrize("rule", SHIPPED)
def test_a_rule_is_explained(rule: str) -> None:
    """Above its fields stands in plain words what it is for."""
    text = files("scoring.rules").joinpath(f"{rule}.yaml").read_text("utf-8")
    lines = text[: text.index("name: ")].splitlines()
    assert len(lines) >= 3
    assert all(line.startswith("#") for line in lines)
