"""What a tick costs with a million customers: the usual one and the worst. `python -m benchmarks.ticks`

An engine is filled with customers who looked at something on one day and, one in four, bought. On the next day one in
twenty of them looks at one product twice in the same minute, as after a letter to all. Then a day passes tick by tick
without an event: everybody is scored once, rules fall due by their clocks, and those of that minute cross together 24
hours later. Ticks are done in pieces, as a worker does them, which gives its event loop its turn after each. CPU of
this process, for all customers at once; a worker divides them by its partitions, and several workers divide these.
Settings hold as for every command; all rules are in force unless `RECOMPRA_RULES` says otherwise.
"""

import argparse
import gc
import json
import os
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from scoring.engine import Engine
from scoring.kernel import Events
from scoring.kinds import Kind
from scoring.profile import DAY_MS, NEVER, stable_hash
from scoring.sides import Detail
from streams.engine_settings import checked_rules, engine_settings
from streams.garbage import keep
from streams.outbox import Outbox
from streams.rehearsal import rehearse
from streams.settings import Settings
from streams.worker import unit_options

__all__ = ["Tick", "day_of_ticks", "filled"]

OUT = Path(__file__).parent / "out" / "ticks.json"
START_MS = 1_767_571_200_000
"""2026-01-05, a Monday."""
MINUTE_MS = 60_000
LETTER_MS = START_MS + DAY_MS + 12 * 60 * MINUTE_MS
PRODUCT = stable_hash(b"sku-1")
_PIECE = 50_000


class Piece(NamedTuple):
    """CPU of one piece: of evaluating its customers and copying their rows, and of the records that come of it."""

    evaluated_ms: float
    told_ms: float

    @property
    def ms(self) -> float:
        """Both."""
        return self.evaluated_ms + self.told_ms


class Tick(NamedTuple):
    """One tick: customers due, actions told or withheld, CPU of evaluating and of the rows for the changelog.

    `pieces` is the CPU of each piece and of the records that come of it.
    """

    at_ms: int
    due: int
    actions: int
    cpu_ms: float
    rows_ms: float
    pieces: list[Piece]


def filled(customers: int, settings: Settings) -> Engine:
    """An engine with so many customers, all rules of the settings in force, up to the minute of the letter."""
    rules = checked_rules(settings)
    engine = Engine(engine_settings(settings, rules), rules)
    engine.state.product(PRODUCT, "sku-1")
    rng = np.random.default_rng(1)
    at_ms = START_MS + np.sort(rng.integers(0, DAY_MS - MINUTE_MS, customers))
    for first in range(0, customers, _PIECE):
        rows = np.array(
            [engine.profiles.row(b"customer-%08d" % i) for i in range(first, min(first + _PIECE, customers))]
        )
        bought = rng.random(len(rows)) < 0.25
        events = _events(np.repeat(rows, 2), np.repeat(at_ms[rows], 2), rng)
        events.kind[1::2][bought] = Kind.ORDER_COMPLETED
        events.product[1::2][bought] = 0
        events.value[1::2] = np.where(bought, 25.0, np.nan)
        details = {2 * i + 1: Detail(f"order-{first + i}") for i in np.flatnonzero(bought).tolist()}
        _apply(engine, events, details, first)
    reached = np.sort(rng.choice(customers, customers // 20, replace=False))
    _apply(engine, _events(np.repeat(reached, 2), np.full(2 * len(reached), LETTER_MS), rng), {}, customers)
    return engine


def _events(rows: Any, time_ms: Any, rng: Any) -> Events:
    events = Events.blank(len(rows))
    events.row[:] = rows
    events.time_ms[:] = events.received_ms[:] = time_ms
    events.kind[:] = Kind.PRODUCT_VIEWED
    events.product[:] = PRODUCT
    events.message[:] = rng.integers(1, 2**62, len(rows))
    return events


def _apply(engine: Engine, events: Events, details: dict[int, Detail], first: int) -> None:
    events.offset[:] = np.arange(len(events.row)) + 2 * first
    engine.apply(events, details)
    engine.changes()


def day_of_ticks(engine: Engine) -> list[Tick]:
    """Let the day after the letter pass, tick by tick."""
    tick_ms = engine.settings.tick_ms
    settings = engine.settings
    bands = [name for name, _ in settings.bands]
    outbox = Outbox(0, settings.layout.horizon_ms, bands, engine.profiles.keys)
    found = []
    for at_ms in range(LETTER_MS + tick_ms, LETTER_MS + DAY_MS + 2 * tick_ms, tick_ms):
        actions, times = 0, [time.process_time()]
        for outcome in engine.advance_in_pieces(at_ms, at_ms):
            times.append(time.process_time())
            outbox.tell(outcome, (), NEVER)
            actions += len(outcome.actions)
            times.append(time.process_time())
        rows = engine.changes()
        ended = time.process_time()
        outbox.drain()
        due = sum(key[:1] == b"c" for key, _ in rows)
        steps = [(stop - start) * 1e3 for start, stop in pairwise(times)]
        pieces = [Piece(*both) for both in zip(steps[::2], steps[1::2], strict=True)]
        found.append(Tick(at_ms, due, actions, sum(steps), (ended - times[-1]) * 1e3, pieces))
    return found


def figures(ticks: list[Tick]) -> dict[str, dict[str, float]]:
    """The usual tick (median by CPU), the one of a hundred that costs most, and the worst."""
    by_cpu = sorted(ticks, key=lambda tick: tick.cpu_ms)
    chosen = {"usual": 0.5, "one in a hundred": 0.99, "worst": 1.0}
    found = {name: by_cpu[round(share * (len(by_cpu) - 1))] for name, share in chosen.items()}
    return {
        name: {
            "due": tick.due,
            "actions": tick.actions,
            "cpu_ms": round(tick.cpu_ms, 1),
            "us_a_customer": round(tick.cpu_ms * 1e3 / max(tick.due, 1), 1),
            "rows_ms": round(tick.rows_ms, 1),
            "pieces": len(tick.pieces),
            "longest_piece_ms": round(max((piece.ms for piece in tick.pieces), default=0.0), 1),
        }
        for name, tick in found.items()
    }


def table(found: dict[str, dict[str, float]]) -> str:
    """The figures as a Markdown table."""
    columns = (
        "tick",
        "customers due",
        "actions",
        "CPU ms",
        "µs a customer due",
        "pieces",
        "longest, ms",
        "ms for rows",
    )
    lines = [f"| {' | '.join(columns)} |", f"|---{'|--:' * (len(columns) - 1)}|"]
    for name, told in found.items():
        lines.append(f"| {name} | {told['due']:,} | {told['actions']:,} | {told['cpu_ms']:,} | {told['us_a_customer']} "
                     f"| {told['pieces']:,} | {told['longest_piece_ms']} | {told['rows_ms']:,} |")  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    """Fill an engine, let a day pass, print the table, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    os.environ.setdefault("RECOMPRA_RULES", "all")
    settings = Settings()
    print(f"{options.customers:,} customers are made", file=sys.stderr, flush=True)
    rehearse(unit_options(settings, checked_rules(settings)))  # as a worker does before it counts
    engine = filled(options.customers, settings)
    print("a day passes", file=sys.stderr, flush=True)
    keep()
    gc.disable()  # a worker looks for garbage by the clock
    ticks = day_of_ticks(engine)
    found = figures(ticks)
    layout, rules = engine.profiles, engine.versions.rules
    print(f"{options.customers:,} customers, {len(rules)} rules, a row of {layout.stored_bytes:,} bytes "
          f"({layout.dtype.itemsize:,} in memory), {len(ticks):,} ticks of {engine.settings.tick_ms // 1000} s, "
          f"{sum(tick.cpu_ms for tick in ticks) / 864_000:.2%} of a processor\n")  # fmt: skip
    print(table(found))
    every = sorted((piece for tick in ticks for piece in tick.pieces), key=lambda piece: piece.ms)
    print(f"\n{len(every):,} pieces, {sum(piece.ms > 10 for piece in every):,} over 10 ms; one in a thousand takes "
          f"{every[-len(every) // 1000 - 1].ms:.1f} ms or more, the longest {every[-1].ms:.1f} ms; the longest "
          f"evaluation {max(piece.evaluated_ms for piece in every):.1f} ms, the longest time for records "
          f"{max(piece.told_ms for piece in every):.1f} ms, for rows at once {max(tick.rows_ms for tick in ticks):.1f} "
          "ms")  # fmt: skip
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found | {"customers": options.customers}, indent=2) + "\n")


if __name__ == "__main__":
    main()
