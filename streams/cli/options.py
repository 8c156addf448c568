"""Options that several commands share, and output that programs read."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import click
import orjson
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from streams.tailing import parse_place

__all__ = ["Number", "broker_option", "event_time", "json_option", "print_json", "print_table", "table_of", "utf8"]

broker_option = click.option(
    "--broker",
    metavar="HOST:PORT",
    help="Kafka's address; several with commas.  [default: the setting broker, 127.0.0.1:9092]",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


class Number(click.FloatRange):
    """A range that NaN is not in, which click takes for a number within any."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a number, and refuse NaN."""
        found = super().convert(value, param, ctx)
        if math.isnan(found):
            self.fail(f"{found} is no number", param, ctx)
        return found


def print_json(value: Any, *, lines: bool = False) -> None:
    """Print a value as JSON on standard output, indented, or on one line."""
    option = 0 if lines else orjson.OPT_INDENT_2
    click.echo(orjson.dumps(value, option=option | orjson.OPT_NON_STR_KEYS).decode())


def event_time(ctx: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """Read an option that is a date or a time, as milliseconds."""
    if value is None:
        return None
    try:
        place = parse_place(value)
    except ValueError:
        place = "latest"
    if isinstance(place, str):
        raise click.BadParameter(f"{value[:80]!r} is not a date or time such as 2011-10-01 or 2011-10-01T09:30:00Z")
    return place


def utf8(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Refuse what a record cannot say: the bytes of another encoding than UTF-8 or the terminal's."""
    if value is not None and value != value.encode("utf-8", "replace").decode():
        raise click.BadParameter(f"{value[:80]!r} is not UTF-8 text; set LANG to the terminal's encoding, as C.UTF-8")
    return value


def table_of(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Make a plain table; what stands in its cells is text, whatever brackets it has, and numbers are readable."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(f"{cell:,}" if isinstance(cell, int) else str(cell)) for cell in row))
    return table


def print_table(table: RenderableType) -> None:
    """Print a table, or several, on standard output, wide enough for a row a line where that is no terminal."""
    console = Console()
    Console(width=console.width if console.is_terminal else 240).print(table)
