"""However a partition's input is cut into runs, outputs and state are the same to the byte."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from strategies.engines import RULES, Told, feed, held, let_pass, new_engine, restored
from strategies.event_streams import CUSTOMERS, DAY_MS, HOUR_MS, START_MS, streams

from scoring import room as room_module
from scoring import running as running_module
from scoring import state as state_module
from scoring.engine import Engine
from scoring.forgetting import Forgotten
from scoring.kernel import Events
from scoring.kinds import Kind, Source
from scoring.moved import id_of
from scoring.outcome import Outcome
from scoring.queue import new_heap
from scoring.rules import RuleSet
from scoring.rules.book import ALWAYS
from scoring.sides import Detail
from scoring.twin import Event

CUTS = st.lists(st.integers(0, 40), max_size=8)


def told_in_runs(
    events: list[Event],
    cuts: list[int],
    kind: type[Engine] = Engine,
    piece: int = 0,
    timeline: Sequence[tuple[int, RuleSet]] = (),
) -> tuple[Told, dict[bytes, bytes]]:
    """What is told, and held at the end, when the input is cut at `cuts`; two quiet days come after it, in pieces."""
    engine, told, rows = new_engine(kind=kind), Told(), {}
    if timeline:
        engine.plan_rules(timeline)
    edges = sorted({0, *(cut for cut in cuts if cut < len(events)), len(events)})
    for start, end in pairwise(edges):
        feed(engine, events[start:end], told)
        rows = held(engine, rows)
    let_pass(engine, max(event.time_ms for event in events) + 2 * DAY_MS, told, piece)
    return told, held(engine, rows)


@settings(max_examples=100)
@given(events=streams(), cuts=CUTS, piece=st.integers(1, 3))
def test_cuts_change_nothing(events: list[Event], cuts: list[int], piece: int) -> None:
    """One run, and the same input in any pieces: the same scores, actions, examples and changelog, to the byte.

    So it is with the ticks of quiet time.
    """
    whole, whole_rows = told_in_runs(events, [])
    pieces, pieces_rows = told_in_runs(events, cuts, piece=piece)
    assert pieces.scores == whole.scores
    assert pieces.actions == whole.actions
    assert pieces.examples == whole.examples
    assert pieces.content == whole.content
    assert pieces_rows == whole_rows


@settings(max_examples=25)
@given(
    events=streams(least=4),
    cuts=CUTS,
    gone=st.lists(st.tuples(st.integers(1, 30), st.sampled_from(CUSTOMERS)), min_size=1, max_size=3),
)
def test_cuts_change_nothing_where_customers_are_forgotten(
    events: list[Event], cuts: list[int], gone: list[tuple[int, bytes]]
) -> None:
    """Whoever is forgotten between two events is forgotten alike in any cut; no key of theirs is left at once."""
    whole = forgotten_in_runs(events, [], gone)
    assert forgotten_in_runs(events, cuts, gone) == whole


@st.composite
def timelines(draw: st.DrawFn) -> list[tuple[int, RuleSet]]:
    """Other rules from two to four times on: some of all, in their versions or paused ones."""
    times = draw(st.lists(st.integers(0, 10 * 24), min_size=1, max_size=3, unique=True))
    found = [(ALWAYS, RULES)]
    for hour in sorted(times):
        kept = draw(st.lists(st.sampled_from(RULES.rules), max_size=len(RULES.rules), unique_by=lambda rule: rule.name))
        pausing = draw(st.booleans())
        changed = [replace(rule, version=rule.version + 1, paused=True) if pausing else rule for rule in kept]
        found.append((START_MS + hour * HOUR_MS, RuleSet(sorted(changed, key=lambda rule: rule.name))))
    return found


@settings(max_examples=40)
@given(events=streams(least=4), cuts=CUTS, timeline=timelines())
def test_cuts_change_nothing_where_rules_change(
    events: list[Event], cuts: list[int], timeline: list[tuple[int, RuleSet]]
) -> None:
    """A version that takes effect amid a run of events holds from its time on, as where the run ends there."""
    whole = told_in_runs(events, [], timeline=timeline)
    assert told_in_runs(events, cuts, timeline=timeline) == whole
    assert told_in_runs(events, list(range(len(events))), timeline=timeline) == whole


def test_a_row_copied_after_a_piece_of_a_tick_is_written_as_it_is_at_last() -> None:
    """What changes it before the commit is in it, and of whoever is forgotten before it nothing is."""
    customer, other = CUSTOMERS[:2]
    viewed = Event(customer, START_MS, Kind.PRODUCT_VIEWED, source=0, offset=0, message=1, product=1)
    engine, told = new_engine(), Told()
    feed(engine, [viewed, viewed._replace(customer=other, offset=1, message=2)], told)
    let_pass(engine, START_MS + 2 * DAY_MS, told, piece=1)
    feed(engine, [viewed._replace(time_ms=START_MS + 2 * DAY_MS, offset=2, message=3)], told)
    engine.forgetting.forget(other, "r", (int(Source.DELETIONS), 0), START_MS + 2 * DAY_MS, [3] * 3)
    rows = held(engine)
    assert rows[b"c" + customer] == engine.profiles.stored(np.array([engine.profiles.find(customer)]))[0]
    assert {id_of(key) for key in rows} & {customer, other} == {customer}


def forgotten_in_runs(
    events: list[Event], cuts: list[int], gone: list[tuple[int, bytes]]
) -> tuple[Told, list[Forgotten], dict[bytes, bytes]]:
    """What is told, forgotten and held when customers are forgotten after so many events each."""
    engine, told, rows, done = new_engine(), Told(), {}, []
    at = [(min(place, len(events)), customer) for place, customer in gone]
    edges = sorted({0, len(events), *(cut for cut in cuts if cut < len(events)), *(place for place, _ in at)})
    for start, end in pairwise(edges):
        feed(engine, events[start:end], told)
        for n, (place, customer) in enumerate(at):
            if place == end:
                found = engine.forgetting.forget(
                    customer, f"r{n}", (int(Source.DELETIONS), n), events[end - 1].time_ms, [end] * 3
                )
                rows = held(engine, rows)
                assert not {id_of(key) for key in rows} & {*found.ids, customer}
                done.append(found)
        rows = held(engine, rows)
    let_pass(engine, max(event.time_ms for event in events) + 2 * DAY_MS, told)
    return told, done, held(engine, rows)


def _of_order(kind: Kind, offset: int) -> Event:
    """Something that is told of an order, of which it is the only one."""
    return Event(b"customer-1", START_MS, kind, source=1, offset=offset, message=offset, product=1, value=9.5)


@settings(max_examples=70)
@given(events=streams(), cuts=CUTS)
@example(events=[_of_order(Kind.RETURN_REQUESTED, 0), _of_order(Kind.ORDER_COMPLETED, 1)], cuts=[])
def test_event_by_event_is_the_same(events: list[Event], cuts: list[int]) -> None:
    """A run an event tells and holds the same as any other pieces."""
    single, single_rows = told_in_runs(events, list(range(len(events))))
    pieces, pieces_rows = told_in_runs(events, cuts)
    assert (single, single_rows) == (pieces, pieces_rows)


def assert_continues(events: list[Event], commit: int, stop: int, kind: type[Engine] = Engine) -> None:
    """Stored after `commit` and after `stop` events, loaded into a new engine: both go on alike to the end."""
    until = max(event.time_ms for event in events) + 2 * DAY_MS
    first = new_engine(kind=kind)
    feed(first, events[:commit])
    rows = held(first)
    if commit < stop:
        feed(first, events[commit:stop])
        rows = held(first, rows)
    second = restored(rows)

    told_first = let_pass(first, until, feed(first, events[stop:]))
    told_second = let_pass(second, until, feed(second, events[stop:]))
    assert told_second == told_first
    assert held(second, rows) == held(first, rows)


@settings(max_examples=100)
@given(events=streams(least=2), data=st.data())
def test_restored_continues_as_if_never_stopped(events: list[Event], data: st.DataObject) -> None:
    """Stop anywhere, load what was stored into a new engine, go on: it tells and holds what the first one does.

    The model that was in force is given to the new engine, as a worker does at start.
    """
    stop = data.draw(st.integers(1, len(events) - 1))
    assert_continues(events, data.draw(st.integers(1, stop)), stop)


@settings(max_examples=70)
@given(events=streams(least=2), data=st.data())
def test_records_read_again_change_nothing(events: list[Event], data: st.DataObject) -> None:
    """After a crash the records since any earlier offset are read again: nothing is told twice, no row is changed."""
    stop = data.draw(st.integers(1, len(events)))
    again = data.draw(st.integers(0, stop - 1))
    engine = new_engine()
    feed(engine, events[:stop])
    rows = held(engine)
    told = feed(engine, events[again:stop])
    after = held(engine, rows)
    assert told == Told()
    assert {key: value for key, value in after.items() if key != b"m"} == {
        key: value for key, value in rows.items() if key != b"m"
    }


class Hasty(Engine):
    """A broken engine: it lets time pass to the last event of a run before it applies the first."""

    def apply(self, events: Events, details: dict[int, Detail]) -> Outcome:
        """Let time pass first."""
        early = self.advance(int(events.time_ms.max()), int(events.received_ms.max()))
        outcome = super().apply(events, details)
        return Outcome(
            early.scores + outcome.scores, early.actions + outcome.actions, early.examples + outcome.examples
        )


class Forgetful(Engine):
    """A broken engine: what it stores lacks the side records."""

    def changes(self) -> list[tuple[bytes, bytes | None]]:
        """All but the side records."""
        return [(key, value) for key, value in super().changes() if key[:1] != b"s"]


def test_an_engine_that_looks_ahead_is_found() -> None:
    """The check of cuts fails for an engine that lets a run's last event act on its first."""

    @settings(max_examples=100, database=None, phases=[Phase.generate])
    @given(events=streams(least=4), cuts=CUTS)
    def broken(events: list[Event], cuts: list[int]) -> None:
        assert told_in_runs(events, [], Hasty) == told_in_runs(events, cuts, Hasty)

    with pytest.raises((AssertionError, ExceptionGroup)):
        broken()


def test_an_engine_that_stores_too_little_is_found() -> None:
    """The check of restoring fails for an engine whose changelog lacks the side records."""

    @settings(max_examples=100, database=None, phases=[Phase.generate])
    @given(events=streams(least=4))
    def broken(events: list[Event]) -> None:
        assert_continues(events, len(events) // 2, len(events) // 2, Forgetful)

    with pytest.raises((AssertionError, ExceptionGroup)):
        broken()


@settings(max_examples=60)
@given(events=streams(), cuts=CUTS)
def test_room_changes_nothing(events: list[Event], cuts: list[int]) -> None:
    """Little room for points and for what is due only means that the kernel returns more often."""
    roomy = told_in_runs(events, cuts)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(room_module, "ROOM", 16)
        for module in (running_module, state_module):
            patched.setattr(module, "new_heap", lambda _: new_heap(8))
        tight = told_in_runs(events, cuts)
    assert tight == roomy
