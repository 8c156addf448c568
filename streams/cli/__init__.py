"""The command line: `recompra`."""

from streams.garbage import collect_seldom

collect_seldom()  # before anything large is imported

from streams.cli.main import main  # noqa: E402

__all__ = ["main"]
