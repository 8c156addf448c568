"""Measured: what a process has cost so far, as the system counts it, and what a worker says of itself."""

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Self
from urllib.request import urlopen

from benchmarks.cluster import Cluster
from streams.children import Child, ChildError, part

__all__ = ["Cost", "Worker"]

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


class Cost(NamedTuple):
    """What a stretch of work came to; CPU of all threads."""

    events: int
    cpu_s: float
    wall_s: float
    published: int
    scores: int
    changelog_bytes: int
    rss_mb: float

    @property
    def cpu_us(self) -> float:
        """CPU microseconds an event."""
        return self.cpu_s / self.events * 1e6


class Worker:
    """`recompra worker` as a process of its own, measured from outside; use as a context manager.

    Parameters
    ----------
    cluster
        Where it works.
    app_id
        Its application: a state of its own.
    exactly_once
        Whether each commit is a transaction.
    settings
        Others, by name.
    """

    def __init__(self, cluster: Cluster, app_id: str, *, exactly_once: bool, **settings: str) -> None:
        self._cluster = cluster
        self.app_id = app_id
        self._environment = {
            "RECOMPRA_BROKER": cluster.address,
            "RECOMPRA_APP_ID": app_id,
            "RECOMPRA_PARTITIONS": str(cluster.partitions),
            "RECOMPRA_EXACTLY_ONCE": "on" if exactly_once else "off",
            "RECOMPRA_CONSENT_UNKNOWN": "yes",  # nobody in the made-up shops says anything of consent
            # It is paused while records are put there, and must still be a member afterwards.
            "RECOMPRA_SESSION_TIMEOUT_S": "60",
            **{f"RECOMPRA_{name.upper()}": value for name, value in settings.items()},
        }

    def __enter__(self) -> Self:
        begun = time.perf_counter()
        self._child = Child("worker", part("worker"), self._environment)
        while not self._child.wait_ready(0.1):
            if self._child.returncode is not None or time.perf_counter() - begun > 300:
                raise ChildError(f"the worker is not ready; it said last:\n{self._child.last_lines()}")
        self.ready_after_s = time.perf_counter() - begun
        return self

    def __exit__(self, *_error: object) -> None:
        self._child.ask_to_end()
        until = time.monotonic() + 30
        while self._child.returncode is None and time.monotonic() < until:
            time.sleep(0.05)
        self._child.kill()

    @property
    def cpu_s(self) -> float:
        """CPU seconds of all threads so far."""
        # The name may hold blanks, so count from its closing bracket.
        fields = Path(f"/proc/{self._child.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND

    @property
    def rss_mb(self) -> float:
        """Memory it holds now."""
        return self._memory("VmRSS")

    @property
    def peak_mb(self) -> float:
        """The most memory that it ever held."""
        return self._memory("VmHWM")

    def _memory(self, name: str) -> float:
        status = Path(f"/proc/{self._child.pid}/status").read_text()
        found = re.search(rf"{name}:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1024

    def metric(self, name: str) -> float:
        """A metric's sum over its labels."""
        line = self._child.ready_line or ""
        address = line.partition("metrics=")[2].split()[0]
        with urlopen(address, timeout=10) as answer:
            text = answer.read().decode()
        rows = re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", text, re.MULTILINE)
        return sum(float(value) for value in rows)

    def catch_up(self, timeout_s: float = 900) -> None:
        """Wait until everything that is on the inputs is committed."""
        ends = self._cluster.ends("clickstream", "orders")
        until = time.monotonic() + timeout_s
        while True:
            committed = self._cluster.committed(self.app_id)
            if all(committed.get(place, 0) >= end for place, end in ends.items() if end):
                return
            if self._child.returncode is not None or time.monotonic() > until:
                raise ChildError(f"the worker does not catch up; it said last:\n{self._child.last_lines()}")
            time.sleep(0.02)

    def measure(self, events: int, put: Callable[[], None]) -> Cost:
        """Put records there while it is paused, let it go, and measure until the last of them is committed."""
        names = (
            "recompra_scores_total",
            "recompra_crossings_total",
            "recompra_crossings_withheld_total",
            "recompra_changelog_bytes_total",
        )
        before = [self.metric(name) for name in names]
        os.kill(self._child.pid, signal.SIGSTOP)
        try:
            put()
            cpu_s, wall_s = self.cpu_s, time.perf_counter()
        finally:
            os.kill(self._child.pid, signal.SIGCONT)
        self.catch_up()
        cpu_s, wall_s = self.cpu_s - cpu_s, time.perf_counter() - wall_s
        scores, crossings, withheld, size = (
            int(self.metric(name) - earlier) for name, earlier in zip(names, before, strict=True)
        )
        return Cost(events, cpu_s, wall_s, scores + crossings - withheld, scores, size, self.rss_mb)
