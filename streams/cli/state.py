"""`recompra export`, `import` and `reset`: the state as files, as another application's, or begun again."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from streams.cli.exits import FAILURE
from streams.cli.options import broker_option, json_option, print_json
from streams.operating.moving import Manifest, MoveRefusedError, export_state, import_state, reset_state
from streams.operating.stopped import StillRunningError
from streams.settings_sources import load
from streams.tailing import Place, parse_place

__all__ = ["export", "import_", "reset"]

_DIRECTORY = click.Path(file_okay=False, path_type=Path)


def _place(ctx: click.Context, parameter: click.Parameter, value: str | None) -> Place | None:
    try:
        return None if value is None else parse_place(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command("export")
@click.argument("directory", type=_DIRECTORY)
@broker_option
@json_option
def export(directory: Path, broker: str | None, as_json: bool) -> None:
    """Write the state of all partitions to DIRECTORY: customers' data, so protect it.

    Where the broker has transactions, workers may run meanwhile.

    \b
    Example:
      recompra export /backup/2024-05-01
    """
    settings = load(broker=broker).settings
    with _told():
        try:
            manifest = export_state(settings, directory)
        except OSError as error:
            if error.filename is None:
                raise
            raise MoveRefusedError(
                f"{error.filename} cannot be written: {error.strerror}; give another directory, or make room"
            ) from None
    _print(manifest, as_json, f"written to {directory}")


@click.command("import")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@broker_option
@click.option("--replace", is_flag=True, help="Delete the state that is there first.")
@click.option(
    "--from",
    "place",
    metavar="beginning|latest|TIME",
    callback=_place,
    help="Where to read the inputs on; a TIME is that of receipt.  [default: where the export ended]",
)
@json_option
def import_(directory: Path, broker: str | None, replace: bool, place: Place | None, as_json: bool) -> None:
    """Make the export in DIRECTORY the state, while no worker runs.

    Another number of partitions needs --from: customers are dealt out anew, and what is read again is told by its
    messageId. Interrupted, it is run again with --replace.

    \b
    Examples:
      recompra import /backup/2024-05-01 --broker other:9092
      recompra import /backup/2024-05-01 --from 2024-05-01T11:50
    """
    settings = load(broker=broker).settings
    with _told():
        manifest, _ = import_state(settings, directory, replace=replace, place=place)
    _print(manifest, as_json, f"imported as {settings.app_id}, {settings.partitions} partitions")


@click.command("reset")
@click.option(
    "--to", "place", required=True, metavar="beginning|latest|TIME", callback=_place, help="Where to read on."
)
@broker_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def reset(place: Place, broker: str | None, yes: bool, as_json: bool) -> None:
    """Delete the state, while no worker runs, and let the inputs be read from a place on.

    To keep what was known at a time, import an export of before it instead. Outputs have the ids that they had; actions
    for events older than max_action_age are withheld as stale, unless `clock` is events.

    \b
    Examples:
      recompra reset --to beginning
      recompra reset --to 2024-05-01T12:00
    """
    settings = load(broker=broker).settings
    if not yes:
        said = click.prompt(f"This deletes the state of {settings.app_id}. Type its name to go on", err=True)
        if said != settings.app_id:
            raise click.UsageError("that is another name; nothing was done")
    with _told():
        offsets = reset_state(settings, place)
    if as_json:
        print_json({"app_id": settings.app_id, "offsets": offsets})
    else:
        click.echo(f"{settings.app_id} has no state any more, and reads its inputs from there on", err=True)


def _print(manifest: Manifest, as_json: bool, done: str) -> None:
    if as_json:
        print_json({name: getattr(manifest, name) for name in manifest.__struct_fields__})
    else:
        held = f"{manifest.customers:,} customers, {manifest.rows:,} rows of {manifest.partitions} partitions"
        click.echo(f"{held} {done}", err=True)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (MoveRefusedError, StillRunningError, TimeoutError) as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(FAILURE) from None
