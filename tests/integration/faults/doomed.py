"""Doomed: commands that are killed in the middle of what they do, by SIGKILL, at a call that is named.

A server that has imported what commands need forks one process for each, so that none pays for its own start.
"""

import io
import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, NamedTuple

__all__ = ["Call", "ended", "killed"]

PATIENCE_S = 300.0
IMPORTED = ("streams.cli.main", "streams.cli.replay", "streams.cli.state", "streams.cli.dlq", "streams.worker",
            "streams.cli.forget", "streams.operating.moving", "streams.replay.running")  # fmt: skip


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
    code, said = ended(arguments, call)
    assert code == -signal.SIGKILL, f"{arguments} ended with {code}: {said}"


def ended(arguments: Sequence[str], call: Call | None = None) -> tuple[int | None, str]:
    """Run a command in a process of its own; its exit code (negative for a signal) and all that it said."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, *IMPORTED])
    with NamedTemporaryFile(mode="r+") as file:
        process = context.Process(target=_run, args=(list(arguments), call, dict(os.environ), file.name))
        process.start()
        process.join(PATIENCE_S)
        code = process.exitcode
        process.kill()
        process.join()
        process.close()
        return code, file.read()


def _run(arguments: Sequence[str], call: Call | None, environment: dict[str, str], said: str) -> None:
    os.environ.clear()
    os.environ.update(environment)
    with Path(said).open("ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    sys.stdin = io.StringIO()
    if call is not None:
        holder, name = _place(call.name)
        setattr(holder, name, _fatal(getattr(holder, name), call))
    from streams.cli.main import main

    main(list(arguments))


def _place(path: str) -> tuple[Any, str]:
    """What holds a function, and its name there."""
    module, _, inside = path.partition(":")
    holder: Any = import_module(module)
    *outer, name = inside.split(".")
    for each in outer:
        holder = getattr(holder, each)
    return holder, name


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
