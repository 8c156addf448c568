"""Where the trainer reads on, whatever became of its topic while it was away."""

import asyncio
from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from scoring.learner import Learner
from streams.commit import Slice
from streams.trainer.binding import EXAMPLES, TrainerBinding
from streams.trainer.training import Training
from tests.unit.learning.examples import DAY

PLACE = TP(EXAMPLES, 0)


class _Topic:
    """A topic of `end` offsets, of which the broker tells `short` less, and a reader of it that fetches five at once.

    Who asks for what lies behind the end is sent back to the beginning, as a consumer is by Apache Kafka.
    """

    def __init__(self, end: int, short: int = 0) -> None:
        self.first, self.end, self.short, self.position = 0, end, short, 0

    async def bounds(self, tps: Iterable[TP]) -> dict[TP, tuple[int, int]]:
        return dict.fromkeys(tps, (self.first, self.end - self.short))

    async def seek_all(self, places: Mapping[TP, int]) -> None:
        self.position = places[PLACE]

    def place(self, tp: TP) -> tuple[int, int]:
        assert tp == PLACE
        return self.position, self.end - self.short

    def fetched(self) -> Slice | None:
        if not self.first <= self.position <= self.end:
            self.position = self.first
        start, self.position = self.position, min(self.position + 5, self.end)
        return piece(start, self.position) if start < self.position else None


def piece(start: int, stop: int) -> Slice:
    """A slice of records that nobody can read, so that each that is looked at is told."""
    return Slice(start, stop, [SimpleNamespace(offset=at, value=b"?") for at in range(start, stop)], stop)  # type: ignore[misc]


def looked_at(topic: _Topic, resume: int, *before: Slice, grows_to: int = 0, begins_at: int = 0) -> int:
    """How many records the trainer looks at, seated where its newest version ends; `before` were fetched earlier."""
    looked = list[None]()
    failed = list[BaseException]()

    async def begin() -> tuple[Training, int]:
        return Training(Learner(), DAY), resume

    async def nothing(*_: Any) -> Any: ...

    async def main() -> None:
        binding: Any = TrainerBinding(
            begin, nothing, nothing, failed.append, lambda: looked.append(None), lambda _: None
        )
        binding.consumer = SimpleNamespace(thread=topic)
        await binding.assigned(frozenset([PLACE]))
        topic.first, topic.end = begins_at, max(topic.end, grows_to)
        for old in before:
            await binding.take(SimpleNamespace(value=old))
        while (new := topic.fetched()) is not None:
            await binding.take(SimpleNamespace(value=new))

    asyncio.run(main())
    assert failed == []
    return len(looked)


@pytest.mark.parametrize("end", [3, 12, 99])
def test_a_topic_made_anew_is_read_whole(end: int) -> None:
    """However short it is: the broker sends who asks for what it has not to the beginning."""
    assert looked_at(_Topic(end), 100) == end


def test_a_topic_made_anew_that_is_empty_at_first_is_read_whole() -> None:
    """What comes later is not dropped either."""
    assert looked_at(_Topic(0), 100, grows_to=7) == 7


@pytest.mark.parametrize("short", [0, 5, 60])
def test_what_was_fetched_before_a_rebalance_is_not_read_again(short: int) -> None:
    """Nor where the broker tells an end that is too low, as the embedded one does."""
    assert looked_at(_Topic(50, short), 50, piece(40, 45), piece(45, 50), grows_to=57) == 7


def test_a_slice_that_begins_too_late_is_gone_back_for() -> None:
    """It was fetched before a seek; taking it would leave out what lies between."""
    assert looked_at(_Topic(20), 8, piece(15, 20)) == 12


def test_what_retention_removed_meanwhile_is_not_gone_back_for() -> None:
    """The reader would be sent ahead again, and back again, for ever."""
    assert looked_at(_Topic(20), 8, begins_at=12) == 8
