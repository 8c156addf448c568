"""What it costs to tell what customers are shown. `python -m benchmarks.content`

Two partitions live through the same busy hours in this process, one with `content` and one without, in turns; the CPU
of decoding, scoring and encoding is measured, that of the transport left out. Medians of the hours after the first few,
in which everybody is new. Settings hold as for every command: with `RECOMPRA_RULES=all` all rules are in force.
"""

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import NamedTuple

import numpy as np

from benchmarks.shop import CLICKSTREAM, Made, Shop
from scoring.features import BASELINE, FEATURE_VERSION, N_FEATURES
from scoring.model import LinearScorer, Snapshot
from scoring.profile import stable_hash
from scoring.shop.snapshot import Figures, ShopSnapshot, parts_of
from streams.clock import now_ms
from streams.engine_settings import checked_rules, engine_settings
from streams.settings import Settings
from streams.unit import Unit
from streams.unit_options import UnitOptions

__all__: list[str] = []

HOUR_MS = 3_600_000
_SETTLING = 4
_CATEGORIES = 40


class Fetched(NamedTuple):
    """A record as the worker gets it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def known(version: int, effective_ms: int) -> ShopSnapshot:
    """Five thousand products with companions, best sellers and categories, as the benchmark's shop numbers them."""
    ids = sorted((f"sku-{i:05d}".encode() for i in range(5_000)), key=stable_hash)
    n, rng = len(ids), np.random.default_rng(version)
    unknown = np.full(n, np.nan)
    figures = Figures(
        hashes=np.array([stable_hash(name) for name in ids], np.uint64),
        products=ids,
        popularity=rng.random(n).astype(np.float32),
        gap_days=unknown.astype(np.float32),
        price=unknown,
        price_before=unknown,
        before_since_ms=np.zeros(n, np.int64),
        before_ms=np.zeros(n, np.int64),
        category=rng.integers(0, _CATEGORIES, n).astype(np.int32),
        companions=rng.integers(0, n, (n, 10)).astype(np.int32),
        categories=[f"category-{i}" for i in range(_CATEGORIES)],
    )
    return ShopSnapshot(version, effective_ms, parts_of(figures))


def model(horizon_ms: int) -> Snapshot:
    """Scores by decayed orders."""
    scorer = LinearScorer(np.zeros(N_FEATURES), np.ones(N_FEATURES), np.eye(N_FEATURES)[BASELINE], 0.0, 1e9)
    return Snapshot(1, 0, FEATURE_VERSION, horizon_ms, False, scorer, np.linspace(-0.3, 0.15, 13))


class Lived:
    """One partition that lives through hours; microseconds an event of each, and how many records it told."""

    def __init__(self, versions: Sequence[ShopSnapshot], *, content: bool) -> None:
        settings = Settings()
        rules = checked_rules(settings)
        engine = replace(engine_settings(settings, rules), content=content)
        self.unit = Unit(0, UnitOptions(engine, rules, 600_000, False, 20_000))
        self.unit.ready({0: -1, 1: -1, 2: -1})
        self.unit.idle(2, 0, 0)
        self.unit.engine.versions.swap(model(engine.layout.horizon_ms))
        for version in versions:
            self.unit.engine.versions.swap_shop(version)
        self.cost: list[float] = []
        self.told: Counter[str] = Counter()
        self._next = [0, 0]

    def live(self, hour: Sequence[Made]) -> None:
        """Apply an hour's events."""
        records: list[list[Fetched]] = [[], []]
        for made in hour:
            source = 0 if made.topic == CLICKSTREAM else 1
            records[source].append(Fetched(self._next[source], made.time_ms, made.key, made.value))
            self._next[source] += 1
        began = time.process_time()
        for source, fetched in enumerate(records):
            for start in range(0, len(fetched), 5_000):
                self.unit.offer(source, fetched[start : start + 5_000], self._next[source])
        while self.unit.pump(0):
            pass
        taken = self.unit.take()
        self.cost.append((time.process_time() - began) / len(hour) * 1e6)
        self.told = Counter() if taken is None else Counter(topic for topic, _, _ in taken.outputs)


def main() -> None:
    """Live, and print the cost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=60_000, help="in each hour")
    parser.add_argument("--hours", type=int, default=8)
    options = parser.parse_args()
    shop, now = Shop(20_000, 1), now_ms()
    versions = [known(hour + 1, now + (hour - options.hours) * HOUR_MS) for hour in range(options.hours)]
    plain, showing = Lived(versions, content=False), Lived(versions, content=True)
    for hour in range(options.hours):
        start = now + (hour - options.hours) * HOUR_MS
        events = shop.busy(options.events, start, start + HOUR_MS)
        for lived in (plain, showing) if hour % 2 else (showing, plain):
            lived.live(events)
    ratios = [more / less for more, less in zip(showing.cost, plain.cost, strict=True)][_SETTLING:]
    each = showing.told["content"] / options.events
    print(f"without content  {median(plain.cost[_SETTLING:]):6.2f} µs CPU an event")
    print(f"with content     {median(showing.cost[_SETTLING:]):6.2f} µs CPU an event")
    print(f"ratio            {median(ratios):6.3f}, {each:.3f} records on content an event")


if __name__ == "__main__":
    main()
