"""Bytes that a customer takes after a long life: the average and the largest. `python -m benchmarks.held [--days 75]`

The orders of the demo's shop (Online Retail I) and the seeded life around them pass through one partition's engine in
order of time, while a learner learns from them, so that rules that read a score have their crossings, too. Then the
rows and side records are weighed as they lie in memory and as they are stored; a customer without a side record weighs
a row. All rules are in force unless `RECOMPRA_RULES` says otherwise.
"""

import argparse
import os
import sys
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.engine import Engine
from scoring.learner import Learner
from streams.backtest.history import History
from streams.backtest.run import Backtest
from streams.demo.plan import plan
from streams.engine_settings import checked_rules, engine_settings
from streams.learning import learner_config
from streams.limits import Limits
from streams.loading import Ready
from streams.settings import Settings

__all__ = ["Held", "held", "lived"]

SIDE_OVERHEAD = sys.getsizeof(b"")
"""Bytes that Python adds to each side record."""


class Held(NamedTuple):
    """Bytes: of a row in memory and as stored, and of each customer's side record (n,), 0 for none."""

    row: int
    stored: int
    sides: NDArray[np.int64]


def lived(days: int, settings: Settings) -> Engine:
    """An engine through which so many days of the demo's shop have passed, of all its customers."""
    rules = checked_rules(settings)
    engine = Engine(engine_settings(settings, rules), rules)
    life = plan(1, days, everyone=True)
    test = Backtest(
        engine,
        Learner(learner_config(settings)),
        settings.allowed_skew_ms,
        settings.snapshot_every_ms,
        Limits.of(settings),
    )
    test.run(History(Ready(each.topic, each.key, each.value, each.time_ms) for each in life.messages()))
    return engine


def held(engine: Engine) -> Held:
    """Weigh what an engine holds of each customer."""
    engine.changes()
    profiles = engine.profiles
    sides = np.zeros(len(profiles), np.int64)
    for row, stored in engine.sides.copied().items():
        sides[row] = len(stored) + SIDE_OVERHEAD
    return Held(profiles.dtype.itemsize, profiles.stored_bytes, sides)


def table(found: Held) -> str:
    """The bytes as a Markdown table."""
    sides = found.sides
    some = sides[sides > 0]
    chosen = {
        "all customers, average": sides.mean(),
        "those with a side record, average": some.mean(),
        "one in a hundred": np.quantile(sides, 0.99),
        "largest": sides.max(),
    }
    lines = ["| bytes | row | side record | both in memory | both stored |", "|---|--:|--:|--:|--:|"]
    for name, size in chosen.items():
        stored = found.stored + max(size - SIDE_OVERHEAD, 0)
        lines.append(f"| {name} | {found.row:,} | {size:,.0f} | {found.row + size:,.0f} | {stored:,.0f} |")
    return "\n".join(lines)


def main() -> None:
    """Let the days pass and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=75)
    options = parser.parse_args()
    os.environ.setdefault("RECOMPRA_RULES", "all")
    engine = lived(options.days, Settings())
    found = held(engine)
    print(f"{len(found.sides):,} customers after {options.days} days, {np.count_nonzero(found.sides):,} with a side "
          f"record, {len(engine.rules)} rules\n")  # fmt: skip
    print(table(found))


if __name__ == "__main__":
    main()
