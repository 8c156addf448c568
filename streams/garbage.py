"""Garbage: the collector of reference cycles, set for a process that makes millions of objects and few cycles.

Records and decoded events are freed by their counts. Looking through all that wait for cycles, each time a few
hundred more had come, took a third of a worker's time, and once a second still 6 to 13 %, as all fetched records are
looked at: nothing was found in a busy hour. The few cycles come from the Kafka client where a connection or a start
fails and may hold whole fetches of megabytes, so that they must not wait for a count of objects: they are looked for by
the clock.
"""

import asyncio
import atexit
import ctypes
import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

__all__ = ["collect_by_the_clock", "collect_seldom", "collected_by_the_clock", "keep"]

_EVERY_S: Final = 15.0
_SELDOM: Final = 50_000, 20, 50


def collect_seldom() -> None:
    """Look once in 50,000 objects, where Python does so once in 700, and not at all while the process ends.

    What a command imports is 150,000 objects that stay: to look at them takes up to a third of its time.
    """
    gc.set_threshold(*_SELDOM)
    atexit.register(gc.freeze)


def keep() -> None:
    """Leave what is there by now out of all later looks: it has come to stay; what a restore freed goes back."""
    gc.collect()
    gc.freeze()
    with suppress(OSError, AttributeError):  # another C library than glibc
        ctypes.CDLL(None).malloc_trim(0)


async def collect_by_the_clock() -> None:
    """Collect every quarter of a minute, for ever, and not in between; a look takes up to a tenth of a second."""
    gc.disable()
    try:
        while True:
            await asyncio.sleep(_EVERY_S)
            gc.collect()
    finally:
        gc.enable()


@contextmanager
def collected_by_the_clock() -> Iterator[None]:
    """`collect_by_the_clock` for as long as the context lasts, where no event loop runs; what is there stays."""
    keep()
    usual, over = gc.isenabled(), threading.Event()
    gc.disable()

    def look() -> None:
        while not over.wait(_EVERY_S):
            gc.collect()

    looking = threading.Thread(target=look, name="recompra-garbage", daemon=True)
    looking.start()
    try:
        yield
    finally:
        over.set()
        looking.join()
        if usual:
            gc.enable()
