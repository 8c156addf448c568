"""`recompra whatis`: everything that is held of one customer."""

from typing import Any

import click

from streams.cli.exits import FAILURE
from streams.cli.options import broker_option, print_json, utf8
from streams.operating.whatis import is_held, what_is_held
from streams.settings_sources import load

__all__ = ["whatis"]


@click.command()
@click.argument("customer", callback=utf8)
@broker_option
def whatis(customer: str, broker: str | None) -> None:
    """Show all that is held of CUSTOMER, as JSON: an answer to a request for access.

    Topics that keep records about customers for a time of their own are named at the end, under `also_on`.

    \b
    Example:
      recompra whatis c-1042 | jq .profile.orders
    """
    held = what_is_held(load(broker=broker).settings, customer)
    if held is None or not is_held(held):
        click.echo(f"Error: nothing is held of {customer[:80]!r}{_erased(held)}", err=True)
        raise SystemExit(FAILURE)
    print_json(held)


def _erased(held: dict[str, Any] | None) -> str:
    if held is None:
        return ""
    refused = "; that marketing was refused is remembered" if held["erased"]["marketing_refused"] else ""
    return f"; it was erased as asked at {held['erased']['at']}{refused}"
