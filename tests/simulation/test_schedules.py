"""The promises hold after every schedule, whatever died, slept, was lost, came twice or out of order."""

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from simulation.broker import Broker
from simulation.history import History
from simulation.loop import Loop
from simulation.regressions import REGRESSIONS
from simulation.schedule import play

from streams.commit import FencedError

SEEDS = 1_000
AT_ONCE = 100


@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_the_promises_hold(first: int) -> None:
    """Counted once, nothing lost, crossings once and in order, restored and replayed to the byte: in every schedule."""
    for seed in range(first, first + AT_ONCE):
        verdict = play(seed)
        assert not verdict.broken, str(verdict)


@pytest.mark.parametrize(("seed", "transactional", "found"), REGRESSIONS)
def test_what_was_found_stays_mended(seed: int, transactional: bool, found: str) -> None:
    """A schedule that once broke a promise keeps it."""
    verdict = play(seed, transactional=transactional)
    assert not verdict.broken, f"{found}\n{verdict}"


@pytest.mark.parametrize(("seed", "found"), [
    (102, "What was to be sent of an id of which nothing was known was not sent after a restore."),
    (759, "The same, on the way to somebody who had come again."),
    (1059, "The same, among others that went."),
])  # fmt: skip
def test_a_restore_after_each_commit_changes_nothing(seed: int, found: str) -> None:
    """Whenever a worker begins again, from its changelog or a copy, the partition is told of as if it never had."""
    verdict = play(seed, transactional=True, renewing=True)
    assert not verdict.broken, f"{found}\n{verdict}"


def test_a_seed_is_one_schedule() -> None:
    """The same seed gives the same history in another process with other hashes."""
    here = str(play(7).history.text())
    code = "from simulation.schedule import play; print(play(7).history.text())"
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{root / 'tests'}{os.pathsep}{root}", "PYTHONHASHSEED": "12345"}
    there = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert there.stdout.rstrip("\n") == here


def test_schedules_are_not_all_calm() -> None:
    """Kills, pauses, fencing, lost answers, late requests, hand-overs and models do occur."""
    wanted = {
        *("KILLED", "PAUSED", "is asked to stop", "the session of", "comes back as", "refuses epoch", "aborts"),
        *("answer lost", "request lost", "late to", "compacts", "is told of model"),
    }
    verdicts = []
    for seed in range(200):
        verdicts.append(play(seed))
        said = verdicts[-1].history.text()
        wanted -= {what for what in wanted if what in said}
        if not wanted and seed >= 40:
            break
    assert not wanted
    assert {verdict.transactional for verdict in verdicts} == {True, False}


def broker() -> tuple[Loop, Broker]:
    """A broker with one partition and nothing on it."""
    loop = Loop(Random(0))
    return loop, Broker(loop, Random(0), History(loop.time), sources=1, partitions=1)


def pass_time(loop: Loop, seconds: float) -> None:
    """Let the virtual clock run."""
    loop.call_later(seconds, loop.stop)
    loop.run_forever()


def test_an_open_transaction_hides_what_follows() -> None:
    """A reader of committed records stops at the first undecided one, and never sees an aborted one."""
    loop, made = broker()
    epoch = made.initialise(0)
    assert epoch == 0
    log = made.changelog[0]
    made.produce(0, epoch, [(log, [(b"a", b"1")])])
    assert (log.end, log.stable, log.fetch(0, 10).records) == (1, 0, [])
    made.end(0, epoch, commit=False)
    pass_time(loop, 1.0)
    made.produce(0, epoch, [(log, [(b"a", b"2")])])
    made.end(0, epoch, commit=True)
    pass_time(loop, 1.0)
    piece = log.fetch(0, 10)
    assert [record.value for record in piece.records] == [b"2"]
    assert (piece.next, piece.end) == (4, 4), "markers have offsets too"
    loop.close()


def test_a_new_epoch_ends_what_the_old_one_left_open() -> None:
    """Whoever initialises the producer aborts the open transaction, and the former owner is refused."""
    loop, made = broker()
    first = made.initialise(0)
    assert first is not None
    made.produce(0, first, [(made.changelog[0], [(b"a", b"1")])])
    assert made.initialise(0) is None, "the open transaction must end first"
    pass_time(loop, 1.0)
    second = made.initialise(0)
    assert second is not None
    with pytest.raises(FencedError):
        made.produce(0, first, [(made.changelog[0], [(b"a", b"2")])])
    assert made.produce(0, second, [(made.changelog[0], [(b"a", b"3")])])
    made.end(0, second, commit=True)
    pass_time(loop, 1.0)
    assert [entry.value for entry in made.changelog[0].visible()] == [b"3"]
    loop.close()
