"""How commands end: the exit codes, and errors told in a sentence instead of a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
from kafka.errors import KafkaError

from schemas.topics import TopicError
from scoring.erased import KeyMismatchError
from scoring.rules import RuleError
from streams.brokers.process import BrokerError
from streams.connection import BrokerUnreachableError
from streams.settings_sources import SettingsError

__all__ = ["BAD_LINES", "EXIT_CODES", "FAILURE", "OK", "USAGE", "told"]

OK = 0
FAILURE = 1
USAGE = 2
BAD_LINES = 3

EXIT_CODES = "Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 3 done but some input lines were bad."


class _Failed(click.ClickException):
    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@contextmanager
def told() -> Iterator[None]:
    """Turn the errors that a person can do something about into `Error: …` and their exit code.

    Others are faults of the program and keep their traceback.
    """
    try:
        yield
    except (SettingsError, RuleError, KeyMismatchError) as error:
        raise _Failed(str(error), USAGE) from None
    except (BrokerError, BrokerUnreachableError, TopicError) as error:
        raise _Failed(str(error), FAILURE) from None
    except KafkaError as error:
        raise _Failed(f"the broker refused: {' '.join(str(error).split())[:400]}", FAILURE) from None
