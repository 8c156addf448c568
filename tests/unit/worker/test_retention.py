"""Retention as metrics: sums over partitions, periods that come and go, and a turn for others in between."""

import asyncio
from datetime import UTC, datetime
from typing import Any, cast

import numpy as np
import pytest
from strategies.layouts import FULL

from scoring.engine import EngineSettings
from scoring.profile import DAY_MS
from scoring.retained import _count, retained
from scoring.rules import shipped
from streams import retention
from streams.metrics import Metrics
from streams.report.terms import ReportTerms
from streams.retention import PERIODS, LiveRetention
from streams.unit import Unit
from streams.unit_options import UnitOptions
from tests.unit.worker.fetched import CLICKS, CUSTOMERS, ORDERS, event

OPTIONS = UnitOptions(EngineSettings(FULL), shipped(), 600_000, own_clock=True, slice_records=1000)


def ms(month: int, day: int, year: int = 2023) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp()) * 1000


def unit(partition: int, *orders: tuple[str, int]) -> Unit:
    """A partition whose customers ordered then, in order of time."""
    made = Unit(partition, OPTIONS)
    made.ready({CLICKS: -1, ORDERS: -1, CUSTOMERS: -1})
    for source in (CLICKS, CUSTOMERS):
        made.idle(source, 0, 0)
    more(made, 0, *orders)
    return made


def more(made: Unit, first: int, *orders: tuple[str, int]) -> None:
    records = [
        event(first + i, who, "Order Completed", at, order_id=f"o{first + i}", total=10.0)
        for i, (who, at) in enumerate(orders)
    ]
    if records:
        made.offer(ORDERS, records, first + len(records))
    while made.pump(0):
        pass


def told(metrics: Metrics) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for sample in next(iter(metrics.retention.collect())).samples:
        found.setdefault(sample.labels["period"], {})[sample.labels["moment"]] = sample.value
    return found


def looked(live: LiveRetention, *units: Unit) -> None:
    asyncio.run(live.look(units))


def test_the_partitions_of_a_worker_add_up_and_a_period_is_told_once_it_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """April's begin, end and new of both partitions, counted row by row; of May, which is not over, nothing."""
    monkeypatch.setattr(retention, "_PIECE", 1)
    metrics = Metrics()
    live = LiveRetention(ReportTerms(), metrics)
    ada = unit(0, ("gone", ms(1, 5)), ("ada", ms(3, 5)), ("eve", ms(4, 7)))
    bob = unit(1, ("bob", ms(3, 20)), ("bob", ms(4, 9)), ("cyd", ms(5, 2)))
    looked(live, ada, bob, unit(2))
    assert told(metrics) == {
        "2023-01": {"begin": 0, "end": 1, "new": 1},
        "2023-02": {"begin": 1, "end": 1, "new": 0},
        "2023-03": {"begin": 1, "end": 3, "new": 2},
        "2023-04": {"begin": 3, "end": 3, "new": 1},
    }


def test_only_the_last_periods_are_told_and_none_where_nothing_is_read() -> None:
    """A year later January has gone from the metrics; without partitions all have."""
    metrics = Metrics()
    live = LiveRetention(ReportTerms(), metrics)
    one = unit(0, ("ada", ms(1, 5)))
    more(one, 1, *((f"c{month}", ms(month, 9)) for month in range(2, 13)))
    looked(live, one)
    assert next(iter(told(metrics))) == "2023-01"
    more(one, 12, ("ada", ms(3, 1, 2024)))
    looked(live, one)
    assert len(told(metrics)) == PERIODS
    assert min(told(metrics)) == "2023-02"
    looked(live)
    assert told(metrics) == {}


@pytest.mark.parametrize(("period", "name"), [("week", "2023-03-06"), ("quarter", "2023-Q1")])
def test_the_period_is_the_one_that_is_set(period: str, name: str) -> None:
    """Weeks and quarters are told by the names that reports give them, beside the value that is set."""
    metrics = Metrics()
    terms = ReportTerms(retention_period=period, retention_reference=80.0)  # type: ignore[arg-type]
    looked(LiveRetention(terms, metrics), unit(0, ("ada", ms(3, 7)), ("bob", ms(4, 5))))
    assert told(metrics)[name] == {"begin": 0, "end": 1, "new": 1}
    assert metrics.retention_reference._value.get() == 80.0


def test_a_single_row_is_counted_by_the_code_of_many() -> None:
    """Which warming up compiles for one."""
    rows = unit(0, *((f"c{i}", ms(3, 1 + i)) for i in range(5))).engine.profiles.rows
    begins = np.array([ms(3, 1), ms(4, 1), ms(5, 1)])
    parts = [rows[:5], *(rows[i : i + 1] for i in range(5))]
    (many, _), *each = (retained(part, begins, window_ms=60 * DAY_MS, horizon_ms=60 * DAY_MS) for part in parts)
    assert many.new == sum(one.new for one, _ in each) == 5
    signatures = cast(Any, _count).signatures
    assert len(signatures) == 1
