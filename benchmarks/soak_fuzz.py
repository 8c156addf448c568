"""Soak of hostile input: bytes, bred for coverage, through decoder and whole core for a given time.

Run it as `python -m benchmarks.soak_fuzz --minutes 10`.

atheris (libFuzzer) breeds the bytes from the hostile corpus; Python code is instrumented, compiled code is not. What
breaks is written to `benchmarks/out/fuzz` and ends the soak with exit code 1; `--again FILE` runs it once more.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

try:
    import atheris
except ImportError:  # there are packages for Linux on x86 alone
    atheris = None

if atheris is not None and "--child" in sys.argv:
    _COMPILED = (
        "blend calibration compiled crossing features kernel model newton orders publish quality quantiles readings "
        "scaling square_root timers windows"
    )
    _LEFT_OUT = [f"scoring.{name}" for name in _COMPILED.split()] + ["streams.hashing", "streams.stamps"]
    _instrumented = atheris.instrument_imports(include=["schemas", "streams"], exclude=_LEFT_OUT)
    with _instrumented:
        import streams.unit  # noqa: F401 - what is imported here is instrumented

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import orjson
from strategies.partitions import SOURCES, Partition, assert_all_valid, assert_bounded, assert_finite

from schemas.hostile import Case, hostile_cases
from schemas.names import EVENT_KINDS
from schemas.timestamp import to_ms
from streams.unit import Unit

__all__ = ["main"]

OUT = Path(__file__).parent / "out" / "fuzz"
BETWEEN = b"\n\n"
"""Parts one record from the next; the first byte of each says how it comes (`_cases`)."""
LIFE = 300
"""Inputs that one partition lives through, before it is restored from its rows and looked at as a whole."""
LARGEST = 1_020_000
"""Bytes of an output that any broker takes."""
_RECEIVED_MS = to_ms("2024-05-01T09:30:05Z")
_LATER_MS = (0, 595_000, 40 * 86_400_000, 200 * 86_400_000)
_TOPICS = tuple(SOURCES)
_NUMBERS = (0, -1, 1e308, -1e308, 1e9, -1e9, 5e-324, 0.1, 2**63, -(2**63) - 1, 2**70)
_JUNK: tuple[tuple[Any, ...], ...] = (
    (None, True, False, [], {}, [None], [[]]),
    ("", " ", "\0", "x" * 300, "u", "v", "o-1", "p", "NaN", "1e400"),
    _NUMBERS,
    ("1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2024-04-30T23:59:59.999Z", "2024-05-01T09:40:00Z",
     "2024-02-29T00:00:00+14:00", "2024-05-01T09:29:00Z"),
    ([{"product_id": "p", "price": 1e9, "quantity": 1e9}], [{"product_id": "q", "price": -1e9, "quantity": -1e9}],
     {"order_id": "o-1", "total": 1e308}, {"product_id": "p", "price": 5, "quantity": 1e308}),
    tuple(EVENT_KINDS),
)  # fmt: skip
"""Values to put in the place of others, by sort."""


class Fuzz:
    """Puts inputs through a partition, and checks it after each and, as a whole, at its end.

    Attributes
    ----------
    inputs, records
        How many there were.
    counts
        What became of the records.
    """

    def __init__(self, life: int = LIFE) -> None:
        self.inputs = self.records = 0
        self.counts: dict[str, int] = {}
        self._life = life
        self._begin()

    def _begin(self) -> None:
        self._partition = Partition()
        self._sent = 1
        self._rows: dict[bytes, bytes | None] = {}
        self._lived: list[bytes] = []

    def __call__(self, data: bytes) -> None:
        """Run one input; what breaks is written down with all that the partition had lived through."""
        self._lived.append(data)
        try:
            self._run(data)
            if len(self._lived) >= self._life:
                self._end()
                self._begin()
        except BaseException:
            OUT.mkdir(parents=True, exist_ok=True)
            (OUT / "broken.json").write_bytes(orjson.dumps([one.hex() for one in self._lived]))
            raise

    def _run(self, data: bytes) -> None:
        partition = self._partition
        for case in _cases(data):
            partition.send([case])
            self._sent += 1
            assert sum(partition.counts.values()) == self._sent
        told = partition.unit.take()
        self.inputs += 1
        if told is not None:
            assert_all_valid(told.outputs)
            assert all(len(key or b"") + len(value or b"") < LARGEST for _, key, value in told.outputs)
            self._rows.update(told.rows)
        assert_finite(partition.unit)

    def _end(self) -> None:
        """What is restored from the rows is what was there."""
        unit = self._partition.unit
        assert_bounded(unit)
        self.records += self._sent
        for name, count in self._partition.counts.items():
            self.counts[name] = self.counts.get(name, 0) + count
        again = Unit(0, unit._options)
        again.restore(list(self._rows), list(self._rows.values()))
        again.ready({})
        assert again.engine.counts == unit.engine.counts
        at = unit.engine.clock.watermark_ms + 86_400_000
        assert _scores(again, at) == _scores(unit, at)


def _scores(unit: Unit, at_ms: int) -> dict[bytes, float]:
    rows, score, _ = unit.engine.score_at(at_ms)
    return {unit.engine.profiles.keys[row]: value for row, value in zip(rows.tolist(), score.tolist(), strict=True)}


def _cases(data: bytes) -> Iterator[Case]:
    """The records of an input: of each, the first byte chooses topic, key and time of receipt."""
    for piece in data.split(BETWEEN)[:20]:
        how, payload = (piece[0], piece[1:]) if piece else (0, None)
        key = (_own_key(payload), _own_key(payload), b"u", None)[how >> 2 & 3]
        received_ms = _RECEIVED_MS + _LATER_MS[how >> 4 & 3]
        yield Case("fuzz", _TOPICS[how % 3], key, payload, received_ms, "applied", None, None, None)


def _own_key(payload: bytes | None) -> bytes:
    try:
        call = orjson.loads(payload or b"")
        return str(call.get("userId") or call.get("anonymousId") or "").encode()
    except (ValueError, AttributeError):
        return b"u"


def _bred(data: bytes, most: int, seed: int) -> bytes:
    """Another input: of bytes that are JSON, values are changed, so that more than the parser is tried."""
    chance = random.Random(seed)
    pieces = data.split(BETWEEN)
    place = chance.randrange(len(pieces))
    what = chance.random()
    if what < 0.2:
        return bytes(atheris.Mutate(data, most))
    if what < 0.3:
        pieces.insert(place, chance.choice(_SOUND))
    elif what < 0.35:
        pieces.append(pieces[place])
    elif what < 0.4 and len(pieces) > 1:
        del pieces[place]
    else:
        pieces[place] = _changed(pieces[place], chance)
    return BETWEEN.join(pieces)[:most]


def _changed(piece: bytes, chance: random.Random) -> bytes:
    try:
        call = json.loads(piece[1:])
    except (ValueError, RecursionError):
        return chance.choice(_SOUND if chance.random() < 0.8 else _BAD)
    places = _places(call)
    if not places:
        return chance.choice(_SOUND)
    inside, at = chance.choice(places)
    if chance.random() < 0.1:
        del inside[at]
    elif isinstance(inside[at], float | int) and chance.random() < 0.5:
        inside[at] = chance.choice(_NUMBERS)
    else:
        inside[at] = chance.choice(chance.choice(_JUNK))
    if isinstance(call, dict) and chance.random() < 0.5:
        call["messageId"] = f"{chance.getrandbits(32)}"  # else it were a duplicate
    how = piece[0] if chance.random() < 0.8 else chance.randrange(48)
    return bytes([how]) + json.dumps(call).encode("utf-8", "surrogatepass")


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every place within a JSON value: the object or list, and the name or index in it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for at, each in inner for found in ((value, at), *_places(each))]


def _seeds(outcomes: set[str]) -> list[bytes]:
    """The smaller ones of the hostile corpus that end so."""
    return [
        bytes([SOURCES[case.topic] + 48]) + case.payload
        for case in hostile_cases()
        if case.payload and case.outcome in outcomes and len(case.payload) < 2000 and BETWEEN not in case.payload
    ]


_SOUND = _seeds({"applied", "duplicate", "late"})
_BAD = _seeds({"ignored", "dead-lettered"})


def _breed(seconds: int, directory: Path) -> None:
    """Fuzz in this process, which libFuzzer ends."""
    fuzz = Fuzz()
    for number, seed in enumerate([*_SOUND, *_BAD]):
        (directory / str(number)).write_bytes(seed)
    figures = directory.parent / "figures.json"

    def run(data: bytes) -> None:
        fuzz(data)
        if fuzz.inputs % LIFE == 1:
            rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            figures.write_bytes(orjson.dumps({"inputs": fuzz.inputs, "records": fuzz.counts, "rss_mb": rss_mb}))

    settings = [f"-max_total_time={seconds}", "-max_len=8192", "-rss_limit_mb=4096", "-timeout=60"]
    settings += [f"-artifact_prefix={OUT}/", "-verbosity=0", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *settings, str(directory)], run, custom_mutator=_bred)
    atheris.Fuzz()


def _run_again(file: Path) -> None:
    lived = [bytes.fromhex(one) for one in orjson.loads(file.read_bytes())]
    fuzz = Fuzz(len(lived))
    for data in lived:
        fuzz(data)


def main() -> None:
    """Fuzz for so many minutes and say what was tried."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--again", type=Path, help="run what broke once more")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    seconds = max(int(options.minutes * 60), 1)
    if options.again is not None:
        _run_again(options.again)
        print("nothing broke")
    elif options.child is not None:
        _breed(seconds, options.child)
    elif atheris is None:
        print("atheris is not installed: there are packages of it for Linux on x86 alone; nothing was fuzzed")
    else:
        sys.exit(_parent(seconds))


def _parent(seconds: int) -> int:
    OUT.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as directory:
        corpus = Path(directory) / "corpus"
        corpus.mkdir()
        command = [sys.executable, "-m", "benchmarks.soak_fuzz", "--minutes", str(seconds / 60), "--child", str(corpus)]
        with (OUT / "log.txt").open("wb") as log:
            code = subprocess.run(command, stderr=log, check=False).returncode
        figures = orjson.loads((Path(directory) / "figures.json").read_bytes())
        grown = len(list(corpus.iterdir()))
    counts = ", ".join(f"{count:,} {name}" for name, count in sorted(figures["records"].items()))
    print(f"{figures['inputs']:,} inputs in {seconds} s ({counts}); {grown:,} of them reached something new")
    print(f"memory at most {figures['rss_mb']:,} MB")
    print("nothing broke" if code == 0 else f"broken: see broken.json and log.txt in {OUT}")
    return 1 if code else 0


if __name__ == "__main__":
    main()
