"""Rules that change while the engine runs: bits, versions, and when each takes effect."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from strategies.layouts import FULL
from strategies.shop_known import Known, known_shop

from scoring.carried import Noted
from scoring.engine import EngineSettings
from scoring.gates.news import Name, Network, News
from scoring.kernel import Events
from scoring.kinds import Kind, Source
from scoring.profile import HOUR_MS
from scoring.rules import Rule, RuleSet
from scoring.rules.book import RuleBook
from scoring.rules.carry import Carry
from scoring.rules.rule import ForEach
from scoring.rules.slots import Slots
from scoring.side import CartItem
from scoring.sides import Detail
from scoring.where import Where
from tests.unit.core.shop import START, Shop, snapshot


def seen(times: int, version: int = 1, name: str = "seen") -> Rule:
    """A rule for who was seen so often."""
    return Rule(name=name, version=version, sentence="Seen.", enter=f"total(page) >= {times}")


def test_a_rule_keeps_its_bit_while_others_come_and_go() -> None:
    """Bits never used are given first; a rule that comes back has its own."""
    slots = Slots()
    assert slots.assign(["a", "b"]) == ([0, 1], 0)
    assert slots.assign(["b", "c"]) == ([1, 2], 0)
    assert slots.assign(["a", "c"]) == ([0, 2], 0)


def test_a_bit_given_to_another_rule_is_cleared() -> None:
    """When all 64 are used, a bit of a rule no longer in force is given away, and said to be cleared."""
    slots = Slots([f"r{i}" for i in range(64)])
    kept = [f"r{i}" for i in range(64) if i != 5]
    bits, cleared = slots.assign([*kept, "new"])
    assert bits[-1] == 5
    assert cleared == 1 << 5


def test_versions_told_in_any_order_or_twice_are_one_timeline() -> None:
    """What is in force is a function of the set of versions."""
    told = [(seen(3, 2), 20), (seen(5, 3), 10), (seen(2, 1, "other"), 15), (seen(3, 2), 20)]
    timelines = []
    for order in itertools.permutations(told):
        book = RuleBook([seen(1)])
        for rule, at in order:
            book.add(rule, at)
        timelines.append([(at, [(r.name, r.version) for r in rules.rules]) for at, rules in book.timeline()])
    assert all(timeline == timelines[0] for timeline in timelines)
    assert timelines[0][-1] == (20, [("other", 1), ("seen", 3)])  # version 3 stands although 2 comes later in time


def test_a_version_takes_effect_at_its_time() -> None:
    """Before the time the former version decides, from it on the new one, and the action names its version."""
    shop = Shop(RuleSet([seen(99)]))
    book = RuleBook([seen(99)])
    book.add(seen(2, version=2), START + 10 * HOUR_MS)
    shop.engine.plan_rules(book.timeline())
    shop.does(1, Kind.PAGE).does(2, Kind.PAGE).does(3, Kind.PAGE)
    assert shop.told() == []
    shop.does(11, Kind.PAGE)
    assert [(action.rule_version, action.entered) for action in shop.actions] == [(2, True)]


def test_a_version_that_comes_late_holds_at_once() -> None:
    """A version whose time has passed is used from the next event on, once, however often it is told."""
    shop = Shop(RuleSet([seen(99)])).does(20, Kind.PAGE).does(21, Kind.PAGE)
    book = RuleBook([seen(99)])
    book.add(seen(2, version=2), START + 10 * HOUR_MS)
    for _ in range(3):
        shop.engine.plan_rules(book.timeline())
    shop.does(22, Kind.PAGE).does(23, Kind.PAGE)
    assert [action.time_ms for action in shop.actions] == [START + 22 * HOUR_MS]


def test_who_is_in_a_list_stays_in_it_when_rules_change() -> None:
    """A new version or another rule does not tell of entering anew, also across a restart."""
    shop = Shop(RuleSet([seen(1)])).does(0, Kind.PAGE)
    book = RuleBook([seen(1), seen(50, name="a-first-by-name")])
    book.add(seen(2, version=2), START + HOUR_MS)
    shop.engine.plan_rules(book.timeline())
    shop.does(2, Kind.PAGE)
    again = shop.restarted()
    again.engine.plan_rules(book.timeline())
    again.does(3, Kind.PAGE)
    assert [action.rule for action in shop.actions] == ["seen"]
    assert again.actions == []


def test_a_rule_without_a_ring_is_refused_and_the_plan_stays() -> None:
    """A version that counts what no ring is kept of changes nothing."""
    shop = Shop(RuleSet([seen(1)]))
    bad = Rule(name="seen", version=2, sentence="Searches.", enter="count(searched, days=3) >= 1")
    book = RuleBook([seen(1)])
    book.add(bad, START)
    with pytest.raises(ValueError, match="no ring"):
        shop.engine.plan_rules(book.timeline())
    assert shop.does(1, Kind.PAGE).told() == [("seen", "ann", "entered", "")]


def test_purchases_go_with_the_rule_that_asks_for_them() -> None:
    """Of two rules whose lists are entered at one point, one carries what was bought last."""
    asks = replace(seen(1, name="asks"), carries=(Carry.PURCHASES,))
    shop = Shop(RuleSet([asks, seen(1, name="does-not")]))
    shop.does(0, Kind.ORDER_COMPLETED, order="A", item="lamp").does(1, Kind.PAGE)
    told = {action.rule: [each.name for each in action.carried.noted.purchases] for action in shop.actions}
    assert told == {"asks": ["lamp"], "does-not": []}


def lately(minutes: int, version: int = 1) -> Rule:
    """A rule for who was seen in the last minutes: time alone ends it."""
    return Rule(name="seen", version=version, sentence="Seen lately.", enter=f"minutes_since(page) < {minutes}")


def test_a_version_is_not_asked_about_the_time_before_it() -> None:
    """A tick that only the new version asks for, and that was over when its time came, does not come after all."""
    shop = Shop(RuleSet([lately(60)])).does(0, Kind.PAGE).until(0.5)
    book = RuleBook([lately(60)])
    book.add(lately(10, version=2), START + HOUR_MS // 2)
    shop.engine.plan_rules(book.timeline())
    shop.until(1).does(2, Kind.PAGE, "bob")
    assert [(a.row, a.entered, a.rule_version) for a in shop.actions] == [(0, True, 1), (1, True, 2)]


def test_a_restart_does_not_ask_the_version_that_was_replaced() -> None:
    """The rules of the start decide nothing after a restart if another version has been in force for long."""
    book = RuleBook([lately(10)])
    book.add(lately(60, version=2), START)
    shop = Shop(RuleSet([lately(10)])).does(0, Kind.PAGE, "bob")
    shop.engine.plan_rules(book.timeline())
    shop.does(0.1, Kind.PAGE).until(0.5)
    again = shop.restarted()
    again.engine.plan_rules(book.timeline())
    again.until(2)
    assert [(a.row, a.rule_version, (a.time_ms - START) / HOUR_MS) for a in again.actions] == [(0, 2, 1.0), (1, 2, 1.1)]


def test_what_has_its_time_can_be_used_before_the_next_run() -> None:
    """Whoever asks after a restart which rules and which model are in force is not told those of the start."""
    shop = Shop(RuleSet([seen(1)])).does(1, Kind.PAGE)
    book = RuleBook([seen(1)])
    book.add(seen(2, version=2), START)
    shop.engine.plan_rules(book.timeline())
    shop.engine.versions.swap(snapshot(version=7))
    shop.engine.versions.swap(snapshot(version=8, effective_h=5.0))
    shop.engine.catch_up()
    assert [rule.version for rule in shop.engine.versions.rules.rules] == [2]
    assert shop.engine.versions.model.version == 7


def said(*news: News, place: str = "", plan: str = "") -> Detail:
    return Detail(news=news, where=Where(city=place) if place else None, traits={"plan": plan} if plan else {})


TOLD = {
    "where they are": (
        Rule(name="new", sentence="New.", enter="total(any) >= 4", cities=("berlin",)),
        said(place="berlin"),
    ),
    "traits": (Rule(name="new", sentence="New.", enter="total(any) >= 4", traits={"plan": ("pro",)}), said(plan="pro")),
    "names": (Rule(name="new", sentence="New.", enter="total(any) >= 4", carries=("name",)), said(Name("Ann"))),
    "networks": (Rule(name="new", sentence="New.", enter="total(any) >= 4", carries=("opinions",)), said(Network("x"))),
    "usual gaps": (
        Rule(name="new", sentence="New.", enter="days_overdue >= 0", for_each=ForEach.PRODUCT),
        Detail("A", (CartItem("tea", 1.0, 10.0),)),
    ),
}


@pytest.mark.parametrize("what", TOLD)
@pytest.mark.parametrize("hour", [9.0, 10.5])
@pytest.mark.parametrize("other", [8.0, 10.3])
def test_what_a_version_asks_for_is_kept_from_its_time_on_in_any_cut(what: str, hour: float, other: float) -> None:
    """Said before, it is not known, and said after, it is, also where both lie in one run of events."""
    new, detail = TOLD[what]
    book = RuleBook([seen(99)])
    book.add(new, START + int(10.25 * HOUR_MS))
    kind = Kind.ORDER_COMPLETED if detail.object_id else Kind.IDENTIFY
    done = sorted(
        [(1.0, 0, Kind.PAGE), (other, 1, Kind.PAGE), (hour, 0, kind), (12.0, 0, Kind.PAGE), (13.0, 0, Kind.PAGE)]
    )
    events = Events.blank(len(done))
    events.time_ms[:] = events.received_ms[:] = [START + int(at * HOUR_MS) for at, _, _ in done]
    events.row[:], events.kind[:] = [row for _, row, _ in done], [kind for _, _, kind in done]
    events.source[:], events.offset[:] = Source.CUSTOMERS, np.arange(len(done))
    events.message[:] = np.arange(len(done))
    place = [at for at, _, _ in done].index(hour)

    def told(*edges: int) -> tuple[list[object], list[object]]:
        shop = Shop(RuleSet([seen(99)]), EngineSettings(FULL))
        shop.engine.versions.swap_shop(known_shop(1, 0, {"tea": Known(5.0, gap_days=2.0)}))
        shop.engine.plan_rules(book.timeline())
        for customer in (b"ann", b"bob"):
            shop.engine.profiles.row(customer)
        for start, stop in itertools.pairwise((0, *edges, len(done))):
            run = Events._make(column[start:stop].copy() for column in events)
            shop._keep(shop.engine.apply(run, {place - start: detail} if start <= place < stop else {}))
        shop.until(4 * 24)
        return [(a.time_ms, a.rule, a.object, a.carried.noted) for a in shop.actions], list(shop.engine.changes())

    whole = told()
    assert told(1, 2, 3, 4) == whole
    assert told(place) == told(place + 1) == told(4) == whole
    entered, noted = [one[1] for one in whole[0]], [one[3] for one in whole[0]]
    if what in ("names", "networks"):
        assert entered == ["new"]
        assert (noted == [Noted()]) == (hour < 10.25)
    else:
        assert entered == ([] if hour < 10.25 else ["new"])
