"""Object lists: which orders, products and the like enter and leave the rules that are for each of those.

Categories have lists of their own (`scoring.category_lists`).
"""

import math
from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from scoring.companion import lacking_companion
from scoring.kernel import OBJECTS, Points
from scoring.open_object import About, Asking, OpenObject
from scoring.rules import Rule, RuleSet
from scoring.rules.columns import ITS_OPS, Column, Op
from scoring.rules.rule import ForEach
from scoring.shop.snapshot import ShopSnapshot
from scoring.side import put_in
from scoring.sides import Sides
from scoring.where import Where

__all__ = ["PURCHASES", "Crossing", "Found", "Looks", "ObjectLists", "Purchases"]

PURCHASES = 5
"""Last purchases of a customer that an action carries at most."""


class Looks(NamedTuple):
    """What was looked at of a category at a point: its number, the views that count, and the ms spent with them."""

    category: int
    views: int
    spent_ms: int


class Crossing(Struct, frozen=True, gc=False):
    """At evaluation point `point`, the object (None: the customer) entered or left the list of rule number `rule`.

    `thing` is what is kept of the object, None where it had to give way; it moves on with the run, so `about` is what
    was to be told of an order at the point. `companion` is what usually goes with a product and was not bought. `mark`
    says of which of the rule's marks the list is, `looks` what was looked at of a category.
    """

    point: int
    rule: int
    object: str | None
    entered: bool
    thing: OpenObject | None = None
    about: About | None = None
    companion: str | None = None
    mark: float | None = None
    looks: Looks | None = None

    @property
    def category(self) -> str | None:
        """The object where it is a category."""
        return None if self.looks is None else self.object

    def of(self, rules: RuleSet) -> Rule:
        """The rule whose list was crossed, as it is for the mark."""
        rule = rules.rules[self.rule]
        return next(each for each in rule.of_marks if each.mark == self.mark)


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
    companion: str | None
    where: Where


class ObjectLists:
    """The rules for each order, product and so on.

    They are asked at the points of events that are about objects, of those, and when time alone can change the answer,
    of all of a customer's objects.
    """

    def __init__(self, rules: RuleSet) -> None:
        others = (ForEach.NONE, ForEach.CATEGORY)
        self._rules = [(r, rule) for r, rule in enumerate(rules.rules) if rule.for_each not in others]
        self._purchases = any(rule.carries_purchases for rule in rules.rules)
        self._kinds = {str(rule.for_each) for _, rule in self._rules}
        self._program = rules.program_of([rule for _, rule in self._rules])
        columns = list(enumerate(self._program.columns))
        self._its = [column for _, column in columns if column.op in ITS_OPS]
        read = {
            of: {c for _, rule in self._rules if str(rule.for_each) == of for c in rule.columns} for of in self._kinds
        }
        self._its_of = {
            of: Asking.of([(k, c) for k, c in enumerate(self._its) if c in found]) for of, found in read.items()
        }
        """By what objects are: what the rules for those read; the others are nobody's answer."""
        lacking = Column(Op.ITS_LACKING, 0)
        self._its_lacking = self._its.index(lacking) if lacking in self._its else -1
        self._unasked = [0.0 if column == lacking else math.nan for column in self._its]
        numbers = {of: n for n, of in enumerate(sorted(self._kinds))}
        self._number_of = numbers
        self._numbers = np.array([[numbers[str(rule.for_each)]] for _, rule in self._rules])
        self._places = [place for place, column in columns if column.op in ITS_OPS]
        self._others = [place for place, column in columns if column.op not in ITS_OPS]
        self._lacking = {r for r, rule in self._rules if any(c.op is Op.ITS_LACKING for c in rule.columns)}
        self._local = any(rule.is_local for _, rule in self._rules)
        self._read = [rules.columns.index(self._program.columns[place]) for place in self._others]

    def find(
        self, points: Points, m: int, sides: Sides, shop: ShopSnapshot | None, buying: Collection[int] = ()
    ) -> Found:
        """Move the lists on through the first `m` points; `shop` is what was known at these points.

        `buying` are those at which the purchases are wanted.
        """
        if not self._rules and not self._purchases:
            return Found([], {})
        asked, columns, purchases = self._ask(points, m, sides, shop, buying)
        if not asked:
            return Found([], purchases)
        holds = self._program.run(columns)
        found = []
        lists: dict[tuple[int, str], dict[str, bool]] = {}
        entering, leaving = holds[: len(self._rules)], holds[len(self._rules) :]
        concerned = self._numbers == np.array([self._number_of[each.of] for each in asked])
        for k, n in np.argwhere(((entering | leaving) & concerned).T).tolist():
            (r, rule), each = self._rules[n], asked[k]
            key = each.row, rule.name
            inside = lists.get(key)
            listed = each.object in (sides.listed(*key) if inside is None else inside)
            if not listed and rule.is_local and not rule.covers(each.where, each.object if each.of == "place" else ""):
                continue
            if listed == bool(leaving[n, k]):
                lacks = each.companion if r in self._lacking else None
                found.append(Crossing(each.point, r, each.object, not listed, each.thing, each.about, lacks))
                # The side record itself moves on as the actions are told; what follows at once must be asked of a copy.
                if inside is None:
                    inside = lists[key] = dict(sides.listed(*key))
                if listed:
                    del inside[each.object]
                else:
                    put_in(inside, each.object, False, sides.objects_watched)
        return Found(found, purchases)

    def leaving(self, points: Points, sides: Sides, shop: ShopSnapshot | None) -> set[tuple[str, str]]:
        """By rule and object: what the customer of the first point has, and the rule would let go of."""
        asked, columns, _ = self._ask(points, 1, sides, shop, ())
        if not asked or not self._rules:
            return set()
        leaving = self._program.run(columns)[len(self._rules) :]
        return {
            (rule.name, each.object)
            for n, (_, rule) in enumerate(self._rules)
            for k, each in enumerate(asked)
            if leaving[n, k] and each.of == str(rule.for_each)
        }

    def _ask(
        self, points: Points, m: int, sides: Sides, shop: ShopSnapshot | None, buying: Collection[int]
    ) -> tuple[list[_Asked], NDArray[np.float64], dict[int, Purchases]]:
        """Whom to ask about, (k, C) what the program reads of each, and the purchases that are wanted."""
        asked: list[_Asked] = []
        its: list[list[float]] = []
        purchases: dict[int, Purchases] = {}
        concerned = _concerned(points, m, sides)
        whole, nowhere = bool(self._lacking), Where()
        at = sorted({*concerned, *buying}) if buying else concerned
        told_of = (column[at].tolist() for column in (points.row, points.event, points.time_ms, points.at))
        for i, row, event, now, applied in zip(at, *told_of, strict=True):
            where = sides.where_at(row, applied, now) if self._local else nowhere
            objects = sides.objects_at(row, event, now, whole)
            things = {of: sides.touch(row).things(of) for of, _, _ in objects if of in self._kinds}
            for of, name, thing in objects:
                if (there := things.get(of)) is not None:
                    kept = thing if there.get(name) is thing else None
                    lacks = lacking_companion(name, there, shop) if whole and of == "product" else None
                    about = kept.about() if kept is not None and of == "order" else None
                    asked.append(_Asked(i, row, of, name, kept, about, lacks, where))
                    told = self._unasked.copy()
                    thing.read(self._its_of[of], now, told)
                    if lacks is not None:
                        told[self._its_lacking] = 1.0
                    its.append(told)
            if i in buying:
                purchases[i] = sides.purchases(row, PURCHASES)
        values = np.empty((len(asked), len(self._program.columns)))
        asked_at = np.array([each.point for each in asked], np.int64)
        values[:, self._others] = points.columns[asked_at[:, None], self._read]
        values[:, self._places] = np.array(its).reshape(len(asked), len(self._its))
        return asked, values, purchases


def _concerned(points: Points, m: int, sides: Sides) -> list[int]:
    """The points of events that are about objects, and those at which time alone may change something for them."""
    due = points.cause[:m] & OBJECTS > 0
    if sides.about_objects:
        events = np.fromiter(sides.about_objects, np.int64, len(sides.about_objects))
        due |= np.isin(points.event[:m], events)
    return np.flatnonzero(due).tolist()
