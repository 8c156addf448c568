"""Rule files: the rules in force, from the directory of the settings or as they come with the package."""

from collections.abc import Sequence
from pathlib import Path

from scoring.rules.reading import Overrides, read_rules
from scoring.rules.rule import Rule, RuleError
from scoring.rules.ruleset import RuleSet
from scoring.rules.shipped import BASIC, SHIPPED, shipped
from scoring.rules.words import nearest
from streams.settings import Settings

__all__ = ["read_directory", "rules_in_force"]


def rules_in_force(settings: Settings) -> RuleSet:
    """The rules that the settings name: of the shipped ones, or of the files of `rules_dir`, with `rule_parameters`.

    Raises
    ------
    RuleError
        At the first mistake; it names file, line, rule, field, value, reason and remedy.
    """
    if settings.rules_dir is None:
        return shipped(settings.rule_parameters, _chosen(settings.rules, SHIPPED, BASIC))
    found = read_directory(settings.rules_dir, settings.rule_parameters)
    chosen = _chosen(settings.rules, found.names, found.names)
    return RuleSet(rule for rule in found.rules if rule.name in chosen)


def _chosen(asked: Sequence[str], known: Sequence[str], basic: Sequence[str]) -> frozenset[str]:
    """The names that the setting `rules` stands for."""
    groups = {"all": known, "basic": basic}
    for name in asked:
        if name not in known and name not in groups:
            remedy = f"nearest known: {nearest(name, (*known, *groups))!r}"
            raise RuleError(name, "rules", name, "there is no such rule", remedy)
    return frozenset(rule for name in asked for rule in groups.get(name, (name,)))


def read_directory(directory: Path, overrides: Overrides | None = None) -> RuleSet:
    """The rules of every `*.yaml` and `*.yml` file of a directory, files by name, rules in their order.

    Raises
    ------
    RuleError
        If there is no rule, a file cannot be read, a rule cannot be used, or `overrides` names a rule that is
        not there.
    """
    rules: list[Rule] = []
    for file in sorted(path for path in directory.iterdir() if path.suffix in (".yaml", ".yml")):
        rules += read_rules(_text(file), str(file), overrides)
    if not rules:
        raise RuleError("?", "rules_dir", directory, "holds no rule file", "add a file that ends in .yaml")
    names = [rule.name for rule in rules]
    for name in overrides or {}:
        if name not in names:
            remedy = f"nearest known: {nearest(name, names)!r}"
            raise RuleError(name, "rule_parameters", name, f"no such rule in {directory}", remedy)
    return RuleSet(rules)


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RuleError("?", "file", file, f"cannot be read ({error})", "write it as UTF-8 text").at(
            str(file), 1
        ) from None
