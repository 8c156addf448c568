"""The page for marketers has every rule, as it is and with what it really publishes."""

from importlib.resources import files

import orjson
import pytest
from stories.page import EXAMPLES, PAGE, page
from stories.story import Player, read_stories, rule_named

from schemas.accepted import refused
from scoring.rules.shipped import SHIPPED
from streams.settings_sources import load
from streams.topics import rule_names, wanted

SAID = ("rule", "crossing", "object", "products", "category", "action_class", "expires_at")
"""What an example must have as it is published; scores may differ in their last digits."""


def test_the_page_is_that_of_the_rules() -> None:
    """What differs is written anew by `PYTHONPATH=tests:. python -m stories.page`."""
    assert PAGE.read_text("utf-8") == page()


@pytest.mark.parametrize("rule", SHIPPED)
def test_a_rule_has_its_entry_topic_and_schema(rule: str) -> None:
    """Each has an entry on the page, a topic and an example, and what its story publishes is of the topic's schema."""
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
    example = orjson.loads((EXAMPLES / f"{rule}.json").read_bytes())
    told = dict(published)[f"actions-{rule}"]
    assert {key: example["data"][key] for key in SAID} == {key: told["data"][key] for key in SAID}
    assert (example["id"], example["data"].keys()) == (told["id"], told["data"].keys())


@pytest.mark.parametrize("rule", SHIPPED)
def test_a_rule_is_explained(rule: str) -> None:
    """Above its fields stands in plain words what it is for."""
    text = files("scoring.rules").joinpath(f"{rule}.yaml").read_text("utf-8")
    lines = text[: text.index("name: ")].splitlines()
    assert len(lines) >= 3
    assert all(line.startswith("#") for line in lines)
