"""Patience: what is asked of a broker that may be away for a while."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from aiokafka.errors import KafkaError, KafkaTimeoutError

__all__ = ["patiently"]

log = logging.getLogger(__name__)

_PAUSE_S: Final = 1.0

T = TypeVar("T")


async def patiently(what: str, ask: Callable[[], Awaitable[T]], pause_s: float = _PAUSE_S) -> T:
    """Ask until the broker answers; what it may do twice is asked again after an answer that was lost.

    Parameters
    ----------
    what
        For the log, which tells of the first time only.

    Raises
    ------
    aiokafka.errors.KafkaError
        What no waiting helps against, such as a refused authorization.
    """
    told = False
    while True:
        try:
            return await ask()
        except (KafkaError, OSError) as error:
            if isinstance(error, KafkaError) and not (error.retriable or isinstance(error, KafkaTimeoutError)):
                raise
            if not told:
                log.warning("%s: the broker does not answer, asking again (%r)", what, error)
                told = True
        await asyncio.sleep(pause_s)
