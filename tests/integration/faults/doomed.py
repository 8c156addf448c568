"""Commands that are killed in the middle of what they do: by SIGKILL, at a call that is named.

A server that has imported what commands need forks one process for each, so that none pays for its own start.
"""

import io
import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple

__all__ = ["Call", "killed"]

PATIENCE_S = 300.0
IMPORTED = ("streams.cli.main", "streams.cli.replay", "streams.cli.state", "streams.cli.dlq", "streams.worker",
            "streams.operating.moving", "streams.replay.running")  # fmt: skip


class Call(NamedTuple):
    """The n-th call of a function or method, as `kafka:KafkaProducer.send`; `after`: once it is done."""

    name: str
    nth: int
    after: bool = False


def killed(arguments: Sequence[str], call: Call) -> None:
    """Run a command in a process of its own, which ends itself hard at the call.

    Raises
    ------
    AssertionError
        If it ended in another way.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, *IMPORTED])
    process = context.Process(target=_run, args=(list(arguments), call, dict(os.environ)))
    process.start()
    process.join(PATIENCE_S)
    try:
        assert process.exitcode == -signal.SIGKILL, f"{arguments} ended with {process.exitcode}"
    finally:
        process.kill()
        process.join()
        process.close()


def _run(arguments: Sequence[str], call: Call, environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    module, _, path = call.name.partition(":")
    holder: Any = import_module(module)
    *outer, name = path.split(".")
    for each in outer:
        holder = getattr(holder, each)
    setattr(holder, name, _fatal(getattr(holder, name), call))
    from streams.cli.main import main

    sys.stdin = io.StringIO()
    main(list(arguments))


def _fatal(true: Any, call: Call) -> Any:
    calls = iter(range(1, sys.maxsize))

    def fatal(*args: Any, **options: Any) -> Any:
        last = next(calls) == call.nth
        if last and not call.after:
            os.kill(os.getpid(), signal.SIGKILL)
        done = true(*args, **options)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    return fatal
