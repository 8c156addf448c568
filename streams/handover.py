"""Hand-over: what a thread reads, taken in batches by a coroutine, with a bound on what lies between."""

import asyncio
from collections.abc import Iterable
from threading import Condition, Thread
from typing import Generic, TypeVar

__all__ = ["Handover"]

T = TypeVar("T")


class Handover(Generic[T]):
    """Reads an iterable in a thread of its own, so that a slow one (a pipe) holds up nothing else.

    Must be made while an event loop runs.

    Parameters
    ----------
    items
        Iterated in the thread; an exception of it is raised by `take` after all that came before.
    most
        Items that may wait; the thread stops reading beyond.
    """

    def __init__(self, items: Iterable[T], most: int = 4096) -> None:
        self._most = most
        self._loop = asyncio.get_running_loop()
        self._ready = asyncio.Event()
        self._changed = Condition()
        self._waiting: list[T] = []
        self._ended = False
        self._stopped = False
        self._error: BaseException | None = None
        Thread(target=self._read, args=(items,), name="reader", daemon=True).start()

    async def take(self, patience_s: float) -> list[T] | None:
        """Return what has come, in order: at once if there is something, else within the patience, else [].

        Returns None when all has been taken.
        """
        if not self._ready.is_set():
            try:
                await asyncio.wait_for(self._ready.wait(), patience_s)
            except TimeoutError:
                return []
        with self._changed:
            taken, self._waiting = self._waiting, []
            ended = self._ended
            if not ended:
                self._ready.clear()
            self._changed.notify()
        if taken or not ended:
            return taken
        if self._error is not None:
            raise self._error
        return None

    def stop(self) -> None:
        """Let the thread end at its next item."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def _read(self, items: Iterable[T]) -> None:
        error: BaseException | None = None
        try:
            for item in items:
                with self._changed:
                    while len(self._waiting) >= self._most and not self._stopped:
                        self._changed.wait()
                    if self._stopped:
                        return
                    self._waiting.append(item)
                    first = len(self._waiting) == 1
                if first:
                    self._wake()
        except BaseException as caught:  # noqa: BLE001 - it is raised again where the items are taken
            error = caught
        finally:
            with self._changed:
                self._error = error
                self._ended = True
            self._wake()

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._ready.set)
        except RuntimeError:  # the loop has ended before the thread
            self.stop()
