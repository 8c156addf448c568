"""Forks: commands of ours as processes that a server forks, so that none pays for imports of its own.

The server has imported what the commands need, and nothing of it runs: no thread of Python, no event loop, no signal
handler. A process forked from it gets the environment, the directory, the session and the pipes that it would have had,
runs `python -m streams.cli`, and ends as Python ends. What it has in common with its siblings, and programs that are
started one by one have not, is the order of sets of texts (PYTHONHASHSEED): some are still to be started for real.
"""

import json
import os
import runpy
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import IO, Self

__all__ = ["Fork", "Server"]

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_S = 300.0
IMPORTED = ("streams.cli", "streams.cli.worker", "streams.cli.trainer", "streams.worker", "streams.trainer.running",
            "scoring.rules.rule")  # fmt: skip
NOT_IMPORTED_BY = ("RECOMPRA_", "PYTEST_", "PYTHONUNBUFFERED")
"""Beginnings of variables that no import reads: they may differ from one process to the next."""
_LARGEST = 1 << 17


class Fork:
    """A forked process, with what `subprocess.Popen` has of one with pipes.

    Parameters
    ----------
    said
        Where the process says its id and, when it has ended, the server its exit code.
    stdout, stderr
        Our ends of its pipes.
    """

    def __init__(self, said: socket.socket, stdout: IO[bytes], stderr: IO[bytes]) -> None:
        self.stdout, self.stderr = stdout, stderr
        self._said = said
        self._said.settimeout(PATIENCE_S)
        self._code: int | None = None
        what, self.pid = self._next()
        assert what == "pid", f"it ended with {self.pid} before it ran"

    def poll(self) -> int | None:
        """Exit code, negative for a signal; None while it runs."""
        if self._code is None and not select.select([self._said], [], [], 0)[0]:
            return None
        return self.wait()

    def wait(self) -> int:
        """Wait for its exit code."""
        if self._code is None:
            _, self._code = self._next()
            self._said.close()
        return self._code

    def _next(self) -> tuple[str, int]:
        what, _, number = self._said.recv(64).decode().partition(" ")
        assert number, "the server of forks has ended"
        return what, int(number)


class Server:
    """Forks processes for as long as this process lives, however it ends; use as a context manager."""

    def __init__(self) -> None:
        self._environment = _read_by_imports(os.environ)
        self._asks, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.faults.forks", str(theirs.fileno())],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # no terminal, as a pipe is none
                env={**self._environment, "PYTHONUNBUFFERED": "1"},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    @staticmethod
    def possible() -> bool:
        """Whether this system has what it takes."""
        return sys.platform == "linux" and hasattr(os, "pidfd_open")

    def serves(self, environment: Mapping[str, str]) -> bool:
        """Whether a process with this environment would have imported the same."""
        return _read_by_imports(environment) == self._environment

    def fork(self, arguments: Sequence[str], environment: Mapping[str, str]) -> Fork:
        """Start one of our commands in a session of its own, with nothing on its standard input."""
        assert self.serves(environment)
        asked = json.dumps([list(arguments), dict(environment), str(Path.cwd())])
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pipes = [os.pipe(), os.pipe()]
        with theirs:
            socket.send_fds(self._asks, [asked.encode()], [theirs.fileno(), *(write for _, write in pipes)])
        for _, write in pipes:
            os.close(write)
        stdout, stderr = (os.fdopen(read, "rb") for read, _ in pipes)
        return Fork(ours, stdout, stderr)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._asks.close()
        self._process.wait(PATIENCE_S)


def _read_by_imports(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith(NOT_IMPORTED_BY)}


# ---- in the server


def _serve(asks: socket.socket) -> list[str] | None:
    """Fork until nobody is there to ask; in a forked process, return what it was asked to run."""
    running: dict[int, tuple[int, int]] = {}  # by pidfd: the process, and where its exit code is to be said
    ready = select.poll()
    ready.register(asks, select.POLLIN)
    while True:
        for descriptor, _ in ready.poll():
            if descriptor != asks.fileno():
                ready.unregister(descriptor)
                os.close(descriptor)
                _tell_end(*running.pop(descriptor))
                continue
            message, descriptors, _, _ = socket.recv_fds(asks, _LARGEST, 3)
            if not message:
                return None
            said, *pipes = descriptors
            pid = os.fork()
            if pid == 0:
                asks.close()
                for pidfd, (_, others) in running.items():
                    os.close(pidfd)
                    os.close(others)
                return _become(said, pipes, *json.loads(message))
            pidfd = os.pidfd_open(pid)
            running[pidfd] = pid, said
            ready.register(pidfd, select.POLLIN)
            for pipe in pipes:
                os.close(pipe)


def _tell_end(pid: int, said: int) -> None:
    _, status = os.waitpid(pid, 0)
    with suppress(OSError):  # nobody is there to know
        os.write(said, b"code %d" % os.waitstatus_to_exitcode(status))
    os.close(said)


def _become(
    said: int, pipes: Sequence[int], arguments: list[str], environment: dict[str, str], directory: str
) -> list[str]:
    """Make of a process that was just forked one that was just started."""
    import numpy as np

    os.setsid()
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    for standard, pipe in enumerate(pipes, 1):
        os.dup2(pipe, standard)
        os.close(pipe)
    np.random.seed()  # noqa: NPY002 - the state that all share who ask for none; Python's own is new after each fork
    os.write(said, b"pid %d" % os.getpid())
    os.close(said)
    return arguments


def main() -> None:
    """Serve whoever holds the other end of the socket that is named."""
    with socket.socket(fileno=int(sys.argv[1])) as asks:
        for module in IMPORTED:
            import_module(module)
        assert threading.enumerate() == [threading.main_thread()], "a fork would lack what runs beside"
        arguments = _serve(asks)
    if arguments is not None:
        sys.argv = ["", *arguments]
        runpy.run_module("streams.cli", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
