"""Interrupts: the first Ctrl-C or SIGTERM (or closed terminal) asks for an orderly end, a second hurries."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

__all__ = ["Interrupts"]


class Interrupts:
    """While it is entered, SIGINT, SIGTERM and SIGHUP raise `KeyboardInterrupt` once and never again.

    So the clean-up that the first one starts runs to its end whatever follows; whatever waits in it looks
    at `hurry`. Only the main thread can enter it.

    Attributes
    ----------
    asked
        Whether a signal has come.
    hurry
        Whether another one came after it: what still runs should be ended hard.
    """

    def __init__(self) -> None:
        self.asked = False
        self.hurry = False
        self._holding = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue  # started by nohup
            self._before[number] = signal.signal(number, self._came)
        return self

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the interruption until the block is left: for a step that must not be cut in two."""
        self._holding += 1
        before = self.asked
        try:
            yield
        finally:
            self._holding -= 1
        if self.asked and not before and not self._holding:
            raise KeyboardInterrupt

    def _came(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked:
            self.hurry = True
            return
        self.asked = True
        if not self._holding:
            raise KeyboardInterrupt
