"""`recompra settings`: every setting, its value, and where it came from."""

from typing import Any

import click
from rich.console import Console
from rich.table import Table

from streams.cli.options import json_option, print_json
from streams.settings import ENV_PREFIX, Settings
from streams.settings_sources import Loaded, load, shown

__all__ = ["settings"]


@click.command()
@json_option
def settings(as_json: bool) -> None:
    """Show all settings with their origin: default, file or environment. Secrets are masked.

    A setting is given as an environment variable (RECOMPRA_ and its name in capitals) or in a TOML
    file: the one that RECOMPRA_CONFIG names, else recompra.toml in the current directory. The
    environment wins over the file. Durations are written 30d, 24h, 10m, 90s.

    \b
    Examples:
      recompra settings
      RECOMPRA_HORIZON=14d recompra settings --json
    """
    loaded = load()
    if as_json:
        print_json(as_data(loaded))
    else:
        _print_table(loaded)


def as_data(loaded: Loaded) -> dict[str, dict[str, Any]]:
    """Return the settings as JSON holds them: by name, with value, origin, variable and description."""
    return {
        name: {
            "value": _readable(shown(name, loaded.settings)),
            "origin": loaded.origins[name],
            "variable": ENV_PREFIX + name.upper(),
            "description": field.description,
        }
        for name, field in Settings.model_fields.items()
    }


def _readable(value: Any) -> Any:
    """A path may have bytes that are no text: they are shown as such."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _print_table(loaded: Loaded) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("setting", "value", "origin", "what it is"):
        table.add_column(heading, overflow="fold")
    for name, item in as_data(loaded).items():
        value = item["value"]
        text = "" if value is None else ",".join(map(str, value)) if isinstance(value, list) else str(value)
        origin = str(loaded.file) if item["origin"] == "file" else item["origin"]
        style = None if item["origin"] == "default" else "bold"
        table.add_row(*map(_plain, (name, text, origin, item["description"])), style=style)
    # A pipe has no width: give it enough that a line stays a line.
    console = Console()
    Console(width=console.width if console.is_terminal else 200).print(table)


def _plain(text: str) -> str:
    """Values may hold brackets, which rich would read as mark-up."""
    from rich.markup import escape

    return escape(text)
