"""How fast a replay is, beside a worker that reads the same year. `python -m benchmarks.replay_year`

A synthetic year of clicks and orders lies on the local Apache Kafka. A worker reads it from the beginning (decode,
state, scores, changelog, offsets, exactly once), then it is replayed into a shadow by event time and, step by step, as
that worker did it; the three take turns. CPU of all threads of each process, start-up and compilation left out; medians
of the rounds. Only ratios of one run mean anything.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.cluster import Cluster
from benchmarks.measured import Cost, Worker
from benchmarks.shop import Shop
from benchmarks.throughput import OUT, said

__all__: list[str] = []

PARTITIONS: Final = 4
DAY_MS: Final = 86_400_000
APP: Final = "bench-replay"
KINDS: Final = {"merged": "replay, by event time", "as-it-was": "replay, as it was"}


def run(customers: int, days: int, rounds: int, seed: int) -> dict[str, Any]:
    """Let the three take turns; the figures."""
    now_ms = int(time.time() * 1000)
    costs: dict[str, list[Cost]] = {"live": [], **{kind: [] for kind in KINDS}}
    said(f"{days} days of {customers:,} customers")
    made = Shop(customers, seed).history(now_ms - days * DAY_MS, now_ms)
    for number in range(rounds):
        with Cluster(PARTITIONS, (APP,)) as cluster:
            said(f"round {number + 1} of {rounds}, {len(made):,} events: a worker")
            with Worker(cluster, APP, exactly_once=True) as worker:
                worker.catch_up()
                costs["live"].append(worker.measure(len(made), lambda: cluster.produce(made)))
            said(_line("live", costs["live"][-1]))
            for kind in KINDS if number % 2 else reversed(KINDS):
                costs[kind].append(_replay(cluster, kind, len(made)))
                said(_line(kind, costs[kind][-1]))
    return {name: _figures(each, costs["live"]) for name, each in costs.items()} | {
        "events": len(made),
        "days": days,
        "customers": customers,
        "rounds": rounds,
    }


def _replay(cluster: Cluster, kind: str, events: int) -> Cost:
    environment = {
        **os.environ,
        "RECOMPRA_BROKER": cluster.address,
        "RECOMPRA_APP_ID": APP,
        "RECOMPRA_PARTITIONS": str(PARTITIONS),
        "RECOMPRA_CONSENT_UNKNOWN": "yes",
    }
    done = subprocess.run([sys.executable, "-m", "benchmarks.replay_year", "--child", kind], env=environment,
                          stdout=subprocess.PIPE, check=True, text=True, timeout=1800)  # fmt: skip
    told = json.loads(done.stdout.strip().splitlines()[-1])
    assert told["read"] == events, (told, events)
    return Cost(events, told["cpu_s"], told["wall_s"], told["written"], 0, 0, 0.0)


def _child(kind: str) -> None:
    """Replay what is there, in a process of its own, and print what it cost."""
    from streams.engine_settings import checked_rules
    from streams.replay.running import Asked, Replay
    from streams.settings_sources import load
    from streams.warm import warm
    from streams.worker import unit_options

    settings = load().settings
    rules = checked_rules(settings)
    warm()
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    asked = Asked(f"bench-{kind}", as_it_was=kind == "as-it-was")
    replay = Replay(settings, unit_options(settings, rules), rules, asked)
    told = replay.run(range(settings.partitions))
    cost = {"cpu_s": time.process_time() - cpu_s, "wall_s": time.perf_counter() - wall_s}
    print(json.dumps({**cost, "read": told.read, "written": told.written}), flush=True)


def _figures(costs: Sequence[Cost], live: Sequence[Cost]) -> dict[str, float]:
    return {
        "cpu_us_per_event": round(median(cost.cpu_us for cost in costs), 2),
        "events_per_s": round(median(cost.events / cost.wall_s for cost in costs)),
        "ratio_to_live": round(median(its.cpu_us / cost.cpu_us for cost, its in zip(costs, live, strict=True)), 2),
    }


def _line(name: str, cost: Cost) -> str:
    return f"  {name}: {cost.cpu_us:.2f} µs of CPU an event, {cost.events / cost.wall_s:,.0f} events/s"


def table(result: dict[str, Any]) -> str:
    """The figures as a Markdown table."""
    rows = [("worker, exactly once", result["live"]), *((name, result[kind]) for kind, name in KINDS.items())]
    lines = [
        "| one process | CPU µs an event | events/s | events per CPU second, of the worker's |",
        "|---|--:|--:|--:|",
    ]
    lines += [f"| {name} | {each['cpu_us_per_event']:.2f} | {each['events_per_s']:,} | {each['ratio_to_live']:.2f} |"
              for name, each in rows]  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    """Run, print the table, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=2_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=OUT / "replay_year.json")
    parser.add_argument("--child", choices=sorted(KINDS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        _child(options.child)
        return
    result = run(options.customers, options.days, options.rounds, options.seed)
    print(
        f"{result['events']:,} events of {result['days']} days, {result['customers']:,} customers, {PARTITIONS} "
        f"partitions, medians of {result['rounds']} rounds\n"
    )
    print(table(result))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten to {options.out}")


if __name__ == "__main__":
    main()
