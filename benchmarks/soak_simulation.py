"""Soak of the commit protocol: ten thousand schedules of workers, a broker and faults.

Run it as `python -m benchmarks.soak_simulation`.

A schedule that breaks a promise is printed as a history, and ends the soak with exit code 1 once all are through.
"""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import track

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from simulation.schedule import play

__all__ = ["main"]

_AT_ONCE = 50


def _broken(first: int, count: int) -> list[str]:
    """Histories of the broken ones among `count` seeds from `first` on."""
    return [str(verdict) for seed in range(first, first + count) if (verdict := play(seed)).broken]


def main() -> None:
    """Play them; about 30 ms each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    console = Console(stderr=True)
    firsts = range(options.first, options.first + options.schedules, _AT_ONCE)
    played = partial(_broken, count=_AT_ONCE)
    found: list[str] = []
    with ProcessPoolExecutor(options.processes) as pool:
        for broken in track(pool.map(played, firsts), "schedules", total=len(firsts), console=console):
            found += broken
            for history in broken:
                print(history, flush=True)
    print(f"{len(firsts) * _AT_ONCE} schedules from seed {options.first} on: {len(found)} broke a promise")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
