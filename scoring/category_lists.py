"""Category lists: which categories of a customer enter and leave the rules that are for each category.

A row keeps with each of its last views in which of these lists its category is, so that the side record is opened only
where something crosses.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.compiled import compiled, compiled_allocating
from scoring.kernel import Points
from scoring.masks import masks
from scoring.object_lists import Crossing, Looks
from scoring.profile import DAY_MS
from scoring.recent import BOUGHT, VISIT_MS, put_in_lists
from scoring.rules import RuleSet
from scoring.rules.columns import OF_A_CATEGORY
from scoring.rules.rule import ForEach
from scoring.sides import Sides

__all__ = ["CategoryLists"]


class _Found(NamedTuple):
    """Room for the categories with views that count, point after point; those of point `i` begin at `start[i]`."""

    start: NDArray[np.int64]
    point: NDArray[np.int32]
    category: NDArray[np.uint64]
    views: NDArray[np.int8]
    spent_ms: NDArray[np.int32]
    lists: NDArray[np.uint8]


class _Changed(NamedTuple):
    """Room for the categories whose lists changed at a point: their place, -1 without views, and what lists as bits."""

    point: NDArray[np.int64]
    place: NDArray[np.int64]
    category: NDArray[np.uint64]
    before: NDArray[np.uint8]
    after: NDArray[np.uint8]


class CategoryLists:
    """The rules for each category, asked at every point of all categories with views that count.

    Parameters
    ----------
    rules
        All rules.
    bits
        The bit of each rule that is for each category, in the order of the rules.
    """

    def __init__(self, rules: RuleSet, bits: Sequence[int]) -> None:
        chosen = [(r, rule) for r, rule in enumerate(rules.rules) if rule.for_each is ForEach.CATEGORY]
        self._rules = [(r, rule, bit) for (r, rule), bit in zip(chosen, bits, strict=True)]
        self._program = rules.program_of([rule for _, rule in chosen])
        self._local = [n for n, (_, rule) in enumerate(chosen) if rule.is_local]
        columns = self._program.columns
        self._others = [place for place, column in enumerate(columns) if column not in OF_A_CATEGORY]
        self._read = [rules.columns.index(columns[place]) for place in self._others]
        self._its = [columns.index(column) if column in columns else -1 for column in OF_A_CATEGORY]
        self._bits = np.array(bits, np.uint64)
        self._room: _Found | None = None

    def find(
        self,
        rows: Any,
        points: Points,
        m: int,
        sides: Sides,
        names: Mapping[int, str],
        gone: Mapping[int, int],
    ) -> list[Crossing]:
        """Move the lists on through the first `m` points; what crossed, in order.

        `names` are those of categories by number. `gone` are categories of the customer of the first point that are no
        longer among the last views, as too many came of another customer, each with its lists as bits.
        """
        if not self._rules:
            return []
        found = self._with_views(points, m)
        entering, leaving = self._asked(points, found, sides)
        room = 2 * len(found.point) + m * (points.seen["seen_ms"].shape[1] + 1)
        changed = _Changed(
            np.empty(room, np.int64),
            np.empty(room, np.int64),
            np.empty(room, np.uint64),
            np.empty(room, np.uint8),
            np.empty(room, np.uint8),
        )
        enter, leave = (masks(holds, self._bits).astype(np.uint8) for holds in (entering, leaving))
        n = _follow(rows, points, m, found, enter, leave, changed)
        crossings = [
            Crossing(0, r, _name(category, names), False, looks=Looks(category, 0, 0))
            for category, before in gone.items()
            for r, _, bit in self._rules
            if before >> bit & 1
        ]
        # Those that leave for want of views by number: how their last views lay is not known at the start of a run.
        told = sorted(zip(*(column[:n].tolist() for column in changed), strict=True))
        for i, place, category, before, after in told:
            looks = Looks(category, 0, 0)
            if place >= 0:
                looks = Looks(category, int(found.views[place]), int(found.spent_ms[place]))
            crossings += [
                Crossing(i, r, _name(category, names), bool(after >> bit & 1), looks=looks)
                for r, _, bit in self._rules
                if (before ^ after) >> bit & 1
            ]
        return crossings

    def leaving(self, points: Points, sides: Sides, names: Mapping[int, str]) -> set[tuple[str, str]]:
        """By rule and category: what the customer of the first point looked into, and the rule would let go of."""
        if not self._rules:
            return set()
        found = self._with_views(points, 1)
        _, leaving = self._asked(points, found, sides)
        stays = {
            (rule.name, _name(category, names))
            for n, (_, rule, _) in enumerate(self._rules)
            for k, category in enumerate(found.category.tolist())
            if not leaving[n, k]
        }
        inside = {
            (rule.name, name) for _, rule, _ in self._rules for name in sides.listed(int(points.row[0]), rule.name)
        }
        return inside - stays

    def _with_views(self, points: Points, m: int) -> _Found:
        if self._room is None:  # kept, as the first touch of so many pages costs more than all that is written there
            most = len(points.seen)
            room = most * points.seen["seen_ms"].shape[1]
            self._room = _Found(
                np.empty(most + 1, np.int64),
                np.empty(room, np.int32),
                np.empty(room, np.uint64),
                np.empty(room, np.int8),
                np.empty(room, np.int32),
                np.empty(room, np.uint8),
            )
        found = self._room
        k = _look_through(points, m, found)
        its = found.point[:k], found.category[:k], found.views[:k], found.spent_ms[:k], found.lists[:k]
        return _Found(found.start, *its)

    def _asked(self, points: Points, found: _Found, sides: Sides) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which categories may enter and which leave each list, (R, k) each."""
        values = np.empty((len(self._program.columns), len(found.point)))
        if self._others:
            values[self._others] = points.columns[found.point[:, None], self._read].T
        views, minutes = self._its
        if views >= 0:
            values[views] = found.views
        if minutes >= 0:
            values[minutes] = found.spent_ms / 60_000.0
        holds = self._program.run(values.T)
        entering, leaving = holds[: len(self._rules)], holds[len(self._rules) :]
        for n in self._local:
            _, rule, bit = self._rules[n]
            for k in np.flatnonzero(entering[n] & (found.lists >> bit & 1 == 0)).tolist():
                i = int(found.point[k])
                where = sides.where_at(int(points.row[i]), int(points.at[i]), int(points.time_ms[i]))
                entering[n, k] = rule.covers(where)
        return entering, leaving


def _name(category: int, names: Mapping[int, str]) -> str:
    """What a category is called; one of too many to be remembered by its number."""
    return names.get(category) or f"{category:016x}"


@compiled
def _look_through(points: Any, m: int, found: Any) -> int:
    """Find of each point in turn the categories with views that count, newest first; return how many.

    Those count that came within a day and that no order ended. A view lasts until what is next among the last views
    and orders, if that is within half an hour.
    """
    k = 0
    for i in range(m):
        found.start[i] = first = k
        seen = points.seen[i]
        since = points.time_ms[i] - DAY_MS
        orders = 0
        for j in range(seen.seen_n):
            ms = seen.seen_ms[j]
            category = seen.seen_category[j]
            ordered = seen.seen_product[j] == BOUGHT
            if ms <= since or (ordered and category == 0):
                break
            orders += ordered
            if category == 0 or (orders > 0 and _ended(seen, j, category)):
                continue
            place = first
            while place < k and found.category[place] != category:
                place += 1
            if place == k:
                found.point[k] = i
                found.category[k] = category
                found.views[k] = found.spent_ms[k] = 0
                found.lists[k] = seen.seen_lists[j]
                k += 1
            lasted = seen.seen_ms[j - 1] - ms if j > 0 else 0
            found.views[place] += 1
            found.spent_ms[place] += lasted if lasted <= VISIT_MS else 0
    found.start[m] = k
    return k


@compiled
def _ended(seen: Any, j: int, category: Any) -> bool:
    """Whether entry `j` is an order of its category, or came before one."""
    ended = False
    for k in range(j + 1):
        ended = ended or (seen.seen_product[k] == BOUGHT and seen.seen_category[k] == category)
    return ended


@compiled_allocating
def _follow(rows: Any, points: Any, m: int, found: Any, enter: Any, leave: Any, changed: Any) -> int:
    """Follow each customer's categories through the points in order; return how many times lists of one changed.

    `enter` and `leave` (k,) are bit masks by category found, one bit a list. Where both hold, leaving wins; what has no
    views that count leaves. `found.lists` then has the lists after each point.
    """
    n = 0
    before = _points_before(points, m)
    held = np.zeros(m, np.uint8)
    for i in range(m):
        if points.seen[i].seen_n < 0:
            continue
        first = found.start[i]
        last = found.start[i + 1]
        asked = held[before[i]] if before[i] >= 0 else _in_lists(points, i)
        for k in range(first, last):
            asked |= enter[k]
        if asked == 0:
            found.lists[first:last] = 0
            continue
        p = rows[points.row[i]]
        if before[i] >= 0:
            for k in range(found.start[before[i]], found.start[before[i] + 1]):
                if found.lists[k] != 0 and _place(found, first, last, found.category[k]) < 0:
                    n = _change(p, i, found.category[k], found.lists[k], np.uint8(0), -1, changed, n)
        else:
            n = _let_go(p, points, i, found, changed, n)
        for k in range(first, last):
            inside = found.lists[k]
            if before[i] >= 0:
                was = _place(found, found.start[before[i]], found.start[before[i] + 1], found.category[k])
                inside = found.lists[was] if was >= 0 else np.uint8(0)
            now = (inside | enter[k]) & ~leave[k]
            found.lists[k] = now
            held[i] |= now
            if now != inside:
                n = _change(p, i, found.category[k], inside, now, k, changed, n)
    return n


@compiled
def _in_lists(points: Any, i: int) -> Any:
    """The lists that any category was in before the first point of a customer, as bits."""
    lists = np.uint8(points.gone_lists[i])
    seen = points.seen[i]
    for j in range(seen.seen_n):
        lists |= seen.seen_lists[j]
    return lists


@compiled
def _let_go(p: Any, points: Any, i: int, found: Any, changed: Any, n: int) -> int:
    """Let those leave that were in a list before the first point of a customer and have no views that count there."""
    seen = points.seen[i]
    first = found.start[i]
    last = found.start[i + 1]
    for j in range(seen.seen_n):
        category = seen.seen_category[j]
        if seen.seen_lists[j] == 0 or _place(found, first, last, category) >= 0:
            continue
        new = True
        for k in range(j):
            new = new and seen.seen_category[k] != category
        if new:
            n = _change(p, i, category, seen.seen_lists[j], np.uint8(0), -1, changed, n)
    if points.gone_lists[i] != 0:
        n = _change(p, i, points.gone[i], np.uint8(points.gone_lists[i]), np.uint8(0), -1, changed, n)
    return n


@compiled
def _change(p: Any, i: int, category: Any, was: Any, now: Any, place: int, changed: Any, n: int) -> int:
    """Note a change, and in the row, too; what is not among its last views any more has left by then."""
    changed.point[n] = i
    changed.category[n] = category
    changed.before[n] = was
    changed.after[n] = now
    changed.place[n] = place
    put_in_lists(p, category, now)
    return n + 1


@compiled
def _place(found: Any, first: int, last: int, category: Any) -> int:
    """Where a category is found, -1 for nowhere."""
    for k in range(first, last):
        if found.category[k] == category:
            return k
    return -1


@compiled_allocating
def _points_before(points: Any, m: int) -> Any:
    """Of each point that shows the last views the one before of the same customer, -1 for none; O(m)."""
    size = 16
    while size < 2 * m:
        size *= 2
    last = np.full(size, -1, np.int32)  # a table of rows by their hash, each with its last point
    before = np.full(m, -1, np.int32)
    for i in range(m):
        if points.seen[i].seen_n < 0:
            continue
        place = (points.row[i] * 2_654_435_761) % size
        while last[place] >= 0 and points.row[last[place]] != points.row[i]:
            place = (place + 1) % size
        before[i] = last[place]
        last[place] = i
    return before
