"""`recompra report`: tables and pages for people, from the topics or from files."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from streams.cli.exits import BAD_LINES, FAILURE
from streams.cli.formats import FORMATS_HELP, checked, format_option, options_option
from streams.cli.options import broker_option, json_option, print_json, print_table
from streams.cli.reading import Reading, bars
from streams.settings import Settings
from streams.settings_sources import load as load_settings

__all__ = ["report"]

_HELP = {
    "trends": "Visitors, prospects and first orders, by week.",
    "retention": "Who stays, by period, source, country and type.",
    "types": "Types, stages and RFM groups, and who moves where.",
    "value": "What customers bring, and what they cost.",
    "rules": "What each rule did, and what came of it.",
    "uplift": "Whether contacting made more people buy.",
    "quality": "How good scores were, and whom to contact.",
}


@click.group(no_args_is_help=True)
def report() -> None:
    """Show a report: a table here, JSON with --json, a page with plots with --html.

    Reads the topics of a broker from their beginning, or with --from files, the same ones that `recompra load` and
    `recompra backtest` take; no Kafka is needed then.

    \b
    Examples:
      recompra report retention --from orders.csv --format orders-csv
      recompra report value --html value.html
      RECOMPRA_CAMPAIGN_COSTS='{"google": 1200}' recompra report value --json
    """


_PAGE = click.option(
    "--html",
    "page",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="OUT",
    help="Write a page with plots that needs no network.",
)


def _source_options(command: Callable[..., None]) -> Callable[..., None]:
    files = click.Path(exists=True, dir_okay=False, allow_dash=True)
    for option in (
        options_option,
        format_option,
        click.option("--from", "files", multiple=True, type=files, metavar="FILE",
                     help="Read this file instead of the topics; may be given several times."),
        broker_option,
    ):  # fmt: skip
        command = option(command)
    return command


def _show(name: str, page: Path | None, as_json: bool, **source: Any) -> None:
    from streams.report.terminal import render
    from streams.report.writing import SCORED, made_of

    gathered, settings, bad = _gathered(scored=name in SCORED, **source)
    made = made_of(name, gathered, settings.report_terms(settings.horizon_ms))
    if page is not None:
        _write(page, made)
    if as_json:
        print_json(made.as_data())
    else:
        print_table(render(made))
    if bad:
        sys.exit(BAD_LINES)


def _gathered(
    broker: str | None, files: tuple[str, ...], form: str, options: dict[str, str], *, scored: bool
) -> tuple[Any, Settings, int]:
    """What there is to report on, by which settings, and how many lines were bad."""
    from streams.report.gathered import of_topics
    from streams.tailing import UnknownTopicError

    if files:
        checked(form, options)
        settings = load_settings(clock="events", partitions=1).settings
        reading = Reading(settings, files, form, options)
        gathered = _of_files(settings, reading, scored=scored)
        reading.tell_rest()
        return gathered, settings, reading.loaded.bad
    settings = load_settings(broker=broker).settings
    try:
        return of_topics(settings, scored=scored), settings, 0
    except UnknownTopicError as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(FAILURE) from None


def _write(page: Path, made: Any) -> None:
    from streams.report.page import write_page

    try:
        write_page(page, made)
    except OSError as error:
        click.echo(f"Error: --html {page}: cannot be written ({error.strerror})", err=True)
        raise SystemExit(FAILURE) from None
    click.echo(f"report: {page}", err=True)


def _of_files(settings: Settings, reading: Reading, *, scored: bool) -> Any:
    from streams.report.gathered import of_events

    with bars() as bar:
        events = list(reading.events(bar))
        if not events:
            reading.end_with_nothing()
        with bar("scoring", len(events)) as done:
            return of_events(settings, events, scored=scored, on_progress=done)


def _command(name: str, said: str) -> click.Command:
    def run(**given: Any) -> None:
        _show(name, **given)

    return click.command(name, help=said, epilog=FORMATS_HELP)(_source_options(_PAGE(json_option(run))))


for _name, _said in _HELP.items():
    report.add_command(_command(_name, _said))


@report.command("all", epilog=FORMATS_HELP)
@_source_options
@click.option("--html", "directory", required=True, type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Where the pages go; made if it is not there.")  # fmt: skip
def all_(directory: Path, **source: Any) -> None:
    """Write every report's page to a directory."""
    from streams.report.writing import write_all

    gathered, settings, bad = _gathered(scored=True, **source)
    try:
        pages = write_all(directory, gathered, settings.report_terms(settings.horizon_ms))
    except OSError as error:
        click.echo(f"Error: --html {directory}: cannot be written ({error.strerror})", err=True)
        raise SystemExit(FAILURE) from None
    for page in pages:
        click.echo(page)
    if bad:
        sys.exit(BAD_LINES)
