"""Runs one of our commands under a fault that only its own process can have.

`wrapped.py clock FILE worker`: its wall clock is off by as many milliseconds as the file says, read each time.
`wrapped.py poison worker`: the kernel fails on an event of the product `poison`, half of the run already applied.
`wrapped.py no-files worker`: it cannot write a single byte to a file (RLIMIT_FSIZE), as on a disk that is full.
"""

import sys
from pathlib import Path
from typing import Any


def _clock(file: Path) -> None:
    from streams import clock

    true_ms = clock.now_ms
    clock.now_ms = lambda: true_ms() + int(file.read_text())


def _no_files() -> None:
    import resource
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # an error at the call, as ENOSPC is
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def _poison() -> None:
    from scoring.engine import Engine
    from scoring.profile import stable_hash

    true_apply, poison = Engine.apply, stable_hash(b"poison")

    def apply(self: Engine, events: Any, details: Any, *customer: Any) -> Any:
        outcome = true_apply(self, events, details, *customer)
        if (events.product == poison).any():
            raise ZeroDivisionError("the kernel failed")
        return outcome

    Engine.apply = apply  # type: ignore[method-assign]


def main() -> None:
    """Bring the fault about, then run the command."""
    fault, *rest = sys.argv[1:]
    if fault == "clock":
        _clock(Path(rest.pop(0)))
    elif fault == "poison":
        _poison()
    elif fault == "no-files":
        _no_files()
    else:
        raise SystemExit(f"no fault is called {fault}")
    sys.argv = ["recompra", *rest]
    from streams.cli.main import main as command

    command()


if __name__ == "__main__":
    main()
