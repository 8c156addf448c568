"""`recompra worker`: score what comes in on the input topics, on a cluster of one's own."""

import logging
import sys

import click

from streams.cli.exits import FAILURE, USAGE
from streams.cli.options import broker_option
from streams.settings_sources import load

__all__ = ["worker"]


@click.command()
@broker_option
def worker(broker: str | None) -> None:
    """Score events from Kafka and publish scores and actions; run as many as there are partitions.

    Reads clickstream, orders and customers, and shares their partitions with all workers of the same app_id.
    Prints one line `ready metrics=URL` on standard output once it reads what is its own. Ends on Ctrl-C or
    SIGTERM, after a last commit.

    \b
    Examples:
      recompra topics create --broker kafka:9092
      recompra worker --broker kafka:9092
      RECOMPRA_WEB_PORT=9100 recompra worker --broker kafka:9092
    """
    from scoring.rules.rule import RuleError
    from streams.worker import (
        TopicsMissingError,
        TransactionsMissingError,
        WorkerFailedError,
        run_worker,
    )

    settings = load(broker=broker).settings
    _set_up_logging(settings.log_level)

    def say(text: str) -> None:
        click.echo(f"worker: {text}", err=True)

    def ready(address: str) -> None:
        click.echo(f"ready metrics={address}/metrics")
        sys.stdout.flush()

    try:
        run_worker(settings, say, ready)
    except RuleError as error:
        raise _failed(str(error), USAGE) from None
    except (TopicsMissingError, TransactionsMissingError, WorkerFailedError) as error:
        raise _failed(str(error), FAILURE) from None


def _failed(message: str, exit_code: int) -> click.ClickException:
    error = click.ClickException(message)
    error.exit_code = exit_code
    return error


def _set_up_logging(level: str) -> None:
    """Say what the level lets through, of ours; Faust and the Kafka client only what is wrong."""
    logging.getLogger().setLevel(logging.WARNING)
    logging.getLogger("streams").setLevel(level.upper())
    quiet = logging.DEBUG if level == "debug" else logging.CRITICAL
    # Services of Faust's log under the names of our modules that extend them.
    for name in ("faust", "mode", "aiokafka", "streams.app", "streams.table", "streams.transport"):
        logging.getLogger(name).setLevel(quiet)
