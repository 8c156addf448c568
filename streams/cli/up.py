"""`recompra up`: a broker, a worker, a trainer and the shop's knowledge on this machine, for real clients."""

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from streams.brokers.embedded import NOTICE, EmbeddedBroker
from streams.brokers.kafka_local import KafkaLocal
from streams.brokers.process import BrokerProcess
from streams.children import ChildError
from streams.cli.exits import FAILURE
from streams.customer_pages import CustomerPages, is_loopback
from streams.front import Front, FrontError, Page
from streams.instance import Instance, started
from streams.interrupts import Interrupts
from streams.operating.whatis import what_is_held
from streams.settings import Settings
from streams.settings_sources import load

__all__ = ["up"]

_port = click.IntRange(1, 65_535)


@click.command()
@click.option("--broker-port", type=_port, metavar="P", help="Where Kafka clients connect.  [default: a free port]")
@click.option("--web-port", type=_port, metavar="P", help="Where the metrics are.  [default: a free port]")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="D",
    help="Keep all data here, on a local Apache Kafka (needs Java 17 and Maven).  [default: in memory only]",
)
def up(broker_port: int | None, web_port: int | None, data_dir: Path | None) -> None:
    """Run everything on this machine: a Kafka broker, the topics, a worker, a trainer and the shop's knowledge.

    When it accepts, it prints one line on standard output, and nothing else there:

    \b
      ready broker=127.0.0.1:PORT web=http://127.0.0.1:PORT

    Any Kafka client may then produce shop events to clickstream, orders and customers, and read scores
    and actions-*. Metrics are at /metrics of the web address, what is held of a customer at /customers/ID:
    on the loopback, or for whoever says the token that RECOMPRA_WEB_TOKEN sets. Ctrl-C or SIGTERM stops it all, in good
    order; a second one at once.

    Without --data-dir the broker keeps everything in memory: what it was given is gone when it stops.
    With it, the next run on the same directory goes on where this one ended.

    \b
    Examples:
      recompra up
      recompra up --broker-port 19092 --web-port 8080 --data-dir ./recompra-data
      RECOMPRA_CLOCK=events recompra up        (to load history: time is what the events say)
    """
    with Interrupts() as interrupts:
        try:
            _run(broker_port, web_port, data_dir, interrupts)
        except KeyboardInterrupt:
            _say("stopped")
        except (ChildError, FrontError) as error:
            click.echo(f"Error: {error}", err=True)
            raise SystemExit(FAILURE) from None


def _run(broker_port: int | None, web_port: int | None, data_dir: Path | None, interrupts: Interrupts) -> None:
    before = load(web_port=web_port, data_dir=data_dir).settings
    broker = _broker(broker_port, before.data_dir)
    loaded = load(
        broker=broker.address,
        security_protocol="PLAINTEXT",
        # The embedded broker takes transactions and does not hold them.
        exactly_once="off" if before.data_dir is None else None,
        web_port=web_port,
    )
    with Front(before.web_host, before.web_port) as front:
        kept = NOTICE if before.data_dir is None else f"local Apache Kafka, data in {before.data_dir.resolve()}"
        _say(kept)
        with started(broker, loaded, interrupts, say=_say, told=_part_said) as instance:
            front.page = Page(broker.address, kept, instance.topics, _customer_pages(loaded.settings))
            front.parts = instance.web
            click.echo(f"ready broker={broker.address} web={front.address}")
            sys.stdout.flush()
            _watch(instance)


def _customer_pages(settings: Settings) -> CustomerPages:
    token = settings.web_token
    if token is None and not is_loopback(settings.web_host):
        _say(f"web_host is {settings.web_host} and web_token is not set: pages of customers are not shown")
    secret = None if token is None else token.get_secret_value()
    return CustomerPages(settings.web_host, secret, partial(what_is_held, settings))


def _broker(port: int | None, data_dir: Path | None) -> BrokerProcess:
    if data_dir is None:
        return EmbeddedBroker(port)
    return KafkaLocal(port, data_dir)


def _watch(instance: Instance, pause: Callable[[float], None] = time.sleep) -> None:
    """Wait for a signal, which raises, or for a part to end, which raises too."""
    while True:
        instance.check()
        pause(0.2)


def _say(text: str) -> None:
    click.echo(text, err=True)


def _part_said(name: str, line: str) -> None:
    _say(line if line.startswith(f"{name}: ") else f"{name}: {line}")
