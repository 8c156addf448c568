"""A load of the past into inputs that a worker has read to their ends: what waits for what, and for how long."""

from collections.abc import Callable, Sequence

from strategies.layouts import FULL

from scoring.engine import EngineSettings
from scoring.profile import DAY_MS
from scoring.rules import shipped
from streams.unit import Unit
from streams.unit_options import UnitOptions
from tests.unit.worker.fetched import CLICKS, CUSTOMERS, ORDERS, Fetched, event

YEAR_MS = 1_291_161_600_000
"""2010-12-01."""
NOW = 1_700_000_000_000
MINUTE = 60_000


def idle() -> Unit:
    """A unit whose inputs have nothing."""
    unit = Unit(0, UnitOptions(EngineSettings(FULL), shipped(), 600_000, False, 1000))
    unit.ready({})
    for source in (CLICKS, ORDERS, CUSTOMERS):
        unit.idle(source, 0, 0)
    pumped(unit, NOW)
    return unit


def pumped(unit: Unit, now_ms: int) -> None:
    for _ in range(10_000):
        if not unit.pump(now_ms):
            return
    raise AssertionError("it never comes to rest")


def viewed(offset: int, ms: int, received_ms: int) -> Fetched:
    return event(offset, f"c{offset % 7}", "Product Viewed", ms, received_ms=received_ms, product_id="p")


def bought(offset: int, ms: int, received_ms: int) -> Fetched:
    return event(
        offset, f"c{offset % 7}", "Order Completed", ms, received_ms=received_ms, order_id=f"o{offset}", total=9.0
    )


def year(make: Callable[[int, int, int], Fetched], received_ms: int = NOW) -> list[Fetched]:
    """An event a day for a year, received twenty a second."""
    return [make(i, YEAR_MS + i * DAY_MS, received_ms + i * 50) for i in range(365)]


def offered(unit: Unit, source: int, records: Sequence[Fetched]) -> None:
    """Records as they come, fifty at a time, each time all that there is."""
    for start in range(0, len(records), 50):
        piece = records[start : start + 50]
        unit.offer(source, piece, piece[-1].offset + 1)
        pumped(unit, piece[-1].timestamp)


def applied(unit: Unit) -> tuple[int, int]:
    counts = unit.status().counts
    return counts.applied, counts.late


def test_orders_are_not_ahead_of_clicks_that_are_loaded_next() -> None:
    """Nothing of a year is late, and time stays there: a load of 2011 stays in 2011."""
    unit = idle()
    orders = year(bought)
    offered(unit, ORDERS, orders)
    assert applied(unit) == (0, 0)
    clicks = year(viewed, orders[-1].timestamp + 1000)
    offered(unit, CLICKS, clicks)
    newest_ms = clicks[-1].timestamp
    pumped(unit, newest_ms + MINUTE)
    assert applied(unit) == (2 * 365, 0)
    pumped(unit, newest_ms + 100 * DAY_MS)
    assert unit.engine.clock.watermark_ms == YEAR_MS + 364 * DAY_MS


def test_what_never_comes_is_not_waited_for() -> None:
    """Once nothing more was loaded for some seconds; the next of the same load goes on at once."""
    unit = idle()
    orders = year(bought)
    offered(unit, ORDERS, orders[:200])
    last_ms = orders[199].timestamp
    pumped(unit, last_ms + 2_900)
    assert applied(unit) == (0, 0)
    pumped(unit, last_ms + 3_000)
    assert applied(unit) == (200, 0)
    offered(unit, ORDERS, orders[200:])
    assert applied(unit) == (365, 0)


def test_what_was_loaded_before_is_read_at_once() -> None:
    """Where the last of it was received some seconds ago, nothing is waited for."""
    unit = Unit(0, UnitOptions(EngineSettings(FULL), shipped(), 600_000, False, 1000))
    unit.ready({})
    unit.offer(ORDERS, year(bought), 365)
    for source in (CLICKS, CUSTOMERS):
        unit.idle(source, 0, 0)
    pumped(unit, NOW + 365 * 50 + 3_000)
    assert applied(unit) == (365, 0)


def test_what_moves_nothing_on_takes_nothing_later_along() -> None:
    """Orders that begin at the watermark come no further ahead of clicks than others, however few they are."""
    unit = idle()
    clicks = year(viewed)[:10]
    offered(unit, CLICKS, clicks)
    now_ms = clicks[-1].timestamp + 4_000
    pumped(unit, now_ms)
    assert applied(unit) == (10, 0)
    unit.offer(ORDERS, year(bought, now_ms), 365)
    pumped(unit, now_ms)
    ahead_ms = unit.engine.clock.watermark_ms - (YEAR_MS + 9 * DAY_MS)
    assert 0 < ahead_ms <= unit.engine.config.window_ms // 2


def test_where_all_that_comes_is_old_it_waits_once() -> None:
    """A minute at most, and no more after that, however it goes on."""
    unit = idle()
    for second in range(90):
        unit.offer(ORDERS, [bought(second, NOW + second * 1000 - 2 * DAY_MS, NOW + second * 1000)], second + 1)
        pumped(unit, NOW + second * 1000)
        assert applied(unit) == (0 if second < 60 else second + 1, 0)


def test_what_has_just_happened_does_not_wait() -> None:
    """Nor what a live input says of yesterday."""
    unit = idle()
    offered(unit, CLICKS, [viewed(0, NOW, NOW + 100)])
    assert applied(unit) == (1, 0)
    offered(unit, ORDERS, [bought(0, NOW - 2 * DAY_MS, NOW + 200)])
    assert applied(unit) == (2, 0)


def test_a_load_into_the_present_is_late_and_told() -> None:
    """Behind a watermark of today a year of the past is set aside as it came, but for the last ninety days."""
    unit = idle()
    offered(unit, CLICKS, [viewed(0, YEAR_MS + 364 * DAY_MS, YEAR_MS + 364 * DAY_MS)])
    orders = year(bought)
    offered(unit, ORDERS, orders)
    assert applied(unit) == (1 + 91, 274)
    taken = unit.take()
    assert taken is not None
    assert [(k, v) for topic, k, v in taken.outputs if topic == "orders-late"] == [
        (r.key, r.value) for r in orders[:274]
    ]


def test_nothing_waits_by_the_clock_of_the_events() -> None:
    """Where no action is too old, as in the demo."""
    settings = EngineSettings(FULL, max_action_age_ms=None)
    unit = Unit(0, UnitOptions(settings, shipped(), 600_000, True, 1000))
    unit.ready({})
    for source in (CLICKS, CUSTOMERS):
        unit.idle(source, 0, 0)
    offered(unit, ORDERS, year(bought))
    assert applied(unit) == (365, 0)
