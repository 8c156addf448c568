"""A broker as a process of ours: started, waited for, stopped by its handle and never by its name."""

import os
import signal
import socket
import struct
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import SystemRandom
from types import TracebackType
from typing import Self

__all__ = ["BrokerError", "BrokerProcess", "free_port", "free_ports"]

HOST = "127.0.0.1"
_LISTENING = range(20_000, 32_768)
"""Ports that neither Linux nor macOS gives to outgoing connections."""


class BrokerError(RuntimeError):
    """A broker that cannot be started, with the reason and what to do about it."""


def free_ports(count: int) -> list[int]:
    """Return TCP ports of the loopback that are free now; held together so that no two are the same.

    They lie below those that systems give to outgoing connections, so that none of these takes one before its owner
    listens on it, or while that is started again.
    """
    held: list[socket.socket] = []
    try:
        for port in SystemRandom().sample(_LISTENING, len(_LISTENING)):
            sock = socket.socket()
            held.append(sock)
            try:
                sock.bind((HOST, port))
            except OSError:
                held.pop().close()
            if len(held) == count:
                break
        return [int(sock.getsockname()[1]) for sock in held]
    finally:
        for sock in held:
            sock.close()


def free_port() -> int:
    """Return one TCP port of the loopback that is free now."""
    return free_ports(1)[0]


class BrokerProcess(ABC):
    """Base of brokers that run as a child process and accept on `address`; use as a context manager.

    Subclasses say how to start it in `command`. What it writes goes to `log`, whose end is part of the
    error when it does not come up.
    """

    name = "broker"

    def __init__(self, port: int | None = None, *, log: Path | None = None, start_timeout_s: float = 60) -> None:
        self.port = port or free_port()
        self.address = f"{HOST}:{self.port}"
        self.start_timeout_s = start_timeout_s
        self._log = log
        self._own_log: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """The file that holds what the broker writes."""
        if self._log is None:
            self._own_log = tempfile.TemporaryDirectory(prefix="recompra-broker-")
            self._log = Path(self._own_log.name) / "broker.log"
        return self._log

    @property
    def running(self) -> bool:
        """Whether the process lives (a stopped, SIGSTOPped one does)."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process id.

        Raises
        ------
        BrokerError
            If the broker was not started.
        """
        if self._process is None:
            raise BrokerError(f"the {self.name} was not started")
        return self._process.pid

    @abstractmethod
    def command(self) -> tuple[Sequence[str], Mapping[str, str], Path | None]:
        """Return the command line, the environment to add and the working directory."""

    def accepts(self) -> bool:
        """Whether the broker answers Kafka's first question, ApiVersions; an open port says too little."""
        # Length, ApiVersions, version 0, correlation 1, no client id.
        request = struct.pack(">ihhih", 10, 18, 0, 1, -1)
        try:
            with socket.create_connection((HOST, self.port), timeout=2) as sock:
                sock.sendall(request)
                return len(sock.recv(8)) > 0
        except OSError:
            return False

    def start(self) -> None:
        """Start the process and wait until it accepts.

        Raises
        ------
        BrokerError
            If the port is taken, it ends, or it does not accept within the time given.
        """
        if self.running:
            return
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind((HOST, self.port))
            except OSError as error:
                raise BrokerError(f"port {self.port} is not free ({error.strerror}); give another") from None
        command, environment, directory = self.command()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                cwd=directory,
                start_new_session=True,  # Ctrl-C in the terminal must reach us, who stop the children first
            )
        self._wait()

    def stop(self, timeout_s: float = 20) -> None:
        """Ask it to end, wait, and end it hard if it does not."""
        process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGCONT)  # a paused process cannot act on SIGTERM
            process.terminate()
            try:
                process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._process = None

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Stop it from running without ending it (SIGSTOP)."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused one run on (SIGCONT)."""
        os.kill(self.pid, signal.SIGCONT)

    def restart(self) -> None:
        """Stop it and start it on the same port."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self._own_log is not None:
            self._own_log.cleanup()
            self._own_log = self._log = None

    def _wait(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + self.start_timeout_s
        while not self.accepts():
            if self._process.poll() is not None:
                raise BrokerError(f"the {self.name} ended at start:\n{self.last_lines()}")
            if time.monotonic() > deadline:
                self.stop()
                lines = self.last_lines()
                raise BrokerError(f"the {self.name} did not accept in {self.start_timeout_s:.0f} s:\n{lines}")
            time.sleep(0.05)

    def last_lines(self, count: int = 15) -> str:
        """Return the end of its log, which goes with it unless its place was said."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"  {line[:200]}" for line in lines[-count:])
