"""The group of commands, each imported when it is used, so that `--help` is quick."""

import importlib
import importlib.util
import logging
import sys
from io import TextIOWrapper
from typing import Any

import click

from streams import __version__
from streams.cli.exits import EXIT_CODES, heed_sigterm, told
from streams.members import find_members_directly

__all__ = ["main"]

_COMMANDS = {
    "demo": "Watch a real shop's orders being scored.",
    "up": "Run everything here: broker, topics and all parts.",
    "load": "Send files of events to the topics.",
    "tail": "Show the records of a topic as they come.",
    "backtest": "Score a history of yours, without Kafka.",
    "report": "Show who stays, what they are worth, what rules did.",
    "worker": "Run a worker beside a Kafka of yours.",
    "trainer": "Run the trainer beside a Kafka of yours.",
    "shop": "Compute popularity, companions, gaps and prices.",
    "rules": "Check, preview, publish and pause rules.",
    "topics": "List, create or check the topics.",
    "lag": "Show how much of the inputs is unread.",
    "replay": "Live through the past again, beside the live topics.",
    "diff": "Compare a replay with what was told live.",
    "digest": "Hash what was told.",
    "whatis": "Show all that is held of a customer.",
    "forget": "Remove all that is held of a customer.",
    "export": "Write the customers' state to files.",
    "import": "Make exported files the state.",
    "reset": "Delete the state, and read on from a time.",
    "dlq": "See what was refused, and send it back.",
    "settings": "Show all settings and where each comes from.",
}
"""In the order in which a newcomer meets them; `streams.cli.NAME` has the click command of each, but for those of
`_ELSEWHERE`."""

_ELSEWHERE = {"export": ("state", "export"), "import": ("state", "import_"), "reset": ("state", "reset"),
              "diff": ("replay", "diff"), "digest": ("replay", "digest")}  # fmt: skip
"""Module and name of commands that share one."""


def _place(command: str) -> tuple[str, str]:
    return _ELSEWHERE.get(command, (command, command))


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands whose modules are there."""
        return [name for name in _COMMANDS if importlib.util.find_spec(f"streams.cli.{_place(name)[0]}")]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name]) for name in self.list_commands(ctx)])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if there is none of this name."""
        if cmd_name not in self.list_commands(ctx):
            return None
        place, name = _place(cmd_name)
        module = importlib.import_module(f"streams.cli.{place}")
        command = getattr(module, name, None) or getattr(module, "command", None)
        assert isinstance(command, click.Command), f"{module.__name__} has no click command {cmd_name!r}"
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest command where one is misspelt."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from streams.topics import nearest

            near = nearest(args[0], self.list_commands(ctx)) if args else None
            if near:
                error.message = f"{error.message.rstrip('.')}. Did you mean {near!r}?"
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what a person can put right is told in a sentence."""
        with told():
            return super().invoke(ctx)


@click.group(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EXIT_CODES,
)
@click.version_option(__version__, "--version", prog_name="recompra")
def main() -> None:
    """Score how likely each customer is to buy again, live, and tell when someone crosses a line.

    Shop events go in on Kafka topics (clickstream, orders, customers); scores and actions come out on others.

    \b
    Try it, on the orders of a real shop:    recompra demo
    Run it here, empty, for your own events: recompra up
    See what it says:                        recompra tail scores
    Score your own history, without Kafka:   recompra backtest orders.csv --format orders-csv

    Results go to standard output, everything else to standard error. Settings come from RECOMPRA_*
    variables and recompra.toml: see `recompra settings`.
    """
    heed_sigterm()
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # an arrow is no reason to fail where only ASCII is shown
    # The Kafka clients log each attempt to connect; a command says once, itself, that nobody answers.
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    find_members_directly()
