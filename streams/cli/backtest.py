"""`recompra backtest`: how good the scores would have been on a shop's own history."""

import csv
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import click
from rich.console import Console

from schemas.timestamp import from_ms
from scoring.engine import Engine
from scoring.learner import Learner
from scoring.rules import RuleError
from streams.backtest.history import History
from streams.backtest.run import Backtest, Cutoff, Result
from streams.backtest.summary import as_data, render
from streams.cli.exits import BAD_LINES, FAILURE, USAGE
from streams.cli.formats import FORMATS_HELP, checked, format_option, options_option
from streams.cli.options import json_option, print_json
from streams.cli.reading import Reading, bars
from streams.engine_settings import checked_rules, engine_settings
from streams.garbage import collected_by_the_clock
from streams.learning import learner_config
from streams.settings import Settings
from streams.settings_sources import load as load_settings
from streams.tailing import parse_place

__all__ = ["backtest"]

_SHOWN_REFUSALS = 100


def _times(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[int, ...]:
    times = []
    for value in values:
        try:
            place = parse_place(value)
        except ValueError:
            place = "latest"
        if isinstance(place, str):
            raise click.BadParameter(f"{value[:80]!r} is not a date or time such as 2011-10-01 or 2011-10-01T09:30:00Z")
        times.append(place)
    return tuple(sorted(set(times)))


@click.command(epilog=FORMATS_HELP)
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILE...",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
)
@format_option
@options_option
@click.option(
    "--horizon",
    metavar="SPAN",
    help="Score the chance to buy within this, such as 30d or 24h.  [default: the setting horizon, 30d]",
)
@click.option(
    "--cutoff",
    "cutoffs",
    multiple=True,
    metavar="DATE",
    callback=_times,
    help="Score everybody as of this date or time (UTC); may be given several times.  "
    "[default: the first of each month]",
)
@click.option(
    "--scores",
    "scores_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="OUT.csv",
    help="Write the scores as of the cutoffs: customer_id,cutoff,score,percentile.",
)
@click.option(
    "--report",
    "report_dir",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write a page with plots, DIR/index.html, that needs no network.",
)
@json_option
def backtest(
    files: tuple[str, ...],
    form: str,
    options: dict[str, str],
    horizon: str | None,
    cutoffs: tuple[int, ...],
    scores_file: Path | None,
    report_dir: Path | None,
    as_json: bool,
) -> None:
    """Replay the history in FILE... (plain or gzipped, - for standard input) as if it happened now.

    The program that runs live reads your events in the order of time, learns only from outcomes that were
    already known, and scores as it goes; no Kafka is needed. Then it tells, month by month, how well the
    scores that it gave agreed with what customers did afterwards:

    \b
      AUC                 chance that someone who bought was ranked above someone who did not (0.5: luck)
      AP                  average precision; compare it with the share that bought
      log loss, Brier     how far probabilities were from what happened (lower is better)
      calibration error   by how much probabilities were off on average

    Scores before the model had learned enough (200 buyers and 200 non-buyers) only rank by past orders and
    are not judged. Lines that cannot be read are told on standard error as FILE:LINE, the rest goes on, and
    the exit code is 3. The history is held in memory: about 1 GB for a million events.

    \b
    Examples:
      recompra backtest orders.csv --format orders-csv --horizon 30d
      recompra backtest events.ndjson.gz --cutoff 2024-10-01 --cutoff 2024-11-01 --scores scores.csv
      recompra backtest online_retail.csv.gz --format online-retail --report report/
    """
    checked(form, options)
    settings = load_settings(horizon=horizon, clock="events", partitions=1).settings
    test = _prepared(settings)
    reading = Reading(settings, files, form, options)
    with ExitStack() as stack:
        sink = _writer(stack, scores_file)
        bar = stack.enter_context(bars())
        history = History(reading.events(bar))
        if not len(history):
            reading.end_with_nothing()
        asked = cutoffs or monthly(int(history.time_ms[0]), int(history.time_ms[-1]))
        found: list[dict[str, Any]] = []

        def on_cutoff(cutoff: Cutoff) -> None:
            found.append(_counted(cutoff))
            if sink is not None:
                _write(sink, cutoff)

        with bar("scoring", len(history)) as scoring, collected_by_the_clock():
            result = test.run(history, asked, on_cutoff, scoring)
    for refusal in result.refused[:_SHOWN_REFUSALS]:
        click.echo(f"an event was refused: {refusal}", err=True)
    _finish(settings, files, test, result, reading, found, report_dir, as_json)
    if reading.loaded.bad or result.refused:
        sys.exit(BAD_LINES)


def monthly(first_ms: int, last_ms: int) -> tuple[int, ...]:
    """The first moment of each month after the first event, up to the last, in UTC."""
    month = datetime.fromtimestamp(first_ms / 1000, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    found = []
    while (at := int(month.timestamp()) * 1000) <= last_ms:
        if at > first_ms:
            found.append(at)
        month = month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
    return tuple(found)


def _prepared(settings: Settings) -> Backtest:
    try:
        rules = checked_rules(settings)
        engine = Engine(engine_settings(settings, rules), rules)
        learner = Learner(learner_config(settings))
    except (RuleError, ValueError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(USAGE)
    return Backtest.of(settings, engine, learner)


def _finish(
    settings: Settings,
    files: Sequence[str],
    test: Backtest,
    result: Result,
    reading: Reading,
    cutoffs: list[dict[str, Any]],
    report_dir: Path | None,
    as_json: bool,
) -> None:
    data = as_data(settings, files, test, result, reading.loaded, cutoffs)
    data["bad_lines"] = reading.bad_lines()
    if report_dir is not None:
        from streams.backtest.report import write_report

        page = write_report(report_dir, data, result)
        click.echo(f"report: {page}", err=True)
    if as_json:
        print_json(data)
    else:
        Console(highlight=False).print(render(data))
    reading.tell_rest()


@contextmanager
def _whole(path: Path) -> Iterator[IO[str]]:
    """A file that is there once all is written, and not before; what is no plain file is written as it is."""
    plain = (path.is_file() or not path.exists()) and path.parts[:2] not in (("/", "dev"), ("/", "proc"))
    path = path.resolve() if plain else path
    part = path.with_name(f"{path.name}.part") if plain else path
    try:
        with part.open("w", encoding="utf-8", errors="surrogatepass", newline="") as file:
            yield file
        if plain:
            if path.exists():
                shutil.copymode(path, part)
            part.replace(path)
    except BaseException:
        if plain:
            part.unlink(missing_ok=True)
        raise


def _writer(stack: ExitStack, path: Path | None) -> Any:
    if path is None:
        return None
    try:
        file = stack.enter_context(_whole(path))
    except OSError as error:
        click.echo(f"Error: --scores {path}: cannot be written ({error.strerror})", err=True)
        sys.exit(FAILURE)
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("customer_id", "cutoff", "score", "percentile"))
    return writer


def _write(writer: Any, cutoff: Cutoff) -> None:
    at = from_ms(cutoff.time_ms)
    rows = zip(cutoff.customers, cutoff.score.tolist(), cutoff.percentile.tolist(), strict=True)
    writer.writerows(
        (customer.decode("utf-8", "surrogatepass"), at, f"{score:.9f}", f"{percentile:.6f}")
        for customer, score, percentile in rows
    )


def _counted(cutoff: Cutoff) -> dict[str, Any]:
    mean = float(cutoff.score.mean()) if len(cutoff.score) and not cutoff.warming_up else None
    return {
        "cutoff": from_ms(cutoff.time_ms),
        "customers": len(cutoff.rows),
        "mean_score": mean,
        "warming_up": cutoff.warming_up,
    }
