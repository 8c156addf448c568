"""The shop's knowledge in an engine: in force from its event time on, however the input is cut."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies.engines import SHOPS, Told, feed, let_pass, new_engine
from strategies.event_streams import CUSTOMERS, DAY_MS, HOUR_MS, START_MS, streams

from scoring.kinds import Kind
from scoring.shop.snapshot import ShopSnapshot
from scoring.twin import Event
from scoring.versions import Versions


def told_in_runs(events: list[Event], edges: list[int], order: list[ShopSnapshot]) -> tuple[Told, int]:
    """What is told when the input is cut at `edges` and the versions come in this order."""
    engine, told = new_engine(shops=order), Told()
    for start, end in pairwise(edges):
        feed(engine, events[start:end], told)
    let_pass(engine, max(event.time_ms for event in events) + 2 * DAY_MS, told)
    return told, engine.versions.shop_version


@settings(max_examples=60, deadline=None)
@given(events=streams(), cuts=st.lists(st.integers(0, 40), max_size=8))
def test_cuts_and_repeats_change_nothing(events: list[Event], cuts: list[int]) -> None:
    """One run, and any pieces with versions told twice: the same actions with the same version on each."""
    whole = told_in_runs(events, [0, len(events)], SHOPS)
    edges = sorted({0, *(cut for cut in cuts if cut < len(events)), len(events)})
    assert told_in_runs(events, edges, [*SHOPS, *SHOPS]) == whole


ONCE = [
    Event(CUSTOMERS[0], START_MS + at_ms, int(kind), source, offset, number, product=2, quantity=1.0, value=9.0)
    for number, (at_ms, kind, source, offset) in enumerate(
        (
            (0, Kind.PAGE, 0, 0),
            (DAY_MS + HOUR_MS, Kind.PAGE, 0, 1),
            (DAY_MS + 2 * HOUR_MS, Kind.ORDER_COMPLETED, 1, 0),
            (20 * DAY_MS, Kind.PAGE, 0, 2),
        ),
        1,
    )
]
"""One order, after the first version came in force."""


def test_the_usual_gap_is_that_of_the_version_in_force_at_the_purchase() -> None:
    """What is bought for the first time is used up after the gap that was known then, whatever is known later.

    Of several products of an order the first is told of to the minute, the others at the daily look.
    """
    told, _ = told_in_runs(ONCE, [0, len(ONCE)], SHOPS)
    ordered = ONCE[2].time_ms
    found = {action[3]: action[0] - ordered for action in told.actions if action[2] == "replenish" and action[4]}
    assert found.keys() == {"p1", "p2"}
    assert found["p1"] // HOUR_MS == 60
    assert 84 <= found["p2"] // HOUR_MS < 84 + 24


def test_a_gap_of_another_version_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison of cuts fails where a run takes the gaps that were known when it began."""

    def known_before(self: Versions, product: str, _: int) -> int:
        return 0 if self.shop is None else round((self.shop.usual_gap_days(product) or 0.0) * DAY_MS)

    monkeypatch.setattr(Versions, "usual_gap_ms", known_before)
    assert told_in_runs(ONCE, [0, 4], SHOPS) != told_in_runs(ONCE, [0, 1, 2, 3, 4], SHOPS)


def test_a_version_is_in_force_from_its_time_on() -> None:
    """Not before; one that is not newer changes nothing."""
    engine = new_engine(shops=(SHOPS[0], SHOPS[1], SHOPS[0]))
    at = SHOPS[0].effective_ms
    engine.advance(at - 1, at)
    assert (engine.versions.shop, engine.versions.shop_version) == (None, 0)
    engine.advance(at + DAY_MS // 2, at)
    assert engine.versions.shop is SHOPS[0]
    assert engine.versions.shop.companions("p1", 1) == ["p2"]
    engine.advance(at + 2 * DAY_MS, at)
    assert engine.versions.shop_version == 2
    engine.versions.swap_shop(SHOPS[0])
    engine.advance(at + 4 * DAY_MS, at)
    assert engine.versions.shop_version == 2
