"""Start: how long it takes until a worker reads, without compiled code and with it. `python -m benchmarks.start`

A worker of its own user sees no more of an image than this: the place where compiled code lies, empty or filled.
"""

import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from streams.brokers.embedded import EmbeddedBroker
from streams.children import Child, ChildError, part
from streams.settings import Settings
from streams.settings_sources import load
from streams.topics import create, rule_names, wanted

_PATIENCE_S = 900.0


def main() -> None:
    """Start a worker three times, each on an empty broker, and print what each start cost."""
    table = Table("start", "seconds", "seconds of processor", box=None)
    with TemporaryDirectory() as compiled:
        for name in ("nothing is compiled", "from the place for compiled code", "again"):
            with EmbeddedBroker() as broker:  # a former worker would be waited for until its session is over
                settings = load(broker=broker.address, exactly_once="off").settings
                create(settings, wanted(settings, rule_names(settings)))
                seconds, cpu_s = _start(settings, Path(compiled))
            table.add_row(name, f"{seconds:.1f}", f"{cpu_s:.1f}")
    Console(width=100).print(table)


def _start(settings: Settings, compiled: Path) -> tuple[float, float]:
    environment = {
        "RECOMPRA_BROKER": settings.broker,
        "RECOMPRA_EXACTLY_ONCE": "off",  # the embedded broker takes transactions and does not hold them
        "NUMBA_CACHE_DIR": str(compiled),
    }
    began_s = time.monotonic()
    child = Child("worker", part("worker"), environment)
    try:
        if not child.wait_ready(_PATIENCE_S):
            raise ChildError(f"the worker was not ready:\n{child.last_lines()}")
        return time.monotonic() - began_s, _cpu_s(child.pid)
    finally:
        child.ask_to_end()
        child.kill()


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
