"""Checking: everything that is wrong with a file of rules, told at once, before anybody uses it."""

from collections.abc import Sequence

import yaml

from scoring.rules import Rule, RuleError, RuleSet
from scoring.rules.reading import examine_rules
from streams.rule_files import rules_in_force
from streams.ruling.kept import not_kept
from streams.settings import Settings

__all__ = ["check", "first_lines"]


def check(text: str, file: str, settings: Settings, beside: Sequence[Rule] = ()) -> tuple[list[Rule], list[RuleError]]:
    """The rules of a file that can be used beside those in force, and every mistake in the others.

    Refused is also what the rows of the state that the settings make do not keep.

    Parameters
    ----------
    beside
        Rules that are in force besides those of the settings; those of the file take the place of their names.
    """
    rules, errors = examine_rules(text, file)
    lines = first_lines(text) if rules else {}
    kept = rules_in_force(settings)
    for rule in rules:
        errors += [error.at(file, lines[rule.name]) for error in not_kept(rule, kept.parts, settings)]
    names = {rule.name for rule in rules}
    others = {rule.name: rule for rule in (*kept.rules, *beside) if rule.name not in names}
    try:
        RuleSet([*others.values(), *rules])
    except RuleError as error:
        errors.append(error.at(file, lines.get(error.rule, 1)))
    return rules, sorted(errors, key=lambda error: error.line)


def first_lines(text: str) -> dict[str, int]:
    """The line on which each rule of a file that can be read begins."""
    found: dict[str, int] = {}
    for node in yaml.compose_all(text, Loader=yaml.SafeLoader):
        for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
            if key.value == "name":
                found[str(value.value)] = node.start_mark.line + 1
    return found
