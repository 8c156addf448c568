"""`recompra dlq`: what was refused, and sending it back once the reason is mended."""

from collections import Counter

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streams.cli.exits import FAILURE
from streams.cli.options import broker_option, json_option, print_json, print_table
from streams.operating.letters import Letter
from streams.operating.letters import letters as letters_of
from streams.operating.letters import redrive as redrive_all
from streams.outbox import INPUTS
from streams.settings_sources import load

__all__ = ["dlq"]

_input_option = click.option(
    "--input", "inputs", multiple=True, type=click.Choice(INPUTS), help="Only this input's; may be given again."
)


@click.group()
def dlq() -> None:
    """Look at the records that were refused, and send them back after a mend.

    \b
    Examples:
      recompra dlq list
      recompra dlq show orders-2-1041
      recompra dlq redrive --input orders
    """


@dlq.command("list")
@broker_option
@_input_option
@json_option
def list_(broker: str | None, inputs: tuple[str, ...], as_json: bool) -> None:
    """Count the dead letters by input, reason and field, those that were not sent back yet apart."""
    settings = load(broker=broker).settings
    seen: Counter[tuple[str, str, str]] = Counter()
    waiting: Counter[tuple[str, str, str]] = Counter()
    last: dict[tuple[str, str, str], Letter] = {}
    cut = 0
    for each in letters_of(settings, inputs or INPUTS):
        kind = (each.letter.topic, each.letter.code, each.letter.field)
        seen[kind] += 1
        waiting[kind] += not each.returned
        cut += not each.whole
        last[kind] = each
    rows = [(*kind, seen[kind], waiting[kind], last[kind].letter) for kind in sorted(seen)]
    if as_json:
        names = ("input", "code", "field", "letters", "waiting")
        print_json(
            [{**dict(zip(names, row, strict=False)), "last_id": row[-1].id, "reason": row[-1].reason} for row in rows]
        )
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("input", "code", "field", "letters", "waiting", "the last one", "its reason"):
        table.add_column(heading, overflow="fold", justify="right" if heading in ("letters", "waiting") else "left")
    for topic, code, name, letters, left, letter in rows:
        table.add_row(*map(Text, (topic, code, name, f"{letters:,}", f"{left:,}", letter.id, letter.reason)))
    print_table(table)
    large = f", {cut:,} of them too large to be kept whole: produce these again from where they came" if cut else ""
    click.echo(f"{sum(seen.values()):,} dead letters, {sum(waiting.values()):,} not sent back{large}", err=True)


@dlq.command("show")
@click.argument("letter_id", metavar="ID")
@broker_option
@json_option
def show(letter_id: str, broker: str | None, as_json: bool) -> None:
    """Show one dead letter, its original bytes as text.

    ID is topic-partition-offset of the refused record, as `recompra dlq list` tells it.
    """
    settings = load(broker=broker).settings
    topic = letter_id.split("-", 1)[0]
    inputs = [topic] if topic in INPUTS else INPUTS
    found = next((each for each in letters_of(settings, inputs) if each.letter.id == letter_id), None)
    if found is None:
        click.echo(f"Error: there is no dead letter {letter_id[:80]!r}; `recompra dlq list` shows some", err=True)
        raise SystemExit(FAILURE)
    letter = found.letter
    key = None if found.key is None else found.key.decode("utf-8", "replace")
    payload = None if found.payload is None else found.payload.decode("utf-8", "replace")
    told = {
        "id": letter.id,
        "key": key,
        "field": letter.field,
        "value": letter.value,
        "reason": letter.reason,
        "remedy": letter.remedy,
        "code": letter.code,
        "received_at": letter.received_at,
        "returned": found.returned,
        "whole": found.whole,
        "record": payload,
    }
    if as_json:
        print_json(told)
        return
    for name, value in told.items():
        Console(soft_wrap=True).print(Text.assemble((f"{name:12}", "bold"), _plain(value)))


@dlq.command("redrive")
@broker_option
@_input_option
@json_option
def redrive(broker: str | None, inputs: tuple[str, ...], as_json: bool) -> None:
    """Send the refused records back to their inputs: in order, each once.

    What is refused again gets a new letter. What is older than max_action_age causes no action, only its state.
    """
    settings = load(broker=broker).settings
    told = redrive_all(settings, inputs or INPUTS)
    if as_json:
        print_json({"records": dict(told.records), "cut": told.cut, "erased": told.erased})
    else:
        for topic, records in sorted(told.records.items()):
            click.echo(f"{topic}  {records:,}")
        click.echo(f"{sum(told.records.values()):,} records sent back", err=True)
    if told.erased:
        click.echo(f"{told.erased:,} left out: their customers are forgotten since (docs/privacy.md)", err=True)
    for letter_id in told.cut:
        click.echo(f"{letter_id} was too large to be kept whole: produce it again from where it came", err=True)
    if told.cut:
        raise SystemExit(FAILURE)


def _plain(value: object) -> str:
    text = str(value)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
