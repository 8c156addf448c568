"""How fast a worker restores its state, and what memory a customer takes. `python -m benchmarks.memory`

The state of a million customers is made by the engine itself and put on the changelog; then a worker starts on it.
Its own memory, CPU and seconds are read; a worker without customers is the base, and beside it stands what only reading
those rows takes. All rules are in force unless `RECOMPRA_RULES` says otherwise.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks.cluster import Cluster, Pair
from benchmarks.measured import Worker
from scoring.engine import Engine
from scoring.kernel import Events
from scoring.kinds import Kind
from scoring.profile import DAY_MS
from scoring.sides import Detail
from streams.changelog import read_changelog
from streams.clock import now_ms
from streams.engine_settings import checked_rules, engine_settings
from streams.settings import Settings

__all__ = ["restored"]

PARTITIONS = 4
_PIECE = 50_000
_BATCH_BYTES = 524_288
RULES: dict[str, Any] = {"rules": os.environ.get("RECOMPRA_RULES", "all")}
"""Whose rows are restored."""


def states(customers: int, partition_of: Callable[[bytes], int]) -> Iterator[dict[int, list[Pair]]]:
    """Changelog rows of customers who viewed something and, one in four, bought: by partition, in pieces."""
    settings = Settings(**RULES)
    rules = checked_rules(settings)
    options = engine_settings(settings, rules)
    rng = np.random.default_rng(1)
    start_ms = now_ms() - 10 * DAY_MS
    for first in range(0, customers, _PIECE):
        count = min(_PIECE, customers - first)
        keys = [f"customer-{i:08d}".encode() for i in range(first, first + count)]
        by_part: dict[int, list[bytes]] = {partition: [] for partition in range(PARTITIONS)}
        for key in keys:
            by_part[partition_of(key)].append(key)
        piece: dict[int, list[Pair]] = {}
        for partition, mine in by_part.items():
            engine = Engine(options, rules, partition)
            n = len(mine)
            events = Events.blank(2 * n)
            events.row[:] = np.repeat([engine.profiles.row(key) for key in mine], 2)
            events.time_ms[:] = events.received_ms[:] = start_ms + np.sort(rng.integers(0, DAY_MS, 2 * n))
            bought = rng.random(n) < 0.25
            events.kind[0::2] = Kind.PRODUCT_VIEWED
            events.kind[1::2] = np.where(bought, Kind.ORDER_COMPLETED, Kind.PRODUCT_VIEWED)
            events.offset[:] = np.tile([0, 1], n)
            events.message[:] = rng.integers(1, 2**62, 2 * n)
            events.value[1::2] = np.where(bought, 25.0, 0.0)
            details = {2 * i + 1: Detail(f"order-{first + i}") for i in np.flatnonzero(bought).tolist()}
            engine.apply(events, details)
            piece[partition] = list(engine.changes())
        yield piece


def restored(customers: int, said: Callable[[str], None]) -> dict[str, Any]:
    """Figures of a worker that restores so many customers, beside one that has none."""
    base, full = "bench-no-customers", "bench-restore"
    with Cluster(PARTITIONS, (base, full), **RULES) as cluster:
        said("  a worker without customers, twice: the first may have to compile")
        for _ in range(2):
            with Worker(cluster, base, exactly_once=True, **RULES) as worker:
                base_mb, base_s, base_cpu_s = worker.rss_mb, worker.ready_after_s, worker.cpu_s
        said("  putting their state on the changelog")
        rows = size = 0
        for piece in states(customers, cluster.partition_of):
            cluster.send({(f"{full}-profiles-changelog", place): pairs for place, pairs in piece.items()}, _BATCH_BYTES)
            rows += sum(len(pairs) for pairs in piece.values())
            size += sum(len(key or b"") + len(value or b"") for pairs in piece.values() for key, value in pairs)
        said(f"  {rows:,} rows, {size / 1e6:,.0f} MB; a worker restores them")
        with Worker(cluster, full, exactly_once=True, **RULES) as worker:
            found = worker.metric("recompra_restored_rows_total")
            assert found == rows, (found, rows)
            seconds = worker.ready_after_s - base_s
            rss_mb, peak_mb, cpu_s = worker.rss_mb, worker.peak_mb, worker.cpu_s - base_cpu_s
        said("  the same rows are read, and nothing is done with them")
        raw_s, raw_cpu_s = _read(cluster.settings(full), rows)
    figures = {
        "rows_restored_per_s": round(rows / seconds),
        "customers_restored_per_s": round(customers / seconds),
        "stored_bytes_per_customer": round(size / customers),
        "restored_rows": rows,
        "restored_customers": customers,
        "restore_seconds": round(seconds, 1),
        "restore_cpu_s": round(cpu_s, 1),
        "customers_restored_per_cpu_s": round(customers / cpu_s),
        "raw_read_seconds": round(raw_s, 1),
        "raw_read_cpu_s": round(raw_cpu_s, 1),
        "raw_read_customers_per_s": round(customers / raw_s),
        "restore_cpu_to_raw_read": round(cpu_s / raw_cpu_s, 2),
        "bytes_per_customer": round((rss_mb - base_mb) * 1024 * 1024 / customers),
        "rss_base_mb": round(base_mb),
        "rss_restored_mb": round(rss_mb),
        "rss_peak_mb": round(peak_mb),
    }
    said(f"  {figures}")
    return figures


def _read(settings: Settings, rows: int) -> tuple[float, float]:
    """Seconds and CPU of reading the whole changelog as a restore does."""
    found = 0

    def count(keys: Sequence[bytes], _: Sequence[bytes | None]) -> None:
        nonlocal found
        found += len(keys)

    began, cpu = time.perf_counter(), time.process_time()
    for partition in range(PARTITIONS):
        asyncio.run(read_changelog(settings, partition, count, committed=True))
    assert found == rows, (found, rows)
    return time.perf_counter() - began, time.process_time() - cpu


def main() -> None:
    """Restore, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=1_000_000)
    options = parser.parse_args()
    print(json.dumps(restored(options.customers, lambda text: print(text, file=sys.stderr, flush=True)), indent=2))


if __name__ == "__main__":
    main()
