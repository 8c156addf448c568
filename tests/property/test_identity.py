"""Customers who turn out to be one: whatever comes when, what is kept is that of one customer from the start."""

from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from property.test_batch_invariance import CUTS, assert_continues, told_in_runs
from property.test_crash import assert_no_harm
from strategies.engines import feed, held, new_engine
from strategies.event_streams import CUSTOMERS, each_told_once, streams

from scoring import state as state_module
from scoring import uniting as uniting_module
from scoring.engine import Engine
from scoring.kinds import Kind
from scoring.links import Links
from scoring.sides import Sides
from scoring.twin import Event

OF_ONE_CUSTOMER = {"layout", "hash", "message", "message_n", "inside", "score", "published_score", "published_ms",
                   "band", "now_ms", "rescore_ms", "example_ms", "pending_ms", "pending_n", "due_ms", "queued_ms",
                   "peak", "peak_ms", "guest_orders", "content", "content_n", "moment_ms", "moment_n",
                   "crowded_ms", "seen_lists"}  # fmt: skip
"""What depends on the id, on what was told, or on when time passed; all else of a row is compared."""


def owners(events: Iterable[Event]) -> dict[bytes, bytes]:
    """Who each customer is in the end, worked out plainly: a former id belongs to whoever claimed it first."""
    owner: dict[bytes, bytes] = {}

    def root(customer: bytes) -> bytes:
        while customer in owner:
            customer = owner[customer]
        return customer

    for event in events:
        if event.kind == Kind.ALIAS:
            former, claimed = CUSTOMERS[event.product - 1], root(event.customer)
            if former not in owner and former != claimed:
                owner[former] = claimed
    return {customer: root(customer) for customer in CUSTOMERS}


def as_one(events: Sequence[Event]) -> list[Event]:
    """The same events, each under who its customer is in the end, and nobody told to be another."""
    last = owners(events)
    return [
        event._replace(customer=last[event.customer], product=CUSTOMERS.index(last[event.customer]) + 1)
        if event.kind == Kind.ALIAS
        else event._replace(customer=last[event.customer])
        for event in events
    ]


def assert_same_customers(engine: Engine, plain: Engine) -> None:
    """Everybody of one engine has the row that they have in the other; sums that decay to a relative 1e-9."""
    for customer, row in plain.profiles.index.items():
        wanted = plain.profiles.rows[row]
        found = engine.profiles.rows[engine.profiles.index[customer]]
        for name in wanted.dtype.names:
            if name not in OF_ONE_CUSTOMER:
                np.testing.assert_allclose(
                    found[name].astype(float), wanted[name].astype(float), rtol=1e-9, atol=1e-12, err_msg=name
                )
        assert engine.sides.find(row=engine.profiles.index[customer]) is not None or plain.sides.find(row) is None


@settings(max_examples=60)
@given(events=streams(aliases=True, least=2), cuts=CUTS)
def test_two_become_one(events: list[Event], cuts: list[int]) -> None:
    """Aliases anywhere among the events, in chains, in circles, again: the state is that of one customer throughout."""
    events = each_told_once(events)
    engine, plain = new_engine(), new_engine()
    for event in events:
        feed(engine, [event])
    feed(plain, as_one(events))
    assert_same_customers(engine, plain)
    assert engine.counts.total() == len(events)
    held(engine)
    assert len({engine.profiles.find(customer) for customer in CUSTOMERS}) <= len(set(owners(events).values())) + 1


@settings(max_examples=30)
@given(events=streams(aliases=True), cuts=CUTS)
def test_cuts_change_nothing(events: list[Event], cuts: list[int]) -> None:
    """Where a run is cut, before an alias or behind it, changes neither what is told nor what is kept."""
    whole, whole_rows = told_in_runs(events, [])
    pieces, pieces_rows = told_in_runs(events, cuts)
    assert (pieces.scores, pieces.actions, pieces.examples) == (whole.scores, whole.actions, whole.examples)
    assert pieces_rows == whole_rows


@settings(max_examples=30)
@given(events=streams(aliases=True, least=2), data=st.data())
def test_restored_continues_as_if_never_stopped(events: list[Event], data: st.DataObject) -> None:
    """A new engine with what was stored knows who is who, and goes on alike."""
    stop = data.draw(st.integers(1, len(events) - 1))
    assert_continues(events, data.draw(st.integers(1, stop)), stop)


@settings(max_examples=60, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(events=streams(aliases=True, least=3), data=st.data())
def test_half_a_commit_does_no_harm(events: list[Event], data: st.DataObject) -> None:
    """A crash between the rows of one commit, those of the customer who is no more among them, counts nothing twice."""
    commit = data.draw(st.integers(1, len(events) - 1))
    crash = data.draw(st.integers(commit + 1, len(events)))
    assert_no_harm(events, commit, crash, data.draw(st.integers(0, 16)))


def assert_found(check: str, monkeypatch: pytest.MonkeyPatch, **planted: object) -> None:
    """The check fails once the engine's parts are replaced by broken ones."""

    @settings(max_examples=1_000, database=None, phases=[Phase.generate])
    @given(events=streams(aliases=True, least=8, customers=CUSTOMERS[:3]))
    def broken(events: list[Event]) -> None:
        if check == "state":
            test_two_become_one.hypothesis.inner_test(events, [])
        else:
            assert_no_harm(events, 1, len(events), 4)

    for name, part in planted.items():
        monkeypatch.setattr(uniting_module if name == "absorb" else state_module, name, part)
    with pytest.raises((AssertionError, ExceptionGroup)):
        broken()


class Strangers(Links):
    """Later events of a former id are still its own."""

    def link(self, former: bytes, row: int) -> None:
        """Keep the link, and look nobody up by it."""
        self.owner[former] = self._profiles.keys[row]
        self._profiles.index.pop(former, None)


class Forgetful(Sides):
    """What was taken in of another's side record is not known by its cause."""

    def holds(self, row: int, source: int, offset: int) -> bool:
        """Never."""
        return False


@pytest.mark.parametrize(
    ("check", "planted"),
    [
        ("state", {"absorb": lambda *_: None}),
        ("state", {"Links": Strangers}),
        ("crash", {"Sides": Forgetful}),
    ],
)
def test_a_mistake_is_found(check: str, planted: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that is not taken in, a former id that goes on by itself, a side record taken in twice."""
    assert_found(check, monkeypatch, **planted)
