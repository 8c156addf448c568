"""Rule files: a directory of one's own in place of the shipped rules."""

import os
from pathlib import Path

import pytest

from scoring.rules import RuleError, read_rules
from scoring.rules.shipped import BASIC, SHIPPED
from streams.rule_files import definitions_in_force, read_rule_files, rules_in_force
from streams.ruling.definition import as_yaml
from streams.settings import Settings
from streams.topics import rule_names

ONE = "name: one\nsentence: Bought at least {least} times.\nparameters: {least: 3}\nenter: orders >= least\n"


def test_without_a_directory_the_basic_rules_are_in_force() -> None:
    """Also with parameters from the settings, and the topics are made for the same names."""
    settings = Settings(rule_parameters={"cart-abandoned": {"quiet": "2h"}})
    rules = rules_in_force(settings)
    assert rules.names == BASIC == rule_names(settings)
    assert rules.rules[rules.names.index("cart-abandoned")].parameters["quiet"] == 2.0


def test_a_directory_takes_their_place(tmp_path: Path) -> None:
    """Every file that ends in .yaml or .yml, by name; what is in it counts, not what the file is called."""
    (tmp_path / "b.yml").write_text(ONE)
    (tmp_path / "a.yaml").write_text(ONE.replace("name: one", "name: two") + "---\n" + ONE.replace("one", "three"))
    (tmp_path / "notes.txt").write_text("not a rule")
    settings = Settings(rules_dir=tmp_path, rule_parameters={"one": {"least": 7}})
    rules = rules_in_force(settings)
    assert rules.names == rule_names(settings) == ("two", "three", "one")
    assert [rule.parameters["least"] for rule in rules.rules] == [3, 3, 7]


def test_one_file_does_as_well(tmp_path: Path) -> None:
    """The setting may name a file in place of a directory."""
    file = tmp_path / "mine.yaml"
    file.write_text(ONE + "---\n" + ONE.replace("one", "two"))
    assert rules_in_force(Settings(rules_dir=file)).names == ("one", "two")


def test_what_is_neither_a_directory_nor_a_file_is_read() -> None:
    """As a pipe is; what is empty holds no rules, and is no traceback."""
    with pytest.raises(RuleError, match="holds no rule"):
        read_rule_files(Path(os.devnull))


def test_rules_as_they_are_written_have_the_parameters_of_the_settings(tmp_path: Path) -> None:
    """Each definition of the rules in force is the file's, with what the settings change, and makes the same rule."""
    settings = Settings(rule_parameters={"win-back": {"quiet": "120d"}})
    found = definitions_in_force(settings)
    assert tuple(found) == BASIC
    assert found["win-back"]["sentence"] == "Has bought before, but not for {quiet} days."
    assert found["win-back"]["parameters"] == {"quiet": "120d"}
    assert found["cart-abandoned"]["carries"] == list(rules_in_force(settings).rules[1].carries)
    again = [read_rules(as_yaml(definition), name)[0] for name, definition in found.items()]
    assert again == list(rules_in_force(settings).rules)


@pytest.mark.parametrize(
    ("rules", "names"),
    [
        ("basic", BASIC),
        ("all", SHIPPED),
        ("tier-up,referral", ("referral", "tier-up")),
        ("basic, tier-up", tuple(name for name in SHIPPED if name in (*BASIC, "tier-up"))),
    ],
)
def test_the_setting_names_the_rules(rules: str, names: tuple[str, ...]) -> None:
    """Groups and names with commas; the order is that in which they come, not that of the setting."""
    assert rules_in_force(Settings(rules=rules)).names == names  # type: ignore[arg-type]


def test_the_setting_names_rules_of_the_directory(tmp_path: Path) -> None:
    """Without names all of them, as it has no basic ones; shipped ones are not among them."""
    (tmp_path / "a.yaml").write_text(ONE + "---\n" + ONE.replace("one", "two"))
    assert rules_in_force(Settings(rules_dir=tmp_path)).names == ("one", "two")
    assert rules_in_force(Settings(rules_dir=tmp_path, rules=("two",))).names == ("two",)
    with pytest.raises(RuleError, match="rules 'tier-up': there is no such rule; nearest known"):
        rules_in_force(Settings(rules_dir=tmp_path, rules=("tier-up",)))


def test_an_unknown_name_stops_the_start() -> None:
    """With the nearest known one, also of those that are not in force."""
    with pytest.raises(RuleError, match="rules 'tierup': there is no such rule; nearest known: 'tier-up'"):
        rule_names(Settings(rules=("basic", "tierup")))


@pytest.mark.parametrize(
    ("files", "overrides", "message"),
    [
        ({}, {}, "holds no rule file"),
        ({"a.yaml": ONE, "b.yaml": ONE}, {}, "rule one, name 'one': stands twice"),
        ({"a.yaml": ONE}, {"on": {"least": 3}}, "nearest known: 'one'"),
        ({"a.yaml": ONE.replace("orders", "oders")}, {}, "a.yaml line 4: rule one, enter"),
        ({"a.yaml": b"\xff\xfe"}, {}, "cannot be read"),
    ],
)
def test_what_cannot_be_used_is_refused(
    tmp_path: Path, files: dict[str, str | bytes], overrides: dict[str, dict[str, float]], message: str
) -> None:
    """No rule at all, two of one name, settings for a rule that is not there, a mistake in a file, no text."""
    for name, content in files.items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RuleError, match=message):
        read_rule_files(tmp_path, overrides)
