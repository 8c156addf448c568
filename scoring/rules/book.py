"""Book: every version of every rule that is known, and which are in force at each time."""

from collections.abc import Iterable

from scoring.rules.rule import Rule
from scoring.rules.ruleset import RuleSet

__all__ = ["ALWAYS", "RuleBook"]

ALWAYS = -(2**62)
"""The effective time of a rule that holds from the beginning."""


class RuleBook:
    """Versions of rules with the event times from which they hold.

    Of one name, the highest version whose time has come is in force. What is in force is a function of the set of
    versions: it does not matter when, how often or in which order they were told.

    Parameters
    ----------
    rules
        Those that hold from the beginning.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._versions: dict[str, dict[int, tuple[int, Rule]]] = {}
        for rule in rules:
            self.add(rule, ALWAYS)

    def add(self, rule: Rule, effective_ms: int) -> bool:
        """Take in one version; False if that version is known (the first telling of it stands)."""
        versions = self._versions.setdefault(rule.name, {})
        if rule.version in versions:
            return False
        versions[rule.version] = (effective_ms, rule)
        return True

    def timeline(self) -> list[tuple[int, RuleSet]]:
        """What is in force from which time on, in order of time; rules by name.

        Raises
        ------
        RuleError
            If at some time the rules in force cannot stand together.
        """
        times = sorted({at for versions in self._versions.values() for at, _ in versions.values()})
        return [(at, RuleSet(self._in_force(at))) for at in times]

    def _in_force(self, at_ms: int) -> list[Rule]:
        found = []
        for name in sorted(self._versions):
            holding = [version for version, (at, _) in self._versions[name].items() if at <= at_ms]
            if holding:
                found.append(self._versions[name][max(holding)][1])
        return found
