"""How fast a replay of a year is, beside a worker live. `python -m benchmarks.replay_year`

Two local Apache Kafkas, one run, turns taken. On one a worker has the busy hours of `benchmarks.throughput`: live. On
the other lies a synthetic year of clicks and orders. A worker reads it from the beginning (decode, state, scores,
changelog, offsets, exactly once), then it is replayed into a shadow by event time and, step by step, as that worker did
it. With the basic rules and with all; the same model everywhere. CPU of all threads of each process, start-up and
compilation left out; medians of the rounds, and only ratios of one run mean anything.

Once more by event time, as one types it with `--processes`, one a core: by the clock, with its start-up.

In a year a customer does something now and then, and is scored once a day; in a busy hour many come at once. What the
year costs the worker beyond the busy hour is of that; what it costs the replay beyond the worker is the replay's own.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.cluster import Cluster
from benchmarks.measured import Cost, Worker
from benchmarks.shop import Made, Shop
from benchmarks.throughput import ALL_RULES, EXACTLY, OUT, PARTITIONS, RULES, Run, said
from scoring.model import Snapshot
from streams.children import part

__all__: list[str] = []

DAY_MS: Final = 86_400_000
APP: Final = "bench-replay"
BUSY: Final = {EXACTLY: "exactly", ALL_RULES: "all rules"}
"""The workers that have the busy hours: what their costs are called."""
KINDS: Final = {"merged": "replay of the year, by event time", "as-it-was": "replay of the year, as it was"}
APART: Final = "apart"
CORES: Final = os.cpu_count() or 1
NAMES: Final = {"live": "worker, a busy hour", "year": "worker, the year", **KINDS,
                APART: "replay of the year, by event time, all cores"}  # fmt: skip

_Costs = dict[str, dict[str, list[Cost]]]
"""By rules and by what was measured."""


def run(customers: int, days: int, rounds: int, events: int, seed: int) -> dict[str, Any]:
    """Let all take turns; the figures, by rules."""
    busy = Run(events, rounds, 20_000, seed, 0)
    costs: _Costs = {RULES[app]: defaultdict(list) for app in BUSY}
    with Cluster(PARTITIONS, tuple(BUSY), rules="all") as live:
        snapshot, _ = busy.prepare(live)
        end_ms = busy.now_ms + busy.hour * 3_600_000
        said(f"{days} days of {customers:,} customers")
        made = Shop(customers, seed).history(end_ms - days * DAY_MS, end_ms)
        model = replace(snapshot, effective_ms=made[0].time_ms)
        for number in range(rounds):
            for app, name in BUSY.items():
                rules = RULES[app]
                said(f"round {number + 1} of {rounds}, {rules} rules: a busy hour")
                busy.worker(live, app, name)
                costs[rules]["live"].append(busy.costs[name][-1])
                _year(made, model, rules, costs[rules], backwards=number % 2 == 1)
    return {
        **{rules: _figures(each) for rules, each in costs.items()},
        "events": len(made),
        "busy_events": events,
        "days": days,
        "customers": customers,
        "rounds": rounds,
    }


def _year(made: Sequence[Made], model: Snapshot, rules: str, costs: dict[str, list[Cost]], *, backwards: bool) -> None:
    """Have the year read by a worker, and told again in both ways and by all cores."""
    with Cluster(PARTITIONS, (APP,), rules=rules) as cluster:
        cluster.publish_model(model)
        said(f"the year, {len(made):,} events: a worker")
        cluster.produce(made)  # before: an input that was read to its end is not waited for, and its past would be late
        with Worker(cluster, APP, exactly_once=True, rules=rules) as worker:
            costs["year"].append(worker.measure(len(made), lambda: None))
        said(_line("year", costs["year"][-1]))
        for kind in reversed(KINDS) if backwards else KINDS:
            costs[kind].append(_replay(cluster, kind, rules, len(made)))
            said(_line(kind, costs[kind][-1]))
        costs[APART].append(_apart(cluster, rules, len(made)))
        said(_line(APART, costs[APART][-1]))


def _replay(cluster: Cluster, kind: str, rules: str, events: int) -> Cost:
    told = _told(cluster, rules, [sys.executable, "-m", "benchmarks.replay_year", "--child", kind])
    assert told["read"] == events, (told, events)
    return Cost(events, told["cpu_s"], told["wall_s"], told["written"], 0, 0, 0.0)


def _apart(cluster: Cluster, rules: str, events: int) -> Cost:
    before, start_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    told = _told(cluster, rules, part("replay", "--into", f"bench-{APART}", "--processes", str(CORES), "--json"))
    wall_s, after = time.perf_counter() - start_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert told["read"] == events, (told, events)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(events, cpu_s, wall_s, told["written"], 0, 0, 0.0)


def _told(cluster: Cluster, rules: str, command: Sequence[str]) -> dict[str, Any]:
    """What a command says in JSON."""
    environment = {
        **os.environ,
        "RECOMPRA_BROKER": cluster.address,
        "RECOMPRA_APP_ID": APP,
        "RECOMPRA_PARTITIONS": str(PARTITIONS),
        "RECOMPRA_CONSENT_UNKNOWN": "yes",
        "RECOMPRA_RULES": rules,
    }
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True, timeout=1800)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _child(kind: str) -> None:
    """Replay what is there, in a process of its own, and print what it cost."""
    from streams.cli.replay_progress import shown
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
    options = unit_options(settings, rules)
    with shown(asked.name) as show, Replay(settings, options, rules, asked, show) as replay:
        replay.plan(range(settings.partitions))
        told = replay.run()
    cost = {"cpu_s": time.process_time() - cpu_s, "wall_s": time.perf_counter() - wall_s}
    print(json.dumps({**cost, "read": told.read, "written": told.written}), flush=True)


def _figures(costs: dict[str, list[Cost]]) -> dict[str, dict[str, float]]:
    return {
        name: {
            "cpu_us_per_event": round(median(cost.cpu_us for cost in each), 2),
            "events_per_s": round(median(cost.events / cost.wall_s for cost in each)),
            "published_per_event": round(median(cost.published / cost.events for cost in each), 3),
            "clock_ratio_to_live": _clock_ratio(costs["live"], each),
            "ratio_to_live": _ratio(costs["live"], each),
            "ratio_to_year": _ratio(costs["year"], each),
        }
        for name, each in costs.items()
    }


def _ratio(others: Sequence[Cost], ours: Sequence[Cost]) -> float:
    """Median over the rounds of our events per CPU second, in units of the other's in the same round."""
    return round(median(other.cpu_us / cost.cpu_us for other, cost in zip(others, ours, strict=True)), 2)


def _clock_ratio(others: Sequence[Cost], ours: Sequence[Cost]) -> float:
    """The same of events per second by the clock."""
    pairs = zip(others, ours, strict=True)
    return round(median(cost.events / cost.wall_s / (other.events / other.wall_s) for other, cost in pairs), 2)


def _line(name: str, cost: Cost) -> str:
    return (
        f"  {name}: {cost.cpu_us:.2f} µs of CPU an event, {cost.events / cost.wall_s:,.0f} events/s, "
        f"{cost.published / cost.events:.2f} told an event"
    )


def table(result: dict[str, Any]) -> str:
    """The figures as a Markdown table."""
    lines = [
        "| one process or all cores | rules | CPU µs an event | events/s | of live | told an event | of live | year |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {NAMES[name]} | {rules} | {each['cpu_us_per_event']:.2f} | {each['events_per_s']:,} "
        f"| {each['clock_ratio_to_live']:.2f} "
        f"| {each['published_per_event']:.2f} | {each['ratio_to_live']:.2f} | {each['ratio_to_year']:.2f} |"
        for rules in map(RULES.__getitem__, BUSY)
        for name, each in result[rules].items()
    ]
    return "\n".join(lines)


def main() -> None:
    """Run, print the table, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=8_000, help="of the year")
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--events", type=int, default=300_000, help="in each busy hour")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=OUT / "replay_year.json")
    parser.add_argument("--child", choices=sorted(KINDS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        _child(options.child)
        return
    result = run(options.customers, options.days, options.rounds, options.events, options.seed)
    print(
        f"{result['events']:,} events of {result['days']} days, {result['customers']:,} customers; busy hours of "
        f"{result['busy_events']:,} events; {PARTITIONS} partitions, medians of {result['rounds']} rounds; events per "
        "second by the clock, in units of the worker's on busy hours; the last two columns: events per CPU second, in "
        "units of the worker's on busy hours, and on the year\n"
    )
    print(table(result))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten to {options.out}")


if __name__ == "__main__":
    main()
