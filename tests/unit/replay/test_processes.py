"""Processes: a replay's partitions are shared out, and what comes of one of them is known to whoever asked."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import msgspec
import pytest

from streams.replay.processes import PartError, _Heard, commands, run_apart, shares
from streams.replay.running import Asked, Replayed
from tests.family import alive

BEFORE = Replayed(10, 100, 0, 7)
WAITS = "import time\ntime.sleep(600)"


def python(source: str) -> list[str]:
    return [sys.executable, "-c", source]


def telling(*far: Replayed) -> str:
    """Source of a process that says how far it is, as `say` does."""
    lines = "\n".join(msgspec.json.encode(now).decode() for now in far)
    return f"print({lines!r}, flush=True)\n"


def ignore(_: Replayed) -> None:
    """What is not looked at."""


def eventually(holds: Callable[[], bool]) -> None:
    for _ in range(1200):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError("not within a minute")


@pytest.mark.parametrize(
    ("records", "processes", "expected"),
    [
        ({0: 5, 1: 9, 2: 4, 3: 1}, 2, [[1, 3], [0, 2]]),
        ({0: 5, 1: 5}, 8, [[0], [1]]),
        ({4: 0, 5: 0, 6: 0}, 2, [[4, 6], [5]]),
        ({0: 5, 3: 9}, 1, [[3, 0]]),
        ({}, 2, []),
    ],
)
def test_partitions_are_shared_out_by_their_records(
    records: dict[int, int], processes: int, expected: list[list[int]]
) -> None:
    """Each is in one share, none is empty, and the largest go first to whoever has least."""
    assert shares(records, processes) == expected


def test_one_process_where_more_are_no_use() -> None:
    """At a pace, and with one partition."""
    many = {0: 10**6, 1: 10**6}
    assert len(commands(Asked("s"), many, 2)) == 2
    assert len(commands(Asked("s", speed=60), many, 2)) == 1
    assert len(commands(Asked("s"), {0: 10**6}, 2)) == 1


def test_a_process_is_asked_for_the_same() -> None:
    """Times to the millisecond, topics, and where it begins."""
    asked = Asked("s", (1_700_000_000_123, 1_800_000_000_001), True, frozenset({"scores"}), Path("x"), None, True)
    (name, command), _ = commands(asked, {0: 1, 1: 2, 2: 1}, 2).items()
    assert name == "process for partition 1"
    text = " ".join(command)
    assert "--into s --as-it-was --as-part --from 2023-11-14T22:13:20.123Z --to 2027-01-15T08:00:00.001Z" in text
    assert text.endswith("--snapshot x --settings-of-now --topics scores --partition 1")


def test_what_all_say_is_one_sum() -> None:
    """Of each the last word counts, beside what was done before."""
    shown: list[Replayed] = []
    parts = {
        "one": python(telling(Replayed(1, 40, 1, 0), Replayed(40, 40, 50, 3))),
        "two": python(telling(Replayed(50, 50, 60, 2))),
    }
    assert run_apart(parts, {}, BEFORE, shown.append, print) == Replayed(100, 100, 110, 12)
    assert shown[-1] == Replayed(100, 100, 110, 12)


def test_processes_that_speak_at_once_are_all_heard() -> None:
    """Each is read by a thread of its own, which may be interrupted anywhere."""
    heard, before = _Heard(BEFORE, print), sys.getswitchinterval()
    lines = [(f"part {n}", msgspec.json.encode(Replayed(n, n, n, n)).decode()) for n in range(4)]
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(300):
            heard.parts.clear()
            readers = [Thread(target=heard.line, args=each) for each in lines]
            for reader in readers:
                reader.start()
            for reader in readers:
                reader.join()
            assert sorted(heard.parts) == [name for name, _ in lines]
    finally:
        sys.setswitchinterval(before)


def test_the_first_error_is_told_and_the_others_are_ended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In its own words and with its exit code; what it said before is handed on."""
    pid = tmp_path / "pid"
    waits = f"import os, pathlib\npathlib.Path({str(pid)!r}).write_text(str(os.getpid()))\n{WAITS}"
    fails = f"""
import pathlib, sys, time
while not pathlib.Path({str(pid)!r}).exists() or not pathlib.Path({str(pid)!r}).read_text():
    time.sleep(0.02)
print("a warning", "Error: begin with", "another state", sep="\\n", file=sys.stderr)
sys.exit(2)
"""
    with pytest.raises(PartError, match=r"^begin with\nanother state$") as error:
        run_apart({"waits": python(waits), "fails": python(fails)}, {}, BEFORE, ignore, print)
    assert error.value.exit_code == 2
    assert capsys.readouterr().out == "a warning\n"
    assert not alive(int(pid.read_text()))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import os\nos.kill(os.getpid(), 9)", "was ended by SIGKILL"),
        (telling(Replayed(1, 1, 1, 1)) + "raise SystemExit(1)", "ended with exit code 1"),
        ("pass", "ended with exit code 0"),
    ],
)
def test_one_that_says_nothing_of_its_end_is_named(source: str, said: str) -> None:
    """Whether it was killed, failed, or ended without having told what it did."""
    with pytest.raises(PartError, match=f"^the process for partition 3 {said}; the same command goes on$") as error:
        run_apart({"process for partition 3": python(source)}, {}, BEFORE, ignore, print)
    assert error.value.exit_code == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_none_outlives_us(number: signal.Signals, tmp_path: Path) -> None:
    """Whether we are told to end, as by Ctrl-C, or killed."""
    parent = """
import sys
from streams.replay.processes import run_apart
from streams.replay.running import Replayed
show = lambda now: print("shown", flush=True)
run_apart({"part": [sys.executable, "-c", sys.argv[1]]}, {}, Replayed(0, 1, 0, 0), show, print)
"""
    pid = tmp_path / "pid"
    waits = f"import os, pathlib\npathlib.Path({str(pid)!r}).write_text(str(os.getpid()))\n"
    waits += telling(Replayed(0, 1, 0, 0)) + WAITS
    with subprocess.Popen([*python(parent), waits], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"shown\n"
        child = int(pid.read_text())
        process.send_signal(number)
        assert process.wait(60) != 0
    eventually(lambda: not alive(child))
