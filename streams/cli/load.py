"""`recompra load`: bring files of events to the input topics."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from schemas.adapters import ADAPTERS
from streams.cli.exits import BAD_LINES, FAILURE
from streams.cli.formats import FORMATS_HELP, checked, format_option, options_option
from streams.cli.options import Number, broker_option, json_option, print_json
from streams.clock import now_ms
from streams.files import LineFile
from streams.loading import Bad, Loaded, Ready, events_of
from streams.loading import load as produce
from streams.pace import EventTime, Pace, Steady
from streams.settings_sources import load as load_settings

__all__ = ["load"]

_BAD_LINES_KEPT = 1_000
"""Bad lines that the JSON holds; standard error has them all."""


@click.command(epilog=FORMATS_HELP)
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILE...",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
)
@broker_option
@format_option
@options_option
@click.option("--rate", type=Number(min=0, min_open=True), metavar="N", help="At most N events a second.")
@click.option(
    "--speed",
    type=Number(min=0, min_open=True),
    metavar="X",
    help="As the events came, X times faster; the files must be in the order of time.",
)
@json_option
def load(
    files: tuple[str, ...],
    broker: str | None,
    form: str,
    options: dict[str, str],
    rate: float | None,
    speed: float | None,
    as_json: bool,
) -> None:
    """Load the events of FILE... (plain or gzipped, - for standard input) to the input topics.

    Lines that cannot be read are told on standard error as FILE:LINE: what is wrong; the others are
    loaded, and the exit code is 3. An event's id depends on its content alone, so that a file loaded
    again soon is not counted twice.

    \b
    Examples:
      recompra load events.ndjson.gz
      recompra load orders.csv --format orders-csv --option customer=client --option delimiter=semicolon
      recompra load online_retail.csv.gz --format online-retail --speed 86400
      kcat -C -t shop-events -e | recompra load -
    """
    if rate is not None and speed is not None:
        raise click.UsageError("give --rate or --speed, not both")
    checked(form, options)
    settings = load_settings(broker=broker).settings
    told = _Told()
    loaded = Loaded()
    pace: Pace | None = Steady(rate) if rate is not None else EventTime(speed) if speed is not None else None
    start = time.monotonic()
    with ExitStack() as open_files:
        sources = [open_files.enter_context(LineFile(name)) for name in files]
        events = events_of(
            sources,
            ADAPTERS[form],
            options,
            loaded,
            told,
            by_time=speed is not None,
            max_record_bytes=settings.max_record_bytes,
            until_ms=lambda: now_ms() + settings.allowed_skew_ms,
        )
        try:
            with _progress(sources) as following:
                produce(settings, following(events), loaded, pace)
        except KeyboardInterrupt:
            click.echo(f"interrupted: {sum(loaded.events.values()):,} events were loaded", err=True)
            raise SystemExit(FAILURE) from None
    _tell(files, loaded, told, time.monotonic() - start, as_json)
    if loaded.bad:
        sys.exit(BAD_LINES)


class _Told:
    """Tells each bad line as it comes and keeps the first ones."""

    def __init__(self) -> None:
        self.kept: list[dict[str, Any]] = []

    def __call__(self, bad: Bad) -> None:
        click.echo(f"{bad.file}:{bad.line_number}: {bad.refusal}", err=True)
        if len(self.kept) < _BAD_LINES_KEPT:
            refusal = bad.refusal
            self.kept.append(
                {
                    "file": bad.file,
                    "line": bad.line_number,
                    "field": refusal.field,
                    "value": refusal.value,
                    "reason": refusal.reason,
                    "remedy": refusal.remedy,
                    "code": refusal.code,
                }
            )


@contextmanager
def _progress(files: Sequence[LineFile]) -> Iterator[Any]:
    """Give a function that passes events on and moves a bar on standard error; no bar without a terminal."""
    console = Console(stderr=True)
    sizes = [file.size for file in files]
    total = None if any(size is None for size in sizes) else sum(size or 0 for size in sizes)
    columns = (
        SpinnerColumn(),
        TextColumn("loading"),
        BarColumn(),
        TextColumn("{task.fields[events]:,} events"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=total, events=0)

        def following(events: Iterator[Ready]) -> Iterator[Ready]:
            for count, event in enumerate(events, 1):
                yield event
                if count % 512 == 0:
                    done = sum(file.position for file in files)
                    progress.update(task, completed=done, events=count)

        yield following


def _tell(files: Sequence[str], loaded: Loaded, told: _Told, seconds: float, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "files": list(files),
                "lines": loaded.lines,
                "events": sum(loaded.events.values()),
                "by_topic": dict(sorted(loaded.events.items())),
                "skipped": dict(loaded.skipped.most_common()),
                "bad": loaded.bad,
                "bad_lines": told.kept,
                "idempotent_producer": loaded.idempotent,
                "seconds": round(seconds, 3),
            }
        )
        return
    topics = ", ".join(f"{count:,} to {topic}" for topic, count in sorted(loaded.events.items()))
    total = sum(loaded.events.values())
    click.echo(
        f"loaded {total:,} events from {loaded.lines:,} lines in {seconds:.1f} s" + (f": {topics}" if topics else "")
    )
    for why, count in loaded.skipped.most_common(10):
        click.echo(f"skipped {count:,} lines: {why}")
    if loaded.bad:
        click.echo(f"{loaded.bad:,} bad lines, told above", err=True)
