"""Crossings: who enters and who leaves a rule's list at each point, and which gates withhold the action."""

from collections.abc import Mapping, Sequence
from operator import sub
from struct import Struct
from typing import Any, NamedTuple

import numpy as np

from scoring.carried import NOTHING_NOTED, Carrying, Noted, recalled, remembered
from scoring.compiled import compiled
from scoring.features import GROUPS
from scoring.gates import GATES, STORED, Asked, Gates, Verdict
from scoring.gates.best import NOTHING_KNOWN, Answers, Deeds, Habits
from scoring.gates.channel import Channel, Purpose
from scoring.gates.holdout import GLOBAL, RULE
from scoring.gates.standing import Standing
from scoring.kernel import AUTOMATED, Events, Points
from scoring.object_lists import Crossing, ObjectLists, Purchases
from scoring.outcome import Action, Scores
from scoring.rules import Rule, RuleSet
from scoring.rules.carry import Carry
from scoring.rules.rule import ActionClass, ForEach
from scoring.shop.snapshot import ShopSnapshot
from scoring.side import Crossed, RuleState, Side
from scoring.sides import Sides
from scoring.tiers import Balances
from scoring.traits import fits
from scoring.trials import ALL
from scoring.types import One

__all__ = ["Crossing", "Crossings"]

_CONTRIBUTIONS = Struct(f"<{len(GROUPS)}f")
_REMEMBERED = 8
"""Crossings of one rule and customer that are kept, for records that are read again after a crash."""

_CHANNEL_NAMES = {channel: channel.name.lower() for channel in Channel}
_BITS = {code: 1 << place for place, code in enumerate(STORED)}

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


class _Moment(NamedTuple):
    """What a crossing's point has, as numbers of Python's: numpy's, one by one, take many times as long.

    `source` and `offset` are those of the causing event, -1 for a tick.
    """

    row: int
    time_ms: int
    event: int
    at: int
    age_ms: int
    cause: int
    source: int
    offset: int
    score: float
    percentile: float
    band: int
    previous: float
    groups: tuple[float, ...]
    who: One


class _Reach(NamedTuple):
    """What is known at points of when and where to reach a customer: the place of each point, by place the rest."""

    points: dict[int, int]
    answers: list[Answers]
    deeds: Deeds


class _Knowing(NamedTuple):
    """What all actions of a run of points are made of."""

    points: Points
    scores: Scores
    sides: Sides
    products: Mapping[int, str]
    customers: Sequence[bytes]
    price: float
    shop: ShopSnapshot | None
    balances: Balances
    merging: tuple[int, int] | None


def _moments(
    found: Sequence[Crossing], points: Points, events: Events, scores: Scores, place: Mapping[int, int]
) -> list[_Moment]:
    at = np.array([crossing.point for crossing in found], np.int64)
    of = np.array([place[crossing.point] for crossing in found], np.int64)
    event = points.event[at]
    source, offset = np.full(len(at), -1), np.full(len(at), -1)
    caused = event >= 0
    source[caused], offset[caused] = events.source[event[caused]], events.offset[event[caused]]
    age_ms = points.received_ms[at] - points.time_ms[at]
    columns = (
        points.row[at], points.time_ms[at], event, points.at[at], age_ms, points.cause[at], source, offset,
        scores.score[of], scores.percentile[of], scores.band[of], scores.previous[of],
    )  # fmt: skip
    groups = map(tuple, scores.groups[of].tolist())
    told = zip(*(column.tolist() for column in columns), groups, scores.who.some(of), strict=True)
    return list(map(_Moment._make, told))


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
    """

    def __init__(self, rules: RuleSet, slots: Sequence[int], gates: Gates) -> None:
        self._rules = rules
        self._gates = gates
        self._habits = Habits(gates.settings)
        lists = [(r, each) for r, rule in enumerate(rules.rules) for each in rule.of_marks]
        numbered = sorted(zip(lists, slots, strict=True), key=lambda one: -one[0][1].priority)
        self._rule_of = {(r, each.mark): each for r, each in lists}
        self._place = {r: place for place, ((r, _), _) in enumerate(numbered)}
        self._of_customer = [(r, each, slot) for (r, each), slot in numbered if each.for_each is ForEach.NONE]
        self._program = rules.program_of([each for _, each, _ in self._of_customer])
        self._read = [rules.columns.index(column) for column in self._program.columns]
        self._objects = ObjectLists(rules)
        self._carrying = Carrying(rules)
        self._buying = [rule.carries_purchases for rule in rules.rules]
        self._purchases: dict[int, Purchases] = {}

    def find(
        self, rows: Any, points: Points, m: int, sides: Sides, shop: ShopSnapshot | None, brought: int = 0
    ) -> tuple[Any, list[Crossing]]:
        """Move the lists on through the first `m` points; (m,) bool where anything crossed, and what, in order.

        `shop` is the version of the shop's knowledge that is in force at these points. `brought` has the bits of lists
        that the customer of the first point is in because another was who is the same. At one point the rule of the
        highest priority comes first: the gates ask about it before the others.
        """
        if not self._rules.rules:
            return np.zeros(m, np.bool_), []
        holds = self._program.run(points.columns[:m, self._read])
        entering, leaving = holds[: len(self._of_customer)], holds[len(self._of_customer) :]
        self._keep_local(entering, leaving, rows, points, m, sides)
        changed, after = np.zeros(m, np.uint64), np.zeros(m, np.uint64)
        found: list[Crossing] = []
        enter = self._masks(entering)
        enter[0] |= np.uint64(brought)
        if _scan(rows, points, m, enter, self._masks(leaving), changed, after):
            for i in np.flatnonzero(changed).tolist():
                bits, inside = int(changed[i]), int(after[i])
                found += [
                    Crossing(i, r, None, bool(inside >> slot & 1), mark=each.mark)
                    for r, each, slot in self._of_customer
                    if bits >> slot & 1
                ]
        crossed = changed != 0
        buying = {each.point for each in found if each.entered and self._buying[each.rule]}
        objects, self._purchases = self._objects.find(points, m, sides, shop, buying)
        if objects:
            crossed[[crossing.point for crossing in objects]] = True
            found = sorted([*found, *objects], key=lambda c: (c.point, self._place[c.rule]))
        return crossed, found

    def leaving(self, points: Points, sides: Sides, shop: ShopSnapshot | None) -> set[tuple[str, str | None]]:
        """By list and object: where the customer of the first point, or what they have, would not stay."""
        if not self._rules.rules:
            return set()
        holds = self._program.run(points.columns[:1, self._read])[len(self._of_customer) :, 0]
        own = {(each.list_name, None) for (_, each, _), leaves in zip(self._of_customer, holds, strict=True) if leaves}
        return own | self._objects.leaving(points, sides, shop)

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

    def _masks(self, holds: Any) -> Any:
        """(R, m) bool of the rules for customers as (m,) bit masks."""
        mask = np.zeros(holds.shape[1], np.uint64)
        for n, (_, _, slot) in enumerate(self._of_customer):
            mask |= holds[n].astype(np.uint64) << np.uint64(slot)
        return mask

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
        knowing = _Knowing(points, scores, sides, products, customers, price, shop, balances, merging)
        moments = _moments(found, points, events, scores, place)
        reach = _Reach({}, [], Deeds([], [], []))
        actions = [self._action(*each, knowing, reach) for each in zip(found, moments, strict=True)]
        bests = self._habits.bests(reach.deeds, reach.answers, points.visited[list(reach.points)])
        for crossing, action in zip(found, actions, strict=True):
            action.best = bests[reach.points[crossing.point]]
        return actions

    def _action(self, crossing: Crossing, moment: "_Moment", knowing: "_Knowing", reach: "_Reach") -> Action:
        rule, sides, scores = self._rule_of[crossing.rule, crossing.mark], knowing.sides, knowing.scores
        row, time_ms = moment.row, moment.time_ms
        side, standing = sides.touch(row), sides.standing_at(row, moment.at)
        state = side.state(rule.list_name)
        if state is None:
            state = side.rules[rule.list_name] = RuleState()
        cause = time_ms, moment.source, moment.offset
        if knowing.merging is not None:
            cause = time_ms, _MERGING - knowing.merging[0], knowing.merging[1]
        before = _told_before(state, cause, crossing)
        at = reach.points.get(crossing.point)
        if at is None:
            at = reach.points[crossing.point] = len(reach.answers)
            reach.answers.append(self._habits.answers(standing))
            reach.deeds.add(standing)
        asked = Asked(
            rule=rule,
            customer=knowing.customers[row],
            time_ms=time_ms,
            age_ms=moment.age_ms,
            sent_ms=state.sent_ms,
            automated=bool(moment.cause & AUTOMATED),
            warming_up=scores.warming_up,
            score=moment.score,
            percentile=moment.percentile,
            best=reach.answers[at].channels,
            price=knowing.price,
            merged=knowing.merging is not None,
        )
        verdict = self._verdict(before, crossing, asked, side, state)
        if before is None:
            noted = self._note(rule, crossing, sides, row, moment.at, standing)
            number = self._number(rule, crossing, cause, side, verdict, noted)
        else:
            number, noted = before.number, recalled(before.noted)
        groups, changes = moment.groups, None
        if len(state.contributions) == _CONTRIBUTIONS.size:
            changes = tuple(map(sub, groups, _CONTRIBUTIONS.unpack(state.contributions)))
        state.contributions = _CONTRIBUTIONS.pack(*groups)
        self._remember(rule, crossing, side, state, time_ms, verdict, sides.objects_watched)
        if before is None and crossing.entered:
            _use(rule, verdict, time_ms, standing, sides)
        return Action(
            rule=rule.name,
            rule_version=rule.version,
            action_class=rule.action_class.value,
            row=row,
            time_ms=time_ms,
            event=moment.event,
            entered=crossing.entered,
            number=number,
            object=crossing.object if rule.mark is None else f"{rule.mark:g}",
            score=moment.score,
            percentile=moment.percentile,
            band=moment.band,
            previous=moment.previous,
            groups=groups,
            changes=changes,
            carried=self._carrying.carried(
                rule, crossing, noted, knowing.points, knowing.products, knowing.shop, knowing.balances
            ),
            model_version=scores.model_version,
            shop_version=scores.shop_version,
            warming_up=scores.warming_up,
            expires_ms=None if rule.expires_after_ms is None else time_ms + rule.expires_after_ms,
            audience=rule.audience,
            withheld=verdict.withheld,
            best=NOTHING_KNOWN,
            who=moment.who,
            language=None if standing.language is None else (standing.language[2], standing.language[1]),
            channel=None if verdict.channel is None else _CHANNEL_NAMES[verdict.channel],
            coupon=verdict.coupon,
            not_before_ms=verdict.not_before_ms,
            control=verdict.control,
        )

    def _note(self, rule: Rule, crossing: Crossing, sides: Sides, row: int, applied: int, standing: Standing) -> Noted:
        """What the side record has of what an action of entering carries."""
        if not crossing.entered:
            return NOTHING_NOTED
        cart = sides.cart_at(row, applied) if Carry.CART in rule.carries else []
        return self._carrying.note(rule, cart, standing, self._purchases.get(crossing.point, []))

    def _verdict(
        self, before: Crossed | None, crossing: Crossing, asked: Asked, side: Side, state: RuleState
    ) -> Verdict:
        """What the gates say, or said before a crash: since then the customer's record has run ahead of the profile."""
        if before is not None:
            return self._told(before, asked)
        if crossing.entered:
            return self._gates.judge(asked, side.standing)
        if crossing.object is None:
            was_sent = state.entry_sent
        else:
            was_sent = side.objects.get(asked.rule.name, {}).get(crossing.object, False)
        return self._gates.left(was_sent)

    def _told(self, before: Crossed, asked: Asked) -> Verdict:
        """The verdict that was remembered."""
        withheld = tuple(code for code in GATES if before.shut & _BITS[code])
        channel = None if before.channel < 0 else Channel(before.channel)
        control = self._gates.drawn(asked) if withheld == ("holdout",) else None
        return Verdict(withheld, channel, before.coupon, before.not_before_ms or None, control)

    @staticmethod
    def _number(
        rule: Rule, crossing: Crossing, cause: tuple[int, int, int], side: Side, verdict: Verdict, noted: Noted
    ) -> int:
        """Number a crossing that is new, and remember it with its verdict and what it carries."""
        state = side.state(rule.list_name) or RuleState()
        if crossing.object is None:
            number = state.crossings = state.crossings + 1
        else:
            number = _number_of_object(rule.name, crossing)
        told = Crossed(
            *cause,
            number,
            not verdict.withheld,
            sum(map(_BITS.__getitem__, verdict.withheld)),
            -1 if verdict.channel is None else int(verdict.channel),
            verdict.coupon,
            verdict.not_before_ms or 0,
            crossing.object or "",
            # Of an object nothing is asked again after a crash.
            remembered(noted) if crossing.object is None else b"",
        )
        state.lately = (*state.lately, told)[-_REMEMBERED:]
        return number

    @staticmethod
    def _remember(
        rule: Rule,
        crossing: Crossing,
        side: Side,
        state: RuleState,
        time_ms: int,
        verdict: Verdict,
        watched: int,
    ) -> None:
        sent = not verdict.withheld
        if crossing.object is not None:
            if crossing.entered:
                side.enter(rule.name, crossing.object, sent, watched)
            else:
                side.leave(rule.name, crossing.object)
        else:
            state.entry_sent = crossing.entered and sent
        if crossing.entered and _as_if_sent(verdict):
            state.sent_ms = max(state.sent_ms, time_ms)  # what is told again may be older than what was brought


def _number_of_object(rule: str, crossing: Crossing) -> int:
    """The number of a crossing of an object; of one that is no longer known, 1 for entering and 2 for leaving."""
    if crossing.thing is None:
        return 1 if crossing.entered else 2
    return crossing.thing.count(rule)


def _as_if_sent(verdict: Verdict) -> bool:
    """Whether it uses up cap and cooldown: what only the holdout withholds does, or its control would be another kind
    of customer.
    """
    return verdict.withheld in ((), ("holdout",))


def _use(rule: Rule, verdict: Verdict, time_ms: int, standing: Standing, sides: Sides) -> None:
    """What an entry that is new does to the standing: it uses a contact, in truth or as if, and begins trials; or the
    contact is kept.
    """
    marketing = rule.action_class is ActionClass.MARKETING
    if _as_if_sent(verdict):
        if verdict.channel is not None:
            purpose = Purpose.MARKETING if marketing else Purpose.SERVICE
            standing.contacted(verdict.channel, purpose, time_ms, sides.contacts_kept)
        if marketing:
            # In the global control nobody is compared for one rule, as all the others withhold from them, too.
            if verdict.control != GLOBAL:
                sides.trials.begin(standing.trials, rule.name, time_ms, verdict.control == RULE)
            sides.trials.begin(standing.trials, ALL, time_ms, verdict.control == GLOBAL)
    elif marketing and not standing.kept_ms and verdict.withheld in (("budget",), ("budget", "holdout")):
        standing.kept_ms = time_ms


def _told_before(state: RuleState, cause: tuple[int, int, int], crossing: Crossing) -> Crossed | None:
    """The crossing as it was told before a crash, if it was."""
    thing, (ms, source, offset) = crossing.object or "", cause
    for told in state.lately:
        if told.ms == ms and told.offset == offset and told.source == source and told.object == thing:
            return told
    if crossing.object is None and crossing.entered == (state.crossings % 2 == 1) and state.lately:
        # The list is that of before a crash, this record is not: they were told, by an event read earlier then.
        return state.lately[-1]
    return None
