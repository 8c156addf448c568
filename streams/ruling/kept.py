"""Kept: what a rule reads must be in the rows of the state, whose layout is fixed when it is begun."""

from collections.abc import Set

from scoring.rules import Rule, RuleError, RuleSet
from scoring.rules.parts import Parts
from streams.engine_settings import missing_rings
from streams.settings import Settings

__all__ = ["check_usable", "not_kept"]


def not_kept(rule: Rule, kept: Parts, settings: Settings) -> list[RuleError]:
    """What a rule reads and the rows do not keep, each with the setting that would keep it.

    A rule that cannot even be alone, as it counts too many kinds by the day, has that one mistake.

    `kept` are the parts of a row under the rules with which the state was begun.
    """
    try:
        alone = RuleSet([rule])
    except RuleError as error:
        return [error]
    errors = []
    for field, kind in missing_rings(alone, settings):
        reason = f"counts {kind}, and the workers keep no ring of it"
        errors.append(RuleError(rule.name, "definition", kind, reason, f"add {kind} to {field} under another app_id"))
    if missing := kept.missing(alone.parts):
        reason = "is read, and the workers' rows do not keep it, as no rule read it when they were started"
        remedy = "set rules to all, or to a rule that reads it too, under another app_id"
        errors.append(RuleError(rule.name, "definition", ", ".join(missing), reason, remedy))
    return errors


def check_usable(rule: Rule, known: Set[str], kept: Parts, topics: Set[str], settings: Settings) -> None:
    """Raise `RuleError` where a worker refuses a rule, though it can be read.

    `known` are the names of rules whose topics are there for sure, `topics` those of the broker, `kept` the parts of a
    row under the rules with which the state was begun.
    """
    topic = f"actions-{rule.name}"
    if rule.name not in known and topic not in topics:
        reason = f"its topic {topic} is not on the broker, or hidden from this user"
        raise RuleError(rule.name, "name", rule.name, reason, f"create {topic}, then publish the next version")
    for error in not_kept(rule, kept, settings):
        raise error
