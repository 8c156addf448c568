"""`recompra replay`, `diff` and `digest`: the past told again beside the live topics, and what differs."""

import re
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from scoring.profile import FAR, NEVER
from streams.cli.exits import FAILURE
from streams.cli.options import broker_option, json_option, print_json, print_table
from streams.cli.publish_live import publish_useful
from streams.cli.replay_progress import said, say, shown
from streams.engine_settings import checked_rules
from streams.outbox import INPUTS
from streams.settings import Settings
from streams.settings_sources import environment_of, load
from streams.tailing import Place, parse_place

__all__ = ["diff", "digest", "replay"]

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,60}")


def _time(ctx: click.Context, parameter: click.Parameter, value: str | None) -> Place | None:
    try:
        place = None if value is None else parse_place(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if place in ("latest", "beginning"):
        raise click.BadParameter("give a time of the events, such as 2011-12-01 or 2011-12-01T09:30:00Z")
    return place


def _shadow(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not _NAME.fullmatch(value):
        raise click.BadParameter(
            f"{value[:80]!r} cannot begin a topic's name; take lower-case letters, digits, hyphens"
        )
    return value


_from_option = click.option("--from", "first", metavar="TIME", callback=_time, help="From this event time on.")
_to_option = click.option("--to", "stop", metavar="TIME", callback=_time, help="To before this event time.")
_scores_option = click.option(
    "--scores", is_flag=True, help="Scores and content too, of which live only the last stay."
)


def _span(first: Place | None, stop: Place | None) -> tuple[int, int]:
    span = (NEVER if first is None else int(first), FAR if stop is None else int(stop))
    if span[0] >= span[1]:
        raise click.UsageError("--from must lie before --to")
    return span


def _speed(ctx: click.Context, parameter: click.Parameter, value: str) -> float | None:
    if value == "max":
        return None
    try:
        speed = float(value)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise click.BadParameter(f"{value[:80]!r} is neither max nor a number above 0, such as 60")
    return speed


@click.command("replay")
@click.option("--into", "name", required=True, metavar="SHADOW", callback=_shadow, help="Name before the topics'.")
@_from_option
@_to_option
@click.option(
    "--as-it-was/--merged",
    help="Do step by step what was done live, or read by event time, which any number of runs does alike.  "
    "[default: --merged]",
)
@click.option(
    "--topics",
    multiple=True,
    metavar="TOPIC",
    help="Only this; may be given again. An input: what is read (with --merged); another: what is told.",
)
@click.option(
    "--snapshot",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Begin with the state in DIR, from before --from: an export, or a worker's STATE_DIR/APP_ID-snapshots.  "
    "[default: with nothing, at the inputs' beginning]",
)
@click.option(
    "--speed",
    default="max",
    show_default=True,
    metavar="max|N",
    callback=_speed,
    help="N times as fast as it was: as events say, or with --as-it-was as the worker did; all partitions at once.",
)
@click.option(
    "--settings-of-now", is_flag=True, help="With --as-it-was: go on where live had other settings, with those of now."
)
@click.option("--partition", "partitions", multiple=True, type=click.IntRange(0), help="Only this; may be given again.")
@click.option(
    "--processes",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help="Share the partitions out over N processes, each with the state of one partition in memory: where there are "
    "idle cores besides the broker's. With --speed it is one, as all partitions then go by one clock.",
)
@click.option("--as-part", is_flag=True, hidden=True)
@click.option(
    "--publish-live",
    is_flag=True,
    help="Afterwards, show which actions are still useful to the customer, ask, and publish these on the live topics.",
)
@click.option("--confirm", metavar="APP_ID", help="With --publish-live: do not ask; must be the application's name.")
@broker_option
@json_option
def replay(
    name: str,
    first: Place | None,
    stop: Place | None,
    as_it_was: bool,
    topics: tuple[str, ...],
    snapshot: Path | None,
    speed: float | None,
    settings_of_now: bool,
    partitions: tuple[int, ...],
    processes: int,
    as_part: bool,
    publish_live: bool,
    confirm: str | None,
    broker: str | None,
    as_json: bool,
) -> None:
    """Live through the inputs once more and tell it on topics of its own, SHADOW-scores, SHADOW-actions-win-back ….

    Nothing goes to the live topics without --publish-live, and each action says that it is a replay. Rules and models
    are those of then, each from its time on; begin with the rules that the workers were started with. Interrupted, the
    same command goes on: it does what was asked for the first time under this name, with what was on the topics then.

    \b
    Examples:
      recompra replay --into noon --from 2024-05-01T12:00
      recompra replay --into noon --from 2024-05-01T12:00 --snapshot /backup/2024-05-01T11
      recompra replay --into as-was --as-it-was && recompra diff as-was
      recompra replay --into noon --from 2024-05-01T12:00 --publish-live
    """
    from aiokafka.errors import KafkaError

    from streams.replay.knowledge import UnfollowableError
    from streams.replay.plan import OtherReplayError
    from streams.replay.processes import PartError, commands, run_apart
    from streams.replay.running import Asked, Replay
    from streams.replay.shadow import NotAShadowError
    from streams.replay.starting import NoStartError
    from streams.replay.then import OtherSettingsError
    from streams.worker import unit_options

    if as_it_was and set(topics) & set(INPUTS):
        raise click.UsageError("--as-it-was reads all inputs: give --topics of what is told")
    loaded = load(broker=broker)
    settings = loaded.settings
    if confirm is not None and (not publish_live or confirm != settings.app_id):
        raise click.UsageError(f"--confirm goes with --publish-live, and is the application's name, {settings.app_id}")
    rules = checked_rules(settings)
    options = unit_options(settings, rules)
    asked = Asked(name, _span(first, stop), as_it_was, frozenset(topics), snapshot, speed, settings_of_now)
    if (most := max(partitions, default=0)) >= settings.partitions:
        raise click.BadParameter(f"{most} is none of 0 to {settings.partitions - 1}", param_hint="'--partition'")
    chosen = partitions or range(settings.partitions)
    with said() if as_part else shown(name) as show:
        try:
            with Replay(settings, options, rules, asked, show) as planned:
                apart = commands(asked, planned.plan(chosen), 1 if as_part else processes)
                if len(apart) > 1:
                    environment = environment_of(settings, loaded.origins)
                    told = run_apart(apart, environment, planned.told(), show, partial(click.echo, err=True))
                else:
                    told = planned.run()
        except PartError as error:
            failed = click.ClickException(str(error))
            failed.exit_code = error.exit_code
            raise failed from None
        except (NotAShadowError, NoStartError, OtherReplayError, OtherSettingsError, UnfollowableError) as error:
            raise click.ClickException(str(error)) from None
        except KafkaError as error:
            raise click.ClickException(f"the broker refused: {error}; the same command goes on") from None
    if as_part:
        say(told)
        return
    data = {"shadow": name, "read": told.read, "written": told.written, "there_before": told.skipped}
    if not as_json:
        before = f", {told.skipped:,} were there before" if told.skipped else ""
        click.echo(f"{told.read:,} records read; {told.written:,} told on {name}-…{before}", err=True)
    if publish_live:
        data |= publish_useful(settings, options, name, chosen, confirm, as_json=as_json)
    if as_json:
        print_json(data)


@click.command("digest")
@click.argument("name", metavar="[SHADOW]", required=False, callback=_shadow)
@_from_option
@_to_option
@_scores_option
@broker_option
@json_option
def digest(
    name: str | None, first: Place | None, stop: Place | None, scores: bool, broker: str | None, as_json: bool
) -> None:
    """Hash what was told, live or by a replay into SHADOW: the same lines, the same telling.

    Left out are the broker's offsets and times, the mark `replay`, what a replay published live, the order of different
    customers' records, and what was told of customers before they were forgotten.
    """
    from streams.replay.comparing import digest as digest_of

    settings = load(broker=broker).settings
    told = digest_of(settings, name, _span(first, stop), scores=scores)
    if as_json:
        print_json([asdict(each) for each in told])
    else:
        for each in told:
            click.echo(f"{each.digest}  {each.records:>9}  {each.topic}")
        _tell_erased(sum(each.erased for each in told))
    _tell_unfinished(settings, name)


def _tell_erased(records: int) -> None:
    if records:
        click.echo(f"{records:,} records left out: their customers are forgotten since (docs/privacy.md)", err=True)


def _tell_unfinished(settings: Settings, name: str | None) -> None:
    from streams.replay.plan import unfinished

    if name is not None and (partitions := unfinished(settings, name)):
        which = ", ".join(map(str, partitions))
        click.echo(f"{name} is not done, as its replay was interrupted or still runs (partitions {which}); "
                   "the same command goes on", err=True)  # fmt: skip


@click.command("diff")
@click.argument("name", metavar="SHADOW", callback=_shadow)
@click.argument("live", metavar="[live]", required=False, expose_value=False, type=click.Choice(["live"]))
@_from_option
@_to_option
@_scores_option
@broker_option
@json_option
def diff(name: str, first: Place | None, stop: Place | None, scores: bool, broker: str | None, as_json: bool) -> None:
    """Compare a replay with what was told live, by the records' ids; exit code 1 where they differ.

    The first difference, by event time, is told with what is likely to have caused it.
    """
    from streams.replay.comparing import compare

    settings = load(broker=broker).settings
    found = compare(settings, name, _span(first, stop), scores=scores)
    topics = sorted({*found.same, *found.only_live, *found.only_shadow, *found.different})
    columns = (found.same, found.different, found.only_live, found.only_shadow)
    if as_json:
        names = ("same", "different", "only_live", "only_shadow")
        data = {topic: {n: c[topic] for n, c in zip(names, columns, strict=True)} for topic in topics}
        cause = found.first and {n: getattr(found.first, n) for n in ("topic", "id", "event_time", "cause")}
        print_json({"topics": data, "first": cause, "erased": found.erased})
    else:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in ("topic", "same", "different", "only live", "only in the shadow"):
            table.add_column(heading, justify="left" if heading == "topic" else "right")
        for topic in topics:
            table.add_row(Text(topic), *(f"{column[topic]:,}" for column in columns))
        print_table(table)
        if found.first is not None:
            click.echo(f"the first: {found.first.id} on {found.first.topic} at {found.first.event_time}: "
                       f"{found.first.cause}", err=True)  # fmt: skip
        _tell_erased(found.erased)
    _tell_unfinished(settings, name)
    if not found.alike:
        raise SystemExit(FAILURE)
