"""Options that several commands share, and output that programs read."""

from typing import Any

import click
import orjson

__all__ = ["broker_option", "json_option", "print_json"]

broker_option = click.option(
    "--broker",
    metavar="HOST:PORT",
    help="Kafka's address; several with commas.  [default: the setting broker, 127.0.0.1:9092]",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def print_json(value: Any, *, lines: bool = False) -> None:
    """Print a value as JSON on standard output, indented, or on one line."""
    option = 0 if lines else orjson.OPT_INDENT_2
    click.echo(orjson.dumps(value, option=option | orjson.OPT_NON_STR_KEYS).decode())
