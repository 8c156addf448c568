"""Kept: what a rule reads must be in the rows of the state, whose layout is fixed when it is begun."""

from collections.abc import Iterator, Set
from typing import NamedTuple

from scoring.rules import Rule, RuleError, RuleSet
from scoring.rules.carry import Carry
from scoring.rules.clocks import clocks_of, object_clocks_of
from scoring.rules.columns import Column
from scoring.rules.expression import columns_of
from scoring.rules.parts import Parts, parts_for
from scoring.rules.ruleset import counted_by_day, counted_by_hour
from streams.engine_settings import missing_rings
from streams.settings import Settings

__all__ = ["check_usable", "not_kept"]


def not_kept(rule: Rule, kept: Parts, settings: Settings) -> list[RuleError]:
    """What a rule reads and the rows do not keep, by the field that reads it, each with the setting that would keep it.

    A rule that cannot even be alone, as it counts too many kinds by the day, has that one mistake.

    `kept` are the parts of a row under the rules with which the state was begun.
    """
    try:
        alone = RuleSet([rule])
    except RuleError as error:
        return [error]
    errors = []
    for field, text, columns, needed in _read_by(rule, alone):
        for setting, kind in missing_rings(counted_by_day(columns), counted_by_hour(columns), settings):
            reason = f"counts {kind}, and the workers keep no ring of it"
            errors.append(RuleError(rule.name, field, text, reason, f"add {kind} to {setting} under another app_id"))
        if missing := kept.missing(needed):
            what = ", ".join(missing)
            reason = f"reads {what}, and the workers' rows do not keep it, as no rule read it when they were started"
            remedy = "set rules to all, or to a rule that reads it too, under another app_id"
            errors.append(RuleError(rule.name, field, text, reason, remedy))
    return errors


class _Reading(NamedTuple):
    """A field of a rule, what is written there, and what it reads of a row."""

    field: str
    text: str
    columns: frozenset[Column]
    parts: Parts


def _read_by(rule: Rule, alone: RuleSet) -> Iterator[_Reading]:
    lines = [("enter", rule.enter, rule.entering)]
    lines += [] if rule.exit is None else [("exit", rule.exit, rule.leaving)]
    for field, text, line in lines:
        yield _Reading(
            field, text, columns_of(line), parts_for(columns_of(line), clocks_of(line), object_clocks_of(line))
        )
    yield _Reading("for_each", rule.for_each, frozenset(), parts_for((), categories=bool(alone.categories)))
    carried = parts_for(rule.carried_columns, favourites=alone.favourites, pages=Carry.PAGES in rule.carries)
    yield _Reading("carries", ", ".join(rule.carries), rule.carried_columns, carried)


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
