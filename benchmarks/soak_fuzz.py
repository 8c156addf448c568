"""Soak of hostile input: records, bred for coverage, through decoder and whole core for a given time.

Run it as `python -m benchmarks.soak_fuzz --minutes 10`; `--prove` plants one mistake after the other instead
(`tests/strategies/planted.py`), each of which must be found within the number of inputs that it names.

atheris (libFuzzer) keeps what reaches something new, `strategies.breeding` changes it; Python code is instrumented,
compiled code is not. Where atheris is missing, inputs are bred without coverage. What breaks is written to
`benchmarks/out/fuzz` and ends the soak with exit code 1; `--again FILE` runs it once more.
"""

import argparse
import itertools
import random
import re
import resource
import subprocess
import sys
import time
import traceback
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

try:
    import atheris
except ImportError:  # there are packages for Linux on x86 alone
    atheris = None

if atheris is not None and "--child" in sys.argv:
    _ROOT = Path(__file__).parents[1]
    _LEFT_OUT = [
        ".".join(file.relative_to(_ROOT).with_suffix("").parts)
        for package in ("scoring", "streams")
        for file in (_ROOT / package).rglob("*.py")
        if file.stem == "compiled" or re.search(r"^(from|import) (numba|scoring\.compiled)\b", file.read_text(), re.M)
    ]
    _instrumented = atheris.instrument_imports(include=["schemas", "scoring", "streams"], exclude=_LEFT_OUT)
    with _instrumented:
        import streams.unit  # noqa: F401 - what is imported here is instrumented

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from strategies.breeding import bred, inputs, seeds, sound
from strategies.fuzzing import Fuzz
from strategies.planted import PLANTS

__all__ = ["main"]

OUT = Path(__file__).parent / "out" / "fuzz"
_SOUND = 100
"""Sound records among the inputs to begin with, beside those of the corpus."""
_NOTED = 50
"""Inputs between two times that the figures are written."""


class Child:
    """Fuzzes in a process that libFuzzer ends, and notes how far it is."""

    def __init__(self, directory: Path) -> None:
        self._figures = directory / "figures.json"
        self._fuzz = Fuzz()

    def __call__(self, data: bytes) -> None:
        """Run one input; what breaks is written down with all that the partition had lived through."""
        try:
            self._fuzz(data)
        except BaseException as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            self._note(f"{type(error).__name__} in {where.name}: {str(error)[:200] or where.line}")
            self._figures.with_name("broken.json").write_bytes(orjson.dumps([one.hex() for one in self._fuzz.lived]))
            raise
        if self._fuzz.inputs % _NOTED == 1:
            self._note(None)

    def _note(self, broken: str | None) -> None:
        rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        said = {"inputs": self._fuzz.inputs, "records": self._fuzz.counts, "rss_mb": rss_mb, "broken": broken}
        self._figures.write_bytes(orjson.dumps(said))


def _breed(run: Child, corpus: Path, seconds: int, most: int, seed: int) -> None:
    chance = random.Random(seed)
    for number, one in enumerate([*seeds(), *(sound(chance) for _ in range(_SOUND))]):
        (corpus / str(number)).write_bytes(one)
    settings = [f"-max_total_time={seconds}", "-max_len=8192", "-rss_limit_mb=4096", "-timeout=60", f"-seed={seed}"]
    settings += [f"-artifact_prefix={corpus.parent}/", "-verbosity=0", "-print_final_stats=1"]
    settings += [f"-runs={most}"] if most else []
    atheris.Setup([sys.argv[0], *settings, str(corpus)], run, custom_mutator=_mutated)
    atheris.Fuzz()


def _mutated(data: bytes, most: int, seed: int) -> bytes:
    chance = random.Random(seed)
    if chance.random() < 0.05:
        return bytes(atheris.Mutate(data, most))
    return bred(data, chance)[:most]


def _breed_blindly(run: Child, seconds: int, most: int, seed: int) -> None:
    until = time.monotonic() + seconds
    for data in itertools.islice(inputs(seed, sys.maxsize), most or None):
        run(data)
        if time.monotonic() > until:
            return


def _run_again(file: Path) -> None:
    lived = [bytes.fromhex(one) for one in orjson.loads(file.read_bytes())]
    Fuzz(len(lived)).all(lived)
    print("nothing broke")


def _fuzzed(directory: Path, *said: str) -> tuple[int, dict[str, Any], int]:
    """Fuzz in another process: its exit code, its figures, and how many inputs reached something new."""
    corpus = directory / "corpus"
    corpus.mkdir(parents=True)
    command = [sys.executable, "-m", "benchmarks.soak_fuzz", "--child", str(corpus), *said]
    with (directory / "log.txt").open("wb") as log:
        code = subprocess.run(command, stdout=log, stderr=log, check=False).returncode
    figures = directory / "figures.json"
    if not figures.exists():
        raise RuntimeError(f"nothing was fuzzed: {(directory / 'log.txt').read_text()[-2000:]}")
    return code, orjson.loads(figures.read_bytes()), len(list(corpus.iterdir()))


def _prove(names: Iterable[str], seed: int) -> int:
    table = Table("planted mistake", "within", "found after", "by", title="mistakes planted on purpose")
    tried = missed = 0
    for name in names:
        with TemporaryDirectory() as directory:
            _, figures, _ = _fuzzed(Path(directory) / "proof", "--plant", name, "--seed", str(seed))
        broken = str(figures["broken"] or "")[:90]
        tried, missed = tried + 1, missed + (not broken)
        table.add_row(
            name, f"{PLANTS[name].within:,}", f"{figures['inputs']:,}" if broken else "not found", escape(broken)
        )
    Console(width=170).print(table)
    print(f"{tried - missed} of {tried} planted mistakes were found")
    return 1 if missed else 0


def _soak(seconds: int, seed: int) -> int:
    OUT.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=OUT) as directory:
        run = Path(directory) / "run"
        code, figures, reached = _fuzzed(run, "--minutes", str(seconds / 60), "--seed", str(seed))
        for kept in ("broken.json", "log.txt"):
            if code and (run / kept).exists():
                (run / kept).replace(OUT / kept)
    records = figures["records"]
    counts = ", ".join(f"{count:,} {name}" for name, count in sorted(records.items()))
    print(f"{figures['inputs']:,} inputs of {sum(records.values()):,} records in {seconds} s ({counts})")
    print(f"{reached:,} of the inputs reached something new; memory at most {figures['rss_mb']:,} MB")
    print(f"broken: {figures['broken']}; see broken.json and log.txt in {OUT}" if code else "nothing broke")
    return 1 if code else 0


def main() -> None:
    """Fuzz for so many minutes, or show that what is wrong would be found, and say what was tried."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--prove", action="store_true", help="plant every mistake, one after the other")
    parser.add_argument("--plant", choices=PLANTS, help="plant this mistake alone")
    parser.add_argument("--again", type=Path, help="run what broke once more")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    seconds = max(int(options.minutes * 60), 1)
    if options.again is not None:
        _run_again(options.again)
    elif options.child is not None:
        most = 0
        if options.plant is not None:
            PLANTS[options.plant].put(setattr)
            most = PLANTS[options.plant].within
        run = Child(options.child.parent)
        if atheris is None:
            _breed_blindly(run, seconds, most, options.seed)
        else:
            _breed(run, options.child, seconds, most, options.seed)
    else:
        if atheris is None:
            print("atheris is not installed (its packages are for Linux on x86): inputs are bred without coverage")
        names = [options.plant] if options.plant is not None else PLANTS if options.prove else ()
        sys.exit(_prove(names, options.seed) if names else _soak(seconds, options.seed))


if __name__ == "__main__":
    main()
