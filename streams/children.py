"""Children: the parts of the pipeline as processes of ours, watched while they run and never left behind.

A child says that it is ready with a line `ready …` on its standard output. It is not started again when it
dies: whoever runs it learns which one it was and what it said last, and stops the others.
"""

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from threading import Event, Thread
from typing import IO, Self

from streams.interrupts import Interrupts

__all__ = ["Child", "ChildError", "Children", "how_it_ended", "part"]

_SHOWN_LINES = 20
_LONGEST_LINE = 2_000


class ChildError(RuntimeError):
    """A child that ended by itself, or that did not become ready, with the end of what it said."""


def part(name: str, *options: str) -> list[str]:
    """Return the command line of one of our own commands, run by this very Python."""
    return [sys.executable, "-m", "streams.cli", name, *options]


def how_it_ended(code: int) -> str:
    """Say an exit code, or a signal, in words that follow a name."""
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


class Child:
    """One process in a session of its own, whose output is read as it comes.

    Parameters
    ----------
    name
        What it is called in messages.
    command, environment
        The command line, and the variables added to our own.
    told
        Called with the name and each line that it writes on standard error; None: only the last are kept.
    heard
        Called with the name and each line that it writes on standard output, none of which is kept then.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        told: Callable[[str, str], None] | None = None,
        heard: Callable[[str, str], None] | None = None,
    ) -> None:
        self.name = name
        self.ready_line: str | None = None
        self._said: deque[str] = deque(maxlen=_SHOWN_LINES)
        self._told, self._heard = told, heard
        self._ready = Event()
        self._process = self._start(list(command), {**os.environ, **environment, "PYTHONUNBUFFERED": "1"})
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._readers = [
            Thread(target=self._read, args=(self._process.stdout, self._out), daemon=True),
            Thread(target=self._read, args=(self._process.stderr, self._err), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _start(self, command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,  # Ctrl-C in the terminal must reach us alone, who stop it in order
        )

    @property
    def pid(self) -> int:
        """The process id, which is also its process group's."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    @property
    def ready(self) -> bool:
        """Whether it has said that it is ready."""
        return self._ready.is_set()

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait for its `ready` line; False if it did not come in time."""
        return self._ready.wait(timeout_s)

    def last_lines(self) -> str:
        """Return the end of what it wrote, indented."""
        if self.returncode is not None:
            self.read_out(1)
        return "\n".join(f"  {line[:200]}" for line in self._said) or "  (it wrote nothing)"

    def read_out(self, timeout_s: float) -> None:
        """Wait, once it has ended, for what may still be in each of its pipes."""
        for reader in self._readers:
            reader.join(timeout_s)

    def ask_to_end(self) -> None:
        """Send SIGTERM; a paused process is woken, as it could not act on it."""
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it and whatever it started at once."""
        self._signal(signal.SIGKILL)
        self._process.wait()
        self.read_out(1)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):  # nobody is left in its group
            os.killpg(self._process.pid, number)

    def _read(self, pipe: IO[bytes], take: Callable[[str], None]) -> None:
        with suppress(ValueError):  # closed while something that it had started still held the other end
            while line := pipe.readline(_LONGEST_LINE):
                take(line.decode("utf-8", "replace").rstrip("\r\n"))

    def _out(self, line: str) -> None:
        if self._heard is not None:
            self._heard(self.name, line)
        elif not self.ready and line.split(" ", 1)[0] == "ready":
            self.ready_line = line
            self._ready.set()
        else:
            self._said.append(line)

    def _err(self, line: str) -> None:
        self._said.append(line)
        if self._told is not None:
            self._told(self.name, line)


class Children:
    """All children of one run: started, watched, and stopped together when the context ends.

    Parameters
    ----------
    interrupts
        Says when the stop is to be hurried; none: it takes as long as it takes.
    told
        Where the lines go that children write on standard error.
    heard
        Where those go that they write on standard output, as these do not say that they are ready.
    """

    def __init__(
        self,
        interrupts: Interrupts | None = None,
        told: Callable[[str, str], None] | None = None,
        heard: Callable[[str, str], None] | None = None,
    ) -> None:
        self._interrupts = interrupts
        self._told, self._heard = told, heard
        self.all: list[Child] = []

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> Child:
        """Start a child; an interruption in between is kept until it is known, so that it is stopped too."""
        with self._held():
            child = Child(name, command, environment, self._told, self._heard)
            self.all.append(child)
        return child

    def wait_ready(self, timeout_s: float = 180) -> None:
        """Wait until all are ready; the time allows for compiling the kernel on a busy machine.

        Raises
        ------
        ChildError
            If one ends, or is not ready in time.
        """
        deadline = time.monotonic() + timeout_s
        for child in self.all:
            while not child.wait_ready(0.1):
                self.check()
                if time.monotonic() > deadline:
                    raise ChildError(
                        f"the {child.name} was not ready within {timeout_s:.0f} s; it said last:\n{child.last_lines()}"
                    )

    def check(self) -> None:
        """Make sure that all run. Costs a system call a child.

        Raises
        ------
        ChildError
            Naming the first one that does not.
        """
        for child in self.all:
            code = child.returncode
            if code is not None:
                raise ChildError(f"the {child.name} {how_it_ended(code)}; it said last:\n{child.last_lines()}")

    def stop(self, timeout_s: float = 20) -> list[str]:
        """Ask all to end, wait, and end hard those that do not; return the names of these."""
        running = [child for child in self.all if child.returncode is None]
        for child in running:
            child.ask_to_end()
        deadline = time.monotonic() + timeout_s
        while any(child.returncode is None for child in running):
            if time.monotonic() > deadline or (self._interrupts is not None and self._interrupts.hurry):
                break
            time.sleep(0.02)
        hard = [child.name for child in running if child.returncode is None]
        for child in self.all:  # those too that have ended: what they started may be alive
            child.kill()
        self.all.clear()
        return hard

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        with self._held():
            self.stop()

    def _held(self) -> AbstractContextManager[None]:
        return nullcontext() if self._interrupts is None else self._interrupts.held()
