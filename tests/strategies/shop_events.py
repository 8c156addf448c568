"""Events of a shop's products over several partitions, and all the ways in which they may be read."""

import random
from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import strategies as st

from scoring.shop.observations import Bought, Line, Observation, Offered
from scoring.shop.settings import ShopSettings
from scoring.shop.shop import Shop
from scoring.shop.snapshot import parts_of

HOUR_MS = 3_600_000
START_MS = 472_000 * HOUR_MS
PARTITIONS = ("clickstream-0", "orders-0", "orders-1")
QUIET_AT_END = frozenset(PARTITIONS)
SMALL = ShopSettings(
    products=6, pairs=12, companions=2, purchases=6, orders=8, basket=3, categories=2, open_orders=4, open_products=7
)
"""Bounds that are passed at every turn."""
WIDE = ShopSettings(companions=3)

Log = list[tuple[int, Observation | None]]


class Piece(NamedTuple):
    """The next `count` records of a partition, read at once."""

    partition: str
    count: int


def _line(chance: random.Random) -> Line:
    product = f"p{min(int(chance.expovariate(0.25)), 11)}"
    price = chance.choice([None, 1.0, 2.0, 2.5])
    return Line(product, price, chance.choice([None, "tea", "cups", "toys"]))


def _event(chance: random.Random, partition: str, number: int) -> tuple[int, Observation | None]:
    time_ms = START_MS + int(chance.triangular(0, 40 * 24, 200) * HOUR_MS) if chance.random() < 0.9 else START_MS
    message = f"{partition}/{number:03d}"
    lines = tuple(_line(chance) for _ in range(chance.randrange(5)))
    if partition.startswith("orders"):
        order = f"o{partition[-1]}-{chance.randrange(number + 1)}"  # some ids come twice
        return time_ms, Bought(time_ms, message, order, chance.randrange(5) * 2**61, lines)
    return time_ms, Offered(time_ms, message, lines) if chance.random() < 0.8 else None


def log_of(seed: int, partition: str, count: int) -> Log:
    """Records of a partition in the order of event time."""
    chance = random.Random(f"{seed}{partition}")
    return sorted((_event(chance, partition, i) for i in range(count)), key=lambda event: event[0])


@st.composite
def logs(draw: st.DrawFn) -> dict[str, Log]:
    """The records of every partition."""
    seed = draw(st.integers(0, 10_000))
    return {name: log_of(seed, name, draw(st.integers(0, 24))) for name in PARTITIONS}


@st.composite
def shuffled(draw: st.DrawFn, ordered: dict[str, Log], lateness_ms: int) -> dict[str, Log]:
    """The same records, each at most so much later than one that it follows; some of them come twice."""
    chance = random.Random(draw(st.integers(0, 10_000)))
    found = {}
    for name, log in ordered.items():
        repeated = [event for event in log if chance.random() < 0.2]
        times = [(event[0] + chance.randrange(lateness_ms + 1), event) for event in [*log, *repeated]]
        found[name] = [event for _, event in sorted(times, key=lambda pair: pair[0])]
    return found


@st.composite
def readings(draw: st.DrawFn, log: dict[str, Log]) -> list[Piece]:
    """How they are read: which partition when, and how much at once."""
    left = {name: len(records) for name, records in log.items() if records}
    chance = random.Random(draw(st.integers(0, 10_000)))
    pieces = []
    while left:
        name = chance.choice(sorted(left))
        count = chance.randint(1, left[name])
        pieces.append(Piece(name, count))
        left[name] -= count
        if not left[name]:
            del left[name]
    return pieces


class Told:
    """Snapshots as bytes, by version."""

    def __init__(self) -> None:
        self.versions: dict[int, tuple[int, list[bytes]]] = {}

    def complete(self, shop: Shop, quiet: frozenset[str] = frozenset()) -> None:
        """Close what is complete; a version that was told before must be the same."""
        for version in shop.complete(quiet):
            said = version.effective_ms, parts_of(version.figures)
            assert self.versions.setdefault(version.version, said) == said


def read(shop: Shop, log: dict[str, Log], pieces: Sequence[Piece], told: Told) -> None:
    """Read pieces from where the shop stands."""
    for name, count in pieces:
        start = shop.fronts[name].next
        records = log[name][start : start + count]
        shop.take(name, start + len(records), records)
        told.complete(shop, frozenset(known for known in PARTITIONS if not log[known]))
