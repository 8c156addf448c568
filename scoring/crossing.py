"""Crossings: who enters and who leaves a rule's list at each point, and which gates withhold the action."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from scoring.compiled import compiled
from scoring.gates import GATES, Asked, Gates, Verdict
from scoring.gates.best import Habits
from scoring.gates.channel import Channel, Purpose
from scoring.kernel import AUTOMATED, Events, Points
from scoring.outcome import Action, Scores
from scoring.rules import Rule, RuleSet
from scoring.rules.rule import ActionClass, Carry, ForEach
from scoring.side import Crossed, RuleState, Side
from scoring.sides import Detail, Sides

__all__ = ["Crossing", "Crossings"]

_REMEMBERED = 8
"""Crossings of one rule and customer that are kept, for records that are read again after a crash."""


class Crossing(NamedTuple):
    """At evaluation point `point`, the object (None: the customer) entered or left the list of rule number `rule`."""

    point: int
    rule: int
    object: str | None
    entered: bool


@compiled
def _scan(rows: Any, points: Any, m: int, enter: Any, leave: Any, changed: Any, after: Any) -> int:
    """Follow each customer through the points (m,) in order: the rules crossed at each, and those it is in afterwards.

    `enter` and `leave` are bit masks, one bit a rule. Where both hold, leaving wins. Returns how many points crossed.
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


class Crossings:
    """Finds crossings and asks the gates.

    Parameters
    ----------
    rules
        At most 64, as a row keeps one bit for each.
    slots
        The bit of each rule.
    gates
        What is asked before anything is published.
    """

    def __init__(self, rules: RuleSet, slots: Sequence[int], gates: Gates) -> None:
        self._rules = rules
        self._gates = gates
        self._habits = Habits(gates.settings)
        numbered = list(enumerate(zip(rules.rules, slots, strict=True)))
        self._of_customer = [(r, slot) for r, (rule, slot) in numbered if rule.for_each is not ForEach.ORDER]
        self._of_order = [r for r, (rule, _) in numbered if rule.for_each is ForEach.ORDER]

    def find(
        self, rows: Any, points: Points, m: int, sides: Sides, details: dict[int, Detail]
    ) -> tuple[Any, list[Crossing]]:
        """Move the lists on through the first `m` points; (m,) bool where anything crossed, and what, in order."""
        if not self._rules.rules:
            return np.zeros(m, np.bool_), []
        columns = points.columns[:m]
        entering, leaving = self._rules.evaluate(columns)
        changed, after = np.zeros(m, np.uint64), np.zeros(m, np.uint64)
        found: list[Crossing] = []
        if _scan(rows, points, m, self._masks(entering), self._masks(leaving), changed, after):
            for i in np.flatnonzero(changed).tolist():
                bits, inside = int(changed[i]), int(after[i])
                crossed_here = ((r, slot) for r, slot in self._of_customer if bits >> slot & 1)
                found += [Crossing(i, r, None, bool(inside >> slot & 1)) for r, slot in crossed_here]
        crossed = changed != 0
        if self._of_order and details:
            objects = self._objects(points, m, entering, leaving, sides, details)
            for crossing in objects:
                crossed[crossing.point] = True
            found = sorted([*found, *objects], key=lambda c: (c.point, c.rule))
        return crossed, found

    def _masks(self, holds: Any) -> Any:
        """(R, m) bool as (m,) bit masks of the rules for customers."""
        mask = np.zeros(holds.shape[1], np.uint64)
        for r, slot in self._of_customer:
            mask |= holds[r].astype(np.uint64) << np.uint64(slot)
        return mask

    def _objects(
        self, points: Points, m: int, entering: Any, leaving: Any, sides: Sides, details: dict[int, Detail]
    ) -> list[Crossing]:
        """The rules for each order are asked at the points that an order event caused."""
        found = []
        for i in range(m) if len(details) * 4 > m else _points_of(points, m, details):
            detail = details.get(int(points.event[i]))
            if detail is None or not detail.object_id:
                continue
            side = sides.find(int(points.row[i]))
            for r in self._of_order:
                rule = self._rules.rules[r]
                listed = side is not None and detail.object_id in side.objects.get(rule.name, {})
                if entering[r, i] and not leaving[r, i] and not listed:
                    sides.touch(int(points.row[i])).open_object(
                        rule.name, detail.object_id, False, sides.objects_watched
                    )
                    found.append(Crossing(i, r, detail.object_id, True))
                elif leaving[r, i] and listed:
                    found.append(Crossing(i, r, detail.object_id, False))
        return found

    def action(
        self,
        crossing: Crossing,
        points: Points,
        events: Events,
        scores: Scores,
        k: int,
        sides: Sides,
        products: dict[int, str],
        customers: Sequence[bytes],
    ) -> Action:
        """The action of a crossing, with the gates that withhold it; element `k` of `scores` belongs to its point."""
        i, rule = crossing.point, self._rules.rules[crossing.rule]
        row, time_ms = int(points.row[i]), int(points.time_ms[i])
        side, standing = sides.touch(row), sides.standing_at(row, int(points.at[i]))
        groups = tuple(scores.groups[k].tolist())
        state = side.rules.setdefault(rule.name, RuleState())
        event = int(points.event[i])
        cause = (time_ms, int(events.source[event]), int(events.offset[event])) if event >= 0 else (time_ms, -1, -1)
        before = _told_before(state, cause, crossing.object)
        best = self._habits.best(standing, points.visited[i])
        asked = Asked(
            rule=rule,
            customer=customers[row],
            time_ms=time_ms,
            age_ms=int(points.received_ms[i]) - time_ms,
            sent_ms=state.sent_ms,
            automated=bool(points.cause[i] & AUTOMATED),
            warming_up=scores.warming_up,
            score=float(scores.score[k]),
            percentile=float(scores.percentile[k]),
            best=best.channels,
        )
        verdict = self._verdict(before, crossing, asked, side, state)
        number = self._number(crossing, cause, state, verdict) if before is None else before.number
        changes = None
        if state.contributions and len(state.contributions) == len(groups):
            changes = tuple(now - then for now, then in zip(groups, state.contributions, strict=True))
        state.contributions = groups
        self._remember(rule, crossing, side, state, time_ms, verdict)
        if before is None and crossing.entered and verdict.channel is not None and _as_if_sent(verdict):
            purpose = Purpose.MARKETING if rule.action_class is ActionClass.MARKETING else Purpose.SERVICE
            standing.contacted(verdict.channel, purpose, time_ms, sides.contacts_kept)
        viewed = [products[n] for n in points.viewed[i].tolist() if n in products]
        carries = rule.carries
        return Action(
            rule=rule.name,
            rule_version=rule.version,
            action_class=str(rule.action_class),
            row=row,
            time_ms=time_ms,
            event=event,
            entered=crossing.entered,
            number=number,
            object=crossing.object,
            score=float(scores.score[k]),
            percentile=float(scores.percentile[k]),
            band=int(scores.band[k]),
            previous=float(scores.previous[k]),
            groups=groups,
            changes=changes,
            products=viewed if Carry.PRODUCTS in carries else [],
            cart=sides.cart_at(row, int(points.at[i])) if Carry.CART in carries else [],
            model_version=scores.model_version,
            shop_version=scores.shop_version,
            warming_up=scores.warming_up,
            expires_ms=None if rule.expires_after_ms is None else time_ms + rule.expires_after_ms,
            audience=rule.audience,
            withheld=verdict.withheld,
            best=best,
            language=None if standing.language is None else (standing.language[2], standing.language[1]),
            channel=None if verdict.channel is None else verdict.channel.name.lower(),
            coupon=verdict.coupon,
            not_before_ms=verdict.not_before_ms,
            control=verdict.control,
        )

    def _verdict(
        self, before: Crossed | None, crossing: Crossing, asked: Asked, side: Side, state: RuleState
    ) -> Verdict:
        """What the gates say, or said before a crash: since then the customer's record has run ahead of the profile.

        Leaving is told to whoever was told of entering, however old it is: it only says that something ends.
        """
        if before is not None:
            return self._told(before, asked)
        if crossing.entered:
            return self._gates.judge(asked, side.standing)
        if crossing.object is None:
            was_sent = state.entry_sent
        else:
            was_sent = side.objects.get(asked.rule.name, {}).get(crossing.object, False)
        shut = {"replay": self._gates.replay, "entry_withheld": not was_sent}
        return Verdict(tuple(code for code in GATES if shut.get(code, False)), None, False, None, None)

    def _told(self, before: Crossed, asked: Asked) -> Verdict:
        """The verdict that was remembered."""
        withheld = tuple(code for bit, code in enumerate(GATES) if before.shut >> bit & 1)
        channel = None if before.channel < 0 else Channel(before.channel)
        control = self._gates.drawn(asked) if withheld == ("holdout",) else None
        return Verdict(withheld, channel, before.coupon, before.not_before_ms or None, control)

    @staticmethod
    def _number(crossing: Crossing, cause: tuple[int, int, int], state: RuleState, verdict: Verdict) -> int:
        """Number a crossing that is new, and remember it with its verdict."""
        if crossing.object is None:
            number = state.crossings = state.crossings + 1
        else:
            number = 1 if crossing.entered else 2
        told = Crossed(
            *cause,
            number,
            not verdict.withheld,
            sum(1 << GATES.index(code) for code in verdict.withheld),
            -1 if verdict.channel is None else int(verdict.channel),
            verdict.coupon,
            verdict.not_before_ms or 0,
            crossing.object or "",
        )
        state.lately = (*state.lately, told)[-_REMEMBERED:]
        return number

    @staticmethod
    def _remember(rule: Rule, crossing: Crossing, side: Side, state: RuleState, time_ms: int, verdict: Verdict) -> None:
        sent = not verdict.withheld
        if crossing.object is not None:
            if crossing.entered:
                side.objects[rule.name][crossing.object] = sent
            else:
                del side.objects[rule.name][crossing.object]
                if not side.objects[rule.name]:
                    del side.objects[rule.name]
        else:
            state.entry_sent = crossing.entered and sent
        if crossing.entered and _as_if_sent(verdict):
            state.sent_ms = time_ms


def _as_if_sent(verdict: Verdict) -> bool:
    """Whether it uses up cap and cooldown: what only the holdout withholds does, or its control would be another kind
    of customer.
    """
    return verdict.withheld in ((), ("holdout",))


def _told_before(state: RuleState, cause: tuple[int, int, int], object_id: str | None) -> Crossed | None:
    """The crossing as it was told before a crash, if it was."""
    found = (c for c in state.lately if (c.ms, c.source, c.offset) == cause and c.object == (object_id or ""))
    return next(found, None)


def _points_of(points: Points, m: int, details: dict[int, Detail]) -> list[int]:
    """The points that events with details caused."""
    wanted = np.fromiter(details, np.int64, len(details))
    return np.flatnonzero(np.isin(points.event[:m], wanted)).tolist()
