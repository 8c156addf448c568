"""Network: how a worker's requests reach the broker, or do not; and how a worker is stopped, dead or asleep."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from simulation.faults import Fate, Faults
from simulation.history import History

from streams.commit import CommitFailedError

__all__ = ["PATIENCE_S", "Host", "Network"]

T = TypeVar("T")
PATIENCE_S = 4.0
"""When a request is given up."""


class Host:
    """The machine a worker runs on: while it is paused nothing of it goes on, once it is dead nothing ever does."""

    def __init__(self, loop: asyncio.AbstractEventLoop, name: str, history: History) -> None:
        self._loop, self.name, self._history = loop, name, history
        self.dead = False
        self._gate: asyncio.Future[None] | None = None

    def kill(self, why: str) -> None:
        """End it, as kill -9 does."""
        if not self.dead:
            self.dead = True
            self._gate = self._loop.create_future()
            self._history.note(self.name, "KILLED {}", why)

    def pause(self, seconds: float) -> None:
        """Stop it for a while, as SIGSTOP does; requests that are on their way arrive."""
        if not self.dead and self._gate is None:
            self._gate = self._loop.create_future()
            self._history.note(self.name, "PAUSED for {:.1f} s", seconds)
            self._loop.call_later(seconds, self.wake)

    def wake(self) -> None:
        """Go on, if it is paused."""
        if not self.dead and self._gate is not None:
            gate, self._gate = self._gate, None
            self._history.note(self.name, "wakes")
            gate.set_result(None)

    async def runs(self) -> None:
        """Go on only while the machine runs: to be awaited wherever something was awaited."""
        while self._gate is not None:
            await asyncio.shield(self._gate)

    async def sleep(self, seconds: float) -> None:
        """Let time pass on this machine."""
        await asyncio.sleep(seconds)
        if self._gate is not None:
            await self.runs()


class Network:
    """Carries the requests of one host, one scheduling point each way."""

    def __init__(self, loop: asyncio.AbstractEventLoop, host: Host, faults: Faults, history: History) -> None:
        self._loop, self._host, self._faults, self._history = loop, host, faults, history

    async def ask(
        self,
        what: str,
        action: Callable[[], T | "asyncio.Future[T]"],
        patience_s: float = PATIENCE_S,
        *,
        safe: bool = False,
    ) -> T:
        """Have the broker do something and return its answer; an exception is an answer too.

        Parameters
        ----------
        what
            For the history.
        action
            Done in one step on the broker; a future's result is answered when it is there.
        safe
            Whether it is never lost nor late.

        Raises
        ------
        CommitFailedError
            If no answer came in time: it may have been done, may never be, or may still be done later.
        """
        host, faults = self._host, self._faults
        await host.runs()
        fate = Fate.ANSWERED if safe else faults.fate()
        if not safe and faults.happens(faults.dying):
            host.kill(f"before it could {what}" if faults.chance.random() < 0.3 else f"when it asked to {what}")
            if faults.chance.random() < 0.3:
                fate = Fate.REQUEST_LOST
        answer: asyncio.Future[T] = self._loop.create_future()
        if fate is not Fate.REQUEST_LOST:
            delay = patience_s + faults.chance.random() * 20.0 if fate is Fate.LATE else faults.chance.random() * 0.05
            self._loop.call_later(delay, self._done, action, answer, fate)
        if fate is not Fate.ANSWERED:
            self._history.note(host.name, "{} to {}", fate.value, what)
        timer = self._loop.call_later(patience_s, _given_up, answer, what)
        try:
            result = await answer
        except Exception:
            await host.runs()
            raise
        timer.cancel()
        await host.runs()
        return result

    def _done(self, action: Callable[[], Any], answer: "asyncio.Future[Any]", fate: Fate) -> None:
        try:
            result = action()
        except Exception as error:
            if fate is Fate.ANSWERED and not answer.done():
                answer.set_exception(error)
            return
        if fate is not Fate.ANSWERED:
            return
        if isinstance(result, asyncio.Future):
            result.add_done_callback(lambda told: None if answer.done() else answer.set_result(told.result()))
        else:
            self._loop.call_later(self._faults.chance.random() * 0.02, _answered, answer, result)


def _answered(answer: "asyncio.Future[Any]", result: Any) -> None:
    if not answer.done():
        answer.set_result(result)


def _given_up(answer: "asyncio.Future[Any]", what: str) -> None:
    if not answer.done():
        answer.set_exception(CommitFailedError(f"no answer to {what}"))
