"""`python -m streams.brokers`: the local Apache Kafka by itself, for development (`make kafka`)."""

import signal
import sys
import time
from pathlib import Path

import click

from streams.brokers.kafka_libs import missing_parts
from streams.brokers.kafka_local import KafkaLocal, archive_classes
from streams.brokers.process import BrokerError

_PORT = 9092


def _say(text: str) -> None:
    click.echo(text, err=True)


@click.group()
def brokers() -> None:
    """Start the local Apache Kafka, or fetch its jars."""


@brokers.command()
@click.option("--port", type=click.IntRange(1, 65_535), default=_PORT, show_default=True)
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where it keeps its data.  [default: a directory that is removed at the end]",
)
def kafka(port: int, data_dir: Path | None) -> None:
    """Run it in the foreground until Ctrl-C; its address is the one line on standard output."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        archive_classes(_say)
        with KafkaLocal(port, data_dir) as broker:
            click.echo(broker.address)
            click.echo(f"Apache Kafka accepts at {broker.address}, its log is {broker.log}; Ctrl-C ends it", err=True)
            sys.stdout.flush()
            while broker.running:
                time.sleep(0.5)
            raise BrokerError(f"the local Apache Kafka ended; its log was {broker.log}")
    except BrokerError as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        click.echo("Apache Kafka has stopped", err=True)


@brokers.command()
def fetch() -> None:
    """Fetch Apache Kafka's jars where Java and Maven are; say aloud where they are not. Never fails for that.

    What Java has read of them is kept, so that each start takes half the time.
    """
    missing = missing_parts()
    if missing:
        click.secho(
            f"APACHE KAFKA IS NOT USED: {' and '.join(missing)} missing on this machine; "
            "what needs it is skipped (Debian: apt install openjdk-17-jre-headless maven; "
            "macOS: brew install openjdk@17 maven)",
            fg="yellow",
            bold=True,
            err=True,
        )
        return
    try:
        archive_classes(_say)
    except BrokerError as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    brokers(prog_name="python -m streams.brokers")
