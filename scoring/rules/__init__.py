"""Rules: named lists, each defined by a predicate over profile, score and time."""

from scoring.rules.reading import read_rules
from scoring.rules.rule import Rule, RuleError
from scoring.rules.ruleset import RuleSet
from scoring.rules.shipped import shipped

__all__ = ["Rule", "RuleError", "RuleSet", "read_rules", "shipped"]
