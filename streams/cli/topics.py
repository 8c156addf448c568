"""`recompra topics`: list, create and check the topics on a broker."""

import click
from rich.table import Table
from rich.text import Text

from schemas.topics import FOREVER, TopicSpec
from streams.cli.exits import FAILURE
from streams.cli.options import broker_option, json_option, print_json, print_table
from streams.durations import format_duration
from streams.settings import Settings
from streams.settings_sources import load
from streams.topics import Difference, check, create, found, rule_names, wanted

__all__ = ["topics"]


@click.group()
def topics() -> None:
    """List, create or check the Kafka topics that recompra reads and writes.

    \b
    Examples:
      recompra topics create --broker kafka:9092
      recompra topics check --broker kafka:9092 || echo differs
    """


@topics.command("list")
@broker_option
@click.option("--no-broker", is_flag=True, help="Only say what there should be; ask no broker.")
@json_option
def list_(broker: str | None, no_broker: bool, as_json: bool) -> None:
    """List the topics: what each is for, who writes and reads it, and whether the broker has it."""
    settings, specs = _plan(broker)
    there = {} if no_broker else {topic.name: topic for topic in found(settings, [s.name for s in specs])}
    if as_json:
        print_json(
            [
                {
                    "name": spec.name,
                    "role": spec.role,
                    "purpose": spec.purpose,
                    "key": spec.key,
                    "value": spec.value,
                    "partitions": spec.partitions,
                    "cleanup": spec.cleanup,
                    "retention_ms": spec.retention_ms,
                    "timestamp_type": spec.timestamp_type,
                    "written_by": spec.written_by,
                    "read_by": spec.read_by,
                    "on_broker": None if no_broker else spec.name in there,
                }
                for spec in specs
            ]
        )
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("topic", "role", "partitions", "clean-up", "retention", "on broker", "what it is for"):
        table.add_column(heading, overflow="fold")
    for spec in specs:
        present = "" if no_broker else "yes" if spec.name in there else "no"
        cells = (
            spec.name,
            spec.role,
            str(spec.partitions),
            spec.cleanup,
            _retention(spec),
            present,
            spec.purpose,
        )
        table.add_row(*map(Text, cells))
    print_table(table)


@topics.command("create")
@broker_option
@click.option("--partitions", type=click.IntRange(1), help="Partitions of each input.  [default: the setting]")
@json_option
def create_(broker: str | None, partitions: int | None, as_json: bool) -> None:
    """Create the topics that are missing. Those that are there are left as they are."""
    settings, specs = _plan(broker, partitions)
    done = create(settings, specs)
    if as_json:
        print_json({"created": done.made, "existed": done.existed, "without_configs": done.without_configs})
    else:
        for name in done.made:
            click.echo(name)
        click.echo(f"{len(done.made)} created, {len(done.existed)} already there", err=True)
    if done.without_configs:
        click.echo(
            "this broker takes no topic configuration: retention and clean-up are its own for "
            + ", ".join(done.without_configs),
            err=True,
        )


@topics.command("check")
@broker_option
@click.option("--partitions", type=click.IntRange(1), help="Partitions of each input.  [default: the setting]")
@json_option
def check_(broker: str | None, partitions: int | None, as_json: bool) -> None:
    """Say what differs on the broker: partitions, clean-up, retention, timestamp type (exit code 1 if any)."""
    settings, specs = _plan(broker, partitions)
    differences = check(specs, found(settings, [spec.name for spec in specs]))
    faults = [difference for difference in differences if not difference.untold]
    if as_json:
        print_json([_as_data(difference) for difference in differences])
    else:
        _print_differences(faults)
        untold = sorted({difference.what for difference in differences if difference.untold})
        if untold:
            click.echo(f"this broker does not tell: {', '.join(untold)}", err=True)
        if not faults:
            click.echo(f"{len(specs)} topics are as they should be", err=True)
    if faults:
        raise SystemExit(FAILURE)


def _plan(broker: str | None, partitions: int | None = None) -> tuple[Settings, tuple[TopicSpec, ...]]:
    settings = load(broker=broker, partitions=partitions).settings
    return settings, wanted(settings, rule_names(settings))


def _as_data(difference: Difference) -> dict[str, str | None]:
    return {
        "topic": difference.topic,
        "what": difference.what,
        "wanted": difference.wanted,
        "found": difference.found,
        "remedy": difference.remedy,
    }


def _print_differences(differences: list[Difference]) -> None:
    if not differences:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("topic", "what", "should be", "is", "remedy"):
        table.add_column(heading, overflow="fold")
    for item in differences:
        table.add_row(*map(Text, (item.topic, item.what, item.wanted, item.found or "", item.remedy)))
    print_table(table)


def _retention(spec: TopicSpec) -> str:
    from datetime import timedelta

    return "for ever" if spec.retention_ms == FOREVER else format_duration(timedelta(milliseconds=spec.retention_ms))
