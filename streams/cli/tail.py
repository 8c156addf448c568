"""`recompra tail`: watch a topic."""

import sys

import click
from rich.console import Console

from streams.cli.exits import FAILURE
from streams.cli.lines import as_data, as_line
from streams.cli.options import broker_option, json_option, print_json
from streams.settings_sources import load
from streams.tailing import Place, UnknownTopicError, parse_place
from streams.tailing import tail as records

__all__ = ["tail"]


def _place(ctx: click.Context, parameter: click.Parameter, value: str) -> Place:
    try:
        return parse_place(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command()
@click.argument("topic")
@broker_option
@click.option(
    "--from",
    "place",
    default="latest",
    show_default=True,
    metavar="beginning|latest|TIME",
    callback=_place,
    help="Where to begin; a TIME is ISO 8601, UTC unless it says otherwise.",
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="End after N records.")
@click.option("--no-follow", is_flag=True, help="End at the topic's present end instead of waiting for more.")
@json_option
def tail(topic: str, broker: str | None, place: Place, limit: int | None, no_follow: bool, as_json: bool) -> None:
    """Show the records of TOPIC as they come: scores, actions and content in words, others as they are.

    Ends with Ctrl-C, after --limit, or at the end with --no-follow. Moves nobody's offsets.

    \b
    Examples:
      recompra tail scores
      recompra tail actions-cart-abandoned --from beginning --limit 20
      recompra tail actions-win-back --from 2011-11-01 --json | jq .value.data.customer_id
    """
    settings = load(broker=broker).settings
    console = Console(highlight=False, soft_wrap=True)
    try:
        for record in records(settings, topic, place, limit=limit, follow=not no_follow):
            if as_json:
                print_json(as_data(record), lines=True)
            else:
                console.print(as_line(record))
            sys.stdout.flush()
    except UnknownTopicError as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(FAILURE) from None
    except KeyboardInterrupt:
        click.echo("", err=True)
