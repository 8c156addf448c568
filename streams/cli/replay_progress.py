"""How far a replay is: a bar on a terminal, elsewhere a line now and then; each with the rate and the time left."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from streams.replay.running import Replayed

__all__ = ["Pace", "said", "say", "shown"]

_LINE_S: Final = 10.0
"""Time between two lines."""
_PART_S: Final = 0.2
"""The same, of a process that does some of the partitions."""


class Pace:
    """The rate since the first look, and what is left at that rate.

    Parameters
    ----------
    clock
        Seconds of any origin.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first: tuple[float, int] | None = None

    def __call__(self, now: Replayed) -> str:
        """As a text."""
        at = self._clock()
        if self._first is None:
            self._first = at, now.read
        seconds, read = at - self._first[0], now.read - self._first[1]
        if seconds <= 0 or read <= 0:
            return "…"
        rate = read / seconds
        left = round((now.of - now.read) / rate)
        hours, minutes = left // 3600, left // 60 % 60
        return f"{rate:,.0f} records/s, {hours}:{minutes:02}:{left % 60:02} left"


@contextmanager
def shown(name: str) -> Iterator[Callable[[Replayed], None]]:
    """Give what is to be told how far it is; it says so on standard error."""
    console, pace = Console(stderr=True), Pace()
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[pace]}")
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, total=None, pace="")
        last_s = time.monotonic()

        def show(now: Replayed) -> None:
            nonlocal last_s
            text = pace(now)
            bar.update(task, total=now.of, completed=now.read, pace=text)
            if not console.is_terminal and time.monotonic() - last_s >= _LINE_S:
                last_s = time.monotonic()
                click.echo(f"{name}: {now.read:,} of {now.of:,} records, {text}", err=True)

        yield show


def say(now: Replayed) -> None:
    """Say on standard output how far a process is that does some of the partitions, for the one that started it."""
    click.echo(msgspec.json.encode(now))


@contextmanager
def said() -> Iterator[Callable[[Replayed], None]]:
    """Give what is to be told how far such a process is; it says so some times a second."""
    last_s = float("-inf")

    def show(now: Replayed) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= _PART_S:
            last_s = time.monotonic()
            say(now)

    yield show
