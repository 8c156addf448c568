"""Shop: observations of several partitions in, dated snapshots out, whatever the order in which they are read.

An event is late if it is older than the newest before it in its own partition by more than the lateness that is
allowed, which depends on that partition's records alone. A boundary is complete when every partition has come so far
that nothing before the boundary can follow. So what a snapshot holds is a function of the records of each partition.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

import msgspec

from scoring.profile import NEVER
from scoring.shop.interval import Interval
from scoring.shop.knowledge import Knowledge, KnowledgeState
from scoring.shop.observations import Observation
from scoring.shop.settings import ShopSettings
from scoring.shop.snapshot import Figures

__all__ = ["Front", "Shop", "StateRefused", "Version"]


class StateRefused(ValueError):  # noqa: N818 - what happened to it
    """A state that cannot be gone on from."""


class Front(msgspec.Struct, array_like=True):
    """How far a partition was read: the next offset, and its newest event time in ms."""

    next: int = 0
    newest_ms: int = NEVER


class Version(NamedTuple):
    """What was known at a boundary, in force from there on."""

    version: int
    effective_ms: int
    figures: Figures


class _State(msgspec.Struct, array_like=True):
    every_ms: int
    version: int
    closed_ms: int
    late: int
    left_out: int
    fronts: dict[str, Front]
    open: dict[int, Interval]
    knowledge: KnowledgeState


class Shop:
    """Holds what is observed until its boundary is complete, then adds it to what is known.

    Parameters
    ----------
    settings
        Steps and bounds.
    partitions
        Names of all partitions that are read.
    version
        Number of the version before the first.

    Attributes
    ----------
    knowledge
        As of the newest boundary.
    fronts
        By partition.
    closed_ms
        The newest boundary; `NEVER` before the first.
    late
        Observations left out so far because they came too late.
    left_out
        Orders and products left out so far because an interval was full, at least.
    """

    def __init__(self, settings: ShopSettings, partitions: Iterable[str], version: int = 0) -> None:
        self.settings = settings
        self.fronts = {name: Front() for name in partitions}
        self.knowledge = Knowledge(settings)
        self.version = version
        self.closed_ms = NEVER
        self.late = self.left_out = 0
        self._open: dict[int, Interval] = {}

    def take(self, partition: str, next_offset: int, events: Iterable[tuple[int, Observation | None]]) -> None:
        """Take the next events of a partition, each with its time in ms and what it says of products, if anything.

        `next_offset` is that after the last record; records below what was read before are the caller's to leave out.
        """
        settings = self.settings
        front = self.fronts[partition]
        for time_ms, seen in events:
            if seen is not None:
                if time_ms < max(front.newest_ms - settings.lateness_ms, self.closed_ms):
                    self.late += 1
                else:
                    self._interval(time_ms).add(seen, settings.open_orders, settings.open_products)
            front.newest_ms = max(front.newest_ms, time_ms)
        front.next = next_offset

    def forget(self, partition: str, next_offset: int, customers: Iterable[int]) -> None:
        """Let go of customers, by hash, at once: what they bought stays counted, and is nobody's."""
        for customer in customers:
            self.knowledge.purchases.forget(customer)
            for interval in self._open.values():
                interval.forget(customer)
        self.fronts[partition].next = next_offset

    def complete(self, quiet: Collection[str] = ()) -> Iterator[Version]:
        """Close every boundary that is complete and yield what is known then, each before the next is closed.

        Parameters
        ----------
        quiet
            Partitions that are read to their end and not waited for. What they bring later and is older than a
            boundary closed meanwhile is late: only then does it matter when something was read.
        """
        least = self.least_ms(quiet)
        while self._open:
            boundary = (min(self._open) + 1) * self.settings.every_ms
            if least - self.settings.lateness_ms < boundary:
                return
            interval = self._open.pop(min(self._open))
            self.knowledge.close(interval, boundary)
            self.left_out += interval.left_out
            self.closed_ms = boundary
            self.version += 1
            yield Version(self.version, boundary, self.knowledge.figures())

    def least_ms(self, quiet: Collection[str] = ()) -> int:
        """How far the partition has come that is furthest behind; the newest of all where all are quiet."""
        waited = [front.newest_ms for name, front in self.fronts.items() if name not in quiet]
        return min(waited) if waited else max((front.newest_ms for front in self.fronts.values()), default=NEVER)

    @property
    def open_observations(self) -> int:
        """Orders and products of intervals that are not complete."""
        return sum(len(interval.orders) + len(interval.facts) for interval in self._open.values())

    def _interval(self, time_ms: int) -> Interval:
        number = time_ms // self.settings.every_ms
        interval = self._open.get(number)
        if interval is None:
            interval = self._open[number] = Interval()
        return interval

    # ---- to and from bytes

    def to_bytes(self) -> bytes:
        """Everything, to go on from where reading stands."""
        state = _State(
            self.settings.every_ms, self.version, self.closed_ms, self.late, self.left_out, self.fronts, self._open,
            self.knowledge.state(),
        )  # fmt: skip
        return _encode(state)

    @classmethod
    def from_bytes(cls, settings: ShopSettings, partitions: Iterable[str], data: bytes) -> "Shop":
        """Go on from a state, under settings that may be others.

        Raises
        ------
        StateRefused
            If it cannot be read, or was of other partitions or another step.
        """
        try:
            state = _decode(data)
            knowledge = Knowledge.restored(settings, state.knowledge)
        except (msgspec.MsgspecError, ValueError) as error:
            raise StateRefused(f"the state cannot be read: {error}") from None
        shop = cls(settings, partitions, state.version)
        gone = state.fronts.keys() - shop.fronts.keys()
        if gone:
            raise StateRefused(f"the state is of partitions that are not there: {', '.join(sorted(gone))}")
        if state.every_ms != settings.every_ms and state.open:
            raise StateRefused(
                f"the state holds intervals of {state.every_ms} ms, and a snapshot is now every {settings.every_ms} ms"
            )
        shop.fronts.update(state.fronts)
        shop.knowledge = knowledge
        shop.closed_ms, shop.late, shop.left_out = state.closed_ms, state.late, state.left_out
        shop._open = state.open
        return shop


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_State).decode
