"""Warming up: compile the kernel once, before anything waits for it. `python -m streams.warm`

numba keeps what it compiled beside the modules; a later start takes it from there in a second.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from schemas.timestamp import from_ms
from scoring.carrying import Carrying
from scoring.engine import Engine, EngineSettings
from scoring.features import N_FEATURES
from scoring.gates import GateSettings, Standing
from scoring.gates.best import Habits
from scoring.kernel import Events
from scoring.kinds import Kind
from scoring.newton import OnlineNewton
from scoring.object_lists import Crossing, Looks
from scoring.profile import DAY_MS, VISIT_DAYS
from scoring.quantiles import percentiles
from scoring.retained import retained
from scoring.rules import RuleSet
from scoring.sides import Detail
from streams.byte_table import ROOM_BEHIND
from streams.decoding import Decoder
from streams.engine_settings import checked_rules, engine_settings
from streams.fetched import parsed
from streams.hashing import hashes
from streams.json_columns import Stamps, written
from streams.settings_sources import load
from streams.stamps import stamps_ms

__all__ = ["main", "warm", "warm_rows"]

_NOON = 1_700_000_000_000


class _Page(NamedTuple):
    """A record of a page that was looked at."""

    offset: int = 0
    timestamp: int = _NOON
    key: bytes = b"warm-up"
    value: bytes = b'{"messageId":"1","type":"page","timestamp":"2023-11-14T22:13:20.000Z","userId":"warm-up"}'


def warm(said: Callable[[str], None] = lambda _what: None) -> None:
    """Run every compiled function once, on two made-up events and rows as the settings make them.

    Half a minute the first time, then a second.
    """
    settings = load().settings
    rules = checked_rules(settings)
    said("what reads and writes records")
    hashes(["warm-up"])
    stamps_ms([from_ms(_NOON)])
    written(1, [Stamps(np.array([_NOON]))])
    parsed(ROOM_BEHIND, [], 0)
    Decoder(lambda _: 0, lambda *_: None, 0, own_clock=True)(0, [_Page()])
    warm_rows(engine_settings(settings, rules), rules, said)
    said("the learner")
    learner = OnlineNewton(half_life=5.0).start(N_FEATURES)
    X = np.ones((2, N_FEATURES), np.float32)
    learner.learn_rows(X, np.array([0.0, 1.0]), np.array([0.0, 100.0]))
    percentiles(np.array([0.0]), np.array([0.0, 1.0]))


def warm_rows(options: EngineSettings, rules: RuleSet, said: Callable[[str], None] = lambda _what: None) -> None:
    """Run once what is compiled for the layout of rows that these settings name."""
    said("the kernel")
    engine = Engine(options, rules)
    events = Events.blank(2)
    events.row[:] = engine.profiles.row(b"warm-up")
    events.offset[:] = (0, 1)
    events.message[:] = (1, 2)
    events.time_ms[:] = events.received_ms[:] = (_NOON, _NOON + DAY_MS)
    events.kind[:] = (Kind.PRODUCT_VIEWED, Kind.ORDER_COMPLETED)
    engine.apply(events, {1: Detail("order")})
    looked = Crossing(0, 0, "warm-up", True, looks=Looks(1, 0, 0))
    Carrying.seen_in([looked], engine.evaluation.points)
    said("what makes two customers one")
    alias = Events.blank(1)
    alias.row[:], alias.kind[:] = engine.profiles.row(b"known"), Kind.ALIAS
    alias.offset[:] = alias.message[:] = 3
    alias.time_ms[:] = alias.received_ms[:] = _NOON + DAY_MS
    engine.apply(alias, {0: Detail(former=b"warm-up")})
    Habits(GateSettings()).best(Standing(), np.zeros(VISIT_DAYS, np.uint32))
    said("what a restart needs")
    stored = engine.changes()
    again = Engine(options, rules)
    again.load([key for key, _ in stored], [value for _, value in stored])
    again.restored()
    again.looking.score_at(_NOON + 2 * DAY_MS)
    said("what is counted of all")
    retained(engine.profiles.rows[:1], np.array([_NOON, _NOON + DAY_MS]), DAY_MS, DAY_MS)


def main() -> None:
    """Warm up with a progress bar on standard error."""
    columns = (TextColumn("compiling {task.description}, once"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("…", total=6)
        first = True

        def said(what: str) -> None:
            nonlocal first
            progress.update(task, description=what, advance=0 if first else 1)
            first = False

        warm(said)


if __name__ == "__main__":
    main()
