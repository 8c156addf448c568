"""Categories: the lists of rules for each category through a customer's, a partition's and a rule's changes."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from strategies.engines import Told, feed, held, let_pass
from strategies.event_streams import CUSTOMERS, DAY_MS, HOUR_MS, START_MS, columns_of
from strategies.layouts import FULL

from scoring.engine import Engine, EngineSettings
from scoring.gates import Cap, GateSettings
from scoring.kinds import Kind, Source
from scoring.rules import Rule, RuleError, RuleSet
from scoring.rules.rule import ForEach
from scoring.rules.ruleset import MAX_CATEGORY_RULES
from scoring.rules.slots import moved_bits
from scoring.side import Crossed, RuleState, Side
from scoring.twin import Event

ANNA, ANN = CUSTOMERS[:2]
LAMPS, MUGS = 101, 102
RULE = Rule(
    name="keen", sentence="Looks into it.", enter="category_views >= 2", exit="category_views == 0",
    for_each=ForEach.CATEGORY, cooldown_ms=7 * DAY_MS, audience=True, carries=("category", "category_views"),
)  # fmt: skip
SETTINGS = EngineSettings(FULL, gates=replace(GateSettings.open(), marketing=Cap(None, DAY_MS)))


def engine_of(*rules: Rule) -> Engine:
    """An engine that knows what the categories are called."""
    engine = Engine(SETTINGS, RuleSet(rules or (RULE,)), secret=b"of a test")
    for number, name in ((LAMPS, "lamps"), (MUGS, "mugs")):
        engine.state.product(number, name)
    return engine


class Life:
    """Makes the events of some customers, an hour apart."""

    def __init__(self) -> None:
        self.made = 0

    def looks(self, *categories: int, customer: bytes = ANNA) -> list[Event]:
        """A view of each category."""
        return [self._event(customer, Kind.PRODUCT_VIEWED, product=1, category=each) for each in categories]

    def becomes(self, customer: bytes, former: int) -> list[Event]:
        """The customer turns out to be another, too, by number from 1."""
        return [self._event(customer, Kind.ALIAS, source=2, product=former)]

    def _event(self, customer: bytes, kind: Kind, source: int = 0, **said: Any) -> Event:
        self.made += 1
        ms = START_MS + self.made * HOUR_MS
        return Event(customer, ms, int(kind), source, self.made, self.made, received_ms=ms, **said)


def crossed(told: Told) -> list[tuple[Any, ...]]:
    """Object, whether it entered, number, and what withheld it."""
    return [action[3:7] for action in told.actions]


def test_each_category_is_told_of_and_has_its_own_cooldown() -> None:
    """A second category enters while the first is in; the first is withheld when it comes again too soon."""
    engine, life = engine_of(), Life()
    told = feed(engine, life.looks(LAMPS, MUGS, LAMPS, MUGS))
    assert crossed(told) == [("lamps", True, 1, ()), ("mugs", True, 1, ())]
    let_pass(engine, START_MS + 3 * DAY_MS, told)
    assert sorted(crossed(told)[2:]) == [("lamps", False, 2, ()), ("mugs", False, 2, ())]
    life.made = 4 * 24
    again = feed(engine, life.looks(LAMPS, LAMPS, 103, 103))
    assert crossed(again) == [("lamps", True, 3, ("cooldown",)), ("p103", True, 1, ())]


def test_an_action_carries_what_was_looked_at_of_its_own_category() -> None:
    """Not what was looked at most; one whose name is not remembered, as there are too many, goes by its number."""
    engine, life = engine_of(), Life()
    outcome = _outcome(engine, life.looks(MUGS, MUGS, MUGS, LAMPS, LAMPS, 103, 103))
    carried = [(each.object, each.carried.category, each.carried.figures) for each in outcome.actions]
    of_two = [("category_views", 2.0)]
    assert carried == [("mugs", "mugs", of_two), ("lamps", "lamps", of_two), (f"{103:016x}", None, of_two)]


def test_who_was_in_the_list_as_a_customer_leaves_it() -> None:
    """Where a rule is for each category from now on; its categories then go on from that number."""
    before = replace(RULE, for_each=ForEach.NONE, exit=None, enter="category_views >= 2")
    engine, life = engine_of(before), Life()
    told = feed(engine, life.looks(LAMPS, LAMPS))
    engine.plan_rules([(START_MS, RuleSet((RULE,)))])
    engine.catch_up()
    feed(engine, life.looks(LAMPS, MUGS, MUGS), told)
    assert crossed(told) == [(None, True, 1, ()), (None, False, 2, ()), ("lamps", True, 3, ()), ("mugs", True, 3, ())]


def test_two_customers_who_are_one_have_the_categories_of_both() -> None:
    """Nothing is told of it; each category leaves when its views are over, with a number that it had not."""
    engine, life = engine_of(), Life()
    feed(engine, life.looks(LAMPS, LAMPS) + life.looks(MUGS, MUGS, customer=ANN))
    told = feed(engine, life.becomes(ANNA, 2))
    assert crossed(told) == []
    let_pass(engine, START_MS + 3 * DAY_MS, told)
    assert sorted(crossed(told)) == [("lamps", False, 2, ()), ("mugs", False, 2, ())]


def test_categories_that_find_no_room_where_two_are_one_leave() -> None:
    """Only so many views are kept of both together, the last ones."""
    engine, life = engine_of(), Life()
    feed(engine, life.looks(LAMPS, LAMPS) + life.looks(*range(200, 212), customer=ANN))
    assert crossed(feed(engine, life.becomes(ANNA, 2))) == [("lamps", False, 2, ())]


@pytest.mark.parametrize("written", range(3))
def test_a_crossing_after_a_crash_is_the_one_before_it(written: int) -> None:
    """However much of the commit was written, it has its number, its verdict, and what it carried."""
    steady, life = engine_of(), Life()
    feed(steady, life.looks(LAMPS, MUGS, LAMPS))
    rows = held(steady)
    later = life.looks(MUGS, LAMPS, MUGS)
    told = feed(steady, later)
    changes = [(key, value) for key, value in steady.changes() if key[:1] in (b"s", b"c")]
    again = engine_of()
    kept = {**rows, **{key: value for key, value in changes[:written] if value is not None}}
    again.load(list(kept), list(kept.values()))
    again.restored()
    assert feed(again, later).actions == (told.actions if written < 2 else [])
    assert again.sides.find(0).numbers == steady.sides.find(0).numbers


def test_crossings_are_kept_for_a_day_and_only_so_many() -> None:
    """As many as objects are watched, so that a record stays small however much somebody looks around."""
    glance = replace(RULE, enter="category_views >= 1")
    engine, life = engine_of(glance), Life()
    feed(engine, life.looks(*range(200, 230)))
    assert len(_lately(engine)) == 24 + 18  # those of a day, and those that left for them, as twelve views are kept
    engine.sides.objects_watched = 10
    feed(engine, life.looks(MUGS))
    assert len(_lately(engine)) == 10
    life.made += 96
    told = feed(engine, life.looks(LAMPS))
    assert len(_lately(engine)) == 8
    assert _lately(engine)[-1].object == "lamps" == crossed(told)[-1][0]


def _lately(engine: Engine) -> tuple[Crossed, ...]:
    side = engine.sides.find(0)
    state = None if side is None else side.state(RULE.name)
    return () if state is None else state.lately


def test_lists_have_other_bits_on_other_partitions() -> None:
    """What moves is in the lists of the same names; those that are not known there are left."""
    lists = np.array([0b01, 0b10, 0b111], np.uint8)
    assert moved_bits(lists, ["a", "b", "c"], ["c", "a"]).tolist() == [0b10, 0, 0b11]


def test_an_audience_is_told_of_each_category_of_somebody_forgotten() -> None:
    """With the number of one more crossing."""
    engine, life = engine_of(), Life()
    feed(engine, life.looks(LAMPS, MUGS, LAMPS, MUGS))
    forgotten = engine.forgetting.forget(ANNA, "r", (int(Source.DELETIONS), 0), START_MS + DAY_MS, [9] * 3)
    assert [(each.object, each.number) for each in forgotten.left] == [("lamps", 2), ("mugs", 2)]


def test_what_is_not_looked_at_any_more_is_known_not_to_stay() -> None:
    """As who publishes a replay's actions asks."""
    engine, life = engine_of(), Life()
    feed(engine, life.looks(LAMPS, LAMPS, MUGS))
    assert engine.looking.leaving_at(0, START_MS + 5 * HOUR_MS) == set()
    assert engine.looking.leaving_at(0, START_MS + 2 * DAY_MS) == {("keen", "lamps")}


def test_no_number_comes_twice_where_categories_give_way() -> None:
    """One that is forgotten goes on from the highest that any had."""
    side = Side(rules={"keen": RuleState()})
    numbers = [side.crossed("keen", name, k % 2 == 0, 2) for k, name in enumerate(("a", "a", "b", "b", "c", "c", "a"))]
    assert numbers == [1, 2, 1, 2, 1, 2, 3]
    assert side.numbers["keen"].keys() == {"c", "a"}


@pytest.mark.parametrize(
    ("rules", "remedy"),
    [
        ([("never", "category_views >= 1", "never")], "category_views == 0"),
        ([("its", "total(its_wishlist_added) >= 1", None)], "for_each: product"),
        ([(f"n{n}", "category_views >= 1", None) for n in range(MAX_CATEGORY_RULES + 1)], "remove rules"),
    ],
)
def test_what_cannot_be_is_refused(rules: list[tuple[str, str, str | None]], remedy: str) -> None:
    """With what to write instead."""
    with pytest.raises(RuleError, match=remedy):
        RuleSet([replace(RULE, name=name, enter=enter, exit=leave, carries=()) for name, enter, leave in rules])


def _outcome(engine: Engine, events: list[Event]) -> Any:
    return engine.apply(columns_of(events, {ANNA: engine.state.row(ANNA)}), {})
