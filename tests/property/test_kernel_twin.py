"""The compiled kernel is held equal to its plain twin."""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from strategies.event_streams import CUSTOMERS, DAY_MS, HOUR_MS, START_MS, columns_of, streams
from strategies.layouts import SMALL

from scoring.clock import Clock
from scoring.features import FEATURES, N_FEATURES
from scoring.kernel import APPLIED, DONE, LATE, Config, Points, Reading, admit, run, watermarks
from scoring.kinds import N_KINDS, N_SOURCES, Kind
from scoring.model import LinearScorer
from scoring.moments import DELIVERY, REPLENISHMENT
from scoring.profile import FAR, NEVER, VISIT_DAYS, Layout, Profiles
from scoring.queue import new_heap
from scoring.reading import columns_of_rows
from scoring.readings import FACTS
from scoring.recent import WITHIN, seen_dtype
from scoring.rules.columns import ANY, FIELDS, VISITED, Column, Op
from scoring.rules.parts import parts_for
from scoring.twin import Customer, Event, Partition
from scoring.types import Facts

ROOM = 20_000
LEAST = parts_for(())
COLUMNS = (
    *(Column(Op.SINCE, kind) for kind in (ANY, VISITED, Kind.PRODUCT_ADDED, Kind.ORDER_COMPLETED)),
    *(Column(Op.SINCE, kind, n) for kind in (Kind.SEARCHED, Kind.CHECKOUT_STARTED) for n in (2, 5)),
    *(Column(Op.TOTAL, kind) for kind in (ANY, VISITED, Kind.PRODUCT_VIEWED)),
    *(Column(Op.COUNT_DAYS, kind, n) for kind in (VISITED, Kind.PRODUCT_VIEWED) for n in (1, 14, 90)),
    *(Column(Op.DAYS_WITH, VISITED, n) for n in (1, 14, 90)),
    *(Column(Op.COUNT_HOURS, Kind.PRODUCT_VIEWED, n) for n in (1, 24)),
    *(Column(Op.FIELD, field) for field in FIELDS),
)
CLOCKS = ((int(Kind.PRODUCT_ADDED), HOUR_MS), (int(Kind.ORDER_COMPLETED), 5 * DAY_MS), (ANY, 90_500))
OBJECT_CLOCKS = (
    (int(Kind.WISHLIST_ADDED), DAY_MS),
    (int(Kind.PRODUCT_VIEWED), HOUR_MS),
    (DELIVERY, 1),
    (REPLENISHMENT, 0),
)

_LOOKS = ("seen_ms", "seen_product", "seen_category")
LEAST_COLUMNS = tuple(column for column in COLUMNS if not LEAST.missing(parts_for([column])))


def points_of(columns: Sequence[Column], layout: Layout = SMALL) -> Points:
    """Room for points with these columns."""
    return Points(
        *(np.zeros(ROOM, np.int64) for _ in range(6)),
        np.zeros((ROOM, N_FEATURES)),
        np.zeros(ROOM),
        np.zeros((ROOM, len(columns))),
        np.zeros((ROOM, FACTS)),
        np.zeros((ROOM, layout.views + 2 + WITHIN), np.uint64),
        np.zeros((ROOM, layout.views), np.int64),
        np.zeros((ROOM, layout.parts.pages), np.uint64),
        np.zeros((ROOM, layout.parts.pages), np.int64),
        np.zeros(ROOM, np.uint64),
        np.zeros(ROOM, np.int64),
        np.zeros(ROOM, np.int64),
        np.zeros((ROOM, VISIT_DAYS), np.uint32),
        np.zeros(ROOM, seen_dtype(layout.parts.listed)),
        np.zeros(ROOM, np.uint64),
        np.zeros(ROOM, np.int64),
        *(np.zeros(ROOM + 8, np.int64) for _ in range(4)),
    )  # fmt: skip


class Asked(NamedTuple):
    """A layout, all that can be asked of its rows, and room for the answers."""

    layout: Layout
    columns: tuple[Column, ...]
    object_clocks: tuple[tuple[int, int], ...]
    favourites: bool
    points: Points


FULL = Asked(SMALL, COLUMNS, OBJECT_CLOCKS, True, points_of(COLUMNS))
USUAL = Layout(parts=LEAST)
BARE = Asked(USUAL, LEAST_COLUMNS, (), False, points_of(LEAST_COLUMNS, USUAL))
"""A small row that keeps all that a rule can read, and one of the usual size that keeps what every row does."""

SCORER = LinearScorer(np.full(N_FEATURES, 0.1), np.full(N_FEATURES, 2.0), np.linspace(-1, 1, N_FEATURES), 0.3, 4.0)


def config_of(horizon_ms: int, tick_ms: int = 60_000, example_customers: int = 2) -> Config:
    """A kernel with a short window, late events, few customers that give examples, and machines."""
    every = max(horizon_ms * 7 // 30 // tick_ms, 1) * tick_ms
    return Config(horizon_ms, tick_ms, 15 * DAY_MS, every, 3 * horizon_ms, example_customers, 3)


def compare(events: Sequence[Event], config: Config, behind: frozenset[int] = frozenset(), asked: Asked = FULL) -> None:
    """Run kernel and twin over the same events, ending with two quiet days; assert that they agree throughout."""
    until = max(event.time_ms for event in events) + 2 * DAY_MS
    layout = asked.layout
    twin = Partition(layout, config, asked.columns, CLOCKS, asked.object_clocks, behind=behind)
    twin.apply(events)
    twin.advance(until, until)

    profiles = Profiles(layout)
    table = columns_of(events, {name: profiles.row(name) for name in twin.customers})
    clock, watermark = Clock(), np.array([NEVER, 0])
    clock.behind[list(behind)] = 1
    watermarks(table, clock.seen_ms, clock.behind, NEVER)
    admit(profiles.rows, table, config.window_ms)
    slots = [np.full(N_KINDS, -1, np.int64) for _ in range(2)]
    for slot, kinds in zip(slots, (layout.day_kinds, layout.hour_kinds), strict=True):
        slot[list(kinds)] = np.arange(len(kinds))
    object_clocks = np.array(asked.object_clocks, np.int64).reshape(-1, 2)
    reading = Reading(
        columns_of_rows(asked.columns), np.array(CLOCKS, np.int64), *slots, True, object_clocks, asked.favourites,
        categories=2 if layout.parts.listed else 0,
    )  # fmt: skip
    choice = np.array([2**64 - 1, 0, 0], np.uint64)
    why, _, m, resolved = run(
        profiles.rows, len(profiles), table, 0, new_heap(ROOM), watermark, until, until, FAR, choice, asked.points,
        SCORER, reading, config, np.zeros(24),
    )  # fmt: skip
    assert why == DONE
    assert table.status.tolist() == twin.statuses
    points = asked.points
    _compare_points(twin, m, profiles.keys, asked)
    labels = points.resolved_row, points.resolved_made_ms, points.resolved_label, points.resolved_ms
    told = [
        (profiles.keys[row], made, label, ms)
        for row, made, label, ms in zip(*(column[:resolved].tolist() for column in labels), strict=True)
    ]
    assert told == [tuple(each) for each in twin.resolved]
    for name, customer in twin.customers.items():
        _compare_row(profiles.rows[profiles.index[name]], customer, layout)


def _compare_points(twin: Partition, m: int, keys: list[bytes], asked: Asked) -> None:
    points = asked.points
    assert [keys[row] for row in points.row[:m]] == [point.customer for point in twin.points]
    assert points.time_ms[:m].tolist() == [point.time_ms for point in twin.points]
    assert points.event[:m].tolist() == [-1 if point.event is None else point.event for point in twin.points]
    assert points.cause[:m].tolist() == [point.cause for point in twin.points]
    assert points.received_ms[:m].tolist() == [point.received_ms for point in twin.points]
    assert np.isfinite(points.X[:m]).all()
    ages = [c for c, column in enumerate(asked.columns) if column.op is Op.SINCE]
    assert not (points.columns[:m, ages] < 0).any()
    assert {len(point.features) for point in twin.points} <= {len(FEATURES)}
    expected = _close(points.X[:m], [[point.features[name] for name in FEATURES] for point in twin.points], FEATURES)
    _close(points.columns[:m], [point.columns for point in twin.points], asked.columns)
    _close(points.facts[:m], [point.facts for point in twin.points], Facts._fields)
    z = np.clip((expected - SCORER.mean) * SCORER.inv_sd, -SCORER.clip, SCORER.clip)
    assert (np.abs(points.logit[:m] - (SCORER.intercept + z @ SCORER.weight)) <= 1e-8).all()
    for i, point in enumerate(twin.points):
        *favourites, one, two, three, four = points.viewed[i, asked.layout.views :].tolist()
        assert [number for number in points.viewed[i, : asked.layout.views].tolist() if number] == point.viewed
        assert points.viewed_ms[i, : len(point.viewed)].tolist() == point.viewed_ms
        pages = zip(points.page[i].tolist(), points.page_ms[i].tolist(), strict=True)
        assert [(page, ms) for page, ms in pages if page] == point.pages
        last, bought_ms = point.bought
        bought = last, NEVER if bought_ms is None else bought_ms, point.coupons
        assert (points.bought[i], points.bought_ms[i], points.coupons[i]) == bought
        assert favourites == (point.favourites if asked.favourites else [0, 0])
        assert [number for number in (one, two, three, four) if number] == (point.within if asked.favourites else [])
        assert points.visited[i].tolist() == point.visited
        if asked.layout.parts.listed:
            seen = points.seen[i]
            looks = zip(*(seen[name][: seen["seen_n"]].tolist() for name in _LOOKS), strict=True)
            assert list(looks) == [tuple(look) for look in point.looks]


def _close(found: np.ndarray, rows: Sequence[Sequence[float]], names: Sequence[object]) -> np.ndarray:
    """Hold what was found at each point against the twin's, all at once; the twin's."""
    expected = np.array(rows, float).reshape(len(rows), len(names))
    assert found.shape == expected.shape
    same = np.isclose(found, expected, rtol=1e-9, atol=1e-9, equal_nan=True)
    assert same.all(), [(i, names[j], found[i, j], expected[i, j]) for i, j in np.argwhere(~same)]
    return expected


def _compare_row(row: np.void, customer: Customer, layout: Layout) -> None:
    """What a row holds is what the events say."""
    offsets = [customer.offsets.get(source, -1) for source in range(N_SOURCES)]
    assert row["applied"].tolist() == offsets
    if not customer.events:
        assert row["due_ms"] == FAR
        return
    assert row["moment_ms"][: row["moment_n"]].tolist() == customer.moments
    assert row["crowded_ms"] == (NEVER if customer.crowded_ms is None else customer.crowded_ms)
    for field in ("now_ms", "due_ms", "rescore_ms", "example_ms"):
        assert row[field] == getattr(customer, field), field
    assert row["pending_ms"][: row["pending_n"]].tolist() == customer.pending
    assert row["first_ms"] == customer.first_ms()
    assert row["last_ms"] == customer.last_seen_ms()
    for kind in (*list(Kind)[: layout.parts.kinds - 2], ANY, VISITED):
        last = customer.last_ms(kind)
        assert row["last_kind"][kind] == (NEVER if last is None else last)
        assert row["total"][kind] == len(customer.of(kind))
    for slot, kind in enumerate(layout.day_kinds):
        _compare_ring(row["days"][slot], customer, kind, DAY_MS)
    for slot, kind in enumerate(layout.hour_kinds):
        _compare_ring(row["hours"][slot], customer, kind, HOUR_MS)
    ring = row["ring_ms"][: row["ring_n"]].tolist(), row["ring_value"][: row["ring_n"]].tolist()
    assert ring == ([o.time_ms for o in customer.orders.ring], [o.value for o in customer.orders.ring])
    assert row["fold_orders"] == len(customer.orders.left)


def _compare_ring(ring: np.ndarray, customer: Customer, kind: int, bucket_ms: int) -> None:
    """The ring holds what happened in its span, and nothing that is older."""
    newest = customer.last_seen_ms()
    held: dict[int, int] = {}
    for event in customer.of(kind):
        bucket = event.time_ms // bucket_ms
        if bucket > newest // bucket_ms - len(ring):
            held[bucket % len(ring)] = held.get(bucket % len(ring), 0) + 1
    assert {slot: int(n) for slot, n in enumerate(ring) if n} == held


@settings(max_examples=40)
@given(events=streams(most=30), horizon_days=st.sampled_from((1, 6, 30)), tick_ms=st.sampled_from((60_000, 7_000)))
def test_kernel_equals_twin(events: list[Event], horizon_days: int, tick_ms: int) -> None:
    """Statuses, points, features, columns, labels, counts, rings and due times are those of the plain twin."""
    compare(events, config_of(horizon_days * DAY_MS, tick_ms))


@settings(max_examples=20)
@given(events=streams(most=20), data=st.data())
def test_no_age_is_negative_whatever_order_events_come_in(events: list[Event], data: st.DataObject) -> None:
    """Also when days come in any order: ages are at least 0, features finite, and both those of the twin."""
    config = config_of(6 * DAY_MS)._replace(window_ms=900 * DAY_MS)
    compare(data.draw(st.permutations(events)), config)


@settings(max_examples=20)
@given(events=streams(most=30))
def test_kernel_equals_twin_where_no_rule_reads_more(events: list[Event]) -> None:
    """The least row holds what it has as the full one does, whatever happens of which it keeps nothing."""
    compare(events, config_of(6 * DAY_MS), asked=BARE)


@settings(max_examples=20)
@given(events=streams(most=20), behind=st.sets(st.integers(0, 2), min_size=1, max_size=2))
def test_kernel_equals_twin_while_topics_are_behind(events: list[Event], behind: set[int]) -> None:
    """The watermark is then that of the topic furthest behind, for ticks and for what is late."""
    compare(events, config_of(6 * DAY_MS), frozenset(behind))


BORDER_MS = START_MS + config_of(6 * DAY_MS).window_ms
BORDER = [
    Event(CUSTOMERS[0], at_ms, int(Kind.PAGE), 0, number, number + 1, received_ms=BORDER_MS)
    for number, at_ms in enumerate((BORDER_MS, START_MS, START_MS - 1))
]
"""Events at the watermark, at the end of the window, and a millisecond beyond it."""


def test_the_window_ends_where_it_is_said_to() -> None:
    """An event as old as the window counts; one that is a millisecond older is late."""
    twin = Partition(SMALL, config_of(6 * DAY_MS), (), ())
    twin.apply(BORDER)
    assert twin.statuses == [APPLIED, APPLIED, LATE]
    compare(BORDER, config_of(6 * DAY_MS))


@pytest.mark.parametrize("off_ms", [-1, 1])
def test_a_window_that_is_off_by_one_is_found(monkeypatch: pytest.MonkeyPatch, off_ms: int) -> None:
    """A millisecond more or less is seen."""
    monkeypatch.setitem(globals(), "admit", lambda rows, events, window_ms: admitted(rows, events, window_ms + off_ms))
    with pytest.raises(AssertionError):
        compare(BORDER, config_of(6 * DAY_MS))


admitted = admit
VIEWS = [
    Event(CUSTOMERS[0], START_MS + number, int(kind), 0, place, place + 1, number + 1)
    for place, (kind, number) in enumerate(product((Kind.PRODUCT_VIEWED, Kind.PAGE), range(2)))
]
"""Two products and two pages, the newer of which have the larger numbers."""


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("count", lambda customer, kind, now, bucket, n: _count(customer, kind, now, bucket, n + 1)),
        ("decayed", lambda customer, now, half_life, *kinds: _decayed(customer, now, half_life * 1.001, *kinds)),
        ("viewed", lambda customer: sorted(_viewed(customer))),
        ("pages", lambda customer: sorted(_pages(customer))),
    ],
)
def test_a_kernel_that_differs_is_found(monkeypatch: pytest.MonkeyPatch, name: str, broken: Callable[..., Any]) -> None:
    """The comparison fails where one of the two counts a day too many, forgets too slowly or mixes up the order."""
    monkeypatch.setattr(Customer, name, broken)

    @settings(max_examples=40, database=None, phases=[Phase.explicit, Phase.generate])
    @example(VIEWS)
    @given(events=streams(least=15, most=20))
    def comparison(events: list[Event]) -> None:
        compare(events, config_of(6 * DAY_MS))

    with pytest.raises((AssertionError, ExceptionGroup)):
        comparison()


_count, _decayed, _viewed, _pages = Customer.count, Customer.decayed, Customer.viewed, Customer.pages
