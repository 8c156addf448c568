"""`recompra trainer`: learn from outcomes and publish models, on a cluster of one's own."""

import sys

import click

from streams.cli.exits import FAILURE
from streams.cli.logs import set_up_logging
from streams.cli.options import broker_option
from streams.settings_sources import load

__all__ = ["trainer"]


@click.command()
@broker_option
@click.option(
    "--anew",
    is_flag=True,
    help="Learn anew from the examples that are still on the topic, not from the newest model.",
)
def trainer(broker: str | None, anew: bool) -> None:
    """Learn from what customers did, and publish models for the workers; one is enough.

    Reads the topic examples, where the workers put what was known of a customer once it is known whether they
    bought, and publishes a version of the model on models for each day of event time. Stopped or killed, it
    goes on from the newest version as if nothing had been; a second one waits until the first is gone. Prints
    one line `ready metrics=URL` on standard output once it reads. Ends on Ctrl-C or SIGTERM.

    \b
    Examples:
      recompra trainer --broker kafka:9092
      RECOMPRA_MODEL='river:StandardScaler() | LogisticRegression(optim.SGD(.001), intercept_lr=.001)' \\
          RECOMPRA_ALLOW_PICKLED_MODELS=true recompra trainer
    """
    from streams.trainer.running import TrainerFailedError, run_trainer

    settings = load(broker=broker).settings
    set_up_logging(settings.log_level)

    def say(text: str) -> None:
        click.echo(f"trainer: {text}", err=True)

    def ready(address: str) -> None:
        click.echo(f"ready metrics={address}/metrics")
        sys.stdout.flush()

    try:
        run_trainer(settings, say, ready, anew=anew)
    except TrainerFailedError as error:
        failed = click.ClickException(str(error))
        failed.exit_code = FAILURE
        raise failed from None
