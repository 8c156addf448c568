"""`recompra rules`: what people do with rules."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.timestamp import from_ms
from scoring.rules import RuleError
from streams.cli.exits import FAILURE
from streams.cli.options import broker_option, json_option, print_json
from streams.connection import BrokerUnreachableError
from streams.rule_files import read_text
from streams.ruling.checking import check
from streams.ruling.known import Known, Version, read_known
from streams.ruling.whole_file import one_rule, whole_file
from streams.settings import Settings
from streams.settings_sources import load

__all__ = ["rules"]

_file = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
_no_broker = click.option("--no-broker", is_flag=True, help="Only what the settings say; ask no broker.")


@click.group()
def rules() -> None:
    """List, show, check, preview, publish and pause rules, while everything runs.

    \b
    Examples:
      recompra rules list
      recompra rules show all > rules.yaml
      recompra rules check rules.yaml && recompra rules preview rules.yaml
      recompra rules apply rules.yaml
      recompra rules pause win-back
    """


@rules.command("list")
@broker_option
@_no_broker
@json_option
def list_(broker: str | None, no_broker: bool, as_json: bool) -> None:
    """List the rules in force: name, version, since when, and who is in the list."""
    known = _known(load(broker=broker).settings, no_broker)
    in_force, coming = known.in_force(known.at_ms), known.coming(known.at_ms)
    if as_json:
        listed = {"rules": [_as_data(each) for each in in_force], "coming": [_as_data(each) for each in coming]}
        print_json({"event_time": from_ms(known.at_ms)} | listed)
        return
    table = _table("rule", "version", "since", "class", "paused", "who is in the list")
    for each in in_force:
        rule, since = each.rule, each.effective_time or "the beginning"
        _row(table, rule.name, rule.version, since, rule.action_class, "yes" if rule.paused else "", rule.sentence)
    _print(table)
    for each in coming:
        click.echo(f"{each.rule.name} {each.rule.version} holds from {each.effective_time}", err=True)


@rules.command("show")
@click.argument("name")
@broker_option
@_no_broker
def show(name: str, broker: str | None, no_broker: bool) -> None:
    """Print the YAML of the rule NAME as it is in force, or of all rules in one file: `show all`.

    The file begins with the limits, gates and channels as they are set. `check`, `preview` and `apply` take
    it, and so does the setting rules_dir.
    """
    settings = load(broker=broker).settings
    known = _known(settings, no_broker)
    in_force = known.in_force(known.at_ms)
    if name == "all":
        click.echo(whole_file(in_force, known.at_ms, settings), nl=False)
        return
    newest = known.of(name)[-1]
    click.echo(one_rule(next((each for each in in_force if each.rule.name == name), newest)), nl=False)


@rules.command("check")
@_file
@json_option
def check_(file: Path, as_json: bool) -> None:
    """Say everything that is wrong with the rules in FILE, with the remedy (exit code 1 if anything is).

    Also refused is what the state of the workers does not keep, with the setting that would keep it. No
    broker is asked.
    """
    found, errors = check(read_text(file), str(file), load().settings)
    if as_json:
        print_json({"rules": [_named(rule.name, rule.version) for rule in found], "errors": errors_as_data(errors)})
    else:
        for error in errors:
            click.echo(str(error))
        if not errors:
            click.echo(f"{len(found)} {'rule is' if len(found) == 1 else 'rules are'} right", err=True)
    if errors:
        raise SystemExit(FAILURE)


def errors_as_data(errors: list[RuleError]) -> list[dict[str, Any]]:
    """Return the mistakes as JSON holds them."""
    fields = ("file", "line", "rule", "field", "column", "value", "reason", "remedy")
    return [{field: getattr(error, field) for field in fields} for error in errors]


def _known(settings: Settings, no_broker: bool) -> Known:
    """What is known, of the settings alone where no broker answers."""
    try:
        return read_known(settings, broker=not no_broker)
    except BrokerUnreachableError as error:
        click.echo(f"{error}; this is what the settings say", err=True)
        return read_known(settings, broker=False)


def _named(name: str, version: int) -> dict[str, Any]:
    return {"name": name, "version": version}


def _as_data(version: Version) -> dict[str, Any]:
    rule = version.rule
    return {
        **_named(rule.name, rule.version),
        "effective_time": version.effective_time,
        "published_at": version.published_at,
        "action_class": str(rule.action_class),
        "paused": rule.paused,
        "sentence": rule.sentence,
    }


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _row(table: Table, *cells: object) -> None:
    table.add_row(*(Text(str(cell)) for cell in cells))


def _print(table: Table) -> None:
    console = Console()
    Console(width=console.width if console.is_terminal else 240).print(table)
