"""What fails while a slice is taken ends the worker, and what it lost is read again by the next one."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from aiokafka.errors import IllegalStateError, KafkaConnectionError
from faust.types import TP

from scoring.erased import KeyMismatchError
from scoring.transfer import Forget
from streams.binding import Binding
from streams.commit import Slice, Stage, Taken
from streams.outbox import INPUTS, SOURCES
from streams.suspects import PoisonError
from streams.unit import Unit
from tests.unit.worker.fetched import TRANSFERS, Fetched
from tests.unit.worker.test_unit import options

FAILS, WORKS = 0, 1
"""Partition numbers: whose unit fails, and whose does not."""


class _Client:
    """A broker with nothing on it; `written` are the partitions that were committed."""

    transactional = True

    def __init__(self) -> None:
        self.written: list[int] = []
        self.acquired: list[int] = []

    async def fence(self, partition: int) -> None:
        self.acquired.append(partition)

    async def begin(self, partition: int) -> None: ...
    async def release(self, partition: int) -> None: ...
    async def restore(self, partition: int, sink: Any, start: int | None = None) -> int | None: ...
    async def send_outputs(self, partition: int, outputs: Sequence[Any]) -> None: ...
    async def send_rows(self, partition: int, rows: Sequence[Any]) -> None: ...

    async def committed(self, partition: int) -> Mapping[int, int]:
        return {}

    async def commit_offsets(self, partition: int, offsets: Mapping[int, int]) -> None:
        self.written.append(partition)

    async def end(self, partition: int) -> int | None:
        return None


class _Applied(Unit):
    """A unit that always has something to write, and fails at one of its steps if it is partition 0's."""

    def __init__(self, partition: int, step: str, error: BaseException) -> None:
        super().__init__(partition, options())
        if partition == FAILS and step:
            setattr(self, step, self._fail)
        self._error = error

    def _fail(self, *_: Any, **__: Any) -> Any:
        raise self._error

    def take(self) -> Taken:
        return Taken([], [(b"u", b"")], {0: 1})


class _Worker:
    """A binding over two partitions, and why it said that it cannot go on."""

    def __init__(self, build: Callable[[int], Any]) -> None:
        self.client, self.why = _Client(), list[BaseException]()
        self.binding: Any = Binding(lambda _: self.client, build, lambda: 0, lambda *_: None, self.why.append)

    async def start(self) -> None:
        for partition in (FAILS, WORKS):
            await self.binding.protocol.acquire(partition)
            self.binding.protocol.activate(partition)
        self.client.acquired.clear()

    async def take(self, partition: int, topic: str = INPUTS[0], value: bytes = b"{}", start: int = 0) -> None:
        piece = Slice(start, start + 1, [Fetched(start, 0, b"c", value)], start + 1)
        await self.binding.take(SimpleNamespace(topic=topic, partition=partition, value=piece))


def lived(build: Callable[[int], Any], scenario: Callable[[_Worker], Awaitable[None]]) -> _Worker:
    """A worker that lived through it, and was then stopped as it always is."""

    async def main() -> _Worker:
        worker = _Worker(build)
        await worker.start()
        await scenario(worker)
        await worker.binding.close()
        return worker

    return asyncio.run(asyncio.wait_for(main(), 30))


@pytest.mark.parametrize("step", ["offer", "pump"])
def test_what_fails_in_a_slice_ends_the_worker(step: str) -> None:
    """Of the state that may lack something no more is written; of the others what was applied is."""
    error = ZeroDivisionError("the decoder failed")
    worker = lived(lambda p: _Applied(p, step, error), lambda worker: worker.take(FAILS))
    assert worker.why == [error]
    assert (worker.client.written, worker.client.acquired) == ([WORKS], [])


def test_what_fails_by_the_clock_ends_the_worker() -> None:
    """As in a slice."""
    error = ZeroDivisionError("a tick failed")

    async def pumped(worker: _Worker) -> None:
        await worker.binding.pump_for_ever()

    worker = lived(lambda p: _Applied(p, "pump", error), pumped)
    assert (worker.why, worker.client.written) == ([error], [WORKS])


def test_what_fails_before_a_rebalance_ends_the_worker() -> None:
    """The group's client would log it, and the worker go on with a state that is never written again."""
    error = ZeroDivisionError("a tick failed")
    worker = lived(lambda p: _Applied(p, "finish", error), lambda worker: worker.binding.suspend())
    assert (worker.why, worker.client.written) == ([error], [WORKS])


def test_transfers_that_a_worker_without_a_key_cannot_take_are_not_passed_over() -> None:
    """Those that were taken off with the one that asks for the key would be lost with the next commit."""
    asks = msgspec.msgpack.encode(Forget(b"c", "r", 0, [], claimed=False))
    units: list[Unit] = []

    def build(partition: int) -> Unit:
        units.append(Unit(partition, options()))
        return units[-1]

    async def scenario(worker: _Worker) -> None:
        await worker.take(FAILS, SOURCES[TRANSFERS], asks)
        await worker.take(FAILS, SOURCES[TRANSFERS], asks, start=1)

    worker = lived(build, scenario)
    assert [type(error) for error in worker.why] == [KeyMismatchError]
    assert FAILS not in worker.client.written


def test_a_record_that_the_engine_fails_on_does_not_end_the_worker() -> None:
    """Its partition is taken anew, and the record found."""

    async def scenario(worker: _Worker) -> None:
        worker.binding._partitions = frozenset([FAILS, WORKS])
        worker.binding.consumer = SimpleNamespace(thread=SimpleNamespace())
        await worker.take(FAILS)
        assert worker.binding.failed_commits == 1
        assert FAILS in worker.binding._bringing

    assert lived(lambda p: _Applied(p, "pump", PoisonError("a record")), scenario).why == []


def test_what_is_applied_while_the_last_commit_before_a_rebalance_is_written_waits_for_the_group() -> None:
    """Even if it is more than should wait: to try again and again would take the loop from all others, for ever."""

    class Crowded(_Applied):
        """A unit that has too much to write, and counts how often it was asked for that."""

        asked = 0

        def pump(self, now_ms: int, *, filling: bool = False) -> bool:
            return True

        def status(self) -> Any:
            self.asked += 1
            if self.asked > 1000:
                raise RecursionError("asked again and again")
            return SimpleNamespace(whole=True, pending=1_000_000)

    async def scenario(worker: _Worker) -> None:
        written = asyncio.Event()

        async def send_rows(partition: int, rows: Sequence[Any]) -> None:
            await written.wait()

        worker.client.send_rows = send_rows  # type: ignore[method-assign]
        suspended = asyncio.create_task(worker.binding.suspend())
        taken = asyncio.create_task(worker.take(WORKS))
        await asyncio.sleep(0.05)
        written.set()
        await suspended
        await taken
        assert worker.binding.protocol.stage(WORKS) is Stage.SUSPENDED

    assert lived(lambda p: Crowded(p, "", ZeroDivisionError()), scenario).why == []


def test_a_slice_that_is_given_up_with_its_agent_is_no_failure() -> None:
    """An agent is cancelled when the worker stops."""

    async def scenario(worker: _Worker) -> None:
        with pytest.raises(asyncio.CancelledError):
            await worker.take(FAILS)

    assert lived(lambda p: _Applied(p, "pump", asyncio.CancelledError()), scenario).why == []


def test_a_rebalance_between_a_gap_and_going_back_is_no_failure() -> None:
    """Each input is sought anew after it."""

    async def scenario(worker: _Worker) -> None:
        async def seek_all(_: Mapping[TP, int]) -> None:
            raise IllegalStateError("No current assignment for partition")

        worker.binding.consumer = SimpleNamespace(thread=SimpleNamespace(seek_all=seek_all, bounds=bounds_from(0)))
        await worker.take(WORKS, start=7)

    assert lived(lambda p: _Applied(p, "pump", ZeroDivisionError()), scenario).why == []


@pytest.mark.parametrize(("bounds", "sought", "read"), [
    (lambda: bounds_from(0), 0, 0),
    (lambda: bounds_from(7), 7, 8),
    (lambda: unknown, 0, 0),
])  # fmt: skip
def test_what_retention_removed_under_a_worker_is_not_gone_back_for(
    bounds: Callable[[], Any], sought: int, read: int
) -> None:
    """The reader would be sent ahead again, and back again, for ever; else, and where nobody can tell, it goes back."""
    places: list[Mapping[TP, int]] = []

    async def scenario(worker: _Worker) -> None:
        async def seek_all(told: Mapping[TP, int]) -> None:
            places.append(told)

        worker.binding.consumer = SimpleNamespace(thread=SimpleNamespace(seek_all=seek_all, bounds=bounds()))
        await worker.take(WORKS, start=7)
        if read:
            await worker.take(WORKS, start=7)
        assert worker.binding.protocol.positions(WORKS)[0] == read

    assert lived(lambda p: _Applied(p, "pump", ZeroDivisionError()), scenario).why == []
    assert places == [{TP(INPUTS[0], WORKS): sought}]


def bounds_from(first: int) -> Callable[[Iterable[TP]], Awaitable[dict[TP, tuple[int, int]]]]:
    """What a broker tells of inputs that begin there."""

    async def bounds(tps: Iterable[TP]) -> dict[TP, tuple[int, int]]:
        return dict.fromkeys(tps, (first, 99))

    return bounds


async def unknown(_: Iterable[TP]) -> dict[TP, tuple[int, int]]:
    """A broker that does not answer."""
    raise KafkaConnectionError("closed")


@pytest.mark.parametrize(("place", "ends"), [((1, 1), True), ((5, 1), False), (None, False)])
def test_an_input_that_is_made_anew_while_it_is_read_ends_the_worker(place: tuple[int, int] | None, ends: bool) -> None:
    """The reader is sent back to its begin, and all up to where it was read would be dropped as known."""

    async def scenario(worker: _Worker) -> None:
        worker.binding.consumer = SimpleNamespace(thread=SimpleNamespace(place=lambda _: place))
        for start in range(5):
            await worker.take(WORKS, start=start)
        assert worker.why == []
        await worker.take(WORKS)

    why = lived(lambda p: _Applied(p, "pump", ZeroDivisionError()), scenario).why
    told = "clickstream-1 ends at 1, but was already read up to 5: it was deleted and made anew"
    assert [str(error).split(";")[0] for error in why] == ([told] if ends else [])
