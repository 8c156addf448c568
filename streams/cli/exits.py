"""How commands end: the exit codes, and errors told in a sentence instead of a traceback."""

import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import click

__all__ = ["BAD_LINES", "EXIT_CODES", "FAILURE", "OK", "USAGE", "heed_sigterm", "told"]

OK = 0
FAILURE = 1
USAGE = 2
BAD_LINES = 3

EXIT_CODES = "Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 3 done but some input lines were bad."


_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


class _Failed(click.ClickException):
    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class _Terminated(KeyboardInterrupt):
    """SIGTERM has come."""


def heed_sigterm() -> None:
    """Have SIGTERM unwind a command as Ctrl-C does; what goes on working takes its own way of ending instead."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _came)


def _came(_number: int, _frame: FrameType | None) -> None:
    raise _Terminated


@contextmanager
def told() -> Iterator[None]:
    """Turn the errors that a person can do something about into `Error: …` and their exit code.

    Others are faults of the program and keep their traceback. Whoever was ended by SIGTERM dies of it once all that was
    open is closed: services take that for a clean end, and not an exit code.
    """
    try:
        yield
    except _Terminated:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
        sys.exit(128 + signal.SIGTERM)  # the first process of a container does not die of it
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except Exception as error:
        failed = _failed(error)
        if failed is None:
            raise
        raise failed from None


def _failed(error: Exception) -> _Failed | None:
    """What a person is told of an error; None for a fault of the program."""
    # Imported where something failed only: `--help` is to be quick.
    from kafka.errors import KafkaError

    from schemas.topics import TopicError
    from scoring.erased import KeyMismatchError
    from scoring.layout_number import LayoutMismatchError
    from scoring.river_model import RiverError
    from scoring.rules import RuleError
    from streams.brokers.process import BrokerError
    from streams.connection import BrokerUnreachableError
    from streams.exposition import WebAddressError
    from streams.settings_sources import SettingsError
    from streams.slice_reader import RecordsGoneError
    from streams.topics import UnfitTopicsError

    if isinstance(error, SettingsError | RuleError | KeyMismatchError | RiverError):
        return _Failed(str(error), USAGE)
    here = BrokerError | BrokerUnreachableError | TopicError | UnfitTopicsError | RecordsGoneError | WebAddressError
    if isinstance(error, here | LayoutMismatchError):
        return _Failed(str(error), FAILURE)
    if isinstance(error, OSError) and error.errno in _FULL:
        return _Failed(f"cannot be written: {error.strerror}; make room, or write somewhere else", FAILURE)
    if isinstance(error, KafkaError):
        return _Failed(f"the broker refused: {' '.join(str(error).split())[:400]}", FAILURE)
    return None
