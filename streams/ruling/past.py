"""Past: whom rules would have told of entering, had they been in force, from the topics or from files of history."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scoring.engine import Engine
from scoring.profile import FAR, NEVER
from scoring.rules import Rule, RuleSet
from scoring.rules.book import ALWAYS
from streams.backtest.history import History
from streams.backtest.run import Backtest
from streams.commit import Taken
from streams.engine_settings import engine_settings
from streams.garbage import collected_by_the_clock
from streams.living import inputs_of, live_through
from streams.outbox import INPUTS
from streams.receipts import erased_on, receipts
from streams.ruling.known import Known
from streams.ruling.now import beside
from streams.ruling.reached import Reached, Watch, added
from streams.ruling.snapshots import partitions_to_read, read_used
from streams.settings import Settings
from streams.unit import Unit
from streams.unit_options import UnitOptions

__all__ = ["Past", "Span", "preview_files", "preview_topics", "timeline"]


@dataclass(frozen=True, slots=True)
class Span:
    """From one event time to before another; what rules say counts within it."""

    start_ms: int = ALWAYS
    stop_ms: int = FAR


@dataclass(frozen=True, slots=True)
class Past:
    """What would have come of each rule.

    Parameters
    ----------
    customers
        Who was seen up to the end of what was read.
    known_ms
        Event time up to which it is known who bought; None where nothing was read.
    """

    rules: dict[str, Reached]
    customers: int
    known_ms: int | None


def timeline(known: Known, rules: Sequence[Rule], start_ms: int) -> list[tuple[int, RuleSet]]:
    """What is in force from when on, with `rules` in place of those of their names from `start_ms` on."""
    times = sorted({ALWAYS, start_ms, *(version.effective_ms for version in known.versions)})
    return [
        (at, beside([version.rule for version in known.in_force(at)], rules if at >= start_ms else ())) for at in times
    ]


def preview_topics(
    settings: Settings,
    options: UnitOptions,
    known: Known,
    rules: Sequence[Rule],
    span: Span,
    on_progress: Callable[[float], None] = lambda _: None,
) -> Past:
    """Read the inputs from their beginning through the units of a worker, one partition at a time.

    Models and the shop's knowledge are those on their topics, each from its effective time on, and so are the rules
    beside those that are previewed. Time is that of the events. Nothing is written; O(state of a partition) of memory.
    `on_progress` is told which share is done.

    Raises
    ------
    NoStateError
        If a topic is missing.
    BrokerUnreachableError, kafka.errors.KafkaError
        From the broker.
    """
    partitions = partitions_to_read(settings, INPUTS)
    used, told = asyncio.run(read_used(settings)), receipts(settings)
    names = [rule.name for rule in rules]
    planned = timeline(known, rules, span.start_ms)
    parts, customers, ends_ms = [], 0, []
    with collected_by_the_clock():
        for partition in range(partitions):
            watch = Watch(names, span.start_ms, span.stop_ms, settings.horizon_ms)
            erased = erased_on(told, partition)
            unit = Unit(partition, options, used.models, planned, shop=used.shop, watch=watch, erased=erased)
            unit.ready({})
            with inputs_of(settings, partition) as inputs:
                done = _Share(partition, partitions, sum(inputs.end) - sum(inputs.first), on_progress)
                live_through(unit, inputs, span.stop_ms + settings.horizon_ms, done)
            customers += unit.status().customers
            watermark_ms = unit.engine.clock.watermark_ms
            parts.append(watch.reached(watermark_ms, unit.engine.profiles.now))
            ends_ms += [] if watermark_ms == NEVER else [watermark_ms]
    return Past(added(parts), customers, max(ends_ms, default=None))


class _Share:
    """Tells which share of all partitions is done, each of them counted as much as the others."""

    def __init__(self, partition: int, partitions: int, records: int, tell: Callable[[float], None]) -> None:
        self._before, self._partitions, self._records, self._tell = partition, partitions, max(records, 1), tell
        self._read = 0

    def __call__(self, _: Taken | None, read: int) -> None:
        self._read += read
        self._tell((self._before + self._read / self._records) / self._partitions)


def preview_files(
    settings: Settings,
    history: History,
    known: Known,
    rules: Sequence[Rule],
    span: Span,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Past:
    """Run a history with the learner in the loop, as a backtest does."""
    base = RuleSet([version.rule for version in known.in_force(ALWAYS)])
    options = engine_settings(settings, base)
    engine = Engine(options, base)
    engine.plan_rules(timeline(known, rules, span.start_ms))
    watch = Watch([rule.name for rule in rules], span.start_ms, span.stop_ms, settings.horizon_ms)
    result = Backtest.of(settings, engine, watch=watch).run(history, on_progress=on_progress)
    known_ms = result.last_ms if result.events else None
    found = watch.reached(NEVER if known_ms is None else known_ms, engine.profiles.now)
    return Past(found, engine.profiles.customers, known_ms)
