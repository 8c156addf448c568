"""A partition's unit: what waits for what, what time alone does, what is committed, and what a restore finds."""

import asyncio
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import msgspec
import orjson
import pytest
from strategies.layouts import FULL

from schemas.timestamp import LAST_MS, from_ms
from scoring.engine import EngineSettings
from scoring.evaluation import Evaluation
from scoring.kinds import Source
from scoring.profile import DAY_MS
from scoring.rules import shipped
from scoring.stored import PAGE, PROFILE
from streams.commit import Taken
from streams.operating import whatis
from streams.settings_sources import load
from streams.unit import StateLostError, Unit
from streams.unit_options import UnitOptions
from streams.unit_row import UNIT_KEY
from tests.unit.core.shop import snapshot
from tests.unit.worker.fetched import CLICKS, CUSTOMERS, ORDERS, TRANSFERS, Fetched, event

NOW = 1_700_000_000_000
HOUR = 3_600_000
DELETIONS = int(Source.DELETIONS)
NOTHING = {CLICKS: -1, ORDERS: -1, CUSTOMERS: -1}


def options(*, own_clock: bool = False, slice_records: int = 1000) -> UnitOptions:
    return UnitOptions(EngineSettings(FULL), shipped(), 600_000, own_clock, slice_records)


def started(**given: Any) -> Unit:
    unit = Unit(0, options(**given))
    unit.ready(NOTHING)
    return unit


def caught_up(unit: Unit, *sources: int) -> None:
    for source in sources:
        unit.idle(source, 0, 0)


def pumped(unit: Unit, now_ms: int = NOW) -> None:
    for _ in range(10_000):
        if not unit.pump(now_ms):
            return
    raise AssertionError("it never comes to rest")


def view(offset: int, customer: str, ms: int) -> Fetched:
    return event(offset, customer, "Product Viewed", ms, product_id="p")


def bought(offset: int, customer: str, ms: int) -> Fetched:
    return event(offset, customer, "Order Completed", ms, order_id=f"o{offset}", total=10.0)


def told(taken: Taken | None, topic: str) -> list[dict[str, Any]]:
    assert taken is not None
    return [orjson.loads(value or b"null") for name, _, value in taken.outputs if name == topic]


def test_what_is_left_behind_a_run_waits_for_what_is_about_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less than half a run, and only behind at least half a run; without more to come it is applied at once."""
    monkeypatch.setattr("streams.unit.RUN_EVENTS", 10)
    unit = started()
    caught_up(unit, ORDERS, CUSTOMERS)
    views = [view(i, f"c{i}", NOW + i) for i in range(40)]

    def applied(first: int, stop: int, *, filling: bool) -> int:
        unit.offer(CLICKS, views[first:stop], 40)
        while unit.pump(NOW, filling=filling):
            pass
        return unit.engine.counts.applied

    assert applied(0, 3, filling=True) == 3  # so little came at all
    assert applied(3, 17, filling=True) == 13  # a run, and four are left
    assert applied(17, 28, filling=True) == 28  # a run, and half of one
    assert applied(28, 40, filling=False) == 40


def test_a_year_of_orders_before_a_year_of_clicks_makes_nothing_late() -> None:
    """The orders that are ahead wait until the clicks have come as far, and are asked for no more meanwhile."""
    unit, days = started(slice_records=100), 365
    caught_up(unit, CUSTOMERS)
    orders = [bought(i, f"c{i % 7}", NOW + i * DAY_MS) for i in range(days)]
    clicks = [view(i, f"c{i % 7}", NOW + i * DAY_MS + HOUR) for i in range(days)]
    at = {ORDERS: 0, CLICKS: 0}
    most = 0
    while at[ORDERS] < days or at[CLICKS] < days:
        for source, records in ((ORDERS, orders), (CLICKS, clicks)):  # orders are always fetched first
            if unit.wants(source) and at[source] < days:
                piece = records[at[source] : at[source] + 50]
                unit.offer(source, piece, days)
                at[source] += len(piece)
                pumped(unit)
        most = max(most, *unit.status().waiting)
    counts = unit.status().counts
    assert (counts.applied, counts.late, counts.total()) == (2 * days, 0, 2 * days)
    assert most < 150


@pytest.mark.parametrize("received_ms", [-1, 0, LAST_MS, LAST_MS + 1, 1_700_000_000_000_000_000, 2**63 - 1])
def test_a_record_of_any_receipt_is_set_aside(received_ms: int) -> None:
    """Where producers give records their time, some do in other units: a letter has the last that can be written."""
    unit = started()
    caught_up(unit, ORDERS, CUSTOMERS)
    unit.offer(CLICKS, [Fetched(0, received_ms, b"a", b"{")], 1)
    pumped(unit)
    [letter] = told(unit.take(), "clickstream-dlq")
    assert letter["received_at"] == from_ms(min(max(received_ms, 0), LAST_MS))


def test_the_looks_of_a_run_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small shop's quiet weeks are applied at once, a large one's a day at a time; what is told is the same."""

    def lived(looks: int) -> tuple[int, list[Any]]:
        monkeypatch.setattr("streams.unit.RUN_LOOKS", looks)
        unit, runs = started(), 0
        unit.offer(CLICKS, [view(n, f"c{n % 3}", NOW + n * DAY_MS) for n in range(20)], 20)
        caught_up(unit, ORDERS, CUSTOMERS)
        while unit.pump_by_time():
            runs += 1
        return runs, told(unit.take(), "scores")

    few, scores = lived(16_384)
    many, same = lived(100)
    days, each = lived(0)
    assert (few, many, days) == (1, 3, 10)  # the end of a span belongs to it
    assert scores == same == each


def test_an_input_that_is_not_heard_of_yet_holds_the_others() -> None:
    """Until all three inputs are heard of, nothing is applied: something earlier might still come."""
    unit = started()
    unit.offer(CLICKS, [view(0, "c", NOW)], 1)
    caught_up(unit, CUSTOMERS)
    pumped(unit)
    assert unit.status().counts.total() == 0
    caught_up(unit, ORDERS)
    pumped(unit)
    assert unit.status().counts.applied == 1


def test_a_cart_and_then_no_further_input_and_the_action_comes() -> None:
    """Once all is quiet, event time goes on with the wall's, and the cart is told of after an hour."""
    unit = started()
    caught_up(unit, CLICKS, ORDERS, CUSTOMERS)
    unit.offer(CLICKS, [event(0, "c", "Product Added", NOW, product_id="p", price=5.0, quantity=1)], 1)
    pumped(unit, NOW + 2000)
    assert not told(unit.take(), "actions-cart-abandoned")
    pumped(unit, NOW + HOUR // 2)
    assert unit.take() is not None, "ticks are committed although no offset moved"
    pumped(unit, NOW + HOUR + 120_000)
    [action] = told(unit.take(), "actions-cart-abandoned")
    assert action["data"]["customer_id"] == "c"
    assert action["data"]["products"] == ["p"]
    assert action["data"]["trigger"] is None


def test_an_action_tells_the_pages_by_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """However they are read; and so does who asks what is held."""
    unit = started()
    caught_up(unit, ORDERS, CUSTOMERS)
    seen = ({"path": "/a?b=c"}, {"title": "T"}, {"path": "/left-to-the-decoder", "products": []}, {"path": "/a"})
    clicks = [event(n, "c", "Page Viewed", NOW + n * 1000, **said) for n, said in enumerate(seen)]
    clicks += [event(n, "c", "Checkout Started", NOW + n * 1000) for n in (4, 5)]
    unit.offer(CLICKS, clicks, 6)
    pumped(unit)
    taken = unit.take()
    [action] = told(taken, "actions-checkout-stalled")
    pages = ["/a", "/left-to-the-decoder", "T"]
    assert [page["page"] for page in action["data"]["details"]["pages"]] == pages
    assert taken is not None
    rows = dict(taken.rows)

    async def read(_settings: Any, _partition: int, take: Any, *, committed: bool) -> None:
        assert not committed
        take([*rows], [*rows.values()])

    monkeypatch.setattr("streams.operating.whatis.read_changelog", read)
    held = asyncio.run(whatis._rows(load().settings, 0, b"c", committed=False))
    names = {int.from_bytes(key[1:], "big"): (value or b"").decode() for key, value in held.items() if key[:1] == PAGE}
    assert whatis._profile(FULL, b"c", held[PROFILE + b"c"], (), names)["pages"] == pages


def test_quiet_time_goes_on_after_a_restart() -> None:
    """A worker that takes the partition over during the quiet hour tells of the cart as well."""
    unit = started()
    caught_up(unit, CLICKS, ORDERS, CUSTOMERS)
    unit.offer(CLICKS, [event(0, "c", "Product Added", NOW, product_id="p", price=5.0)], 1)
    pumped(unit, NOW + 2000)
    taken = unit.take()
    assert taken is not None
    other = Unit(0, options())
    other.restore([key for key, _ in taken.rows], [value for _, value in taken.rows])
    assert other.ready({CLICKS: 1, ORDERS: -1, CUSTOMERS: -1}) == {
        CLICKS: 1,
        ORDERS: 0,
        CUSTOMERS: 0,
        TRANSFERS: 0,
        DELETIONS: 0,
    }
    other.idle(CLICKS, 1, 1)
    caught_up(other, ORDERS, CUSTOMERS)
    pumped(other, NOW + HOUR + 120_000)
    assert len(told(other.take(), "actions-cart-abandoned")) == 1


@pytest.mark.parametrize("came_at", [NOW + 2000, NOW + HOUR // 12, NOW + 5000], ids=["at-once", "by-itself", "after"])
def test_quiet_time_goes_on_where_what_came_last_is_older(came_at: int) -> None:
    """An order of hours ago, sent by itself or received at once with the cart, stops no clock of a live shop."""
    unit = started()
    caught_up(unit, CLICKS, ORDERS, CUSTOMERS)
    cart = event(0, "c", "Product Added", NOW, received_ms=NOW + 2000, product_id="p", price=5.0, quantity=1)
    unit.offer(CLICKS, [cart], 1)
    if came_at == NOW + HOUR // 12:
        pumped(unit, NOW + 2000)
    unit.offer(ORDERS, [bought(0, "d", NOW - 7 * HOUR)._replace(timestamp=came_at)], 1)
    pumped(unit, came_at)
    pumped(unit, NOW + HOUR + 120_000)
    assert len(told(unit.take(), "actions-cart-abandoned")) == 1


def test_quiet_time_goes_on_after_a_downtime_that_an_old_record_ends() -> None:
    """What came first after it is an order that was sent late: it is later than all that was known, and no load."""
    unit = started()
    caught_up(unit, CLICKS, ORDERS, CUSTOMERS)
    cart = event(0, "c", "Product Added", NOW, product_id="p", price=5.0, quantity=1)
    late = bought(0, "d", NOW + HOUR // 2)._replace(timestamp=NOW + 10 * HOUR)
    unit.offer(CLICKS, [cart], 1)
    pumped(unit, NOW)
    unit.offer(ORDERS, [late], 1)
    pumped(unit, NOW + 10 * HOUR)
    pumped(unit, NOW + 10 * HOUR + 120_000)
    assert (unit.status().watermark_ms or 0) >= NOW + 10 * HOUR
    assert len(told(unit.take(), "actions-cart-abandoned")) == 1


def test_a_load_of_the_past_stays_there() -> None:
    """Where nothing was live yet, the time that passes after a load is none of its events'."""
    unit = started()
    caught_up(unit, CLICKS, ORDERS, CUSTOMERS)
    unit.offer(CLICKS, [view(n, "c", NOW - 7 * DAY_MS + n * HOUR)._replace(timestamp=NOW) for n in range(2)], 2)
    pumped(unit, NOW + 2 * HOUR)
    pumped(unit, NOW + 4 * HOUR)
    assert unit.status().watermark_ms == NOW - 7 * DAY_MS + HOUR


def with_carts(tick_piece: int) -> Unit:
    """A unit of five customers who left a cart at one moment."""
    given = options()
    unit = Unit(0, replace(given, engine=replace(given.engine, tick_piece=tick_piece)))
    unit.ready(NOTHING)
    caught_up(unit, CLICKS, ORDERS, CUSTOMERS)
    carts = [event(i, f"c{i}", "Product Added", NOW, product_id="p", price=5.0, quantity=1) for i in range(5)]
    unit.offer(CLICKS, carts, 5)
    pumped(unit, NOW + 2000)
    assert unit.take() is not None
    return unit


def test_a_tick_in_pieces_is_the_tick_as_a_whole() -> None:
    """Others get their turn after each customer; nothing is written before the last, and then as of a whole tick."""
    whole, unit = with_carts(64), with_carts(1)
    whole.tick(NOW + 2 * HOUR, NOW + 2 * HOUR)
    unit.tick(NOW + 2 * HOUR, NOW + 2 * HOUR, whole=False)
    calls = 0
    while not unit.status().whole:
        assert unit.take() is None
        assert unit.copy() is None
        assert unit.status().pending > 0
        assert unit.pump(NOW + 2 * HOUR)
        calls += 1
    assert calls >= 5
    taken, wanted = unit.take(), whole.take()
    assert taken is not None
    assert wanted is not None
    assert len(told(taken, "actions-cart-abandoned")) == 5
    assert sorted(taken.outputs, key=str) == sorted(wanted.outputs, key=str)
    assert dict(taken.rows) == dict(wanted.rows)


def test_what_comes_up_during_a_tick_waits_for_its_end() -> None:
    """A model that is told between two pieces is in force for none of them, and then it is noted that it was told."""
    unit = with_carts(1)
    unit.tick(NOW + 2 * HOUR, NOW + 2 * HOUR, whole=False)
    unit.swap_model(snapshot(1))
    unit.finish()
    assert unit.status().whole
    taken = unit.take()
    assert {action["data"]["model_version"] for action in told(taken, "actions-cart-abandoned")} == {0}
    [progress] = told(taken, "progress")
    assert [what for *_, what, version in progress["told"] if version == "1"] == ["model"]
    unit.tick(NOW + 26 * HOUR, NOW + 26 * HOUR)
    assert {score["data"]["model_version"] for score in told(unit.take(), "scores")} == {1}


def test_a_tick_that_fails_half_way_is_not_written() -> None:
    """What was applied of it is given up with the unit."""
    unit = with_carts(1)
    unit.tick(NOW + 2 * HOUR, NOW + 2 * HOUR, whole=False)
    with patch.object(Evaluation, "tell", side_effect=ZeroDivisionError), pytest.raises(ZeroDivisionError):
        unit.finish()
    assert unit.take() is None
    assert unit.copy() is None


@pytest.mark.parametrize("own_clock", [False, True])
def test_a_load_of_old_events_stays_in_its_time(own_clock: bool) -> None:
    """Where the last record was not about its own time, or time is the events' own, the wall's does not count."""
    unit = started(own_clock=own_clock)
    caught_up(unit, CLICKS, ORDERS, CUSTOMERS)
    unit.offer(CLICKS, [event(0, "c", "Product Viewed", NOW, received_ms=NOW + 5 * DAY_MS, product_id="p")], 1)
    pumped(unit, NOW + 5 * DAY_MS + 2 * HOUR)
    assert unit.status().watermark_ms == NOW


def test_counters_add_up_to_what_was_read() -> None:
    """Applied, repeated, unknown, refused and late records are each counted once, and told with the commit."""
    unit = started()
    caught_up(unit, ORDERS, CUSTOMERS)
    again = view(0, "c", NOW)
    records = [
        again,
        again._replace(offset=1),
        event(2, "c", "Something Unheard Of", NOW),
        Fetched(3, NOW, b"c", b"{"),
        Fetched(4, NOW, b"c", None),
        event(5, "c", "Product Viewed", NOW - 100 * DAY_MS, received_ms=NOW, product_id="p"),
        view(6, "c", NOW + 2 * HOUR)._replace(timestamp=NOW),
    ]
    unit.offer(CLICKS, records, 7)
    pumped(unit)
    taken = unit.take()
    [progress] = told(taken, "progress")
    assert progress["counters"] == {
        "read": 7, "applied": 1, "duplicate": 1, "late": 1, "ignored": 1, "dead_lettered": 3,
    }  # fmt: skip
    assert progress["runs"] == [[CLICKS, 7]]
    assert progress["offsets"] == {"clickstream": 7, "orders": 0, "customers": 0, "transfers": 0, "deletions": 0}
    letters = told(taken, "clickstream-dlq")
    assert [letter["id"] for letter in letters] == [f"clickstream-0-{offset}" for offset in (3, 4, 6)]
    assert [letter["code"] for letter in letters] == ["malformed", "empty", "future"]
    assert taken is not None
    assert [value for topic, _, value in taken.outputs if topic == "clickstream-late"] == [records[5].value]


def test_what_is_taken_ends_with_the_unit_s_own_row() -> None:
    """Offsets and counters stand in the last row, so that whoever finds it finds all that came before."""
    unit = started()
    caught_up(unit, ORDERS, CUSTOMERS)
    assert unit.take() is None
    unit.offer(CLICKS, [view(3, "c", NOW)], 4)
    pumped(unit)
    taken = unit.take()
    assert taken is not None
    assert taken.offsets == {CLICKS: 4}
    key, value = taken.rows[-1]
    assert key == UNIT_KEY
    assert msgspec.msgpack.decode(value or b"")[0] == [4, 0, 0, 0, 0]
    assert unit.take() is None


def test_offsets_ahead_of_the_state_are_refused() -> None:
    """A group whose offsets are ahead of an empty changelog has lost its state, and that is not passed over."""
    with pytest.raises(StateLostError, match="clickstream is committed up to 5"):
        Unit(0, options()).ready({CLICKS: 5, ORDERS: -1, CUSTOMERS: -1})


def signed_in(offset: int, customer: str, visitor: str, ms: int) -> Fetched:
    record = view(offset, customer, ms)
    return record._replace(value=orjson.dumps({**orjson.loads(record.value or b""), "anonymousId": visitor}))


@pytest.mark.parametrize("visited", [True, False])
def test_a_visitor_who_is_known_is_told_of_in_any_slices(visited: bool) -> None:
    """Signed in is said with each click: whether a slice begins after the first of them is not seen in any row."""
    views = [view(0, "visitor", NOW)] if visited else [view(0, "c", NOW)]
    views += [signed_in(i, "c", "visitor", NOW + i * HOUR) for i in range(1, 5)]
    found = []
    for size in (1, 2, 3, len(views)):
        unit = started()
        caught_up(unit, ORDERS, CUSTOMERS)
        for first in range(0, len(views), size):
            unit.offer(CLICKS, views[first : first + size], len(views))
            pumped(unit)
        taken = unit.take()
        assert taken is not None
        rows = {key: value for key, value in taken.rows if key != UNIT_KEY}
        assert len(rows) >= 3
        found.append(rows)
    assert all(rows == found[0] for rows in found)
