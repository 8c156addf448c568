"""Faults for half an hour: `python -m benchmarks.soak_faults [--minutes 30] [--seed 1] [--fault NAME]`.

On a local Apache Kafka with eight partitions, while a made-up shop goes on selling, schedules drawn from the seed kill,
stop, stall and refuse what they can. After each, everything on the topics since the beginning is held against a plain
count. Then the memory of a worker that lives through it all, and how long a start takes with 200,000 customers.
Exit code 1 where something does not hold. Tables: `benchmarks/out/soak_faults.md` and `.json`.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from statistics import mean, median
from typing import Any

from tests.integration.faults.schedules import FAULTS, LIVE_FAULTS, Report
from tests.integration.faults.world import World

__all__ = ["soak"]

OUT = Path(__file__).with_name("out")
PARTITIONS = 8
CUSTOMERS = 2_000
START_CUSTOMERS = 200_000
SCHEDULES_SHARE = 0.65
MEMORY_SHARE = 0.15
MOST_FAILURES = 3
START_LIMIT_S = 10.0
MEMORY_LIMIT = 1.05
SETTLED_S = 15
"""How long after its start a worker's memory is not looked at: code and buffers still come."""


@dataclass(slots=True)
class Done:
    """A schedule that was run."""

    number: int
    seed: str
    fault: str
    seconds: float
    recovered_s: float | None
    since: str
    records: int
    failure: str | None = None


def say(text: str) -> None:
    """Print a line now."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def world(directory: Path, seed: int, **given: Any) -> World:
    """A world with the settings that a worker has by default, and eight partitions."""
    return World(directory, seed=seed, partitions=PARTITIONS, commit_interval_s=1.0, session_timeout_s=6.0, **given)


# ---- schedules


def schedules(made: World, faults: dict[str, Any], seed: int, until_s: float, least: int, first: int) -> list[Done]:
    """Run schedules until it is time, each kind in turn in an order drawn from the seed; at least `least`.

    One that fails is the last: what it leaves is no ground for others.
    """
    chance, done, waiting = Random(f"{seed}-{first}"), list[Done](), list[str]()
    while time.monotonic() < until_s or len(done) < least:
        if not waiting:
            waiting = sorted(faults)
            chance.shuffle(waiting)
        name, own = waiting.pop(), f"{seed}-{first + len(done)}"
        start = time.monotonic()
        report, failure = Report(None, "nothing"), None
        try:
            report = faults[name](made, Random(own))
            made.checked()
            made.ledger.check_versions()
        except Exception as error:  # noqa: BLE001 - whatever breaks is a finding, and told with the seed
            failure = f"{type(error).__name__}: {error}"
        read = sum(made.ledger.read.values())
        one = Done(
            first + len(done), own, name, time.monotonic() - start, report.recovered_s, report.since, read, failure
        )
        done.append(one)
        recovered = "" if one.recovered_s is None else f"{one.recovered_s:.1f} s from {one.since}"
        end = "FAILED" if failure else "held"
        say(f"| {one.number} | {own} | {name} | {one.seconds:.0f} | {recovered} | {read:,} | {end} |")
        if failure:
            say(failure)
            break
    return done


# ---- memory


def memory(made: World, seconds: float) -> dict[str, float]:
    """Resident memory of one worker, under load, while others come and go, the customers being the same ones."""
    (worker,) = made.running("worker", 1)
    samples: list[tuple[float, float]] = []
    with made.load():
        time.sleep(SETTLED_S)
        start = time.monotonic()
        other, since = None, start
        while (now := time.monotonic()) - start < seconds:
            samples.append((now - start, worker.resident_mb()))
            if now - since > 20:
                if other is None:
                    other = made.start("worker", wait=False)
                else:
                    made.stop(other)
                    other = None
                since = now
            time.sleep(1)
        if other is not None:
            made.stop(other)
    made.checked()
    third = seconds / 3
    middle = mean(mb for at, mb in samples if third <= at < 2 * third)
    last = mean(mb for at, mb in samples if at >= 2 * third)
    first = mean(mb for at, mb in samples if at < third)
    return {"seconds": seconds, "first_mb": first, "middle_mb": middle, "last_mb": last, "ratio": last / middle}


# ---- the start


def start_after_stop(directory: Path, seed: int) -> dict[str, float]:
    """Seconds from process start to reading, after a clean stop, with 200,000 customers; three times."""
    with world(directory, seed, customers=START_CUSTOMERS) as made:
        made.shop.step_ms = 100
        (worker,) = made.running("worker", 1)
        made.everyone()
        made.drained(600)
        took = []
        for _ in range(3):
            made.stop(worker)
            begun = time.monotonic()
            worker = made.start("worker")
            took.append(time.monotonic() - begun)
        rows = made.metric(worker, "recompra_restored_rows_total")
        made.produce(1000)
        made.checked()  # by then the gauges of all partitions have been told
        return {
            "customers": made.metric(worker, "recompra_customers"),
            "rows": rows,
            "least_s": min(took),
            "median_s": median(took),
            "resident_mb": worker.resident_mb(),
        }


# ---- all of it


def in_worlds(
    directory: Path, faults: dict[str, Any], seed: int, until_s: float, least: int, first: int = 1, **given: Any
) -> Iterator[tuple[World, list[Done]]]:
    """Give worlds and the schedules that were run in each: one, and another after each schedule that failed."""
    done, failed = 0, 0
    while failed < MOST_FAILURES and (done == 0 or done < least or time.monotonic() < until_s):
        with world(directory / str(first + done), seed, customers=CUSTOMERS, **given) as made:
            made.everyone()
            some = schedules(made, faults, seed, until_s, max(least - done, 1), first + done)
            done, failed = done + len(some), failed + (some[-1].failure is not None)
            yield made, some


def told(name: str, measured: Callable[..., dict[str, float]], *given: Any) -> dict[str, float] | None:
    """What was measured; None, and why, where it could not be: the tables of all the rest are told nevertheless."""
    try:
        return measured(*given)
    except Exception as error:  # noqa: BLE001
        say(f"{name}: {type(error).__name__}: {error}")
        return None


def soak(minutes: float, seed: int, least: int, kinds: set[str]) -> bool:
    """Run everything, print and write the tables; whether all of it held."""
    begun = time.monotonic()
    say(f"seed {seed}, {minutes:g} minutes, {PARTITIONS} partitions, {CUSTOMERS:,} customers\n")
    say("| schedule | seed | fault | seconds | first new score | records so far | all that is promised |")
    say("|---:|---|---|---:|---|---:|---|")
    faults = {name: fault for name, fault in FAULTS.items() if name in kinds}
    live = {name: fault for name, fault in LIVE_FAULTS.items() if name in kinds}
    done, resident = list[Done](), None
    with tempfile.TemporaryDirectory(prefix="recompra-soak-") as directory:
        at = Path(directory)
        if faults:
            for made, some in in_worlds(at, faults, seed, begun + 60 * minutes * SCHEDULES_SHARE, least - len(live)):
                done += some
                if some[-1].failure is None:
                    resident = told("memory", memory, made, max(60 * minutes * MEMORY_SHARE, 60))
        if live:
            for _, some in in_worlds(at, live, seed, 0, len(live), len(done) + 1, live=True):
                done += some
        started = told("start", start_after_stop, at / "start", seed)
    whole = {"seed": seed, "minutes": (time.monotonic() - begun) / 60, "memory": resident, "start": started}
    text = summary(done, resident, started) + f"\n\nIn {whole['minutes']:.1f} minutes."
    say("\n" + text)
    OUT.mkdir(exist_ok=True)
    (OUT / "soak_faults.md").write_text(text + "\n")
    (OUT / "soak_faults.json").write_text(json.dumps({**whole, "schedules": [asdict(one) for one in done]}, indent=1))
    return (
        all(one.failure is None for one in done)
        and (not faults or (resident is not None and resident["ratio"] <= MEMORY_LIMIT))
        and started is not None
        and started["median_s"] <= START_LIMIT_S
    )


def summary(done: list[Done], resident: dict[str, float] | None, started: dict[str, float] | None) -> str:
    """The tables in Markdown."""
    by_fault: dict[str, list[Done]] = defaultdict(list)
    for one in done:
        by_fault[one.fault].append(one)
    lines = [
        f"{len(done)} schedules, {sum(one.failure is None for one in done)} held.\n",
        "| fault | schedules | held | first new score after (s): median | longest | counted from |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for fault, some in sorted(by_fault.items()):
        took = [one.recovered_s for one in some if one.recovered_s is not None]
        figures = f"{median(took):.1f} | {max(took):.1f}" if took else "– | –"
        held = sum(one.failure is None for one in some)
        lines.append(f"| {fault} | {len(some)} | {held} | {figures} | {some[0].since} |")
    if resident is not None:
        thirds = ", ".join(f"{resident[name]:.0f}" for name in ("first_mb", "middle_mb", "last_mb"))
        lines.append(
            f"\nResident memory of one worker over {resident['seconds'] / 60:.1f} minutes, {CUSTOMERS:,} customers: "
            f"{thirds} MB in its thirds; the last is {100 * (resident['ratio'] - 1):+.1f} % over the middle one "
            "(at most +5 %)."
        )
    if started is not None:
        lines.append(
            f"\nStart after a clean stop with {started['customers']:,.0f} customers ({started['rows']:,.0f} rows): "
            f"{started['median_s']:.1f} s (median of three, the least {started['least_s']:.1f}; at most 10), "
            f"{started['resident_mb']:.0f} MB."
        )
    return "\n".join(lines)


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--schedules", type=int, default=40, help="at least so many, however long they take")
    parser.add_argument("--fault", action="append", choices=[*FAULTS, *LIVE_FAULTS], help="only these kinds")
    given = parser.parse_args()
    if not soak(given.minutes, given.seed, given.schedules, set(given.fault or [*FAULTS, *LIVE_FAULTS])):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
