"""`recompra forget`: everything that is held of one customer is removed, and the receipts printed."""

import secrets
from dataclasses import asdict

import click

from streams.cli.exits import FAILURE
from streams.cli.options import Number, broker_option, print_json, utf8
from streams.operating.forgetting import ForgetFailedError, NoReceiptError
from streams.operating.forgetting import forget as ask
from streams.operating.purging import WHY_NOT, purgeable
from streams.settings_sources import load

__all__ = ["forget"]


@click.command()
@click.argument("customer", callback=utf8)
@click.option("--request-id", callback=utf8, help="Of the request, without the customer's id.  [default: made up]")
@click.option("--reason", callback=utf8, help="Why, for the record on `deletions`.")
@click.option(
    "--timeout",
    "wait_s",
    type=Number(0),
    default=60.0,
    show_default=True,
    help="Longest wait for the receipts (seconds).",
)
@click.option(
    "--purge-inputs", is_flag=True, help="Delete nothing, and say which records on topics Kafka could delete."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@broker_option
def forget(
    customer: str, request_id: str | None, reason: str | None, wait_s: float, purge_inputs: bool, yes: bool,
    broker: str | None,
) -> None:  # fmt: skip
    """Remove all that is held of CUSTOMER, and print the receipts as JSON.

    Profile, record, other ids, pending examples, scores and content go at once; of consent only stays, under a keyed
    hash, that marketing was refused. The receipts name the topics that keep records for their own time: one of the
    customer's partition, and one for each id of the same person on another. Workers do it: one must run, with
    erasure_key set. Asked again with the same --request-id, it prints the receipts that are there.

    \b
    Example:
      recompra forget c-1042 --request-id gdpr-2024-17 --yes > receipts.json
      recompra forget c-1042 --purge-inputs
    """
    settings = load(broker=broker).settings
    if purge_inputs:
        click.echo(WHY_NOT, err=True)
        print_json([asdict(each) for each in purgeable(settings, customer)])
        return
    if not yes:
        said = click.prompt(f"This removes all that is held of {customer}. Type the id again to go on", err=True)
        if said != customer:
            raise click.UsageError("that is another id; nothing was done")
    try:
        receipts = ask(settings, customer, request_id or secrets.token_hex(8), reason, wait_s)
    except (ForgetFailedError, NoReceiptError) as error:
        if isinstance(error, NoReceiptError) and error.found:
            print_json(error.found)
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(FAILURE) from None
    print_json(receipts)
