"""Useful: which actions of a replay may still be published live, by what is known now; pure."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from schemas.timestamp import from_ms, to_ms
from scoring.engine import Engine
from scoring.gates import Asked, Gates, Standing, Verdict
from scoring.gates.best import Habits
from scoring.gates.channel import CHANNELS, Purpose
from scoring.profile import NEVER
from scoring.rules import Rule
from scoring.rules.carry import Carry
from scoring.rules.columns import Column, Field, Op
from scoring.rules.rule import ActionClass, ForEach
from scoring.side import Side, cart_items
from streams.receipts import IsErased

__all__ = ["Published", "Useful", "Weighed", "counted"]

EXPIRED, THERE, OVER, FORGOTTEN = "expired", "there", "over", "forgotten"
GONE, UNKNOWN, ENTRY_WITHHELD = "rule_gone", "unknown_customer", "entry_withheld"
CART_EMPTIED, LEFT_SINCE = "cart_emptied_since", "left_since"

_CART_ITEMS = Column(Op.FIELD, Field.CART_ITEMS)

_Thing = tuple[str, str, str | None]
"""Rule, customer and object."""


@dataclass(slots=True)
class Published:
    """What is on the live topics of actions: ids, what was entered, and what replays published there.

    `replayed` has customer, channel, class of action and time of publication (ms) of each.
    """

    ids: set[str] = field(default_factory=set)
    entered: set[_Thing] = field(default_factory=set)
    replayed: list[tuple[str, str, str, int]] = field(default_factory=list)

    def note(self, value: Mapping[str, Any], written_ms: int) -> None:
        """Take in one live action."""
        data = value["data"]
        self.ids.add(value["id"])
        if data["crossing"] == "entered":
            self.entered.add(_thing(data))
            if data["replay"] and data["channel"]:
                self.replayed.append((data["customer_id"], data["channel"], data["action_class"], written_ms))


class Weighed(NamedTuple):
    """One action of a replay: as it would be published now, or why it is not (`why` is one code, or several)."""

    topic: str
    value: dict[str, Any]
    why: tuple[str, ...]


class Useful:
    """Weighs the actions of one partition's replay.

    Parameters
    ----------
    engine
        The live state, restored; it is read, and not written.
    rules
        In force now, by name.
    published
        What is on the live topics already.
    now_ms
        As of when.
    max_action_age_ms
        Older moments are stale; None: none are.
    is_erased
        Says of a customer and a time whether they were forgotten since.
    """

    def __init__(
        self,
        engine: Engine,
        rules: Mapping[str, Rule],
        published: Published,
        now_ms: int,
        max_action_age_ms: int | None,
        is_erased: IsErased = lambda _, __: False,
    ) -> None:
        self._is_erased = is_erased
        self._engine, self._rules, self._published, self._now_ms = engine, rules, published, now_ms
        self._gates = Gates(engine.settings.gates, max_action_age_ms, replay=False)
        self._habits = Habits(engine.settings.gates)
        self._standings: dict[int, Standing] = {}
        self._leaving: dict[int, set[tuple[str, str | None]]] = {}
        for customer, channel, action_class, ms in published.replayed:
            row = engine.profiles.find(customer.encode())
            if row >= 0:
                self._contact(row, channel, action_class, ms)

    def weigh(self, actions: Iterable[tuple[str, Mapping[str, Any]]]) -> list[Weighed]:
        """Weigh (topic, value) of all actions of the partition; those published use up caps, in order of their time."""
        ordered = sorted(actions, key=lambda one: (one[1]["time"], one[1]["id"]))
        ended = {_thing(value["data"]): value["data"] for _, value in ordered if value["data"]["crossing"] == "left"}
        return [self._weighed(topic, value, ended) for topic, value in ordered]

    def _weighed(self, topic: str, value: Mapping[str, Any], ended: Mapping[_Thing, Mapping[str, Any]]) -> Weighed:
        data = dict(value["data"])
        now = {**value, "data": data}
        thing, expires = _thing(data), data["expires_at"]
        if self._is_erased(data["customer_id"].encode(), to_ms(data["event_time"])):
            return Weighed(topic, now, (FORGOTTEN,))
        if value["id"] in self._published.ids:
            return Weighed(topic, now, (THERE,))
        if expires is not None and to_ms(expires) <= self._now_ms:
            return Weighed(topic, now, (EXPIRED,))
        if data["crossing"] == "left":
            return Weighed(topic, now, () if thing in self._published.entered else (ENTRY_WITHHELD,))
        end = ended.get(thing)
        if end is not None and (end["event_time"], end["crossing_number"]) > (
            data["event_time"],
            data["crossing_number"],
        ):
            return Weighed(topic, now, (OVER,))
        return Weighed(topic, now, self._judged(data))

    def _judged(self, data: dict[str, Any]) -> tuple[str, ...]:
        """Ask live state and gates about an entry; what these say of channel, coupon and time is put into it."""
        rule = self._rules.get(data["rule"])
        profiles, customer = self._engine.profiles, data["customer_id"].encode()
        row = profiles.find(customer)
        if rule is None:
            return (GONE,)
        if row < 0 or profiles.rows["first_ms"][row] == NEVER or profiles.keys[row] != customer:  # a former id
            return (UNKNOWN,)
        if self._cart_is_empty(rule, row, data):
            return (CART_EMPTIED,)
        if self._leaves(rule, row, data):
            return (LEFT_SINCE,)
        verdict = self._verdict(rule, row, data)
        not_before_ms, expires = verdict.not_before_ms, data["expires_at"]
        if not verdict.withheld and not_before_ms is not None and expires and not_before_ms >= to_ms(expires):
            return ("quiet_hours",)
        if verdict.withheld:
            return verdict.withheld
        data["channel"] = None if verdict.channel is None else verdict.channel.name.lower()
        data["coupon"] = data["coupon"] and verdict.coupon
        data["not_before"] = None if not_before_ms is None else from_ms(not_before_ms)
        if data["channel"] is not None:
            self._contact(row, data["channel"], data["action_class"], self._now_ms)
        return ()

    def _cart_is_empty(self, rule: Rule, row: int, data: Mapping[str, Any]) -> bool:
        """Whether a list of filled carts tells of one of which nothing is left, as it was bought or taken out again."""
        if Carry.CART not in rule.carries or _CART_ITEMS not in rule.columns:
            return False
        side, told = self._engine.sides.find(row), set(data["products"])
        held = set() if side is None else {item.product for item in cart_items(side.cart)}
        return not held or (bool(told) and not held & told)

    def _leaves(self, rule: Rule, row: int, data: Mapping[str, Any]) -> bool:
        """Whether the customer, or the object, has left the list live since, or is no more what it is of, by now."""
        name, object_ = _of_mark(rule, data).list_name, None if rule.marks else data["object"]
        if _left_live(self._engine.sides.find(row), name, object_, to_ms(data["event_time"])):
            return True
        if row not in self._leaving:
            at_ms = max(self._now_ms, int(self._engine.profiles.rows["now_ms"][row]))
            self._leaving[row] = self._engine.looking.leaving_at(row, at_ms)
        return (name, object_) in self._leaving[row]

    def _verdict(self, rule: Rule, row: int, data: Mapping[str, Any]) -> Verdict:
        engine, standing = self._engine, self._standing(row)
        side = engine.sides.find(row)
        category = data["object"] if rule.for_each is ForEach.CATEGORY else None
        percentile = data["percentile"]
        return self._gates.judge(
            Asked(
                rule=rule,
                customer=engine.profiles.keys[row],
                time_ms=self._now_ms,
                age_ms=self._now_ms - to_ms(data["event_time"]),
                sent_ms=NEVER if side is None else side.sent_ms(_of_mark(rule, data).list_name, category),
                automated=False,
                warming_up=data["warming_up"],
                score=data["score"],
                percentile=math.nan if percentile is None else percentile,
                best=self._habits.best(standing, engine.profiles.rows["visited"][row, 0]).channels,
                price=engine.versions.model.score_at(engine.settings.gates.budget_percentile),
            ),
            standing,
        )

    def _standing(self, row: int) -> Standing:
        if row not in self._standings:
            side = self._engine.sides.find(row)
            self._standings[row] = Standing() if side is None else side.standing
        return self._standings[row]

    def _contact(self, row: int, channel: str, action_class: str, ms: int) -> None:
        purpose = Purpose.MARKETING if action_class == ActionClass.MARKETING else Purpose.SERVICE
        self._standing(row).contacted(CHANNELS[channel], purpose, ms, self._engine.sides.contacts_kept)


def counted(weighed: Collection[Weighed]) -> dict[str, Counter[str]]:
    """How many of each rule's actions would be published, and why the others are not, each by its first reason."""
    counts: dict[str, Counter[str]] = {}
    for each in weighed:
        counts.setdefault(each.value["data"]["rule"], Counter())[each.why[0] if each.why else "publish"] += 1
    return counts


def _left_live(side: Side | None, name: str, object_: str | None, since_ms: int) -> bool:
    """Whether live left a list after a time, an object at all; crossings count from 1, so that each second is one."""
    if side is None:
        return False
    if object_ is not None:
        thing = next((there[object_] for there in map(side.things, side.open) if object_ in there), None)
        crossed = side.number_of(name, object_, thing)
        return crossed > 0 and crossed % 2 == 0
    state = side.state(name)
    return state is not None and state.crossings % 2 == 0 and any(each.ms > since_ms for each in state.lately[-1:])


def _of_mark(rule: Rule, data: Mapping[str, Any]) -> Rule:
    """The rule of the mark that an action is about, where it has several."""
    return next((each for each in rule.of_marks if f"{each.mark:g}" == data["object"]), rule) if rule.marks else rule


def _thing(data: Mapping[str, Any]) -> _Thing:
    return data["rule"], data["customer_id"], data["object"]
