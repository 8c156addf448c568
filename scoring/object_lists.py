"""Object lists: which orders, products and the like enter and leave the rules that are for each of those."""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.kernel import OBJECTS, Points
from scoring.open_object import About, OpenObject
from scoring.rules import RuleSet
from scoring.rules.columns import Op
from scoring.rules.program import Program
from scoring.rules.rule import ForEach
from scoring.side import put_in
from scoring.sides import Sides

__all__ = ["PURCHASES", "Crossing", "Found", "ObjectLists", "Purchases"]

PURCHASES = 5
"""Last purchases of a customer that an action carries at most."""

_ITS = (Op.ITS_SINCE, Op.ITS_TOTAL, Op.ITS_LATE)


class Crossing(NamedTuple):
    """At evaluation point `point`, the object (None: the customer) entered or left the list of rule number `rule`.

    `thing` is what is kept of the object, None where it had to give way; it moves on with the run, so `about` is what
    was to be told of it at the point.
    """

    point: int
    rule: int
    object: str | None
    entered: bool
    thing: OpenObject | None = None
    about: About | None = None


Purchases = list[tuple[str, int]]
"""Products that were bought last, each with its time, newest first."""


class Found(NamedTuple):
    """What crossed, in order, and by point the purchases that were wanted."""

    crossings: list[Crossing]
    purchases: dict[int, Purchases]


class _Asked(NamedTuple):
    """An object that the rules are asked about, at a point."""

    point: int
    row: int
    of: str
    object: str
    thing: OpenObject | None
    about: About | None


class ObjectLists:
    """The rules for each order, product and so on.

    They are asked at the points of events that are about objects, of those, and when time alone can change the answer,
    of all of a customer's objects.
    """

    def __init__(self, rules: RuleSet) -> None:
        self._rules = [(r, rule) for r, rule in enumerate(rules.rules) if rule.for_each is not ForEach.NONE]
        self._purchases = any(rule.carries_purchases for rule in rules.rules)
        self._kinds = {str(rule.for_each) for _, rule in self._rules}
        entering = [rule.entering for _, rule in self._rules]
        self._program = Program([*entering, *(rule.leaving for _, rule in self._rules)])
        columns = list(enumerate(self._program.columns))
        self._its = [column for _, column in columns if column.op in _ITS]
        self._places = [place for place, column in columns if column.op in _ITS]
        self._others = [place for place, column in columns if column.op not in _ITS]
        self._read = [rules.columns.index(self._program.columns[place]) for place in self._others]

    def find(self, points: Points, m: int, sides: Sides, buying: Collection[int] = ()) -> Found:
        """Move the lists on through the first `m` points; `buying` are those at which the purchases are wanted."""
        if not self._rules and not self._purchases:
            return Found([], {})
        asked, columns, purchases = self._ask(points, m, sides, buying)
        if not asked:
            return Found([], purchases)
        holds = self._program.run(columns)
        found = []
        lists: dict[tuple[int, str], dict[str, bool]] = {}
        entering, leaving = holds[: len(self._rules)], holds[len(self._rules) :]
        concerned = np.array([[str(rule.for_each) == each.of for each in asked] for _, rule in self._rules])
        for k, n in np.argwhere(((entering | leaving) & concerned).T).tolist():
            (r, rule), each = self._rules[n], asked[k]
            key = each.row, rule.name
            inside = lists.get(key)
            listed = each.object in (sides.listed(*key) if inside is None else inside)
            if listed == bool(leaving[n, k]):
                found.append(Crossing(each.point, r, each.object, not listed, each.thing, each.about))
                # The side record itself moves on as the actions are told; what follows at once must be asked of a copy.
                if inside is None:
                    inside = lists[key] = dict(sides.listed(*key))
                if listed:
                    del inside[each.object]
                else:
                    put_in(inside, each.object, False, sides.objects_watched)
        return Found(found, purchases)

    def _ask(
        self, points: Points, m: int, sides: Sides, buying: Collection[int]
    ) -> tuple[list[_Asked], NDArray[np.float64], dict[int, Purchases]]:
        """Whom to ask about, (k, C) what the program reads of each, and the purchases that are wanted."""
        asked: list[_Asked] = []
        its: list[list[float]] = []
        purchases: dict[int, Purchases] = {}
        concerned = _concerned(points, m, sides)
        for i in sorted({*concerned, *buying}) if buying else concerned:
            row, now = int(points.row[i]), int(points.time_ms[i])
            for of, name, thing in sides.objects_at(row, int(points.event[i]), now):
                if of in self._kinds:
                    kept = thing if sides.touch(row).open[of].get(name) is thing else None
                    asked.append(_Asked(i, row, of, name, kept, None if kept is None else kept.about()))
                    its.append([thing.read(column, now) for column in self._its])
            if i in buying:
                purchases[i] = sides.purchases(row, PURCHASES)
        values = np.empty((len(asked), len(self._program.columns)))
        values[:, self._others] = points.columns[[each.point for each in asked]][:, self._read]
        values[:, self._places] = np.array(its).reshape(len(asked), len(self._its))
        return asked, values, purchases


def _concerned(points: Points, m: int, sides: Sides) -> list[int]:
    """The points of events that are about objects, and those at which time alone may change something for them."""
    due = points.cause[:m] & OBJECTS > 0
    if sides.about_objects:
        events = np.fromiter(sides.about_objects, np.int64, len(sides.about_objects))
        due |= np.isin(points.event[:m], events)
    return np.flatnonzero(due).tolist()
