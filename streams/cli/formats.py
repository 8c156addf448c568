"""Formats on the command line: `--format`, its options, and the help that lists them."""

from collections.abc import Callable, Mapping
from typing import Any

import click

from schemas.adapters import ADAPTERS
from schemas.adapters.options import OptionError

__all__ = ["FORMATS_HELP", "checked", "format_option", "options_option"]


def _listed() -> str:
    lines = ["\b", "Formats:"]
    lines += [f"  {name:14} {adapter.description}" for name, adapter in ADAPTERS.items()]
    for name, adapter in ADAPTERS.items():
        if adapter.options:
            lines += ["", "\b", f"Options of {name} (--option NAME=VALUE):"]
            lines += [f"  {option:14} {what}" for option, what in adapter.options.items()]
    return "\n".join(lines)


FORMATS_HELP = _listed()
"""All formats and their options, for a command's epilog."""


def _parsed(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    options: dict[str, str] = {}
    for value in values:
        name, equals, said = value.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{value[:80]!r} is not NAME=VALUE")
        options[name] = said
    return options


format_option: Callable[[Any], Any] = click.option(
    "--format",
    "form",
    type=click.Choice(list(ADAPTERS)),
    default="segment",
    show_default=True,
    help="What the files hold (see below).",
)

options_option: Callable[[Any], Any] = click.option(
    "--option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_parsed,
    help="An option of the format, such as customer=client_no; may be given several times.",
)


def checked(form: str, options: Mapping[str, str]) -> None:
    """Raise click's error (exit code 2) where an option of the format is unknown or wrong."""
    try:
        ADAPTERS[form]((), options=options)
    except OptionError as error:
        raise click.BadParameter(str(error), param_hint="'--option'") from None
