"""Categories as the twin follows them: which of each customer enter and leave the lists of rules for each category."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from scoring.rules import Rule
from scoring.rules.columns import OF_A_CATEGORY, Column
from scoring.rules.expression import truth
from scoring.twin.partition import Point

__all__ = ["CategoryCrossing", "category_crossings"]


class CategoryCrossing(NamedTuple):
    """A category of a customer entered or left a rule's list."""

    time_ms: int
    customer: bytes
    rule: str
    category: int
    entered: bool


def category_crossings(
    points: Sequence[Point], rules: Sequence[Rule], columns: Sequence[Column]
) -> Iterator[CategoryCrossing]:
    """Ask the rules at each point about every category with views that count; one without leaves."""
    inside: set[tuple[bytes, str, int]] = set()
    for point in points:
        for rule in rules:
            there = [each for each in inside if each[:2] == (point.customer, rule.name)]
            for category in {*(category for *_, category in there), *point.categories}:
                key = point.customer, rule.name, category
                views, spent_ms = point.categories.get(category, (0, 0))
                told = dict(zip(columns, point.columns, strict=True))
                told |= dict(zip(OF_A_CATEGORY, (float(views), spent_ms / 60_000), strict=True))
                leaves = not views or truth(rule.leaving, told.__getitem__)
                if key in inside and leaves:
                    inside.remove(key)
                elif key not in inside and not leaves and truth(rule.entering, told.__getitem__):
                    inside.add(key)
                else:
                    continue
                yield CategoryCrossing(point.time_ms, point.customer, rule.name, category, key in inside)
