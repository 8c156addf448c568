"""`recompra rules preview`: whom rules would reach, now or in the past."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from schemas.timestamp import from_ms
from scoring.profile import FAR, LayoutMismatchError
from scoring.rules import Rule
from scoring.rules.book import ALWAYS
from streams.backtest.history import History
from streams.cli.exits import BAD_LINES, FAILURE
from streams.cli.formats import FORMATS_HELP, checked, format_option, options_option
from streams.cli.options import broker_option, event_time, json_option, print_json, print_table
from streams.cli.preview_tables import now_as_data, now_table, past_as_data, past_table
from streams.cli.reading import Reading, bars
from streams.engine_settings import checked_rules
from streams.rule_files import read_text
from streams.ruling.checking import check
from streams.ruling.known import Known, read_known
from streams.ruling.now import preview_now
from streams.ruling.past import Past, Span, preview_files, preview_topics
from streams.ruling.snapshots import NoStateError
from streams.settings import Settings
from streams.settings_sources import load
from streams.worker import unit_options

__all__ = ["preview"]

_PARTS = 1000
"""Of a bar whose length in records is only known as it goes."""


@click.command("preview", epilog=FORMATS_HELP)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--from", "start", metavar="TIME", callback=event_time, help="Live through the past from this event time on."
)
@click.option("--to", "stop", metavar="TIME", callback=event_time, help="And to before this one.  [default: the end]")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    help="Take the past from this file of events, not from the topics; may be given several times.",
)
@format_option
@options_option
@broker_option
@json_option
def preview(
    file: Path,
    start: int | None,
    stop: int | None,
    inputs: tuple[str, ...],
    form: str,
    options: dict[str, str],
    broker: str | None,
    as_json: bool,
) -> None:
    """Say how many customers the rules in FILE would reach, by the program that runs live.

    Without a time and --input: who would enter now, from the workers' own state, at the next look at everybody, and
    which gates would withhold the action.

    With --from, --to or --input: who would have entered in that time, had the rules been in force from its start,
    who of them would have been withheld and why, and who bought within the horizon afterwards. The topics are read from
    their beginning, with the models that were in force then; files are lived through as `recompra backtest` does.
    What was bought is told of those of whom the whole horizon is known, and says nothing of what caused it.

    \b
    Examples:
      recompra rules preview rules.yaml
      recompra rules preview rules.yaml --from 2024-04-01 --to 2024-05-01
      recompra rules preview rules.yaml --input orders.csv --format orders-csv
    """
    checked(form, options)
    if start is not None and stop is not None and stop <= start:
        raise click.BadParameter("--to must be later than --from")
    in_past = start is not None or stop is not None or bool(inputs)
    settings = load(broker=broker, clock="events" if in_past else None, partitions=1 if inputs else None).settings
    known = read_known(settings, broker=not inputs)
    found, errors = check(read_text(file), str(file), settings, [each.rule for each in known.in_force(known.at_ms)])
    for error in errors:
        click.echo(str(error), err=True)
    if errors:
        raise SystemExit(FAILURE)
    try:
        if not in_past:
            _preview_now(settings, known, found, as_json)
            return
        span = Span(ALWAYS if start is None else start, FAR if stop is None else stop)
        reading = Reading(settings, inputs, form, options)
        source = partial(_from_files, reading) if inputs else _from_topics
        _show_past(found, source(settings, known, found, span), span, as_json)
    except (NoStateError, LayoutMismatchError) as error:
        raise click.ClickException(str(error)) from None
    if reading.loaded.bad:
        raise SystemExit(BAD_LINES)


def _preview_now(settings: Settings, known: Known, found: Sequence[Rule], as_json: bool) -> None:
    now = preview_now(settings, unit_options(settings, checked_rules(settings)), known, found)
    if as_json:
        print_json(now_as_data(found, now))
        return
    print_table(now_table(found, now))
    if now.times_ms is not None:
        first, last = map(from_ms, now.times_ms)
        at = first if first == last else f"{first} to {last}"
        click.echo(f"{now.customers:,} customers looked at, at {at} (event time)", err=True)
    else:
        click.echo("no worker has stored anybody yet", err=True)


def _from_topics(settings: Settings, known: Known, found: Sequence[Rule], span: Span) -> Past:
    options = unit_options(settings, checked_rules(settings))
    with bars() as bar, bar("scoring", _PARTS) as done:
        return preview_topics(settings, options, known, found, span, lambda share: done(round(_PARTS * share)))


def _from_files(reading: Reading, settings: Settings, known: Known, found: Sequence[Rule], span: Span) -> Past:
    with bars() as bar:
        history = History(reading.events(bar))
        if not len(history):
            reading.end_with_nothing()
        with bar("scoring", len(history)) as done:
            past = preview_files(settings, history, known, found, span, done)
    reading.tell_rest()
    return past


def _show_past(found: Sequence[Rule], past: Past, span: Span, as_json: bool) -> None:
    if as_json:
        print_json(past_as_data(found, past))
        return
    print_table(past_table(found, past))
    if past.known_ms is not None:
        click.echo(f"{past.customers:,} customers seen, up to {from_ms(past.known_ms)} (event time)", err=True)
        if past.known_ms < span.start_ms:
            click.echo("that is before --from: of the time asked about nothing is known yet", err=True)
