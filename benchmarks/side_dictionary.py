"""Train the dictionary that side records are compressed with. `python -m benchmarks.side_dictionary FILE`

Records are those of `benchmarks.held`, all rules in force, but with made-up ids of products and orders and of fifteen
years later, so that the dictionary knows how records are built and what rules are called, and nothing of that shop.
A file that releases were made with must never change, as records could no longer be read: a new one belongs to a new
layout.
"""

import argparse
import os
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import zstandard

from benchmarks.held import lived
from scoring.rules.shipped import SHIPPED
from streams.settings import Settings

__all__ = ["disguised", "trained"]

BYTES = 8192
_LATER_MS = 15 * 365 * 86_400_000
_WORDS = frozenset({"order", "product", "ticket", "code", "place"})


def disguised(value: Any, rng: np.random.Generator, known: dict[str, str]) -> Any:
    """The same record of other products and orders, at a later time; text that only releases write stays."""
    match value:
        case bool() | None | float():
            return value
        case int():
            return value + _LATER_MS if value > 10**12 and value < 10**13 else value
        case str():
            if value in _WORDS or value in SHIPPED or value == "*":
                return value
            if value not in known:
                known[value] = "".join(map(str, rng.integers(0, 10, len(value)).tolist()))
            return known[value]
        case bytes():
            return rng.bytes(len(value)) if len(value) % 4 == 0 else value
        case list():
            return [disguised(each, rng, known) for each in value]
        case dict():
            return {disguised(key, rng, known): disguised(each, rng, known) for key, each in value.items()}
    return value


def trained(days: int) -> bytes:
    """A dictionary made from so many days of the demo's shop."""
    engine = lived(days, Settings())
    rng = np.random.default_rng(1)
    sides = filter(None, map(engine.sides.find, range(len(engine.profiles))))
    records = (msgspec.msgpack.decode(msgspec.msgpack.encode(side), strict=False) for side in sides)
    samples = [msgspec.msgpack.encode(disguised(record, rng, {})) for record in records]
    return zstandard.train_dictionary(BYTES, samples, steps=40, threads=1, level=3).as_bytes()


def main() -> None:
    """Train it and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=75)
    parser.add_argument("file", type=Path)
    options = parser.parse_args()
    os.environ.setdefault("RECOMPRA_RULES", "all")
    options.file.write_bytes(trained(options.days))


if __name__ == "__main__":
    main()
