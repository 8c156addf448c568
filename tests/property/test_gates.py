"""Whatever happens: nobody is contacted without consent or too often, and every crossing is told or withheld."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from strategies.engines import GATES, SETTINGS, Told, feed, let_pass, new_engine, news_of
from strategies.event_streams import CUSTOMERS, DAY_MS, each_told_once, streams

from scoring.engine import EngineSettings
from scoring.gates import Gates
from scoring.gates import gates as gates_module
from scoring.gates.channel import Channel, Purpose
from scoring.gates.holdout import held_out
from scoring.gates.news import Consent, Contacted
from scoring.gates.standing import Standing
from scoring.kinds import Kind
from scoring.outcome import Outcome
from scoring.profile import FAR
from scoring.rules.rule import ActionClass
from scoring.sides import Sides
from scoring.trials import ALL
from scoring.twin import Event

ASKING = replace(SETTINGS, max_action_age_ms=None, gates=replace(GATES, consent_unknown=False))
FREE = replace(SETTINGS, max_action_age_ms=None, gates=replace(GATES, holdout_global=0.0, holdout_rule=0.0))


class Kept(Told):
    """Keeps outcomes as they are."""

    def add(self, outcome: Outcome, engine: Any, events: Any) -> None:
        """Append the marketing that was published of an outcome: customer and action of each entry."""
        keys = engine.profiles.keys
        published = (action for action in outcome.actions if action.entered and not action.withheld)
        entries = (action for action in published if action.action_class == ActionClass.MARKETING)
        self.actions += [(keys[action.row].decode(), action) for action in entries]


class Entered(Told):
    """Keeps the marketing of all entries, published or not."""

    def add(self, outcome: Outcome, engine: Any, events: Any) -> None:
        """Append customer and action of each."""
        entered = (one for one in outcome.actions if one.entered and one.action_class == ActionClass.MARKETING)
        self.actions += [(engine.profiles.keys[one.row], one) for one in entered]


def steps(events: list[Event], engine_settings: EngineSettings) -> Iterator[tuple[Event | None, list[tuple[Any, ...]]]]:
    """What is published at each event, and in two quiet days (None) at the end."""
    engine = new_engine(settings=engine_settings)
    for event in events:
        yield event, feed(engine, [event], Kept()).actions
    yield None, let_pass(engine, max(event.time_ms for event in events) + 2 * DAY_MS, Kept()).actions


def told_of(events: list[Event], pieces: int) -> Told:
    """What is told when the events come in runs of so many; two quiet days come after them."""
    engine, told = new_engine(), Told()
    for start in range(0, len(events), pieces):
        feed(engine, events[start : start + pieces], told)
    return let_pass(engine, max(event.time_ms for event in events) + 2 * DAY_MS, told)


def assert_consented(events: list[Event]) -> None:
    """Each action that is published goes where the last word was a yes."""
    said: dict[tuple[str, Channel], tuple[int, bool]] = {}
    for event, published in steps(each_told_once(events), ASKING):
        told = event.customer.decode() if event is not None and event.source == 2 else None
        for customer, action in published:
            # A tick that this event's customer was due for came before it: it did not hear what the event says.
            if customer != told:
                refused = said.get((customer, Channel[action.channel.upper()]), (0, True))[1]
                assert not refused, (customer, action)
        for news in news_of(event) if event is not None and told is not None else ():
            if isinstance(news, Consent) and event is not None and told is not None:
                word = (event.time_ms, not news.granted)
                said[told, news.channel] = max(said.get((told, news.channel), word), word)


@settings(max_examples=100)
@given(events=streams())
def test_no_action_without_consent(events: list[Event]) -> None:
    """Who never said yes on a channel, or took it back, gets no marketing there."""
    assert_consented(events)


def assert_capped(events: list[Event]) -> None:
    """In any window that ends with an action there are no more contacts than the cap has, that action included."""
    cap = FREE.gates.marketing
    assert cap.count is not None
    contacts: dict[str, list[int]] = defaultdict(list)
    for event, published in steps(each_told_once(events), FREE):
        for customer, action in published:
            window = [ms for ms in contacts[customer] if action.time_ms - cap.window_ms < ms]
            assert len(window) < cap.count, (customer, action, window)
            contacts[customer].append(action.time_ms)
        for news in news_of(event) if event is not None and event.source == 2 else ():
            if isinstance(news, Contacted) and news.counts and event is not None:
                contacts[event.customer.decode()].append(event.time_ms)


@settings(max_examples=100)
@given(events=streams())
def test_never_more_than_the_cap_in_any_window(events: list[Event]) -> None:
    """However events come, no window holds more marketing actions than the cap."""
    assert_capped(events)


@settings(max_examples=100)
@given(events=streams(), pieces=st.integers(1, 40))
def test_published_and_withheld_are_all_crossings(events: list[Event], pieces: int) -> None:
    """Each crossing is told once, published or withheld, with known reasons in the order of the gates."""
    told = told_of(events, pieces)
    numbers = defaultdict(list)
    for _, customer, rule, thing, entered, number, withheld, *_ in told.actions:
        numbers[customer, rule, thing].append((number, entered))
        places = [gates_module.GATES.index(code) for code in withheld]
        assert places == sorted(set(places))
    for crossings in numbers.values():
        assert [number for number, _ in crossings] == list(range(1, len(crossings) + 1))
        assert all(entered != after for (_, entered), (_, after) in pairwise(crossings))


def marketing_of(engine_settings: EngineSettings, events: list[Event]) -> Iterator[tuple[Event | None, bool, Any]]:
    """Event by event, and after two quiet days (None): whether it was applied, who entered what; then the engine."""
    engine = new_engine(settings=engine_settings)
    for event in events:
        applied, found = engine.counts.applied, Entered()
        feed(engine, [event], found)
        yield event, engine.counts.applied > applied, found.actions
    yield None, True, let_pass(engine, max(event.time_ms for event in events) + 2 * DAY_MS, Entered()).actions
    yield None, True, engine


@settings(max_examples=60)
@given(events=streams())
def test_no_contact_is_kept_beyond_the_window(events: list[Event]) -> None:
    """Since a contact was first kept for a better moment, no moment later than the window passes by for that.

    A contact from elsewhere is that moment, too.
    """
    kept: dict[bytes, int] = {}
    for event, _, entered in list(marketing_of(FREE, each_told_once(events)))[:-1]:
        news = news_of(event) if event is not None and event.source == 2 else ()
        elsewhere = [event.customer for one in news if event is not None and isinstance(one, Contacted) and one.counts]
        for customer in elsewhere:
            kept.pop(customer, None)
        for customer, action in entered:
            since = kept.get(customer, action.time_ms)
            assert "budget" not in action.withheld or action.time_ms - since < FREE.gates.budget_ms
            if not action.withheld:
                kept.pop(customer, None)
            elif action.withheld == ("budget",) and customer not in elsewhere:
                kept.setdefault(customer, action.time_ms)


@settings(max_examples=60)
@given(events=streams())
def test_trials_are_those_of_a_plain_count(events: list[Event]) -> None:
    """Of each rule and of all: who could be contacted and who was held out, and who of them ordered in time."""
    begun: dict[tuple[bytes, str], tuple[int, bool]] = {}
    bought: set[tuple[bytes, str]] = set()
    *told, (_, _, engine) = marketing_of(SETTINGS, each_told_once(events))
    for event, applied, entered in told:
        for customer, action in entered:
            if action.withheld in ((), ("holdout",)):
                begun.setdefault((customer, ALL), (action.time_ms, action.control == "global"))
                if action.control != "global":
                    begun.setdefault((customer, action.rule), (action.time_ms, action.control == "rule"))
        if applied and event is not None and event.kind == Kind.ORDER_COMPLETED:
            spans = {each: at for each, (at, _) in begun.items() if each[0] == event.customer}
            bought |= {each for each, at in spans.items() if at < event.time_ms <= at + SETTINGS.layout.horizon_ms}
    plain: dict[str, list[int]] = {}
    for each, (_, held) in begun.items():
        counts = plain.setdefault(each[1], [0, 0, 0, 0])
        counts[2 * held] += 1
        counts[2 * held + 1] += each in bought
    assert engine.sides.trials.arms == plain


@settings(max_examples=60)
@given(events=streams())
def test_the_control_could_have_been_contacted(events: list[Event]) -> None:
    """Without the holdout, what is in a control is published; everything else stays as it is."""
    until = max(event.time_ms for event in events) + 2 * DAY_MS

    def entries(engine_settings: EngineSettings) -> dict[Any, tuple[str, ...]]:
        engine = new_engine(settings=engine_settings)
        told = let_pass(engine, until, feed(engine, events))
        return {action[:6]: action[6] for action in told.actions if action[4]}

    held, free = entries(replace(FREE, gates=GATES)), entries(FREE)
    assert held.keys() == free.keys()
    for crossing, withheld in held.items():
        assert tuple(code for code in withheld if code != "holdout") == free[crossing]


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_the_holdout_has_its_share_and_keeps_it(share: float) -> None:
    """Of twenty thousand customers about that share is held out, of each rule on its own, and always the same ones."""
    customers = [f"customer-{number}".encode() for number in range(20_000)]
    drawn = [[held_out(one, rule, 0.0, share, "") for one in customers] for rule in ("first", "second")]
    allowed = 5 * (share * (1 - share) / len(customers)) ** 0.5
    for each in drawn:
        assert abs(each.count("rule") / len(customers) - share) < allowed
    both = sum(a == b == "rule" for a, b in zip(*drawn, strict=True)) / len(customers)
    assert abs(both - share * share) < allowed
    everywhere = [held_out(one, "first", share, 0.0, "") for one in customers]
    assert abs(everywhere.count("global") / len(customers) - share) < allowed
    assert everywhere == [held_out(one, "other", share, 0.0, "") for one in customers]
    wider = [held_out(one, "first", 0.0, min(2 * share, 1.0), "") for one in customers]
    assert all(more for few, more in zip(drawn[0], wider, strict=True) if few)
    assert drawn[0] != [held_out(one, "first", 0.0, share, "salt") for one in customers]


def test_the_draw_stays_what_it_was() -> None:
    """The control of a running experiment must not change with a new version."""
    names = [f"customer-{number}".encode() for number in range(40)]
    assert [n for n, one in enumerate(names) if held_out(one, "win-back", 0.1, 0.1, "") == "global"] == [10, 16, 31, 39]
    assert [n for n, one in enumerate(names) if held_out(one, "win-back", 0.1, 0.1, "") == "rule"] == [17, 18, 21, 36]


def test_consent_that_is_not_asked_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check of consent fails where everybody is taken to have said yes."""
    monkeypatch.setattr(Standing, "consented", lambda _, channels, *__: channels)

    @settings(max_examples=60, database=None, phases=[Phase.generate])
    @given(events=streams(least=10))
    def broken(events: list[Event]) -> None:
        assert_consented(events)

    with pytest.raises((AssertionError, ExceptionGroup)):
        broken()


def test_a_cap_that_is_too_wide_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check of the cap fails where it only counts what is a day old."""

    def forgetful(self: Gates, time_ms: int, standing: Standing, purpose: Purpose) -> bool:
        return standing.contacts_since(time_ms - DAY_MS, purpose) < 2

    monkeypatch.setattr(Gates, "_may_contact", forgetful)

    @settings(max_examples=100, database=None, phases=[Phase.generate])
    @given(events=streams(least=20, customers=CUSTOMERS[:1]))
    def broken(events: list[Event]) -> None:
        assert_capped(events)

    with pytest.raises((AssertionError, ExceptionGroup)):
        broken()


def test_news_that_is_heard_early_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check of cuts fails where the gates hear at once what comes later in the same run."""
    right = Sides.standing_at
    monkeypatch.setattr(Sides, "standing_at", lambda self, row, _: right(self, row, FAR))

    @settings(max_examples=150, database=None, phases=[Phase.generate])
    @given(events=streams(least=10, customers=CUSTOMERS[:2]))
    def broken(events: list[Event]) -> None:
        assert told_of(events, 40).actions == told_of(events, 1).actions

    with pytest.raises((AssertionError, ExceptionGroup)):
        broken()
