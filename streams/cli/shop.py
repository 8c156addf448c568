"""`recompra shop`: compute what all customers together do, on a cluster of one's own."""

import sys

import click

from streams.cli.exits import FAILURE
from streams.cli.logs import set_up_logging
from streams.cli.options import broker_option
from streams.settings_sources import load

__all__ = ["shop"]


@click.command()
@broker_option
def shop(broker: str | None) -> None:
    """Compute what all customers together do: popularity, companions, usual gaps, prices; one is enough.

    Reads clickstream and orders, and publishes a version of what it knows of the products on the topic products
    for each hour of event time, for the workers. Stopped or killed, it goes on from the state that it keeps on
    shop-state as if nothing had been; a second one publishes the same. Prints one line `ready metrics=URL` on
    standard output once it reads. Ends on Ctrl-C or SIGTERM.

    \b
    Examples:
      recompra shop --broker kafka:9092
      RECOMPRA_SHOP_EVERY=1d RECOMPRA_SHOP_HALF_LIFE=90d recompra shop
    """
    from streams.shop.running import ShopFailedError, run_shop

    settings = load(broker=broker).settings
    set_up_logging(settings.log_level)

    def say(text: str) -> None:
        click.echo(f"shop: {text}", err=True)

    def ready(address: str) -> None:
        click.echo(f"ready metrics={address}/metrics")
        sys.stdout.flush()

    try:
        run_shop(settings, say, ready)
    except ShopFailedError as error:
        failed = click.ClickException(str(error))
        failed.exit_code = FAILURE
        raise failed from None
