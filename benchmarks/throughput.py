"""How fast a worker is, beside a naive one and beside fetching and decoding alone. `python -m benchmarks.throughput`

One worker process against the local Apache Kafka: decode, de-duplicate, state, features, score, changelog, scores
and crossings published, offsets committed. A history of 75 days is loaded first, and the model in force has learned
from it. Then a busy hour after the other is put on the topics, and each is measured from the first record to the
last commit: CPU of all threads of the worker's process, start-up and compilation left out. Three busy hours before
the first that is measured let the scores find their level. Exactly once with the basic rules and with all rules, at
least once, ceiling and naive take turns; medians are shown. Only ratios of one run mean anything.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any
from zlib import crc32

import numpy as np

from benchmarks import naive
from benchmarks.cluster import BATCH_BYTES, Cluster
from benchmarks.learned import learned
from benchmarks.measured import Cost, Worker
from benchmarks.memory import restored
from benchmarks.shop import Made, Shop
from scoring.features import GROUPS
from scoring.model import Example, Snapshot
from streams.engine_settings import checked_rules, engine_settings
from streams.settings import Settings

__all__ = ["ALL_RULES", "AT_LEAST", "EXACTLY", "OUT", "PARTITIONS", "RULES", "Run", "said"]

PARTITIONS = 4
HOUR_MS = 3_600_000
_SETTLING = 3
OUT = Path(__file__).parent / "out"
EXACTLY, ALL_RULES, AT_LEAST = "bench-exactly-once", "bench-all-rules", "bench-at-least-once"
RULES = {EXACTLY: "basic", ALL_RULES: "all", AT_LEAST: "basic"}


def said(text: str) -> None:
    """Tell whoever waits what is going on."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


class Run:
    """One interleaved run.

    Parameters
    ----------
    events
        In each busy hour.
    rounds
        How often each system has its turn.
    customers, seed
        Of the shop.
    naive_events
        In each turn of the naive worker.
    """

    def __init__(self, events: int, rounds: int, customers: int, seed: int, naive_events: int) -> None:
        self.events, self.rounds, self.naive_events = events, rounds, naive_events
        self.shop = Shop(customers, seed)
        self.now_ms = int(time.time() * 1000)
        self.hour = -len(RULES) * rounds - _SETTLING - 1  # what lies ahead of its receipt would be refused
        self.costs: dict[str, list[Cost]] = {"exactly": [], "all rules": [], "at least": [], "ceiling": [], "naive": []}
        self.value_bytes = 0.0

    def busy(self) -> list[Made]:
        """The next busy hour."""
        start = self.now_ms + self.hour * HOUR_MS
        self.hour += 1
        made = self.shop.busy(self.events, start, start + HOUR_MS)
        self.value_bytes = sum(len(record.value) for record in made) / len(made)
        return made

    def prepare(self, cluster: Cluster) -> tuple[Snapshot, list[Example]]:
        """Load the history and the hours in which scores find their level; the model, and what it has learned from."""
        settings = Settings()
        start_ms = self.now_ms + self.hour * HOUR_MS
        said("a shop of 75 days, and the model that it teaches")
        history = self.shop.history(start_ms - 75 * 24 * HOUR_MS, start_ms)
        rules = checked_rules(settings)
        snapshot, examples = learned(history, engine_settings(settings, rules), rules, start_ms)
        said(f"{len(history)} records; {snapshot.examples_seen} outcomes, {snapshot.positives} of them orders")
        cluster.produce(history)
        cluster.publish_model(snapshot)
        for _ in range(_SETTLING):
            cluster.produce(self.busy())
        return snapshot, examples

    def go(self, cluster: Cluster, directory: Path) -> None:
        """Load the history, publish the model, then let the systems take turns."""
        _, examples = self.prepare(cluster)
        np.savez(
            directory / "examples.npz",
            X=np.array([example.features for example in examples], np.float64),
            y=np.array([example.label for example in examples]),
        )
        for number in range(self.rounds):
            said(f"round {number + 1} of {self.rounds}: exactly once")
            made = self.worker(cluster, EXACTLY, "exactly")
            said(f"round {number + 1} of {self.rounds}: the ceiling")
            self._ceiling(cluster, len(made))
            said(f"round {number + 1} of {self.rounds}: exactly once, all rules")
            self.worker(cluster, ALL_RULES, "all rules")
            said(f"round {number + 1} of {self.rounds}: at least once")
            self.worker(cluster, AT_LEAST, "at least")
            said(f"round {number + 1} of {self.rounds}: the naive way")
            self._naive(cluster, made, f"naive-{number}", directory / "examples.npz")

    def worker(self, cluster: Cluster, app_id: str, name: str) -> list[Made]:
        """Measure a worker on a busy hour; what happened in it."""
        made = self.busy()
        with Worker(cluster, app_id, exactly_once=app_id != AT_LEAST, rules=RULES[app_id]) as worker:
            worker.catch_up()
            time.sleep(1.5)  # whatever it does after a start is over
            self._before = cluster.ends("clickstream", "orders")
            self.costs[name].append(worker.measure(len(made), lambda: cluster.produce(made)))
        said(_line(name, self.costs[name][-1]))
        return made

    def _ceiling(self, cluster: Cluster, events: int) -> None:
        ends = cluster.ends("clickstream", "orders")
        parts = [[topic, place, self._before[topic, place], end] for (topic, place), end in ends.items()]
        told = _child("benchmarks.ceiling", "--broker", cluster.address, "--parts", json.dumps(parts))
        assert told["events"] == events, (told, events)
        self.costs["ceiling"].append(Cost(events, told["cpu_s"], told["wall_s"], 0, 0, 0, 0.0))
        said(_line("ceiling", self.costs["ceiling"][-1]))

    def _naive(self, cluster: Cluster, made: Sequence[Made], name: str, examples: Path) -> None:
        # A share of the customers, so that half of their events fill its state before the clock runs.
        share = -(-len(made) // (2 * self.naive_events))
        part = [record for record in made if crc32(record.key) % share == 0]
        warm = len(part) // 2
        cluster.produce(part, f"{name}-")
        told = _child("benchmarks.naive", "--broker", cluster.address, "--events", str(len(part) - warm),
                      "--warm", str(warm), "--id", name, "--examples", str(examples))  # fmt: skip
        cost = Cost(len(part) - warm, told["cpu_s"], told["wall_s"], int(told["published"]), 0, 0, told["rss_mb"])
        self.costs["naive"].append(cost)
        said(_line("naive", cost))

    def result(self) -> dict[str, Any]:
        """The figures, medians over the rounds."""
        us = {name: median(cost.cpu_us for cost in costs) for name, costs in self.costs.items()}
        found = {name: _figures(costs) for name, costs in self.costs.items()}
        ours = found["exactly"]
        return {
            "events_per_s": ours["events_per_s"],
            "cpu_us_per_event": ours["cpu_us_per_event"],
            "ratio_to_ceiling": round(_ratio(self.costs["ceiling"], self.costs["exactly"]), 3),
            "ratio_to_naive": round(_ratio(self.costs["naive"], self.costs["exactly"]), 1),
            "changelog_bytes_per_event": ours["changelog_bytes_per_event"],
            "rss_mb": ours["rss_mb"],
            "published_share": ours["published_share"],
            "exactly_once": ours,
            "all_rules": found["all rules"]
            | {
                "ratio_to_ceiling": round(_ratio(self.costs["ceiling"], self.costs["all rules"]), 3),
                "ratio_to_naive": round(_ratio(self.costs["naive"], self.costs["all rules"]), 1),
            },
            "at_least_once": found["at least"]
            | {
                "ratio_to_ceiling": round(us["ceiling"] / us["at least"], 3),
                "ratio_to_naive": round(us["naive"] / us["at least"], 1),
            },
            "ceiling": found["ceiling"],
            "naive": found["naive"] | {"settings": naive.SETTINGS},
            "events_per_turn": self.events,
            "rounds": self.rounds,
            "customers": len(self.shop.keys),
            "bytes_per_event": round(self.value_bytes),
        }


def _ratio(other: Sequence[Cost], ours: Sequence[Cost]) -> float:
    """Median over the rounds of what the other costs, in units of what we cost in the same round."""
    return median(theirs.cpu_us / mine.cpu_us for theirs, mine in zip(other, ours, strict=True))


def _figures(costs: Sequence[Cost]) -> dict[str, float]:
    return {
        "events_per_s": round(median(cost.events / cost.wall_s for cost in costs)),
        "events_per_cpu_s": round(median(cost.events / cost.cpu_s for cost in costs)),
        "cpu_us_per_event": round(median(cost.cpu_us for cost in costs), 2),
        "published_share": round(median(cost.published / cost.events for cost in costs), 4),
        "changelog_bytes_per_event": round(median(cost.changelog_bytes / cost.events for cost in costs), 1),
        "rss_mb": round(max(cost.rss_mb for cost in costs)),
    }


def _line(name: str, cost: Cost) -> str:
    return (
        f"  {name}: {cost.cpu_us:.2f} µs of CPU an event, {cost.events / cost.wall_s:,.0f} events/s, "
        f"{cost.published / cost.events:.1%} published"
    )


def _child(module: str, *options: str) -> dict[str, float]:
    """Run one of our programs and read the JSON that it prints last."""
    done = subprocess.run(
        [sys.executable, "-m", module, *options], stdout=subprocess.PIPE, check=True, text=True, timeout=600
    )
    told: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return told


def table(result: dict[str, Any]) -> str:
    """The figures as a Markdown table."""
    rows = [
        ("recompra worker, exactly once", result["exactly_once"], result["ratio_to_ceiling"], result["ratio_to_naive"]),
        ("recompra worker, all rules", result["all_rules"], result["all_rules"]["ratio_to_ceiling"],
         result["all_rules"]["ratio_to_naive"]),
        ("recompra worker, at least once", result["at_least_once"], result["at_least_once"]["ratio_to_ceiling"],
         result["at_least_once"]["ratio_to_naive"]),
        ("ceiling: aiokafka getmany, decode", result["ceiling"], 1.0, None),
        ("naive: Faust agent an event, dicts, river", result["naive"], None, 1.0),
    ]  # fmt: skip
    heading = (
        "| one process | CPU µs an event | events per CPU s | events/s | of ceiling | times naive | published "
        "| changelog B an event | RSS MB |"
    )
    lines = [heading, "|---|--:|--:|--:|--:|--:|--:|--:|--:|"]
    for name, figures, ceiling, times in rows:
        lines.append(
            f"| {name} | {figures['cpu_us_per_event']:.2f} | {figures['events_per_cpu_s']:,} "
            f"| {figures['events_per_s']:,} | {'' if ceiling is None else f'{ceiling:.2f}'} "
            f"| {'' if times is None else f'{times:.0f}'} | {figures['published_share']:.1%} "
            f"| {figures['changelog_bytes_per_event']:.0f} | {figures['rss_mb']:.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run, print the table, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=300_000, help="in each turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--naive-events", type=int, default=15_000)
    parser.add_argument("--restored", type=int, default=1_000_000, help="customers of the restore; 0: none")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=OUT / "throughput.json")
    options = parser.parse_args()
    run = Run(options.events, options.rounds, options.customers, options.seed, options.naive_events)
    extra = {f"naive-{n}-{topic}": PARTITIONS for n in range(options.rounds)
             for topic in ("clickstream", "orders", "scores", "actions")}  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="recompra-bench-") as directory:
        with Cluster(PARTITIONS, tuple(RULES), extra, rules="all") as cluster:
            run.go(cluster, Path(directory))
        result = run.result()
        if options.restored:
            said(f"a restore of {options.restored:,} customers")
            result |= restored(options.restored, said)
    result["machine"] = {"cpus": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
    print(
        f"{PARTITIONS} partitions, {options.customers:,} customers, events of {result['bytes_per_event']} bytes in "
        f"batches of {BATCH_BYTES} bytes, {options.events:,} events a turn, medians of {options.rounds} rounds, "
        f"{len(GROUPS)} groups of features\n"
    )
    print(table(result))
    print(f"\nnaive settings: {json.dumps(naive.SETTINGS)}")
    if options.restored:
        print(
            f"all rules, {options.restored:,} customers: restored {result['customers_restored_per_s']:,} customers/s "
            f"({result['rows_restored_per_s']:,} rows/s); {result['stored_bytes_per_customer']:,} bytes of state a "
            f"customer, {result['bytes_per_customer']:,} of memory beyond {result['rss_base_mb']} MB"
        )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten to {options.out}")


if __name__ == "__main__":
    main()
