"""A worker's figures: partitions come and go, and none is told of twice."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from strategies.layouts import FULL

from scoring.engine import EngineSettings
from scoring.rules import shipped
from streams.commit import Taken
from streams.figures import Figures
from streams.settings import Settings
from streams.unit import Unit
from streams.unit_options import UnitOptions
from tests.unit.worker.fetched import CLICKS, CUSTOMERS, ORDERS, event

OPTIONS = UnitOptions(EngineSettings(FULL), shipped(), 600_000, own_clock=True, slice_records=1000)
NOW_MS = 1_714_521_600_000


class Held:
    """Stands for the binding: units that are read, and partitions that are ours, read or not."""

    failed_commits = 0

    def __init__(self) -> None:
        self.read: dict[int, Unit] = {}
        self.partitions: frozenset[int] = frozenset()
        self.protocol = self
        self.consumer = SimpleNamespace(thread=SimpleNamespace(place=lambda tp: (4, 9)))

    def units(self) -> list[tuple[int, Unit]]:
        """Those that are read."""
        return list(self.read.items())

    def has(self, *units: Unit) -> None:
        """Let these be ours, and read."""
        self.read = {unit.partition: unit for unit in units}
        self.partitions = frozenset(self.read)


@pytest.fixture
def figures() -> Iterator[Figures]:
    made = Figures(Settings(web_port=0))
    yield made
    made.close()


def unit(partition: int, *, orders: int = 0) -> Unit:
    made = Unit(partition, OPTIONS)
    made.ready({CLICKS: -1, ORDERS: -1, CUSTOMERS: -1})
    for source in (CLICKS, CUSTOMERS):
        made.idle(source, 0, 0)
    more(made, 0, orders)
    return made


def more(made: Unit, first: int, orders: int) -> None:
    records = [event(i, "ada", "Order Completed", NOW_MS + i, order_id=f"o{i}") for i in range(first, first + orders)]
    if records:
        made.offer(ORDERS, records, first + orders)
    while made.pump(0):
        pass


def written(figures: Figures, held: Any, made: Unit) -> None:
    figures.written(held, made.partition, made.take() or Taken([], [], {}))


def applied(figures: Figures, partition: int) -> float | None:
    labels = {"partition": str(partition), "outcome": "applied"}
    return figures.metrics.registry.get_sample_value("recompra_events_total", labels)


def test_outcomes_are_told_before_any_was_counted(figures: Figures) -> None:
    """Alerts see by how much a counter grew: of one that is first told at 500 they would take 500 for no growth."""
    held: Any = Held()
    held.has(unit(0))
    figures._look(held)
    events = next(family for family in figures.metrics.registry.collect() if family.name == "recompra_events")
    told = {s.labels["outcome"]: s.value for s in events.samples if s.name == "recompra_events_total"}
    assert told == dict.fromkeys(("applied", "duplicate", "late", "ignored", "dead_lettered"), 0.0)


def shown(figures: Figures) -> set[tuple[str, str]]:
    """Gauges that tell of a partition, with its number."""
    return {
        (sample.name, sample.labels["partition"])
        for family in figures.metrics.registry.collect()
        if family.type == "gauge"
        for sample in family.samples
        if "partition" in sample.labels
    }


def test_records_are_counted_once_when_the_group_decides_anew(figures: Figures) -> None:
    """A partition that is kept over a rebalance, and not read for a moment, is not counted from its restore again."""
    held: Any = Held()
    kept = unit(0, orders=5)
    held.has(kept)
    figures._look(held)
    written(figures, held, kept)
    assert applied(figures, 0) == 5
    held.read = {}  # still ours, until the group has decided
    figures._look(held)
    held.has(kept)
    more(kept, 5, 2)
    written(figures, held, kept)
    assert applied(figures, 0) == 7


def test_a_partition_that_moves_away_is_told_of_no_more(figures: Figures) -> None:
    """Its gauges go, even where nothing of it was written here, as in a quiet hour: others tell of it then."""
    held: Any = Held()
    held.has(unit(0), unit(1))
    figures._look(held)
    assert ("recompra_lag_records", "1") in shown(figures)
    assert ("recompra_customers", "1") in shown(figures)
    held.has(unit(0))
    figures._look(held)
    assert {partition for _, partition in shown(figures)} == {"0"}


def test_what_was_counted_by_others_is_not_told(figures: Figures) -> None:
    """A partition that comes back with the state of others counts what was read since."""
    held: Any = Held()
    first = unit(0, orders=3)
    held.has(first)
    written(figures, held, first)
    taken = unit(0, orders=9).take()
    assert taken is not None
    back = Unit(0, OPTIONS)
    back.restore(*zip(*taken.rows, strict=True))
    back.ready(taken.offsets)
    for source in (CLICKS, CUSTOMERS):
        back.idle(source, 0, 0)
    held.has(back)
    more(back, 9, 1)
    written(figures, held, back)
    assert applied(figures, 0) == 4


def test_an_event_grows_old_while_time_goes_on_without_any(figures: Figures, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing comes in any more the watermark follows the clock, and the age of the newest event tells it."""
    held: Any = Held()
    quiet = unit(0, orders=1)
    held.has(quiet)
    quiet.tick(NOW_MS + 3_600_000, NOW_MS + 3_600_000)
    monkeypatch.setattr("streams.figures.now_ms", lambda: NOW_MS + 3_600_500)
    figures._look(held)
    told = figures.metrics.registry.get_sample_value
    assert told("recompra_watermark_seconds", {"partition": "0"}) == (NOW_MS + 3_600_000) / 1000
    assert told("recompra_freshness_seconds", {"partition": "0"}) == 3600.5


def test_what_is_not_written_yet_is_not_counted(figures: Figures) -> None:
    """What is applied while a commit is under way is read again if the next one fails: it counts with that."""
    held: Any = Held()
    busy = unit(0, orders=2)
    held.has(busy)
    taken = busy.take()
    assert taken is not None
    more(busy, 2, 3)
    figures.written(held, 0, taken)
    told = figures.metrics.registry.get_sample_value
    assert applied(figures, 0) == 2
    assert told("recompra_scores_total") == sum(topic == "scores" for topic, _, _ in taken.outputs)
    written(figures, held, busy)
    assert applied(figures, 0) == 5
