"""Object lists: which orders, products and the like enter and leave the rules that are for each of those.

Categories have lists of their own (`scoring.category_lists`).
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from scoring.companion import lacking_companion
from scoring.kernel import OBJECTS, Points
from scoring.open_object import About, Asking, OpenObject
from scoring.rules import Rule, RuleSet
from scoring.rules.columns import ITS_OPS, Op
from scoring.rules.rule import ForEach
from scoring.shop.snapshot import ShopSnapshot
from scoring.side import Side, put_in
from scoring.sides import Sides

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

    `thing` is what was known of the object at the point, None where it had to give way; `about` is what is to be told
    of an order. `companion` is what usually goes with a product and was not bought. `mark`
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
    """What crossed, of each rule in order, and by point the purchases that were wanted."""

    crossings: list[Crossing]
    purchases: dict[int, Purchases]


_Lists = Mapping[str, Mapping[str, bool]]
"""By rule: the objects in its list."""
_NO_LISTS: _Lists = MappingProxyType({})
_NOBODY: Mapping[str, bool] = MappingProxyType({})


class _Asked(NamedTuple):
    """The objects of one sort that the rules are asked about, in order: at which point, which, and what is known of it.

    `lists` are those of their customer as the run begins, empty where none is of this sort. `gone` are the places of
    those that had to give way. `companions` are what usually goes with products and was not bought.
    """

    points: list[int]
    names: list[str]
    things: list[OpenObject]
    lists: list[_Lists]
    gone: set[int]
    companions: list[str | None]


class _Sort:
    """The rules for the objects of one sort, orders or products and so on.

    Attributes
    ----------
    rules
        The number of each, and the rule.
    whole
        Whether an order is about all products, also about those that it is not of.
    """

    def __init__(self, of: str, rules: RuleSet) -> None:
        self._of = of
        self.rules = [(r, rule) for r, rule in enumerate(rules.rules) if str(rule.for_each) == of]
        self._names = dict.fromkeys(rule.name for _, rule in self.rules).keys()
        self._program = rules.program_of([rule for _, rule in self.rules])
        columns = list(enumerate(self._program.columns))
        self._asking = Asking(columns)
        self._lacking = next((place for place, column in columns if column.op is Op.ITS_LACKING), -1)
        self._lacks = {r for r, rule in self.rules if any(column.op is Op.ITS_LACKING for column in rule.columns)}
        self._others = [place for place, column in columns if column.op not in ITS_OPS]
        self._read = [rules.columns.index(self._program.columns[place]) for place in self._others]
        self.whole = self._lacking >= 0

    def ask(
        self, asked: _Asked, point: int, found: Mapping[str, OpenObject], side: Side, shop: ShopSnapshot | None
    ) -> None:
        """Add to `asked` what was found at a point of a customer."""
        there, first = side.things(self._of), len(asked.points)
        asked.points.extend([point] * len(found))
        asked.names.extend(found)
        asked.things.extend(found.values())
        asked.lists.extend([_NO_LISTS if self._names.isdisjoint(side.objects) else side.objects] * len(found))
        if there is not found:
            asked.gone.update(k for k, name in enumerate(found, first) if name not in there)
        if self.whole:
            asked.companions.extend([lacking_companion(name, there, shop) for name in found])

    def answers(self, asked: _Asked, points: Points) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which objects may enter and which leave each list, (R, k) each."""
        at = np.array(asked.points)
        values = np.empty((len(at), len(self._program.columns)))
        values[:, self._others] = points.columns[at[:, None], self._read]
        self._asking.read(asked.things, points.time_ms[at], values)
        if self.whole:
            values[:, self._lacking] = [companion is not None for companion in asked.companions]
        holds = self._program.run(values)
        return holds[: len(self.rules)], holds[len(self.rules) :]

    def crossed(self, asked: _Asked, points: Points, sides: Sides) -> list[Crossing]:
        """What crossed, in the order of what was asked."""
        found = []
        lists: dict[tuple[int, str], dict[str, bool]] = {}
        entering, leaving = self.answers(asked, points)
        for k, n in self._in_question(asked, entering, leaving, points):
            (r, rule), name, thing, point = self.rules[n], asked.names[k], asked.things[k], asked.points[k]
            key = row, _ = int(points.row[point]), rule.name
            inside = lists.get(key)
            listed = name in (sides.listed(*key) if inside is None else inside)
            if listed != bool(leaving[n, k]):
                continue
            if not listed and rule.is_local:
                where = sides.where_at(row, int(points.at[point]), int(points.time_ms[point]))
                if not rule.covers(where, name if self._of == "place" else ""):
                    continue
            gone = k in asked.gone
            about = thing.about() if self._of == "order" and not gone else None
            lacks = asked.companions[k] if r in self._lacks else None
            found.append(Crossing(point, r, name, not listed, None if gone else thing, about, lacks))
            # The side record itself moves on as the actions are told; what follows at once must be asked of a copy.
            if inside is None:
                inside = lists[key] = dict(sides.listed(*key))
            if listed:
                del inside[name]
            else:
                put_in(inside, name, False, sides.objects_watched)
        return found

    def _in_question(
        self, asked: _Asked, entering: NDArray[np.bool_], leaving: NDArray[np.bool_], points: Points
    ) -> list[list[int]]:
        """Places and rules of what may cross, in order: all of a customer and rule of whom anything would, by the lists
        as they are when the run begins; one that crosses may change what happens to those that follow.
        """
        may_leave = leaving & np.fromiter(map(bool, asked.lists), np.bool_, len(asked.lists))
        n, k = np.nonzero((entering & ~leaving) | may_leave)
        rules = [rule.name for _, rule in self.rules]
        told = zip(n.tolist(), k.tolist(), leaving[n, k].tolist(), strict=True)
        changes = [(asked.names[at] in asked.lists[at].get(rules[r], _NOBODY)) == leaves for r, at, leaves in told]
        n, k = n[changes], k[changes]
        if not len(n):
            return []
        _, customers = np.unique(points.row[asked.points], return_inverse=True)
        crossing = np.zeros((len(self.rules), len(customers)), np.bool_)
        crossing[n, customers[k]] = True
        found: list[list[int]] = np.argwhere(((entering | leaving) & crossing[:, customers]).T).tolist()
        return found


class ObjectLists:
    """The rules for each order, product and so on.

    They are asked at the points of events that are about objects, of those, and when time alone can change the answer,
    of all of a customer's objects.
    """

    def __init__(self, rules: RuleSet) -> None:
        others = (ForEach.NONE, ForEach.CATEGORY)
        kinds = dict.fromkeys(str(rule.for_each) for rule in rules.rules if rule.for_each not in others)
        self._sorts = {of: _Sort(of, rules) for of in kinds}
        self._whole = any(sort.whole for sort in self._sorts.values())
        self._purchases = any(rule.carries_purchases for rule in rules.rules)

    def find(
        self, points: Points, m: int, sides: Sides, shop: ShopSnapshot | None, buying: Collection[int] = ()
    ) -> Found:
        """Move the lists on through the first `m` points; `shop` is what was known at these points.

        `buying` are those at which the purchases are wanted.
        """
        if not self._sorts and not self._purchases:
            return Found([], {})
        asked, purchases = self._ask(points, m, sides, shop, buying)
        return Found([each for sort, its in asked for each in sort.crossed(its, points, sides)], purchases)

    def leaving(self, points: Points, sides: Sides, shop: ShopSnapshot | None) -> set[tuple[str, str]]:
        """By rule and object: what the customer of the first point has, and the rule would let go of."""
        asked, _ = self._ask(points, 1, sides, shop, ())
        return {
            (sort.rules[n][1].name, its.names[k])
            for sort, its in asked
            for n, k in np.argwhere(sort.answers(its, points)[1]).tolist()
        }

    def _ask(
        self, points: Points, m: int, sides: Sides, shop: ShopSnapshot | None, buying: Collection[int]
    ) -> tuple[list[tuple[_Sort, _Asked]], dict[int, Purchases]]:
        """Whom to ask about, by sort where there are any, and the purchases that are wanted."""
        asked = {of: _Asked([], [], [], [], set(), []) for of in self._sorts}
        purchases: dict[int, Purchases] = {}
        concerned = _concerned(points, m, sides)
        at = sorted({*concerned, *buying}) if buying else concerned
        told_of = (column[at].tolist() for column in (points.row, points.event, points.time_ms))
        for i, row, event, now in zip(at, *told_of, strict=True):
            for of, found in sides.objects_at(row, event, now, self._whole).items():
                if found and of in asked:
                    self._sorts[of].ask(asked[of], i, found, sides.touch(row), shop)
            if i in buying:
                purchases[i] = sides.purchases(row, PURCHASES)
        return [(sort, asked[of]) for of, sort in self._sorts.items() if asked[of].points], purchases


def _concerned(points: Points, m: int, sides: Sides) -> list[int]:
    """The points of events that are about objects, and those at which time alone may change something for them."""
    due = points.cause[:m] & OBJECTS > 0
    if sides.about_objects:
        events = np.fromiter(sides.about_objects, np.int64, len(sides.about_objects))
        due |= np.isin(points.event[:m], events)
    return np.flatnonzero(due).tolist()
