"""Programs: workers and trainers as processes that can be killed, stopped and asked to end."""

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from streams.children import Child, part
from tests.integration.faults.forks import Server

__all__ = ["PATIENCE_S", "WRAPPED", "Program"]

PATIENCE_S = 300.0
"""How long anything is waited for: many times of what it takes on a machine that does nothing else."""

WRAPPED = Path(__file__).with_name("wrapped.py")
"""Runs one of our commands under a fault that only its own process can have; see there."""


class Program(Child):
    """A running command of ours; all that it says on standard error is kept.

    Parameters
    ----------
    name, settings
        Which one, and its variables.
    under
        The fault that it is started under, and what that takes.
    server
        Forks it, where it can and there is no fault; None: it is started for real.
    """

    def __init__(
        self, name: str, settings: Mapping[str, str], under: Sequence[str] = (), server: Server | None = None
    ) -> None:
        self.errors: list[str] = []
        self._server = None if under else server
        command = [sys.executable, str(WRAPPED), *under, name] if under else part(name)
        super().__init__(name, command, settings, lambda _, line: self.errors.append(line))

    def _start(self, command: list[str], environment: dict[str, str]) -> Any:
        if self._server is None or not self._server.serves(environment):
            return super()._start(command, environment)
        return self._server.fork([self.name], environment)

    def started(self, patience_s: float = PATIENCE_S) -> "Program":
        """Wait until it reads."""
        give_up = time.monotonic() + patience_s
        while not self.wait_ready(0.2):
            assert self.returncode is None, f"{self.name} ended with {self.returncode}:\n{self.last_lines()}"
            assert time.monotonic() < give_up, f"{self.name} did not become ready:\n{self.last_lines()}"
        return self

    def ended(self, patience_s: float = PATIENCE_S) -> int:
        """Wait for its exit code."""
        give_up = time.monotonic() + patience_s
        while self.returncode is None:
            assert time.monotonic() < give_up, f"{self.name} did not end:\n{self.last_lines()}"
            time.sleep(0.05)
        return self.returncode

    def pause(self) -> None:
        """Stop it from running without ending it (SIGSTOP)."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it run on (SIGCONT)."""
        os.kill(self.pid, signal.SIGCONT)

    def resident_mb(self) -> float:
        """Memory that it holds, in megabytes."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def said(self, text: str) -> bool:
        """Whether a line on standard error holds this."""
        return any(text in line for line in list(self.errors))
