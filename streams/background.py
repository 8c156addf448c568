"""Background: an event loop in a thread of its own, for code that waits for what it does."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future
from threading import Thread
from typing import Any, Self, TypeVar

__all__ = ["Background"]

T = TypeVar("T")


class Background:
    """Runs coroutines; use as a context manager, or close it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def begin(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Let it run; its outcome is told by the future."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Let it run, and wait for its outcome."""
        return self.begin(work).result()

    def close(self) -> None:
        """End the loop; what still runs is left."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
