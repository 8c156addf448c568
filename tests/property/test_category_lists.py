"""Lists of categories are held equal to their plain twin, wherever the input is cut and whatever the rules read."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies.engines import Told, feed, held, let_pass
from strategies.event_streams import CUSTOMERS, DAY_MS, START_MS, streams
from strategies.layouts import FULL

from scoring.engine import Engine, EngineSettings
from scoring.gates import GateSettings
from scoring.kinds import Kind
from scoring.rules import Rule, RuleSet
from scoring.rules.rule import ForEach
from scoring.twin import Customer, Event, Partition
from scoring.twin.categories import category_crossings

SETTINGS = EngineSettings(FULL, gates=GateSettings.open(), objects_kept=2)


def rule(name: str, enter: str, leave: str | None = None) -> Rule:
    """A rule for each category."""
    return Rule(name=name, sentence="Looks into it.", enter=enter, exit=leave, for_each=ForEach.CATEGORY)


OF_VIEWS = RuleSet(
    [rule("twice", "category_views >= 2", "category_views == 0"), rule("long", "category_minutes >= 1"),
     rule("once", "category_views >= 1")]
)  # fmt: skip
OF_MORE = RuleSet([*OF_VIEWS.rules, rule("with-a-cart", "category_views >= 1 and total(product_added) >= 1"),
                   rule("before-buying", "category_views >= 1 and orders == 0", "orders >= 2")])  # fmt: skip


def told_of(events: list[Event], cuts: list[int], rules: RuleSet) -> list[tuple[Any, ...]]:
    """What crosses when the input is cut at `cuts`, each with its number, stored and loaded again at every cut."""
    told, rows, engine = Told(), dict[bytes, bytes](), Engine(SETTINGS, rules)
    for start, end in pairwise(sorted({0, *(cut for cut in cuts if cut < len(events)), len(events)})):
        if rows:
            engine = Engine(SETTINGS, rules)
            engine.load(list(rows), list(rows.values()))
            engine.restored()
        feed(engine, events[start:end], told)
        rows = held(engine, rows)
    let_pass(engine, max(event.time_ms for event in events) + 2 * DAY_MS, told)
    return [action[:6] for action in told.actions]


def compare(events: list[Event], cuts: list[int], rules: RuleSet) -> None:
    """Engine and twin tell of the same categories at the same times, each of the twin's as often as of the engine's."""
    # What is in the cart, and which orders are known already, is the engine's to say; no rule here reads the cart.
    events = [event._replace(product=i + 1 if event.source == 1 else event.product) for i, event in enumerate(events)]
    twin = Partition(FULL, SETTINGS.kernel(), rules.columns, rules.clocks, rules.object_clocks)
    twin.apply(events)
    twin.advance(max(event.time_ms for event in events) + 2 * DAY_MS, START_MS)
    expected = sorted(
        (each.time_ms, each.customer, each.rule, f"p{each.category}", each.entered)
        for each in category_crossings(twin.points, rules.rules, rules.columns)
    )
    told = told_of(events, cuts, rules)
    assert sorted(action[:5] for action in told) == expected
    ids = [(action[1], action[2], action[3], action[5]) for action in told]
    assert len(set(ids)) == len(ids)
    assert all(entered == (number % 2 == 1) for *_, entered, number in told)


LOOKS = st.builds(
    lambda events, categories: [
        event._replace(
            kind=int(Kind.PRODUCT_VIEWED if event.source == 0 and i % 3 else event.kind),
            product=event.product or 1,
            category=100 + category if category else 0,
        )
        for i, (event, category) in enumerate(zip(events, categories, strict=False))
    ],
    streams(least=10, most=60, customers=CUSTOMERS[:2], back_ms=DAY_MS),
    st.lists(st.integers(0, 5), min_size=60, max_size=60),
)
"""Few customers who look into several categories."""


@settings(max_examples=60)
@given(events=LOOKS, cuts=st.lists(st.integers(0, 60), max_size=6), more=st.booleans())
def test_lists_of_categories_are_those_of_the_twin(events: list[Event], cuts: list[int], more: bool) -> None:
    """Each category enters and leaves when its own views say so, and no number of crossing comes twice."""
    compare(events, cuts, OF_MORE if more else OF_VIEWS)


def views(*categories: int, every_ms: int = 61_000) -> list[Event]:
    """A view of each of the categories in turn."""
    return [
        Event(CUSTOMERS[0], START_MS + i * every_ms, int(Kind.PRODUCT_VIEWED), 0, i, i + 1, 1, 100 + category)
        for i, category in enumerate(categories)
    ]


CROWDED = views(*range(1, 15), 1, 1, 2, 2, 3, 1)
"""More categories than views are kept, and back to the first."""


@pytest.mark.parametrize("cuts", [[], [12, 13, 14], list(range(20))])
def test_a_category_leaves_with_the_last_of_its_views(cuts: list[int]) -> None:
    """Others push it out of the last views, in the same run as it entered or in a later one; it may come again."""
    compare(CROWDED, cuts, OF_VIEWS)
    told = [action[3:5] for action in told_of(CROWDED, cuts, OF_VIEWS) if action[2] == "once"]
    assert told[:12] == [(f"p{100 + n}", True) for n in range(1, 13)]
    assert told[12:14] == [("p101", False), ("p113", True)]


def _one_more(customer: Customer, now_ms: int) -> dict[int, tuple[int, int]]:
    return {category: (views + 1, ms) for category, (views, ms) in _categories(customer, now_ms).items()}


def _without_lists(engine: Engine) -> None:
    engine.profiles.rows["seen_lists"] = 0
    _restored(engine)


_categories, _restored = Customer.categories, Engine.restored


@pytest.mark.parametrize(
    ("of", "name", "broken"), [(Customer, "categories", _one_more), (Engine, "restored", _without_lists)]
)
def test_lists_that_differ_are_found(
    monkeypatch: pytest.MonkeyPatch, of: type, name: str, broken: Callable[..., Any]
) -> None:
    """The comparison fails where one of the two counts a view too many, or a row does not keep its lists."""
    monkeypatch.setattr(of, name, broken)
    with pytest.raises(AssertionError):
        compare(CROWDED, list(range(20)), OF_VIEWS)


def test_a_category_that_gave_way_goes_on_from_the_highest_number() -> None:
    """Of more categories than are kept in mind none has a number twice, and those in the list stay in mind."""
    engine = Engine(SETTINGS, OF_VIEWS)
    feed(engine, CROWDED)
    side = engine.sides.find(0)
    assert side is not None
    row = engine.profiles.rows[0]
    inside = {f"p{n}" for n in np.unique(row["seen_category"][: row["seen_n"]]).tolist()}
    assert inside <= side.numbers["once"].keys()
    assert len(side.numbers["once"]) <= max(SETTINGS.objects_kept, len(inside))


def test_only_what_a_row_keeps_is_asked_for() -> None:
    """Rules for each category need room in the row that others do not."""
    assert OF_VIEWS.parts.listed == 12
    small = replace(FULL, parts=replace(FULL.parts, listed=0))
    with pytest.raises(ValueError, match="which categories are in a list"):
        Engine(EngineSettings(small), OF_VIEWS)
