"""Forked commands are what started ones are."""

import json
import os
import signal
from pathlib import Path
from subprocess import DEVNULL, run

import pytest

from streams.children import part
from tests.integration.faults.forks import Fork, Server

pytestmark = pytest.mark.xdist_group("faults")


def forked(server: Server | None, *arguments: str, **changed: str) -> Fork:
    if server is None:
        pytest.skip("this system has no pidfd")
    return server.fork(arguments, {**os.environ, **changed})


@pytest.mark.parametrize(("arguments", "code"), [(("settings", "--json"), 0), (("worker", "--broker"), 2)])
def test_it_says_and_ends_as_one_that_is_started(
    server: Server | None, arguments: tuple[str, ...], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Standard output, standard error and exit code are the same, with the settings and the directory of the time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECOMPRA_PARTITIONS", "7")
    (tmp_path / "recompra.toml").write_text('horizon = "3d"\n')
    fork = forked(server, *arguments)
    said = fork.stdout.read(), fork.stderr.read(), fork.wait()
    started = run(part(*arguments), stdin=DEVNULL, capture_output=True)
    assert said == (started.stdout, started.stderr, started.returncode)
    assert said[2] == code
    if code == 0:
        found = {name: each["value"] for name, each in json.loads(said[0]).items()}
        assert (found["partitions"], found["horizon"]) == (7, "3d")


def test_it_has_a_session_and_pipes_of_its_own(server: Server | None) -> None:
    """It leads the group that signals are sent to, and none of a sibling's pipes is open in it; killed, it says so."""
    nobody = {"RECOMPRA_BROKER": "127.0.0.1:1"}
    sibling, fork = (forked(server, "worker", **nobody) for _ in range(2))
    assert os.getsid(fork.pid) == os.getpgid(fork.pid) == fork.pid
    os.kill(fork.pid, signal.SIGSTOP)  # what it has open stays so while it is looked at
    opened = [pipe(fork.pid, number) for number in range(3)]
    assert opened == [
        Path(os.devnull),
        pipe(os.getpid(), fork.stdout.fileno()),
        pipe(os.getpid(), fork.stderr.fileno()),
    ]
    others = {pipe(os.getpid(), each.fileno()) for each in (sibling.stdout, sibling.stderr)}
    assert others.isdisjoint(each.readlink() for each in Path(f"/proc/{fork.pid}/fd").iterdir())
    assert (sibling.poll(), fork.poll()) == (None, None)
    for each in (sibling, fork):
        os.killpg(each.pid, signal.SIGKILL)
        assert each.wait() == each.poll() == -signal.SIGKILL
        assert each.stdout.read() == b"", "its end is closed everywhere"


def pipe(pid: int, number: int) -> Path:
    """What an open file of a process is."""
    return Path(f"/proc/{pid}/fd/{number}").readlink()
