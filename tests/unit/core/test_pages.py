"""Pages: the last ones that a customer looked at, as an action tells them."""

from itertools import permutations
from typing import Any

import msgspec
import numpy as np
import pytest
from strategies.engines import Told, details_of, feed, let_pass
from strategies.event_streams import CUSTOMERS, DAY_MS, START_MS, columns_of
from strategies.layouts import FULL

from scoring.carried import Timed
from scoring.engine import Engine, EngineSettings
from scoring.kinds import Kind
from scoring.outcome import Action
from scoring.profile import Layout
from scoring.rules import Rule, RuleSet, shipped
from scoring.rules.parts import Parts, parts_for
from scoring.rules.shipped import BASIC
from scoring.transfer import Give
from scoring.twin import Event

ANNA, ANN = CUSTOMERS[:2]
RULE = Rule(name="lost", sentence="Searched.", enter="minutes_since(searched) < 1", carries=("pages",))
MINUTE_MS = 60_000


def engine_of(**settings: Any) -> Engine:
    return Engine(EngineSettings(FULL, **settings), RuleSet([RULE]), secret=b"of a test")


class Life:
    """Makes the events of some customers, of which `minute` says when they are; messages and offsets count on."""

    def __init__(self) -> None:
        self.made = 0

    def looks(self, minute: int, page: int, customer: bytes = ANNA) -> Event:
        """A page that is looked at."""
        return self.does(Kind.PAGE, minute, page, customer)

    def searches(self, minute: int, customer: bytes = ANNA) -> Event:
        """What the rule waits for."""
        return self.does(Kind.SEARCHED, minute, 0, customer)

    def does(self, kind: Kind, minute: int, product: int = 0, customer: bytes = ANNA, source: int = 0) -> Event:
        """Any event."""
        self.made += 1
        ms = START_MS + minute * MINUTE_MS
        return Event(customer, ms, int(kind), source, self.made, self.made, product, received_ms=ms)


def actions(engine: Engine, *events: Event) -> list[Action]:
    """Those of entering, of one run."""
    for event in events:
        told = engine.state.page if event.kind == Kind.PAGE else engine.state.product
        told(event.product, f"{'page ' if event.kind == Kind.PAGE else 'p'}{event.product}")
    rows = {event.customer: engine.state.row(event.customer) for event in events}
    outcome = engine.apply(columns_of(events, rows), details_of(events))
    return [action for action in outcome.actions if action.entered]


def pages(action: Action) -> list[tuple[str, int]]:
    """The pages that an action tells, each with its minute."""
    told = action.carried.pages
    assert all(isinstance(page, Timed) for page in told)
    return [(page.name, (page.ms - START_MS) // MINUTE_MS) for page in told]


def test_an_action_tells_the_last_three_distinct_pages() -> None:
    """Newest first, each once, with when it was looked at last."""
    life = Life()
    looks = [life.looks(minute, page) for minute, page in enumerate((1, 2, 3, 4, 3, 3))]
    [action] = actions(engine_of(), *looks, life.searches(9))
    assert pages(action) == [("page 3", 5), ("page 4", 3), ("page 2", 1)]


def test_pages_are_those_of_its_moment() -> None:
    """What is looked at later in the same run is not told, however late what was looked at before comes."""
    life = Life()
    told = actions(
        engine_of(), life.looks(0, 1), life.searches(2), life.looks(5, 2), life.searches(9), life.looks(10, 3)
    )
    assert [pages(action) for action in told] == [[("page 1", 0)], [("page 2", 5), ("page 1", 0)]]
    late = actions(engine_of(), life.looks(9, 5), life.looks(4, 6), life.searches(9))
    assert [pages(action) for action in late] == [[("page 5", 9), ("page 6", 4)]]


def test_pages_do_not_depend_on_arrival() -> None:
    """Five pages, one of them twice and two at one time, in every order."""
    looks = [(0, 1), (3, 2), (3, 4), (1, 3), (2, 1)]
    found = set()
    for order in permutations(looks):
        engine, life = engine_of(), Life()
        feed(engine, [life.looks(*each) for each in order])
        row = engine.profiles.rows[0]
        found.add((*row["page"].tolist(), *row["page_ms"].tolist()))
    [told] = found
    assert told == (4, 2, 1, *(START_MS + minute * MINUTE_MS for minute in (3, 3, 2)))


def test_who_becomes_another_brings_the_pages() -> None:
    """The last three of both."""
    engine, life = engine_of(), Life()
    feed(engine, [life.looks(0, 1), life.looks(2, 2), life.looks(4, 3)])
    feed(engine, [life.looks(1, 4, ANN), life.looks(3, 5, ANN), life.looks(5, 1, ANN)])
    alias = life.does(Kind.ALIAS, 6, CUSTOMERS.index(ANN) + 1, source=2)
    [action] = actions(engine, alias, life.searches(7))
    assert pages(action) == [("page 1", 5), ("page 3", 4), ("page 5", 3)]


def test_who_comes_from_another_partition_brings_the_names_too() -> None:
    """What the pages are called is not known where nobody looked at them."""
    there = Engine(EngineSettings(FULL), RuleSet([RULE]), home=lambda name: name == ANN, secret=b"of a test")
    here = Engine(EngineSettings(FULL), RuleSet([RULE]), home=lambda name: name == ANNA, secret=b"of a test")
    life = Life()
    feed(there, [life.looks(0, 1, ANN), life.looks(1, 2, ANN)])
    alias = life.does(Kind.ALIAS, 2, CUSTOMERS.index(ANN) + 1, source=2)
    feed(here, [life.looks(2, 3)])
    rows = {ANNA: here.state.row(ANNA)}
    [ask] = here.apply(columns_of([alias], rows), details_of([alias])).transfers
    there.exchange.receive(ask, 0, START_MS)
    there.exchange.close()
    there.changes()
    there.exchange.pack()
    [give] = there.departures.packed
    sent = msgspec.msgpack.decode(msgspec.msgpack.encode(give), type=Give)
    here.exchange.receive(sent, 0, START_MS)
    [action] = actions(here, life.searches(3))
    assert pages(action) == [("page 3", 2), ("page 2", 1), ("page 1", 0)]


def test_names_beyond_the_limit_are_left_out() -> None:
    """Paths without end cost no memory without end; pages known first are told, and products are known as ever."""
    engine, life = engine_of(pages_remembered=2), Life()
    looks = [life.looks(minute, page) for minute, page in enumerate((1, 2, 3, 1, 4))]
    [action] = actions(engine, *looks, life.does(Kind.PRODUCT_VIEWED, 6, 77), life.searches(9))
    assert pages(action) == [("page 1", 3)]
    assert engine.state.pages == {1: "page 1", 2: "page 2"}
    assert engine.products[77] == "p77"
    row = engine.profiles.rows[0]
    assert row["page"].tolist() == [4, 1, 3], "the row does not depend on what others looked at first"


def test_the_first_names_are_those_of_the_events_applied_first() -> None:
    """However far the decoder is ahead, and in whatever order it tells them: so it does not depend on slices."""
    engine, life = engine_of(pages_remembered=2), Life()
    for ahead in (9, 8, 7):
        engine.state.page(ahead, f"page {ahead}")
    [action] = actions(engine, life.looks(0, 1), life.looks(1, 8), life.looks(2, 7), life.searches(3))
    assert pages(action) == [("page 8", 1), ("page 1", 0)]
    assert engine.state.pages == {1: "page 1", 8: "page 8"}
    assert not engine.state.awaits_pages, "what cannot be remembered is not waited for"


def test_a_restart_knows_the_pages() -> None:
    """Rows and names are stored, and no more names are learned after it than before."""
    engine, life = engine_of(pages_remembered=2), Life()
    feed(engine, [life.looks(0, 1), life.looks(1, 2)])
    assert engine.copy() is None, "names are to be stored"
    rows = dict(engine.changes())
    assert dict(engine.changes()).keys() == {b"m"}
    copied = engine.copy()
    assert copied is not None
    copied.fill()
    assert {key: value for keys, values in copied.pieces() for key, value in zip(keys, values, strict=True)} == rows
    again = engine_of(pages_remembered=2)
    again.load([*rows], [*rows.values()])
    again.restored()
    [action] = actions(again, life.looks(2, 3), life.searches(3))
    assert pages(action) == [("page 2", 1), ("page 1", 0)]
    assert again.state.pages == engine.state.pages


def test_who_is_forgotten_and_comes_again_has_no_pages() -> None:
    """Nothing of what they looked at is left in the row."""
    engine, life = engine_of(), Life()
    feed(engine, [life.looks(0, 1), life.looks(1, 2)])
    engine.forgetting.forget(ANNA, "r", (4, 0), START_MS + 2 * MINUTE_MS, [9] * 3)
    feed(engine, [life.looks(9, 3)])
    assert engine.profiles.rows[engine.profiles.find(ANNA)]["page"].tolist() == [3, 0, 0]


def test_leaving_tells_no_pages() -> None:
    """As with all that a helper would need."""
    engine, life, told = engine_of(), Life(), Told()
    feed(engine, [life.looks(0, 1), life.searches(1)], told)
    let_pass(engine, START_MS + DAY_MS, told)
    assert [action[4] for action in told.actions] == [True, False]
    assert [("page 1" in str(action)) for action in told.actions] == [True, False]


@pytest.mark.parametrize(("rules", "kept"), [(shipped(), 3), (shipped(only=BASIC), 0), (RuleSet([RULE]), 3)])
def test_pages_are_kept_only_where_a_rule_carries_them(rules: RuleSet, kept: int) -> None:
    """A row of 48 bytes more."""
    assert rules.parts.pages == kept
    none = Parts(**{name: getattr(rules.parts, name) for name in Parts.__slots__} | {"pages": 0})
    more = Layout(parts=rules.parts).stored_bytes() - Layout(parts=none).stored_bytes()
    assert more == 16 * kept


def test_rows_without_pages_have_the_stamp_that_they_had() -> None:
    """State of rules that carry none is read on."""
    assert f"{Layout(parts=parts_for(())).fingerprint():x}" == "5243000269b89ac7"
    assert Layout(parts=parts_for((), pages=True)).fingerprint() != Layout(parts=parts_for(())).fingerprint()
    engine = Engine(EngineSettings(Layout(parts=parts_for(()))), shipped(only=BASIC))
    life = Life()
    feed(engine, [life.looks(0, 1)])
    assert engine.profiles.rows["page"].shape[1] == 0
    assert np.all(engine.profiles.rows["total"][0, Kind.PAGE] == 1)
