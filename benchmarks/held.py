"""Bytes that a customer takes after a long life: the average and the largest. `python -m benchmarks.held [--days 75]`

The orders of the demo's shop (Online Retail I) and the seeded life around them pass through one partition's engine in
order of time, while a learner learns from them, so that rules that read a score have their crossings, too. Then the
rows and side records are weighed as they lie in memory and as they are stored; a customer without a side record weighs
a row. All rules are in force unless `RECOMPRA_RULES` says otherwise.
"""

import argparse
import os
import sys
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.carried import Noted, remembered
from scoring.engine import Engine
from scoring.features import GROUPS
from scoring.open_object import OpenObject
from scoring.packed import packed
from scoring.rules.carry import Carry
from scoring.rules.columns import ITS_KINDS
from scoring.rules.rule import ForEach
from scoring.side import CartItem, CartStep, Crossed, RuleState, Side
from streams.backtest.history import History
from streams.backtest.run import Backtest
from streams.demo.plan import plan
from streams.engine_settings import checked_rules, engine_settings
from streams.loading import Ready
from streams.settings import Settings

__all__ = ["Held", "held", "lived"]

_CROSSINGS = 8
"""Of each list, remembered; of categories as many as objects are watched (`scoring.remembering`)."""
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
    test = Backtest.of(settings, engine)
    test.run(History(Ready(each.topic, each.key, each.value, each.time_ms) for each in life.messages()))
    return engine


def held(engine: Engine) -> Held:
    """Weigh what an engine holds of each customer."""
    engine.changes()
    profiles = engine.profiles
    sides = np.zeros(len(profiles), np.int64)
    for row, stored in enumerate(engine.sides.copied()):
        if stored is not None:
            sides[row] = len(stored) + SIDE_OVERHEAD
    return Held(profiles.dtype.itemsize, profiles.stored_bytes, sides)


def fullest(engine: Engine) -> int:
    """Bytes of the side record of somebody of whom as much is known as settings allow, under the rules in force.

    Ids have twelve letters, all different; what is bounded otherwise (habits, tickets, traits) is left out.
    """
    settings, rng, ms = engine.settings, np.random.default_rng(1), 1_767_571_200_000

    def ids(n: int) -> list[str]:
        return [rng.bytes(6).hex() for _ in range(n)]

    def moments(n: int) -> list[int]:
        return [ms + each for each in rng.integers(0, 2**34, n).tolist()]

    cart = tuple(CartItem(name, 1.0, float(rng.random())) for name in ids(settings.cart_steps))
    side = Side(
        orders={int(each): (1, int(each % 10**9)) for each in rng.integers(0, 2**63, settings.orders_remembered)},
        cart=tuple(
            CartStep(at, item.product, 1.0, item.price) for at, item in zip(moments(len(cart)), cart, strict=True)
        ),
    )
    for rule in chain.from_iterable(each.of_marks for each in engine.versions.rules.rules):
        carried = remembered(Noted(cart if Carry.CART in rule.carries else ()))
        crossings = engine.sides.objects_watched if rule.for_each is ForEach.CATEGORY else _CROSSINGS
        objects = ids(crossings) if rule.for_each is ForEach.CATEGORY else [""] * crossings
        told = tuple(
            Crossed(at, 0, at % 10**9, 1, True, object=name, noted=carried)
            for at, name in zip(moments(crossings), objects, strict=True)
        )
        side.rules[rule.list_name] = RuleState(100, True, ms, rng.bytes(4 * len(GROUPS)), told)
        if rule.for_each is not ForEach.NONE:
            inside = ids(engine.sides.objects_watched)
            side.objects[rule.list_name] = dict.fromkeys(inside, True)
            side.numbers[rule.list_name] = dict.fromkeys(inside, (1, ms))
    for of, kinds in ITS_KINDS.items():
        side.open[of] = {
            name: OpenObject(
                {int(kind): (at, 1) for kind, at in zip(kinds, moments(len(kinds)), strict=True)},
                bought=tuple(sorted(moments(6))),
                products=tuple(ids(20)) if of == "order" else (),
            )
            for name in ids(settings.objects_kept)
        }
    return len(packed(side))


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
          f"record, {len(engine.versions.rules)} rules\n")  # fmt: skip
    print(table(found))
    print(f"\nThe fullest side record that settings allow has about {fullest(engine):,} bytes stored.")


if __name__ == "__main__":
    main()
