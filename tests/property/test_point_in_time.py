"""Nothing knows its future: scores, actions, examples; and a list is entered and left in turns."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from strategies.engines import HORIZON_MS, Told, feed, let_pass, new_engine
from strategies.event_streams import CUSTOMERS, DAY_MS, HOUR_MS, START_MS, after, each_told_once, streams

from scoring.engine import Engine
from scoring.gates import Gates, Verdict
from scoring.gates.channel import Channel
from scoring.kernel import Events
from scoring.kinds import Kind
from scoring.model import Snapshot
from scoring.outcome import Outcome
from scoring.sides import Detail
from scoring.twin import Event


def told_until(events: list[Event], time_ms: int, kind: type[Engine] = Engine) -> Told:
    """What one run over the events tells of the time up to `time_ms`."""
    told = feed(new_engine(kind=kind), events)
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


class Foresighted(Engine):
    """A broken engine: it lives through the time up to a run's last event before it applies the first."""

    def apply(self, events: Events, details: dict[int, Detail]) -> Outcome:
        """Let time pass first."""
        early = self.advance(int(events.time_ms.max()), int(events.received_ms.max()))
        outcome = super().apply(events, details)
        return Outcome(
            early.scores + outcome.scores, early.actions + outcome.actions, early.examples + outcome.examples
        )


def test_an_engine_that_knows_the_future_is_found() -> None:
    """The same check fails where a run's later events let its earlier ones be told otherwise."""

    @settings(max_examples=60, database=None, phases=[Phase.generate])
    @given(past=streams(), future=streams(most=15))
    def broken(past: list[Event], future: list[Event]) -> None:
        now = max(event.time_ms for event in past)
        assert told_until(past + after(future, past), now, Foresighted) == told_until(past, now, Foresighted)

    with pytest.raises((AssertionError, ExceptionGroup)):
        broken()


Change = Callable[[tuple[Any, ...]], tuple[Any, ...]]


def labels_told(events: list[Event], change: Change = lambda example: example) -> set[bool]:
    """Feed one event after the other, and hold each example that comes out against the orders before it; all labels."""
    engine = new_engine()
    orders: dict[str, list[int]] = defaultdict(list)
    seen: set[str] = set()
    labels: set[bool] = set()
    newest = 0
    for event in events:
        newest = max(newest, event.time_ms)
        for made_ms, resolved_ms, customer, label, name, *_ in map(change, feed(engine, [event]).examples):
            assert made_ms + HORIZON_MS <= resolved_ms <= newest
            assert label == any(made_ms < order_ms <= made_ms + HORIZON_MS for order_ms in orders[customer])
            assert name not in seen
            seen.add(name)
            labels.add(label)
        if event.kind == Kind.ORDER_COMPLETED:
            orders[event.customer.decode()].append(event.time_ms)
    return labels


@settings(max_examples=60)
@given(events=streams())
def test_an_example_waits_for_its_whole_horizon(events: list[Event]) -> None:
    """One made at t comes out at t + H or later, once, and its label is whether there was an order in between."""
    labels_told(each_told_once(events))


@st.composite
def shoppers(draw: st.DrawFn) -> list[Event]:
    """Visits and orders of two customers, hours apart, of which some come late: some horizons have an order."""
    events, now_ms = [], START_MS
    for number in range(draw(st.integers(20, 40))):
        now_ms += draw(st.integers(8, 24)) * HOUR_MS + draw(st.integers(0, 5_000))
        source = draw(st.sampled_from((0, 0, 0, 1)))
        at_ms = now_ms - draw(st.sampled_from((0, 0, HOUR_MS)))
        events.append(
            Event(draw(st.sampled_from(CUSTOMERS[:2])), at_ms, int((Kind.PAGE, Kind.ORDER_COMPLETED)[source]), source,
                  number, number + 1, number + 1, 9.5 * source, 1.0, 1.0, received_ms=now_ms)
        )  # fmt: skip
    return events


def labels_of_shoppers(change: Change = lambda example: example) -> set[bool]:
    """All labels that were told over some generated histories, each held against the orders."""
    labels: set[bool] = set()

    @settings(max_examples=30, database=None, phases=[Phase.generate])
    @given(events=shoppers())
    def told(events: list[Event]) -> None:
        labels.update(labels_told(events, change))

    told()
    return labels


def test_a_label_says_whether_there_was_an_order() -> None:
    """Of customers who buy every few days there are examples of both kinds, and each is what its horizon says."""
    assert labels_of_shoppers() == {True, False}


@pytest.mark.parametrize(
    "change",
    [
        lambda example: (example[0], example[1] - 1, *example[2:]),
        lambda example: (*example[:3], False, *example[4:]),
        lambda example: (*example[:3], True, *example[4:]),
    ],
    ids=["early", "never-bought", "always-bought"],
)
def test_an_example_that_is_told_wrong_is_found(change: Change) -> None:
    """The check fails for examples that come a millisecond early, or have one label whatever was ordered."""
    with pytest.raises((AssertionError, ExceptionGroup)):
        labels_of_shoppers(change)


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
