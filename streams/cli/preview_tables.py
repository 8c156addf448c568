"""Tables: what a preview found, for people and for programs."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.table import Table

from schemas.timestamp import from_ms
from scoring.rules import Rule
from streams.cli.options import table_of
from streams.ruling.now import Now
from streams.ruling.past import Past
from streams.ruling.reached import Bought, Reached

__all__ = ["now_as_data", "now_table", "past_as_data", "past_table"]


def now_table(rules: Sequence[Rule], found: Now) -> Table:
    """A row a rule: who would enter, of whom how many would be withheld and why, and who would leave."""

    def row(rule: Rule) -> tuple[object, ...]:
        one = found.rules.get(rule.name, Reached())
        return rule.name, rule.version, one.entered, one.published, _reasons(one.withheld), one.left

    headings = ("rule", "version", "would enter", "published", "withheld", "would leave")
    return table_of(headings, map(row, rules))


def past_table(rules: Sequence[Rule], found: Past) -> Table:
    """A row a rule: crossings, customers, what would have been withheld and why, and what they bought afterwards."""

    def row(rule: Rule) -> tuple[object, ...]:
        one = found.rules.get(rule.name, Reached())
        told = one.entered, one.customers, one.published, _reasons(one.withheld)
        return rule.name, rule.version, *told, _share(one.bought_published), _share(one.bought_withheld)

    headings = (
        "rule",
        "version",
        "entered",
        "customers",
        "published",
        "withheld",
        "then bought",
        "withheld, then bought",
    )
    return table_of(headings, map(row, rules))


def now_as_data(rules: Sequence[Rule], found: Now) -> dict[str, Any]:
    """The same as JSON holds it."""
    times = None if found.times_ms is None else [from_ms(time_ms) for time_ms in found.times_ms]
    return {"customers": found.customers, "event_times": times, "rules": _as_data(rules, found.rules, past=False)}


def past_as_data(rules: Sequence[Rule], found: Past) -> dict[str, Any]:
    """The same as JSON holds it."""
    until = None if found.known_ms is None else from_ms(found.known_ms)
    return {"customers": found.customers, "known_until": until, "rules": _as_data(rules, found.rules, past=True)}


def _as_data(rules: Sequence[Rule], found: dict[str, Reached], *, past: bool) -> list[dict[str, Any]]:
    listed = []
    for rule in rules:
        one = found.get(rule.name, Reached())
        data = {
            "name": rule.name,
            "version": rule.version,
            "entered": one.entered,
            "customers": one.customers,
            "left": one.left,
            "published": one.published,
            "withheld": dict(one.withheld.most_common()),
            "reasons": dict(one.reasons.most_common()),
        }
        bought = {"published": one.bought_published, "withheld": one.bought_withheld}
        if past:
            data["bought"] = {which: {"known": each.known, "yes": each.yes} for which, each in bought.items()}
        listed.append(data)
    return listed


def _reasons(withheld: Counter[str]) -> str:
    if not withheld:
        return "0"
    return f"{withheld.total():,} ({', '.join(f'{reason} {n:,}' for reason, n in withheld.most_common())})"


def _share(bought: Bought) -> str:
    return f"{bought.yes:,} of {bought.known:,} ({bought.yes / bought.known:.0%})" if bought.known else "not known yet"
