"""Events of one customer within the window leave the same state in whatever order they come."""

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from msgspec import structs
from strategies.engines import HORIZON_MS, feed, new_engine
from strategies.event_streams import CUSTOMERS, DAY_MS, START_MS, each_told_once, streams

from scoring.engine import Engine
from scoring.gates import Standing
from scoring.kernel import Events
from scoring.kinds import Kind
from scoring.orders import S0, S1, S2
from scoring.outcome import Outcome
from scoring.side import cart_items
from scoring.sides import Detail
from scoring.twin import Event

ONE = CUSTOMERS[:1]
EXACT = ("first_ms", "last_ms", "last_kind", "total", "hours", "days", "visited", "busy", "cart_items", "cart_value",
         "view_n", "view_product", "view_ms", "page", "page_ms", "ring_n", "ring_ms", "ring_value",
         "ring_lines", "ring_quantity", "kth_ms", "fold_orders", "lately_ms", "told", "seen_n", "seen_product",
         "seen_category", "seen_ms")  # fmt: skip
CLOSE = ("behaviour", "cancels", "revenue", "refunded", "derived", "fold")


def in_order(events: list[Event], order: list[int], kind: type[Engine] = Engine) -> Engine:
    """An engine that was given the events in an order, offsets counted anew."""
    engine = new_engine(kind=kind)
    feed(engine, [events[number]._replace(offset=place) for place, number in enumerate(order)])
    assert engine.counts.applied == len(events)
    return engine


def assert_same_state(one: Engine, other: Engine) -> None:
    """Counts, firsts, lasts, rings and cart are exactly the same, decayed sums to a relative 1e-9."""
    row, same = one.profiles.rows[0], other.profiles.rows[0]
    for name in EXACT:
        np.testing.assert_array_equal(row[name], same[name], err_msg=name)
    for name in CLOSE:
        np.testing.assert_allclose(row[name], same[name], rtol=1e-9, atol=1e-12, err_msg=name)
    carts = [() if (side := engine.sides.find(0)) is None else side.cart for engine in (one, other)]
    assert cart_items(carts[0]) == cart_items(carts[1])
    assert objects(one) == objects(other)
    standings = [Standing() if (side := engine.sides.find(0)) is None else side.standing for engine in (one, other)]
    assert told_alike(standings[0]) == told_alike(standings[1])


def told_alike(standing: Standing) -> Standing:
    """The standing without what our own actions leave there: what was sent when does depend on the order."""
    return structs.replace(standing, contacts={}, trials={}, kept_ms=0)


def objects(engine: Engine) -> dict[tuple[str, str], object]:
    """What is known of the orders and products."""
    side = engine.sides.find(0)
    return {
        (of, name): (thing.events, thing.promised, thing.bought)
        for of in (() if side is None else side.open)
        for name, thing in side.things(of).items()
    }


@settings(max_examples=100)
@given(events=streams(customers=ONE, most=30), data=st.data())
def test_any_order_leaves_the_same_state(events: list[Event], data: st.DataObject) -> None:
    """Mixed events, orders among them, in two orders of arrival."""
    events = each_told_once(events)
    shuffled = data.draw(st.permutations(range(len(events))))
    assert_same_state(in_order(events, list(range(len(events)))), in_order(events, shuffled))


@st.composite
def baskets(draw: st.DrawFn, most: int) -> list[Event]:
    """Orders alone, many at the same moments and of the same worth."""
    moments = st.sampled_from((0, 1, DAY_MS // 2, DAY_MS, 5 * DAY_MS)) | st.integers(0, 20 * DAY_MS)
    worth = st.sampled_from((19.99, 0.1, 0.1 + 1e-10)) | st.integers(1, 90_000).map(lambda cents: cents / 100)
    return [
        Event(ONE[0], START_MS + draw(moments), int(Kind.ORDER_COMPLETED), 1, number, number + 1, number + 1,
              draw(worth), float(draw(st.integers(1, 3))), float(draw(st.integers(1, 3))))
        for number in range(draw(st.integers(2, most)))
    ]  # fmt: skip


@settings(max_examples=100)
@given(events=baskets(most=16), data=st.data())
def test_orders_in_any_order_leave_the_same_state(events: list[Event], data: st.DataObject) -> None:
    """As many orders as the ring holds, with ties of time and of worth: gaps and baskets do not depend on arrival."""
    shuffled = data.draw(st.permutations(range(len(events))))
    assert_same_state(in_order(events, list(range(len(events)))), in_order(events, shuffled))


@settings(max_examples=100)
@given(events=baskets(most=30), data=st.data())
def test_spending_does_not_depend_on_arrival_beyond_the_ring(events: list[Event], data: st.DataObject) -> None:
    """More orders than the ring holds: their number, the newest ones and the decayed spending are still the same."""
    one = in_order(events, list(range(len(events)))).profiles.rows[0]
    other = in_order(events, data.draw(st.permutations(range(len(events))))).profiles.rows[0]
    for name in ("ring_ms", "ring_value", "fold_orders"):
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)
    spent = [S0, S1, S2]
    np.testing.assert_allclose(one["derived"][spent], other["derived"][spent], rtol=1e-9)
    np.testing.assert_allclose(one["revenue"], other["revenue"], rtol=1e-9)


class Undiscounted(Engine):
    """A broken engine: a view that comes late counts in full, whatever it has decayed to."""

    def apply(self, events: Events, details: dict[int, Detail]) -> Outcome:
        """Sum up the views in the order of arrival."""
        outcome = super().apply(events, details)
        views, newest = 0.0, int(events.time_ms[0])
        for ms, kind in zip(events.time_ms.tolist(), events.kind.tolist(), strict=True):
            views = views * 2.0 ** (-max(ms - newest, 0) / HORIZON_MS) + (kind == Kind.PRODUCT_VIEWED)
            newest = max(newest, ms)
        self.profiles.rows["behaviour"][0, 0, 2] = views
        return outcome


@settings(max_examples=20)
@given(events=streams(customers=ONE, most=20))
def test_what_is_planted_below_is_right_for_events_in_order(events: list[Event]) -> None:
    """Where nothing comes late, the broken engine holds what the engine does."""
    events = [event._replace(offset=n) for n, event in enumerate(sorted(each_told_once(events), key=lambda e: e[1]))]
    order = list(range(len(events)))
    assert_same_state(in_order(events, order), in_order(events, order, Undiscounted))


def test_a_sum_that_depends_on_arrival_is_found() -> None:
    """The check fails for one decayed sum in which late events count in full."""

    @settings(max_examples=100, database=None, phases=[Phase.generate])
    @given(events=streams(customers=ONE, least=8, most=20), data=st.data())
    def broken(events: list[Event], data: st.DataObject) -> None:
        events = each_told_once(events)
        shuffled = data.draw(st.permutations(range(len(events))))
        assert_same_state(
            in_order(events, list(range(len(events))), Undiscounted), in_order(events, shuffled, Undiscounted)
        )

    with pytest.raises((AssertionError, ExceptionGroup), match="behaviour"):
        broken()
