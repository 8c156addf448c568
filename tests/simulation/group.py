"""Group: the consumer group's coordinator, with sessions, eager rebalances and offsets fenced by generation."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from simulation.history import History

from streams.commit import FencedError

__all__ = ["REBALANCE_S", "SESSION_S", "Group", "Joined"]

SESSION_S = 10.0
REBALANCE_S = 30.0
"""How long a rebalance waits for members that are alive."""


@dataclass(frozen=True, slots=True)
class Joined:
    """What a member is told when a rebalance is through."""

    generation: int
    partitions: tuple[int, ...]


@dataclass(slots=True, eq=False)
class _Member:
    seen_s: float
    generation: int = -1
    partitions: tuple[int, ...] = ()
    waiting: "asyncio.Future[Joined] | None" = None


class Group:
    """Members and offsets; partitions are dealt out anew, at random, in each rebalance.

    Parameters
    ----------
    partitions
        How many partition numbers there are.
    moved
        Told of each change of a committed offset: source, partition, from, to.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        chance: Random,
        history: History,
        partitions: int,
        moved: Callable[[int, int, int, int], None],
    ) -> None:
        self._loop, self._chance, self._history, self._partitions = loop, chance, history, partitions
        self._moved = moved
        self._members: dict[str, _Member] = {}
        self._generation = 0
        self._rebalancing: asyncio.TimerHandle | None = None
        self.offsets: dict[tuple[int, int], int] = {}
        loop.call_later(1.0, self._expire)

    # ---- members

    def join(self, name: str, *, known: bool) -> "asyncio.Future[Joined] | None":
        """Join or rejoin; the answer comes when the rebalance is through. None: we do not know you any more."""
        if known and name not in self._members:
            return None
        member = self._members.setdefault(name, _Member(self._loop.time()))
        member.seen_s = self._loop.time()
        if member.waiting is None:
            member.waiting = self._loop.create_future()
        waiting = member.waiting
        self._rebalance()
        return waiting

    def leave(self, name: str) -> None:
        """Go, without waiting for the session to end."""
        if self._members.pop(name, None) is not None:
            self._rebalance()

    def heartbeat(self, name: str, generation: int) -> str:
        """Say that we are alive; `ok`, `rebalance` or `unknown`."""
        member = self._members.get(name)
        if member is None:
            return "unknown"
        member.seen_s = self._loop.time()
        return "rebalance" if self._rebalancing is not None or member.generation != generation else "ok"

    def _rebalance(self) -> None:
        if self._rebalancing is None:
            self._history.note("group", "rebalance begins")
            self._rebalancing = self._loop.call_later(REBALANCE_S, self._deal)
        if all(member.waiting is not None for member in self._members.values()):
            self._rebalancing.cancel()
            self._rebalancing = self._loop.call_later(self._chance.uniform(0.0, 0.5), self._deal)

    def _deal(self) -> None:
        """End a rebalance: whoever has not joined is out, the others get their partitions."""
        self._rebalancing = None
        for name in [name for name, member in self._members.items() if member.waiting is None]:
            self._history.note("group", "{} did not join in time", name)
            del self._members[name]
        if not self._members:
            return
        self._generation += 1
        names = list(self._members)
        dealt: dict[str, list[int]] = {name: [] for name in names}
        spread = [names[i % len(names)] for i in range(self._partitions)]
        self._chance.shuffle(spread)
        for partition, name in enumerate(spread):
            dealt[name].append(partition)
        self._history.note("group", "generation {}: {}", self._generation, dealt)
        for name, member in self._members.items():
            member.generation, member.partitions = self._generation, tuple(dealt[name])
            member.seen_s = self._loop.time()
            waiting, member.waiting = member.waiting, None
            if waiting is not None and not waiting.done():
                waiting.set_result(Joined(self._generation, member.partitions))

    def _expire(self) -> None:
        """Look for members whose session is over; a rebalance has its own limit."""
        self._loop.call_later(1.0, self._expire)
        if self._rebalancing is not None:
            return
        now = self._loop.time()
        gone = [name for name, member in self._members.items() if now - member.seen_s > SESSION_S]
        for name in gone:
            self._history.note("group", "the session of {} is over", name)
            del self._members[name]
        if gone and self._members:
            self._rebalance()

    # ---- offsets

    def commit(self, name: str, generation: int, partition: int, offsets: Mapping[int, int]) -> None:
        """Commit as a member.

        Raises
        ------
        FencedError
            If the member is unknown, of another generation, or the partition is another's.
        """
        member = self._members.get(name)
        if member is None or member.generation != generation or partition not in member.partitions:
            raise FencedError(f"{name} of generation {generation} does not own partition {partition}")
        self.apply({(source, partition): offset for source, offset in offsets.items()})

    def apply(self, offsets: Mapping[tuple[int, int], int]) -> None:
        """Put committed offsets in place."""
        for (source, partition), offset in offsets.items():
            before = self.offsets.get((source, partition), 0)
            self.offsets[source, partition] = offset
            if offset != before:
                self._moved(source, partition, before, offset)
