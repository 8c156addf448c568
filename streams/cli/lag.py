"""`recompra lag`: how far the application has read its inputs."""

from dataclasses import asdict

import click
from rich.table import Table

from schemas.timestamp import from_ms
from streams.cli.exits import FAILURE
from streams.cli.options import broker_option, json_option, print_json, print_table
from streams.operating.lag import InputLag
from streams.operating.lag import lag as lag_of
from streams.settings_sources import load

__all__ = ["lag"]


@click.command()
@broker_option
@click.option("--max", "most", type=click.IntRange(0), metavar="N", help="Exit code 1 if more than N are unread.")
@json_option
def lag(broker: str | None, most: int | None, as_json: bool) -> None:
    """Show how many records of each input partition are unread, and how far its event time has come.

    \b
    Examples:
      recompra lag --broker kafka:9092
      recompra lag --max 10000 --json || echo behind
    """
    settings = load(broker=broker).settings
    found = lag_of(settings)
    unread = sum(each.records for each in found)
    if as_json:
        print_json({"app_id": settings.app_id, "records": unread, "partitions": [_as_data(each) for each in found]})
    else:
        _print(found)
        click.echo(f"{unread:,} records unread by {settings.app_id}", err=True)
    if most is not None and unread > most:
        raise SystemExit(FAILURE)


def _as_data(each: InputLag) -> dict[str, object]:
    data = asdict(each)
    watermark_ms = data.pop("watermark_ms")
    return {**data, "watermark": None if watermark_ms is None else from_ms(watermark_ms)}


def _print(found: list[InputLag]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("input")
    for heading in ("partition", "next", "end", "unread"):
        table.add_column(heading, justify="right")
    table.add_column("event time")
    for each in found:
        table.add_row(
            each.topic,
            str(each.partition),
            "none" if each.committed is None else f"{each.committed:,}",
            f"{each.end:,}",
            f"{each.records:,}",
            "" if each.watermark_ms is None else from_ms(each.watermark_ms),
        )
    print_table(table)
