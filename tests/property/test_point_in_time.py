"""Nothing knows its future: scores, actions, examples; and a list is entered and left in turns."""

from collections import defaultdict

import pytest
from hypothesis import Phase, given, settings
from strategies.engines import HORIZON_MS, Told, feed, let_pass, new_engine
from strategies.event_streams import DAY_MS, after, each_told_once, streams

from scoring.gates import Gates, Verdict
from scoring.gates.channel import Channel
from scoring.kinds import Kind
from scoring.model import Snapshot
from scoring.twin import Event


def told_until(events: list[Event], time_ms: int) -> Told:
    """What one run over the events tells of the time up to `time_ms`."""
    told = feed(new_engine(), events)
    return Told(
        [score for score in told.scores if score[0] <= time_ms],
        [action for action in told.actions if action[0] <= time_ms],
        [example for example in told.examples if example[1] <= time_ms],
    )


@settings(max_examples=60)
@given(past=streams(), one=streams(most=15), other=streams(most=15))
def test_the_future_leaves_no_trace_in_the_past(past: list[Event], one: list[Event], other: list[Event]) -> None:
    """Other events after t, in the same run: what is told up to t stays the same to the byte."""
    now = max(event.time_ms for event in past)
    first, second = told_until(past + after(one, past), now), told_until(past + after(other, past), now)
    assert first == second
    assert first == told_until(past, now)


@settings(max_examples=60)
@given(events=streams())
def test_an_example_waits_for_its_whole_horizon(events: list[Event]) -> None:
    """One made at t comes out at t + H or later, once, and its label is whether there was an order in between."""
    engine = new_engine()
    orders: dict[str, list[int]] = defaultdict(list)
    seen: set[str] = set()
    newest = 0
    for event in each_told_once(events):
        newest = max(newest, event.time_ms)
        told = feed(engine, [event])
        for made_ms, resolved_ms, customer, label, name, *_ in told.examples:
            assert made_ms + HORIZON_MS <= resolved_ms <= newest
            assert label == any(made_ms < order_ms <= made_ms + HORIZON_MS for order_ms in orders[customer])
            assert name not in seen
            seen.add(name)
        if event.kind == Kind.ORDER_COMPLETED:
            orders[event.customer.decode()].append(event.time_ms)


@settings(max_examples=100)
@given(events=streams())
def test_lists_are_entered_and_left_in_turns(events: list[Event]) -> None:
    """Of each customer, rule and object the crossings are entered, left, entered …, numbered from 1."""
    engine = new_engine()
    told = let_pass(engine, max(event.time_ms for event in events) + 2 * DAY_MS, feed(engine, events))
    crossings = defaultdict(list)
    for _, customer, rule, thing, entered, number, *_ in told.actions:
        crossings[customer, rule, thing].append((entered, number))
    for turns in crossings.values():
        assert turns == [(number % 2 == 1, number) for number in range(1, len(turns) + 1)]


def sent_by_score(events: list[Event], snapshots: list[Snapshot]) -> list[tuple[object, ...]]:
    """Entries of the list by probability that were published."""
    engine = new_engine(snapshots)
    told = let_pass(engine, max(event.time_ms for event in events) + 2 * DAY_MS, feed(engine, events))
    return [action for action in told.actions if action[2] == "likely" and action[4] and not action[6]]


@settings(max_examples=60)
@given(events=streams())
def test_no_score_rule_fires_while_warming_up(events: list[Event]) -> None:
    """Until a model has learned enough, a rule that reads the score publishes nothing, whatever the score is."""
    assert sent_by_score(events, []) == []


def test_an_open_gate_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same check fails where the gates are taken away."""
    monkeypatch.setattr(Gates, "judge", lambda *_: Verdict((), Channel.EMAIL, False, None, None))

    @settings(max_examples=60, database=None, phases=[Phase.generate])
    @given(events=streams(least=3))
    def broken(events: list[Event]) -> None:
        assert sent_by_score(events, []) == []

    with pytest.raises((AssertionError, ExceptionGroup)):
        broken()
