"""Hand-over: a thread's items reach the coroutine whole, in order, and no faster than they are taken."""

import asyncio
from collections.abc import Iterator
from threading import Event

import pytest

from streams.handover import Handover


async def into(found: list[int], reading: Handover[int]) -> None:
    while (taken := await reading.take(5)) is not None:
        found += taken


def test_everything_arrives_in_order() -> None:
    """However many items, with room for few."""

    async def main() -> list[int]:
        found: list[int] = []
        await into(found, Handover(range(10_000), most=7))
        return found

    assert asyncio.run(main()) == list(range(10_000))


def test_no_more_is_read_than_may_wait() -> None:
    """An endless source stops at the bound until something is taken."""
    read = 0
    full = Event()

    def endless() -> Iterator[int]:
        nonlocal read
        while True:
            read += 1
            if read == 6:
                full.set()
            yield read

    async def main() -> list[int] | None:
        reading = Handover(endless(), most=5)
        await asyncio.to_thread(full.wait, 5)
        await asyncio.sleep(0.05)
        assert read == 6
        taken = await reading.take(5)
        reading.stop()
        return taken

    assert asyncio.run(main()) == [1, 2, 3, 4, 5]


def test_a_slow_source_holds_nothing_up() -> None:
    """While the next item is awaited, `take` gives what there is, then nothing, within its patience."""
    go_on = Event()

    def slow() -> Iterator[int]:
        yield 1
        go_on.wait(5)
        yield 2

    async def main() -> list[list[int] | None]:
        reading = Handover(slow())
        first, none = await reading.take(5), await reading.take(0.01)
        go_on.set()
        return [first, none, await reading.take(5), await reading.take(5)]

    assert asyncio.run(main()) == [[1], [], [2], None]


def test_an_error_is_raised_after_what_came_before_it() -> None:
    """Nothing that was read is lost."""

    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("torn")

    async def main() -> None:
        found: list[int] = []
        reading = Handover(broken())
        with pytest.raises(ValueError, match="torn"):
            await into(found, reading)
        assert found == [1]

    asyncio.run(main())
