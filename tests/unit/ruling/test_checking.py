"""Rules as people handle them: read, checked and shown without a broker."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from scoring.rules import read_rules, shipped
from scoring.rules.reading import examine_rules
from scoring.rules.shipped import BASIC, SHIPPED
from streams import connection
from streams.cli.main import main
from streams.gate_settings import GateFields
from streams.rule_files import rules_in_force
from streams.ruling.checking import field_lines
from streams.ruling.definition import as_yaml, changes, definitions_in
from streams.settings import Settings

GOOD = "name: good-one\nsentence: Bought.\nenter: orders > 0\n"
BAD = """\
name: bad-one
sentence: Wrong in six ways.
versoin: 3
cooldown: 7
enter: oders > 3
exit: revenue < days
carries: [reasons, card]
colour: red
---
name: bad-two
sentence: Both lines.
enter: oders > 3
exit: ordrs < 1
"""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["rules", *arguments], catch_exceptions=False)


def test_all_mistakes_are_told_at_once() -> None:
    """Of each rule each mistake, by line and field, and the rules that are right beside them."""
    rules, errors = examine_rules(BAD + "---\n" + GOOD, "some.yaml")
    assert [rule.name for rule in rules] == ["good-one"]
    told = sorted((error.rule, error.line, error.field) for error in errors)
    assert told == [
        ("bad-one", 3, "versoin"),
        ("bad-one", 4, "cooldown"),
        ("bad-one", 5, "enter"),
        ("bad-one", 6, "exit"),
        ("bad-one", 7, "carries"),
        ("bad-one", 8, "colour"),
        ("bad-two", 12, "enter"),
        ("bad-two", 13, "exit"),
    ]


def test_a_line_that_is_right_is_not_blamed_for_others() -> None:
    """Where only another field is wrong, the lines are read with all that they may name."""
    text = (
        "name: mark-passed\nsentence: Passed a mark.\nparameters:\n  marks: [500, 1000]\n  least: 2\n"
        "enter: revenue >= mark and orders >= least\ncarries: [next_mark, tier_rank, least]\ncooldown: soon\n"
    )
    assert [error.field for error in examine_rules(text, "some.yaml")[1]] == ["cooldown"]


def test_check_says_what_is_wrong_and_what_to_do(tmp_path: Path) -> None:
    """Exit code 1, a line a mistake in the order of the file, the nearest known feature in it; the same as JSON."""
    file = tmp_path / "bad.yaml"
    file.write_text(BAD)
    result = run("check", str(file))
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert len(lines) == 8
    assert lines[2].startswith(f"{file} line 5: rule bad-one, enter 'oders > 3' at column 1: unknown feature 'oders'")
    assert lines[2].endswith("nearest known: 'orders'")
    errors = json.loads(run("check", str(file), "--json").stdout)["errors"]
    assert [error["line"] for error in errors] == [3, 4, 5, 6, 7, 8, 12, 13]
    assert set(errors[2]) == {"file", "line", "rule", "field", "column", "value", "reason", "remedy"}


@pytest.mark.parametrize(
    ("rule", "line", "told"),
    [
        (GOOD.replace("orders > 0", "count(searched, days=3) > 2"), 3, "add searched to day_ring_kinds"),
        (GOOD.replace("orders > 0", "active_days > 2"), 3, "enter 'active_days > 2': counts any"),
        (GOOD + "exit: count(searched, hours=3) > 2\n", 4, "add searched to hour_ring_kinds"),
        (GOOD.replace("orders > 0", "points > 2"), 3, "enter 'points > 2': reads last time and total"),
        (GOOD + "exit: never\ncarries: [cart, pages]\n", 5, "carries 'cart, pages': reads the last pages (pages)"),
        (GOOD + "---\n" + GOOD, 5, "stands twice"),
        ("", 1, "holds no rule"),
        ("name: [", 1, "not YAML"),
    ],
)
def test_check_refuses_what_cannot_be_in_force(tmp_path: Path, rule: str, line: int, told: str) -> None:
    """What the rows do not keep, at the field that reads it, with the setting that would; a name twice; no rule."""
    file = tmp_path / "rules.yaml"
    file.write_text(rule)
    result = run("check", str(file))
    assert result.exit_code == 1
    assert told in result.stdout
    assert f"{file} line {line}: " in result.stdout


MANY = "name: many\nsentence: Points.\nparameters:\n  marks: [{}]\nenter: revenue >= mark\n"


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        (MANY.format(", ".join(map(str, range(1, 71)))), 3, "rule many, parameters.marks '[1.0, 2.0"),
        ("sentence: Bought.\nname: '  good-one '\nenter: points > 2\n", 3, "set rules to all"),
        (GOOD.replace("good-one", '"\\ud800\\e[2J"'), 1, r"rule \ud800\x1b[2J, name"),
    ],
)
def test_what_is_odd_is_told_as_everything_else(tmp_path: Path, text: str, line: int, told: str) -> None:
    """Too many lists of one rule, spaces about its name, and characters that cannot be printed: once, with the line."""
    file = tmp_path / "rules.yaml"
    file.write_text(text)
    result = run("check", str(file))
    assert result.exit_code == 1
    [shown] = result.stdout.splitlines()
    assert f"{file} line {line}: " in shown
    assert told in shown
    [error] = json.loads(run("check", str(file), "--json").stdout)["errors"]
    assert error["line"] == line
    assert error["rule"].isprintable()


def test_lines_are_found_without_reading_what_they_hold() -> None:
    """Lists that hold others over and over are small as written, and are never written out."""
    bomb = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    assert field_lines(f"a0: &a0 [x]\n{bomb}name: ' good-one'\nname: *a9\n")["good-one"]["a3"] == 4


def test_a_file_that_is_too_large_is_not_read_whole(tmp_path: Path) -> None:
    """Such a one is none of rules; exit code 2, as for one that is no text."""
    file = tmp_path / "rules.yaml"
    file.write_text(GOOD + "# " + 500_000 * "x")
    result = run("check", str(file))
    assert result.exit_code == 2
    assert f"{file} line 1: rule ?, file" in result.stderr
    assert "is larger than 500,000 bytes" in result.stderr


def test_what_the_rows_keep_is_a_matter_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all rules in force their rows keep what the basic ones' do not."""
    file = tmp_path / "rules.yaml"
    file.write_text(GOOD.replace("orders > 0", "points > 2"))
    monkeypatch.setenv("RECOMPRA_RULES", "all")
    assert (run("check", str(file)).exit_code, run("check", str(file)).stdout) == (0, "")


def test_the_whole_file_is_one_that_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`show all` names every rule with its sentence and every limit, and is accepted by `check` and `rules_dir`."""
    monkeypatch.setenv("RECOMPRA_RULES", "all")
    monkeypatch.setenv("RECOMPRA_RULE_PARAMETERS", '{"win-back": {"quiet": "120d"}}')
    shown = run("show", "all", "--no-broker").stdout
    comments = [line for line in shown.splitlines() if line.startswith("#")]
    head = "\n".join(comments)
    changed = shipped({"win-back": {"quiet": "120d"}})
    for rule in changed.rules:
        assert f"{rule.name} " in head
        assert rule.sentence in head
    for field in set(GateFields.model_fields) - {"channels"}:
        assert f"#   {field} = " in head
    file = tmp_path / "all.yaml"
    file.write_text(shown)
    assert run("check", str(file)).exit_code == 0
    again = rules_in_force(Settings(rules_dir=file))
    assert again.names == tuple(sorted(SHIPPED))
    assert {rule.name: rule for rule in again.rules} == {rule.name: rule for rule in changed.rules}


def test_one_rule_is_shown_as_it_can_be_written() -> None:
    """`show NAME` prints the rule's YAML; a name that is not known is told with the nearest."""
    result = run("show", "win-back", "--no-broker")
    assert read_rules(result.stdout, "shown.yaml") == list(shipped(only=["win-back"]).rules)
    result = run("show", "winback", "--no-broker")
    assert result.exit_code == 2
    assert "nearest known: 'win-back'" in result.stderr
    result = run("show", "tier-up", "--no-broker")
    assert result.exit_code == 2
    assert "comes along, and is not in force; the setting rules says which are" in result.stderr


def test_the_list_has_all_rules_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name, version, class and sentence of each; the same as JSON."""
    monkeypatch.setenv("RECOMPRA_RULE_PARAMETERS", '{"win-back": {"quiet": "120d"}}')
    result = run("list", "--no-broker")
    assert f"{len(SHIPPED) - len(BASIC)} more come along" in result.stderr
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["rule", *sorted(BASIC)]
    assert "not for 120 days" in lines[-1]
    found = json.loads(run("list", "--no-broker", "--json").stdout)
    assert [rule["name"] for rule in found["rules"]] == sorted(BASIC)
    assert found["coming"] == []
    assert {rule["effective_time"] for rule in found["rules"]} == {None}


def test_without_a_broker_the_settings_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody answers it says so, and lists what the settings say."""
    monkeypatch.setattr(connection, "_PATIENCE_MS", 100)
    result = run("list", "--broker", "127.0.0.1:9")
    assert result.exit_code == 0
    assert "no broker answers at 127.0.0.1:9" in result.stderr
    assert len(result.stdout.splitlines()) == len(BASIC) + 1


def test_definitions_keep_what_is_written() -> None:
    """Durations and texts stay as they are; numbers and truths have their types; lists stand on one line."""
    text = (
        "name: on\nversion: 2\nsentence: 'Left {quiet}: a cart.'\nparameters:\n  quiet: 90m\n  worth: 2.50\n"
        "enter: >\n  cart_value >= worth and\n  hours_since(product_added) >= quiet\n"
        "carries: [cart, reasons]\npaused: no\n"
    )
    [found] = definitions_in(text + "---\n")
    assert found == {
        "name": "on",
        "version": 2,
        "sentence": "Left {quiet}: a cart.",
        "parameters": {"quiet": "90m", "worth": 2.5},
        "enter": "cart_value >= worth and hours_since(product_added) >= quiet",
        "carries": ["cart", "reasons"],
        "paused": False,
    }
    assert definitions_in(text.replace("paused: no", "paused: ' true'"))[0]["paused"] is True
    assert "carries: [cart, reasons]" in as_yaml(found)
    assert definitions_in(as_yaml(found)) == [found]
    assert read_rules(as_yaml(found), "again.yaml") == read_rules(text, "first.yaml")


def test_what_changed_is_told_by_field() -> None:
    """Before and after, parameters each by itself, what is new or gone as None; the version is not told."""
    [before] = definitions_in(GOOD + "version: 1\nparameters:\n  a: 1\n  b: 2\n")
    [after] = definitions_in(
        GOOD.replace("Bought.", "Bought it.") + "version: 2\nparameters:\n  a: 1\n  b: 3\npaused: yes\n"
    )
    assert changes(before, after) == {
        "sentence": ("Bought.", "Bought it."),
        "parameters.b": (2, 3),
        "paused": (None, True),
    }
