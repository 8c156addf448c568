"""The command line: `recompra`."""

from streams.cli.main import main

__all__ = ["main"]
