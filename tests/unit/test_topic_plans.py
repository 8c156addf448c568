"""Topics: which are wanted, and how what is on a broker differs from that."""

from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from scoring.rules.shipped import BASIC, SHIPPED
from streams.settings_sources import load
from streams.topics import Found, check, nearest, rule_names, wanted


def test_an_application_wants_its_inputs_outputs_and_changelog() -> None:
    """Every rule has its action topic, every input its dlq and late topic, the changelog bears the application."""
    settings = load(app_id="shop", partitions=6).settings
    specs = {spec.name: spec for spec in wanted(settings, ("win-back",))}
    for name in (
        "clickstream",
        "orders",
        "customers",
        "scores",
        "actions-win-back",
        "orders-late",
        "clickstream-dlq",
    ):
        assert specs[name].partitions == 6
    changelog = specs["shop-profiles-changelog"]
    assert (changelog.partitions, changelog.cleanup, changelog.role) == (6, "compact", "internal")
    assert specs["examples"].partitions == specs["models"].partitions == 1
    assert "actions-cart-abandoned" not in specs


def test_rules_name_the_topics_of_their_actions() -> None:
    """Without a rules directory shipped ones are the rules; with one, those of its files."""
    shipped = files("scoring.rules")
    assert rule_names(load().settings) == BASIC
    assert rule_names(load(rules="all").settings) == SHIPPED
    with as_file(shipped / "win-back.yaml") as file, TemporaryDirectory() as directory:
        text = file.read_text(encoding="utf-8").replace("name: win-back", "name: long-gone")
        (Path(directory) / "mine.yaml").write_text(text, encoding="utf-8")
        settings = load(rules_dir=Path(directory)).settings
        assert rule_names(settings) == ("long-gone",)
        assert "actions-long-gone" in {spec.name for spec in wanted(settings, rule_names(settings))}


def test_topics_as_described_have_no_difference() -> None:
    """A broker that has every topic as described is as it should be."""
    specs = wanted(load().settings, ())
    assert check(specs, [Found(spec.name, spec.partitions or 0, spec.configs) for spec in specs]) == ()


@pytest.mark.parametrize("name", ["cleanup.policy", "retention.ms", "message.timestamp.type"])
def test_a_differing_configuration_is_told_with_the_command_that_mends_it(name: str) -> None:
    """What differs is told with both values and a remedy."""
    (spec,) = (spec for spec in wanted(load().settings, ()) if spec.name == "scores")
    there = Found("scores", 4, {**spec.configs, name: "other"})
    (difference,) = check([spec], [there])
    assert (difference.what, difference.wanted, difference.found) == (name, spec.configs[name], "other")
    assert f"--topic scores --add-config {name}={spec.configs[name]}" in difference.remedy
    assert not difference.untold


def test_what_a_broker_does_not_tell_is_no_fault() -> None:
    """A configuration that the broker leaves out is told apart from one that is wrong."""
    (spec,) = (spec for spec in wanted(load().settings, ()) if spec.name == "scores")
    differences = check([spec], [Found("scores", 4, {})])
    assert [difference.untold for difference in differences] == [True] * 3


def test_missing_topics_and_wrong_partitions_are_told() -> None:
    """A missing topic is to be created; partitions are never added under existing keys."""
    specs = [spec for spec in wanted(load().settings, ()) if spec.name in ("orders", "scores", "examples")]
    orders, scores = (next(spec for spec in specs if spec.name == name) for name in ("orders", "scores"))
    there = [Found("orders", 2, orders.configs), Found("scores", 12, scores.configs)]
    found = {difference.topic: difference for difference in check(specs, there)}
    assert "recompra topics create" in found["examples"].remedy
    assert (found["orders"].wanted, found["orders"].found) == ("4", "2")
    assert found["orders"].remedy.startswith("set RECOMPRA_PARTITIONS to what is there")
    assert "RECOMPRA_PARTITIONS" in found["scores"].remedy
    more = replace(orders, partitions=2)
    assert check([more], there[:1]) == ()


def test_nearest_names_what_was_meant_and_nothing_far_off() -> None:
    """A name close to a known one finds it; a name like none finds none."""
    known = ["scores", "actions-win-back", "audiences"]
    assert nearest("score", known) == "scores"
    assert nearest("action-winback", known) == "actions-win-back"
    assert nearest("zzz", known) is None
