"""Kept: what a rule reads must be in the rows of the state, whose layout is fixed when it is begun."""

from scoring.rules import Rule, RuleError, RuleSet
from scoring.rules.parts import Parts
from streams.engine_settings import missing_rings
from streams.settings import Settings

__all__ = ["not_kept"]


def not_kept(rule: Rule, kept: Parts, settings: Settings) -> list[RuleError]:
    """What a rule reads and the rows do not keep, each with the setting that would keep it.

    `kept` are the parts of a row under the rules with which the state was begun.
    """
    alone = RuleSet([rule])
    errors = []
    for field, kind in missing_rings(alone, settings):
        reason = f"counts {kind}, and the workers keep no ring of it"
        errors.append(RuleError(rule.name, "definition", kind, reason, f"add {kind} to {field} under another app_id"))
    if missing := kept.missing(alone.parts):
        reason = "is read, and the workers' rows do not keep it, as no rule read it when they were started"
        remedy = "set rules to all, or to a rule that reads it too, under another app_id"
        errors.append(RuleError(rule.name, "definition", ", ".join(missing), reason, remedy))
    return errors
