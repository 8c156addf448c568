"""Reading: the events of files named on a command line, with bars, and with what was bad in them told."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Final, NoReturn

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from schemas.adapters import ADAPTERS
from streams.cli.exits import BAD_LINES, FAILURE
from streams.clock import now_ms
from streams.files import LineFile
from streams.loading import Bad, Loaded, Ready, events_of
from streams.settings import Settings

__all__ = ["Bars", "Reading", "bars"]

_SHOWN_BAD: Final = 100
"""Bad lines told one by one; those after them are counted."""

Bars = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Gives a bar of a name and a length (0: unknown), moved by being told how much is done."""


@contextmanager
def bars() -> Iterator[Bars]:
    """Give bars on standard error, one after the other; none without a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:

        @contextmanager
        def bar(name: str, total: int) -> Iterator[Callable[[int], None]]:
            task = progress.add_task(name, total=total or None)
            yield lambda done: progress.update(task, completed=done)
            progress.remove_task(task)

        yield bar


class Reading:
    """The events of files in one format.

    Parameters
    ----------
    settings
        Say how large an event may be, and how far ahead of now.
    files, form, options
        As given on the command line and checked.

    Attributes
    ----------
    loaded
        What became of the lines.
    bad
        The first bad ones, as they were told on standard error.
    """

    def __init__(self, settings: Settings, files: Sequence[str], form: str, options: Mapping[str, str]) -> None:
        self._settings, self._files, self._form, self._options = settings, files, form, options
        self.loaded = Loaded()
        self.bad: list[Bad] = []

    def events(self, bar: Bars) -> Iterator[Ready]:
        """Yield the events of one file after the other, telling bad lines as they come."""
        limit, skew_ms = self._settings.max_record_bytes, self._settings.allowed_skew_ms
        with ExitStack() as stack:
            sources = [stack.enter_context(LineFile(name)) for name in self._files]
            events = events_of(
                sources,
                ADAPTERS[self._form],
                self._options,
                self.loaded,
                self._told,
                max_record_bytes=limit,
                until_ms=lambda: now_ms() + skew_ms,
            )
            with bar("reading", sum(source.size or 0 for source in sources)) as done:
                for count, event in enumerate(events):
                    if count % 1000 == 0:
                        done(sum(source.position for source in sources))
                    yield event

    def _told(self, bad: Bad) -> None:
        if len(self.bad) < _SHOWN_BAD:
            click.echo(f"{bad.file}:{bad.line_number}: {bad.refusal}", err=True)
            self.bad.append(bad)

    def end_with_nothing(self) -> NoReturn:
        """End the command, as there was no event."""
        click.echo(f"Error: no event in {', '.join(self._files)}; is --format {self._form} right?", err=True)
        sys.exit(BAD_LINES if self.loaded.bad else FAILURE)

    def tell_rest(self) -> None:
        """Say how many lines were bad, if not all of them were told."""
        if self.loaded.bad > len(self.bad):
            click.echo(f"{self.loaded.bad:,} bad lines, the first {len(self.bad)} told above", err=True)

    def bad_lines(self) -> list[dict[str, Any]]:
        """The bad lines that were told, as JSON can hold them."""
        return [
            {
                "file": bad.file,
                "line": bad.line_number,
                "field": bad.refusal.field,
                "value": bad.refusal.value,
                "reason": bad.refusal.reason,
                "remedy": bad.refusal.remedy,
            }
            for bad in self.bad
        ]
