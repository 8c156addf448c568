"""The shop's knowledge in an engine: in force from its event time on, however the input is cut."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from strategies.engines import Told, feed, let_pass, new_engine
from strategies.event_streams import DAY_MS, START_MS, streams

from scoring.shop.observations import Bought, Line
from scoring.shop.settings import ShopSettings
from scoring.shop.shop import Shop
from scoring.shop.snapshot import ShopSnapshot, parts_of
from scoring.twin import Event


def known(days: int) -> ShopSnapshot:
    """A version that is in force from so many days after the start on, its number the same."""
    shop = Shop(ShopSettings(every_ms=DAY_MS), ["p"], version=days - 1)
    at = START_MS + (days - 1) * DAY_MS + 1
    shop.take("p", 1, [(at, Bought(at, "m", "o", 1, (Line("tea"), Line("cup")))), (at + 3 * DAY_MS, None)])
    [version] = shop.complete()
    return ShopSnapshot(version.version, version.effective_ms, parts_of(version.figures))


VERSIONS = [known(days) for days in (1, 2, 4)]


def told_in_runs(events: list[Event], edges: list[int], order: list[ShopSnapshot]) -> tuple[Told, int]:
    """What is told when the input is cut at `edges` and the versions come in this order."""
    engine, told = new_engine(shop=()), Told()
    for snapshot in order:
        engine.swap_shop(snapshot)
    for start, end in pairwise(edges):
        feed(engine, events[start:end], told)
    let_pass(engine, max(event.time_ms for event in events) + 2 * DAY_MS, told)
    return told, engine.shop_version


@settings(max_examples=60, deadline=None)
@given(events=streams(), cuts=st.lists(st.integers(0, 40), max_size=8))
def test_cuts_and_repeats_change_nothing(events: list[Event], cuts: list[int]) -> None:
    """One run, and any pieces with versions told twice: the same actions with the same version on each."""
    whole = told_in_runs(events, [0, len(events)], VERSIONS)
    edges = sorted({0, *(cut for cut in cuts if cut < len(events)), len(events)})
    assert told_in_runs(events, edges, [*VERSIONS, *VERSIONS]) == whole


def test_a_version_is_in_force_from_its_time_on() -> None:
    """Not before; one that is not newer changes nothing."""
    engine = new_engine(shop=())
    for snapshot in (VERSIONS[0], VERSIONS[1], VERSIONS[0]):
        engine.swap_shop(snapshot)
    at = VERSIONS[0].effective_ms
    engine.advance(at - 1, at)
    assert (engine.shop, engine.shop_version) == (None, 0)
    engine.advance(at + DAY_MS // 2, at)
    assert engine.shop is VERSIONS[0]
    assert engine.shop.companions("tea", 1) == ["cup"]
    engine.advance(at + 2 * DAY_MS, at)
    assert engine.shop_version == 2
    engine.swap_shop(VERSIONS[0])
    engine.advance(at + 4 * DAY_MS, at)
    assert engine.shop_version == 2
