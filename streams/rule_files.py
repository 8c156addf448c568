"""Rule files: the rules in force, from the file or directory of the settings or as they come with the package."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final

from scoring.rules.reading import Overrides, read_rules
from scoring.rules.rule import Rule, RuleError
from scoring.rules.ruleset import RuleSet
from scoring.rules.shipped import BASIC, SHIPPED, shipped
from scoring.rules.words import nearest
from streams.ruling.definition import Definition, definitions_in, with_parameters
from streams.settings import Settings

__all__ = ["definitions_in_force", "read_rule_files", "read_text", "rules_in_force"]


_MOST_BYTES: Final = 500_000
"""Of a file: sixty-four rules of the longest lines are half of it, and each must fit into a record of the broker."""


def rules_in_force(settings: Settings) -> RuleSet:
    """The rules that the settings name: of the shipped ones, or of the files of `rules_dir`, with `rule_parameters`.

    Raises
    ------
    RuleError
        At the first mistake; it names file, line, rule, field, value, reason and remedy.
    """
    if settings.rules_dir is None:
        return shipped(settings.rule_parameters, _chosen(settings.rules, SHIPPED, BASIC))
    found = read_rule_files(settings.rules_dir, settings.rule_parameters)
    chosen = _chosen(settings.rules, found.names, found.names)
    return RuleSet(rule for rule in found.rules if rule.name in chosen)


def definitions_in_force(settings: Settings) -> dict[str, Definition]:
    """The same rules by name, as they are written, with the parameters of `rule_parameters`; they raise the same."""
    names = rules_in_force(settings).names
    if settings.rules_dir is None:
        texts = [files("scoring.rules").joinpath(f"{name}.yaml").read_text("utf-8") for name in names]
    else:
        texts = [read_text(file) for file in _files(settings.rules_dir)]
    written = {definition["name"]: definition for text in texts for definition in definitions_in(text)}
    return {name: with_parameters(written[name], settings.rule_parameters) for name in names}


def _chosen(asked: Sequence[str], known: Sequence[str], basic: Sequence[str]) -> frozenset[str]:
    """The names that the setting `rules` stands for."""
    groups = {"all": known, "basic": basic}
    for name in asked:
        if name not in known and name not in groups:
            remedy = f"nearest known: {nearest(name, (*known, *groups))!r}"
            raise RuleError(name, "rules", name, "there is no such rule", remedy)
    return frozenset(rule for name in asked for rule in groups.get(name, (name,)))


def read_rule_files(place: Path, overrides: Overrides | None = None) -> RuleSet:
    """The rules of a file, or of every `*.yaml` and `*.yml` file of a directory, files by name, rules in their order.

    Raises
    ------
    RuleError
        If there is no rule, a file cannot be read, a rule cannot be used, or `overrides` names a rule that is
        not there.
    """
    rules: list[Rule] = []
    for file in _files(place):
        rules += read_rules(read_text(file), str(file), overrides)
    if not rules:
        raise RuleError("?", "rules_dir", place, "holds no rule file", "add a file that ends in .yaml")
    names = [rule.name for rule in rules]
    for name in overrides or {}:
        if name not in names:
            remedy = f"nearest known: {nearest(name, names)!r}"
            raise RuleError(name, "rule_parameters", name, f"no such rule in {place}", remedy)
    return RuleSet(rules)


def _files(place: Path) -> list[Path]:
    if not place.is_dir():  # a pipe, too, is read as a file
        return [place]
    return sorted(path for path in place.iterdir() if path.suffix in (".yaml", ".yml"))


def read_text(file: Path) -> str:
    """The text of a rule file; `RuleError` if it cannot be read, or is larger than any file of rules."""
    try:
        with file.open("rb") as opened:
            content = opened.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            reason, remedy = f"is larger than {_MOST_BYTES:,} bytes", "write what is needed only: there can be 64 lists"
            raise RuleError("?", "file", file, reason, remedy).at(str(file), 1)
        return content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RuleError("?", "file", file, f"cannot be read ({error})", "write it as UTF-8 text").at(
            str(file), 1
        ) from None
