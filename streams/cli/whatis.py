"""`recompra whatis`: everything that is held of one customer."""

import click

from streams.cli.exits import FAILURE
from streams.cli.options import broker_option, print_json
from streams.operating.whatis import what_is_held
from streams.settings_sources import load

__all__ = ["whatis"]


@click.command()
@click.argument("customer")
@broker_option
def whatis(customer: str, broker: str | None) -> None:
    """Show all that is held of CUSTOMER, as JSON: an answer to a request for access.

    Topics that keep records about customers for a time of their own are named at the end, under `also_on`.

    \b
    Example:
      recompra whatis c-1042 | jq .profile.orders
    """
    held = what_is_held(load(broker=broker).settings, customer)
    if held is None:
        click.echo(f"Error: nothing is held of {customer[:80]!r}", err=True)
        raise SystemExit(FAILURE)
    print_json(held)
