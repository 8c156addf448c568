"""The end of `recompra replay --publish-live`: what is still useful is shown, asked about and published."""

from collections.abc import Iterable
from typing import Any

import click

from streams.cli.options import print_table, table_of
from streams.settings import Settings
from streams.unit_options import UnitOptions

__all__ = ["publish_useful"]


def publish_useful(
    settings: Settings,
    options: UnitOptions,
    shadow: str,
    partitions: Iterable[int],
    confirm: str | None,
    *,
    as_json: bool,
) -> dict[str, Any]:
    """Show, ask unless it was said already, and publish; what came of it, as JSON can hold it.

    Raises
    ------
    click.UsageError
        If another name is typed; nothing is published then.
    """
    from scoring.profile import LayoutMismatchError
    from streams.replay.publishing import preview, publish
    from streams.ruling.snapshots import NoStateError

    try:
        told = preview(settings, options, shadow, partitions)
    except (NoStateError, LayoutMismatchError) as error:
        raise click.ClickException(str(error)) from None
    if not as_json:
        rows = [
            (rule, counts["publish"], ", ".join(f"{n:,} {why}" for why, n in counts.most_common() if why != "publish"))
            for rule, counts in sorted(told.counts.items())
        ]
        print_table(table_of(("rule", "to publish", "not"), rows))
    if told.useful and confirm is None:
        ask = (
            f"This publishes {len(told.useful):,} actions to customers. Type {settings.app_id}, the application's name"
        )
        if click.prompt(ask, err=True) != settings.app_id:
            raise click.UsageError("that is another name; nothing was published")
    published = publish(settings, told) if told.useful else 0
    if not as_json:
        click.echo(f"{published:,} actions published on the live topics", err=True)
    return {"published": published, "actions": {rule: dict(counts) for rule, counts in sorted(told.counts.items())}}
