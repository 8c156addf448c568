"""Crossings: who enters and who leaves a rule's list at each point, and which gates withhold the action."""

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from itertools import starmap
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from msgspec import Struct

from scoring.carried import NOTHING_CARRIED, NOTHING_NOTED, Noted, recalled
from scoring.carrying import Carrying
from scoring.category_lists import CategoryLists
from scoring.compiled import compiled
from scoring.features import GROUPS
from scoring.gates import Asked, Gates, Verdict
from scoring.gates.best import Answers, Deeds, Habits
from scoring.gates.channel import Channel
from scoring.kernel import AUTOMATED, Events, Points
from scoring.masks import masks
from scoring.object_lists import Crossing, ObjectLists, Purchases
from scoring.outcome import Action, Scores
from scoring.remembering import numbered, remember, sent_ms, told_before, use, verdict_of
from scoring.rules import Rule, RuleSet
from scoring.rules.rule import ForEach
from scoring.shop.snapshot import ShopSnapshot
from scoring.side import Crossed, RuleState, Side
from scoring.sides import Sides
from scoring.tiers import Balances
from scoring.traits import fits

__all__ = ["Crossing", "Crossings"]

_BITS_KNOWN = 1024
"""Sets of lists, crossed at one point, of which it is kept which they are; most are of one list."""
_CHANNEL_NAMES = {channel: channel.name.lower() for channel in Channel}

_NOTHING: Mapping[int, int] = MappingProxyType({})
_NO_NAMES: Mapping[int, str] = MappingProxyType({})
_MERGING = -2
"""Sources of crossings that came of two customers being one count down from here."""


@compiled
def _scan(rows: Any, points: Any, m: int, enter: Any, leave: Any, changed: Any, after: Any) -> int:
    """Follow each customer through the points (m,) in order: the lists crossed at each, and those it is in afterwards.

    `enter` and `leave` are bit masks, one bit a list. Where both hold, leaving wins. Returns how many points crossed.
    """
    n = 0
    for i in range(m):
        p = rows[points.row[i]]
        inside = (p.inside | enter[i]) & ~leave[i]
        changed[i] = inside ^ p.inside
        if changed[i] != np.uint64(0):
            n += 1
            p.inside = inside
            after[i] = inside
    return n


class _Moment(Struct, frozen=True, gc=False):
    """What a crossing's point has, as numbers of Python's: numpy's, one by one, take many times as long.

    `age_ms` is how long before the receipt of its cause the moment lay, or the causing event where that is longer.
    `source` and `offset` are those of the causing event, -1 for a tick; `place` is that of its score, `contributions`
    are those of the groups of features as they are stored.

    What made two customers one is a source below all others (`_MERGING`).
    """

    row: int
    time_ms: int
    at: int
    age_ms: int
    automated: bool
    source: int
    offset: int
    place: int
    score: float
    percentile: float
    contributions: bytes


class _List(NamedTuple):
    """A list that customers or their objects can be in, and what all its actions have in common."""

    rule: Rule
    name: str
    action_class: str
    object: str | None
    buying: bool


class _Reach(Struct, frozen=True):
    """What is known at points of when and where to reach a customer: the place of each point, by place the rest."""

    points: dict[int, int]
    answers: list[Answers]
    deeds: Deeds


class _Knowing(Struct, frozen=True):
    """What all actions of a run of points are made of."""

    scores: Scores
    sides: Sides
    customers: Sequence[bytes]
    price: float
    merging: bool


def _moments(
    found: Sequence[Crossing],
    points: Points,
    events: Events,
    scores: Scores,
    place: Mapping[int, int],
    merging: tuple[int, int] | None,
) -> list[_Moment]:
    at = np.array([crossing.point for crossing in found], np.int64)
    of = np.array([place[crossing.point] for crossing in found], np.int64)
    event = points.event[at]
    source, offset = np.full(len(at), -1), np.full(len(at), -1)
    age_ms = points.received_ms[at] - points.time_ms[at]
    caused = event >= 0
    event = event[caused]
    source[caused], offset[caused] = events.source[event], events.offset[event]
    # A point is never before the customer's newest moment: its own time would make history look fresh.
    age_ms[caused] = np.maximum(age_ms[caused], events.received_ms[event] - events.time_ms[event])
    if merging is not None:
        source[:], offset[:] = _MERGING - merging[0], merging[1]
    columns = (
        points.row[at], points.time_ms[at], points.at[at], age_ms,
        (points.cause[at] & AUTOMATED) > 0, source, offset, of, scores.score[of], scores.percentile[of],
    )  # fmt: skip
    contributions = scores.groups[of].astype("<f4").view(f"V{4 * len(GROUPS)}").ravel().tolist()
    return list(starmap(_Moment, zip(*(column.tolist() for column in columns), contributions, strict=True)))


def _with_bits(lists: Sequence[tuple[int, Rule, int]], bits: int) -> list[tuple[int, Rule, int]]:
    """The lists whose bits are set, in order."""
    return [one for one in lists if bits >> one[2] & 1]


class Crossings:
    """Finds crossings and asks the gates.

    Parameters
    ----------
    rules
        Of at most 64 lists, as a row keeps one bit for each.
    slots
        The bit of each list (`RuleSet.list_names`).
    gates
        What is asked before anything is published.
    category_bits
        The bit of each rule for each category (`RuleSet.categories`).
    pages
        Names of pages by number, as they are known by then.
    """

    def __init__(
        self,
        rules: RuleSet,
        slots: Sequence[int],
        gates: Gates,
        category_bits: Sequence[int] = (),
        pages: Mapping[int, str] = _NO_NAMES,
    ) -> None:
        self._rules = rules
        self._gates = gates
        self._habits = Habits(gates.settings)
        lists = [(r, each) for r, rule in enumerate(rules.rules) for each in rule.of_marks]
        ordered = sorted(zip(lists, slots, strict=True), key=lambda one: -one[0][1].priority)
        self._list_of = {(r, each.mark): _list(each) for r, each in lists}
        self._place = {r: place for place, ((r, _), _) in enumerate(ordered)}
        self._of_customer = [(r, each, slot) for (r, each), slot in ordered if each.for_each is ForEach.NONE]
        self._slots = np.array([slot for _, _, slot in self._of_customer], np.uint64)
        self._no_more = [(r, each, slot) for (r, each), slot in ordered if each.for_each is not ForEach.NONE]
        """Lists that customers may be in from when they were lists of customers."""
        self._with_bits = lru_cache(_BITS_KNOWN)(partial(_with_bits, (*self._of_customer, *self._no_more)))
        self._left_in_any_case = np.uint64(sum(1 << slot for _, _, slot in self._no_more))
        self._program = rules.program_of([each for _, each, _ in self._of_customer])
        self._read = np.array([rules.columns.index(column) for column in self._program.columns], np.int64)
        self._objects = ObjectLists(rules)
        self._categories = CategoryLists(rules, category_bits)
        self._carrying = Carrying(rules, pages)
        self._buying = [rule.carries_purchases for rule in rules.rules]
        self._purchases: dict[int, Purchases] = {}

    def find(
        self,
        rows: Any,
        points: Points,
        m: int,
        sides: Sides,
        shop: ShopSnapshot | None,
        names: Mapping[int, str],
        brought: int = 0,
        gone: Mapping[int, int] = _NOTHING,
    ) -> tuple[Any, list[Crossing]]:
        """Move the lists on through the first `m` points; (m,) bool where anything crossed, and what, in order.

        `shop` is the version of the shop's knowledge that is in force at these points, `names` are those of categories.
        `brought` has the bits of lists that the customer of the first point is in because another was who is the same,
        and `gone` the categories in lists that had to give way to that one's. At one point the rule of the highest
        priority comes first: the gates ask about it before the others.
        """
        if not self._rules.rules:
            return np.zeros(m, np.bool_), []
        holds = self._program.run(points.columns[:m], self._read)
        entering, leaving = holds[: len(self._of_customer)], holds[len(self._of_customer) :]
        self._keep_local(entering, leaving, rows, points, m, sides)
        changed, after = np.zeros(m, np.uint64), np.zeros(m, np.uint64)
        found: list[Crossing] = []
        enter = masks(entering, self._slots)
        enter[0] |= np.uint64(brought)
        leave = masks(leaving, self._slots) | self._left_in_any_case
        if _scan(rows, points, m, enter, leave, changed, after):
            for i in np.flatnonzero(changed).tolist():
                bits, inside = int(changed[i]), int(after[i])
                found += [
                    Crossing(i, r, None, bool(inside >> slot & 1), mark=each.mark)
                    for r, each, slot in self._with_bits(bits)
                ]
        crossed = changed != 0
        buying = {each.point for each in found if each.entered and self._buying[each.rule]}
        objects, self._purchases = self._objects.find(points, m, sides, shop, buying)
        objects += self._categories.find(rows, points, m, sides, names, gone)
        if objects:
            crossed[[crossing.point for crossing in objects]] = True
            found = sorted([*found, *objects], key=lambda c: (c.point, self._place[c.rule]))
        return crossed, found

    def leaving(
        self, points: Points, sides: Sides, shop: ShopSnapshot | None, names: Mapping[int, str]
    ) -> set[tuple[str, str | None]]:
        """By list and object: where the customer of the first point, or what they have, would not stay."""
        if not self._rules.rules:
            return set()
        holds = self._program.run(points.columns[:1], self._read)[len(self._of_customer) :, 0]
        own = {(each.list_name, None) for (_, each, _), leaves in zip(self._of_customer, holds, strict=True) if leaves}
        return own | self._objects.leaving(points, sides, shop) | self._categories.leaving(points, sides, names)

    def left(self, inside: int) -> list[Crossing]:
        """The lists that a customer leaves who is another from the first point on."""
        return [
            Crossing(0, r, None, False, mark=each.mark) for r, each, slot in self._of_customer if inside >> slot & 1
        ]

    def _keep_local(self, entering: Any, leaving: Any, rows: Any, points: Points, m: int, sides: Sides) -> None:
        """Let nobody enter who is not where a rule is, or does not fit it; who is in all the time is not looked for."""
        for n, (_, rule, slot) in enumerate(self._of_customer):
            if not rule.is_local and not rule.traits:
                continue
            row = points.row[:m]
            stays = (rows["inside"][row] >> np.uint64(slot) & np.uint64(1)).astype(np.bool_)
            stays &= ~np.isin(row, row[leaving[n]])
            for i in np.flatnonzero(entering[n] & ~stays).tolist():
                where = sides.where_at(int(row[i]), int(points.at[i]), int(points.time_ms[i]))
                traits = sides.traits_at(int(row[i]), int(points.at[i]), int(points.time_ms[i])) if rule.traits else {}
                entering[n, i] = rule.covers(where) and fits(traits, rule.traits)

    def actions(
        self,
        found: Sequence[Crossing],
        points: Points,
        events: Events,
        scores: Scores,
        place: Mapping[int, int],
        sides: Sides,
        products: Mapping[int, str],
        customers: Sequence[bytes],
        price: float,
        shop: ShopSnapshot | None,
        balances: Balances,
        merging: tuple[int, int] | None = None,
    ) -> list[Action]:
        """The action of each crossing, with the gates that withhold it; in order.

        `place` has by point the element of `scores` that belongs to it. `price` is what a contact must be worth, in
        score, `balances` what customers have. `merging` is source and offset of what made two customers one,
        if that is the cause.
        """
        knowing = _Knowing(scores, sides, customers, price, merging is not None)
        moments = _moments(found, points, events, scores, place, merging)
        reach = _Reach({}, [], Deeds([], [], []))
        lists = [self._list_of[crossing.rule, crossing.mark] for crossing in found]
        told = [self._action(*each, knowing, reach) for each in zip(lists, found, moments, strict=True)]
        usual = () if shop is None else shop.usual
        bests = self._habits.bests(reach.deeds, reach.answers, points.visited[list(reach.points)], usual)
        rules = [each.rule for each in lists]
        viewed = self._carrying.viewed(rules, found, points)
        # Apart from the rest: what is done again and again at once stays in the processor's caches.
        for rule, crossing, (action, noted), numbers in zip(rules, found, told, viewed, strict=True):
            action.best = bests[reach.points[crossing.point]]
            action.carried = self._carrying.carried(rule, crossing, noted, numbers, points, products, shop, balances)
        return [action for action, _ in told]

    def _action(
        self,
        listed: _List,
        crossing: Crossing,
        moment: _Moment,
        knowing: _Knowing,
        reach: _Reach,
    ) -> tuple[Action, Noted]:
        """One action, but for what `actions` works out for all at once, for which are `reach` and what was noted."""
        rule, name, action_class, object_of_list, buying = listed
        sides, row, time_ms = knowing.sides, moment.row, moment.time_ms
        standing, side = sides.standing_at(row, moment.at), sides.touch(row)
        state = side.state(name)
        if state is None:
            state = side.rules[name] = RuleState()
        cause = time_ms, moment.source, moment.offset
        if crossing.point not in reach.points:
            reach.points[crossing.point] = len(reach.answers)
            reach.answers.append(self._habits.answers(standing))
            reach.deeds.add(standing)
        told = told_before(rule, side, state, cause, crossing)
        verdict = self._verdict(told, rule, crossing, moment, knowing, reach, side, state)
        if told is None:
            noted = NOTHING_NOTED
            if crossing.entered:
                bought = self._purchases.get(crossing.point) if buying else None
                noted = self._carrying.note(rule, sides, row, (time_ms, moment.at), standing, bought)
            number = numbered(rule, crossing, cause, side, state, verdict, noted, sides)
        else:
            number, noted = told.number, recalled(told.noted)
        before, state.contributions = state.contributions, moment.contributions
        remember(rule, crossing, side, state, time_ms, verdict, sides.objects_watched)
        if told is None and crossing.entered:
            use(rule, verdict, time_ms, standing, sides)
        language, expires_ms = standing.language, rule.expires_after_ms
        action = Action(
            scores=knowing.scores,
            place=moment.place,
            rule=rule.name,
            rule_version=rule.version,
            action_class=action_class,
            audience=rule.audience,
            entered=crossing.entered,
            number=number,
            object=object_of_list or crossing.object,
            carried=NOTHING_CARRIED,
            expires_ms=None if expires_ms is None else time_ms + expires_ms,
            withheld=verdict.withheld,
            language=None if language is None else (language[2], language[1]),
            channel=None if verdict.channel is None else _CHANNEL_NAMES[verdict.channel],
            coupon=verdict.coupon,
            not_before_ms=verdict.not_before_ms,
            control=verdict.control,
            before=before,
        )
        return action, noted

    def _verdict(
        self,
        before: Crossed | None,
        rule: Rule,
        crossing: Crossing,
        moment: _Moment,
        knowing: _Knowing,
        reach: _Reach,
        side: Side,
        state: RuleState,
    ) -> Verdict:
        """What the gates say, or said before a crash: since then the customer's record has run ahead of the profile."""
        if before is not None:
            return verdict_of(before, self._gates.drawn(rule, knowing.customers[moment.row]))
        if not crossing.entered:
            if crossing.object is None:
                return self._gates.left(state.entry_sent)
            return self._gates.left(side.objects.get(rule.name, {}).get(crossing.object, False))
        asked = Asked(
            rule,
            knowing.customers[moment.row],
            moment.time_ms,
            moment.age_ms,
            sent_ms(side, state, rule, crossing, moment.time_ms),
            moment.automated,
            knowing.scores.warming_up,
            moment.score,
            moment.percentile,
            reach.answers[reach.points[crossing.point]].channels,
            knowing.price,
            knowing.merging,
        )
        return self._gates.judge(asked, side.standing)


def _list(rule: Rule) -> _List:
    mark = None if rule.mark is None else f"{rule.mark:g}"
    return _List(rule, rule.list_name, rule.action_class.value, mark, rule.carries_purchases)
