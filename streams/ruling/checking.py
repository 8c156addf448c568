"""Checking: everything that is wrong with a file of rules, told at once, before anybody uses it."""

from collections.abc import Mapping, Sequence

import yaml

from scoring.rules import Rule, RuleError, RuleSet
from scoring.rules.reading import examine_rules
from streams.rule_files import rules_in_force
from streams.ruling.kept import not_kept
from streams.settings import Settings

__all__ = ["check", "field_lines"]


def check(text: str, file: str, settings: Settings, beside: Sequence[Rule] = ()) -> tuple[list[Rule], list[RuleError]]:
    """The rules of a file that can be used beside those in force, and every mistake in the others.

    Refused is also what the rows of the state that the settings make do not keep.

    Parameters
    ----------
    beside
        Rules that are in force besides those of the settings; those of the file take the place of their names.
    """
    rules, errors = examine_rules(text, file)
    lines = field_lines(text) if rules else {}
    kept = rules_in_force(settings)
    for rule in rules:
        refused = not_kept(rule, kept.parts, settings)
        errors += [error.at(file, _line(error.field, lines[rule.name])) for error in refused]
    names = {rule.name for rule in rules}
    others = {rule.name: rule for rule in (*kept.rules, *beside) if rule.name not in names}
    try:
        RuleSet([*others.values(), *rules])
    except RuleError as error:
        told = [(each.rule, each.field) for each in errors]
        place = _line(error.field, lines[error.rule]) if error.rule in lines else 1
        errors += [] if (error.rule, error.field) in told else [error.at(file, place)]
    return rules, sorted(errors, key=lambda error: error.line)


def field_lines(text: str) -> dict[str, dict[str, int]]:
    """By rule of a file that can be read, the line on which each field begins; of two of one name the later."""
    found: dict[str, dict[str, int]] = {}
    for node in yaml.compose_all(text, Loader=yaml.SafeLoader):
        if isinstance(node, yaml.MappingNode):
            fields = [(key, value) for key, value in node.value if isinstance(key, yaml.ScalarNode)]
            lines = {str(key.value): key.start_mark.line + 1 for key, _ in fields}
            names = [value.value for key, value in fields if key.value == "name" and isinstance(value, yaml.ScalarNode)]
            found |= {str(name).strip(): lines for name in names}
    return found


def _line(field: str, lines: Mapping[str, int]) -> int:
    return lines.get(field.partition(".")[0], lines["name"])
