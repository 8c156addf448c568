"""Binding: the commit protocol under Faust: what the group decides, what is fetched, when to write."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from aiokafka.errors import CommitFailedError as RefusedError
from aiokafka.errors import IllegalStateError, KafkaError
from faust.types import TP

from streams.commit import (
    BrokerClient,
    CommitFailedError,
    CommitProtocol,
    FencedError,
    Offered,
    Slice,
    Snapshots,
    Stage,
    Taken,
    UnitState,
)
from streams.outbox import SOURCES
from streams.suspects import PoisonError
from streams.transport import SliceConsumer
from streams.unit import Unit

__all__ = ["Binding", "TopicChangedError"]

log = logging.getLogger(__name__)

_CROWDED = 100_000
"""Outputs and rows that may wait for a commit before applying waits for it."""
_RETRY_S = 1.0
_FAR_BEHIND = 3
"""Intervals between two commits of a partition that has more to read than it applied since the last: a customer who
did something in each of them is then written once."""
_PUMP_S = 0.1


class TopicChangedError(RuntimeError):
    """An input ends before what was already read of it, or has more partitions than when we started."""


class Binding:
    """Stands between Faust and the protocol; everything here runs in Faust's main loop.

    Parameters
    ----------
    client
        Makes the broker's client, given the group (ourselves).
    build
        Makes an empty unit.
    now_ms
        The wall clock.
    written
        Told what a commit wrote, and how long it took in seconds.
    failed
        Told once why the worker cannot go on.
    snapshots
        Keeps copies of the units.
    topics
        What a unit reads, in the order of `scoring.kinds.Source`.

    Attributes
    ----------
    consumer
        Faust's consumer; set before the app starts.
    ready
        Set while the group has decided and each partition that is ours is read.
    failed_commits
        How many commits failed so far.
    """

    consumer: SliceConsumer

    def __init__(
        self,
        client: Callable[["Binding"], BrokerClient],
        build: Callable[[int], Unit],
        now_ms: Callable[[], int],
        written: Callable[[int, Taken], None],
        failed: Callable[[BaseException], None],
        snapshots: Snapshots | None = None,
        topics: Sequence[str] = SOURCES,
    ) -> None:
        self._topics = tuple(topics)
        self._now_ms = now_ms
        self._failed = failed
        self._client = client(self)
        self.protocol = CommitProtocol(self._client, build, self._lost, written, snapshots)
        self.ready = asyncio.Event()
        self._partitions: frozenset[int] = frozenset()
        self._on_the_way: set[TP] = set()
        self._left: dict[TP, int] = {}
        self._put_off: Counter[int] = Counter()
        self._bringing: dict[int, asyncio.Task[None]] = {}
        self._member = ("", -1)
        self._epoch = 0
        self._settled = asyncio.Event()
        self._stopping = False
        self.failed_commits = 0

    @property
    def partitions(self) -> frozenset[int]:
        """The partition numbers that the group gave us."""
        return self._partitions

    # ---- what the group decided (streams.table.Owner)

    async def suspend(self) -> None:
        """Commit, then read and write nothing until the group has decided."""
        self._settled.clear()
        self.ready.clear()
        self._epoch += 1
        try:
            await self.protocol.suspend()
        except Exception as error:  # noqa: BLE001 - what a rebalance's callback raises, the group's client only logs
            self._ends(error)

    async def assigned(self, partitions: frozenset[int], generation: int) -> None:
        """Give up what went to others, and all of it if we were out of the group for a while.

        State is kept over a rebalance only by a member that took part in it without a break: whoever missed a
        generation cannot know what others did meanwhile.
        """
        member = (self.consumer.thread.member, generation)
        unbroken = self._member[0] == member[0] and self._member[1] + 1 == generation
        self._member = member
        self._partitions = partitions
        held = self.protocol.partitions
        await self.protocol.revoke(held - partitions if unbroken else held)
        self._on_the_way.clear()

    async def resumed(self) -> None:
        """Bring back every partition that is ours."""
        self._epoch += 1
        self._settled.set()
        for partition in self._partitions:
            self._bring(partition)
        self._look_ready()

    def _bring(self, partition: int, after_s: float = 0.0) -> None:
        task = self._bringing.get(partition)
        if (task is None or task.done()) and not self._stopping:
            self._bringing[partition] = asyncio.create_task(self._brought(partition, after_s))

    async def _brought(self, partition: int, after_s: float) -> None:
        """Acquire, go to where the state ends, and start; again from the start if a rebalance comes between."""
        try:
            await asyncio.sleep(after_s)
            while partition in self._partitions and self.protocol.stage(partition) is not Stage.ACTIVE:
                if self.protocol.stage(partition) is None:
                    await self._acquired(partition)
                else:
                    try:
                        await self._seated(partition)
                    except KafkaError as error:
                        log.warning("partition %d cannot be read yet: %r", partition, error)
                        await asyncio.sleep(_RETRY_S)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the worker cannot go on without its state
            self._failed(error)
        self._look_ready()

    async def _acquired(self, partition: int) -> None:
        try:
            await self.protocol.acquire(partition)
        except FencedError as error:
            log.warning("partition %d: %s; asking the group", partition, error)
            await self.consumer.thread.rejoin()
            await asyncio.sleep(_RETRY_S)
        except CommitFailedError as error:
            log.warning("partition %d cannot be taken yet: %s", partition, error)
            await asyncio.sleep(_RETRY_S)

    async def _seated(self, partition: int) -> None:
        await self._settled.wait()
        epoch = self._epoch
        places = {TP(self._topics[source], partition): at for source, at in self.protocol.positions(partition).items()}
        bounds = await self.consumer.thread.bounds(places)
        for tp, (first, end) in bounds.items():
            if places[tp] > end and self._client.transactional:  # the embedded broker's ends are too low
                raise _made_anew(tp, end, places[tp])
            if places[tp] < first:
                if places[tp]:
                    log.warning("%s-%d: offsets %d to %d are gone", tp.topic, tp.partition, places[tp], first)
                self.protocol.skip_to(partition, self._topics.index(tp.topic), first)
                places[tp] = first
        await self.consumer.thread.seek_all(places)
        if self._epoch == epoch and self._settled.is_set():
            self.protocol.activate(partition)
            for tp in places:
                self._on_the_way.discard(tp)

    def _look_ready(self) -> None:
        active = {partition for partition, _ in self.protocol.units()}
        if self._settled.is_set() and self._partitions <= active:
            self.ready.set()

    def _lost(self, partition: int, error: Exception) -> None:
        log.warning("partition %d: %s; reading its state anew", partition, error)
        self.ready.clear()
        self.failed_commits += 1
        if self._stopping:
            return
        if isinstance(error, FencedError):
            self._later(self.consumer.thread.rejoin())
        else:
            self._bring(partition, _RETRY_S)

    def _later(self, work: Awaitable[Any]) -> None:
        asyncio.ensure_future(work).add_done_callback(lambda done: done.cancelled() or done.exception())

    # ---- what is fetched (streams.transport.Guide)

    def wanted(self, assigned: Iterable[TP]) -> set[TP]:
        """Return the inputs, among those assigned, of which more can be taken."""
        wants, on_the_way = self.protocol.wants, self._on_the_way
        return {
            tp
            for tp in assigned
            if tp.topic in self._topics and tp not in on_the_way and wants(tp.partition, self._topics.index(tp.topic))
        }

    def handed(self, tp: TP, handed_on: bool) -> None:
        """Note that a slice is on its way to the agent, or has arrived there."""
        (self._on_the_way.add if handed_on else self._on_the_way.discard)(tp)

    def idle(self, tp: TP, position: int, end: int) -> None:
        """Learn that nothing was fetched of an input that was asked for."""
        if tp not in self._on_the_way:
            self._left[tp] = end - position
            self.protocol.idle(tp.partition, self._topics.index(tp.topic), position, end)

    async def take(self, message: Any) -> None:
        """Offer a slice to its unit, and apply what can be applied; what fails at that ends the worker."""
        try:
            await self._take(TP(message.topic, message.partition), message.value)
        except Exception as error:  # noqa: BLE001 - Faust would start the agent anew, behind what it lost
            await self._give_up(message.partition, error)

    async def _take(self, tp: TP, piece: Slice) -> None:
        source = self._topics.index(tp.topic)
        offered = self.protocol.offer(tp.partition, source, piece)
        self._left[tp] = piece.end - piece.next
        self.handed(tp, False)
        if offered is Offered.STALE:
            self._look_made_anew(tp, source)
        elif offered is Offered.GAP:
            await self._go_back(tp, source)
        elif offered is Offered.TAKEN:
            await self._pump(tp.partition, filling=piece.next < piece.end)

    def _look_made_anew(self, tp: TP, source: int) -> None:
        """See whether an input ends before what was read of it, and the reader, told so by the broker, went back.

        Its end alone would not say so: the embedded broker's are too low, but there the reader stays where it was sent.
        """
        needed = self.protocol.positions(tp.partition).get(source, 0)
        place = self.consumer.thread.place(tp) if self.protocol.stage(tp.partition) is Stage.ACTIVE else None
        if place is not None and max(place) < needed:
            raise _made_anew(tp, max(place), needed)

    async def _go_back(self, tp: TP, source: int) -> None:
        """Seek what is needed next, or, where retention has removed that meanwhile, the first that is still there."""
        needed = self.protocol.positions(tp.partition).get(source)
        if needed is None:
            return
        first = 0
        with suppress(KafkaError):  # then it is asked when the next slice comes
            first, _ = (await self.consumer.thread.bounds([tp]))[tp]
        if self.protocol.positions(tp.partition).get(source) != needed:
            return
        if needed < first:
            log.warning("%s-%d: offsets %d to %d are gone", tp.topic, tp.partition, needed, first)
            self.protocol.skip_to(tp.partition, source, first)
        with suppress(IllegalStateError):  # a rebalance came between, and after it each input is sought
            await self.consumer.thread.seek_all({tp: max(needed, first)})

    async def pump_for_ever(self) -> None:
        """Apply what time alone makes due, and what an input that is caught up lets go.

        A partition whose next slice is on its way has its turn with that: what was left for it still waits.
        """
        while not self._stopping:
            await asyncio.sleep(_PUMP_S)
            for partition in [partition for partition, _ in self.protocol.units()]:
                if not any(tp.partition == partition for tp in self._on_the_way):
                    try:
                        await self._pump(partition)
                    except Exception as error:  # noqa: BLE001 - as where a slice is taken
                        await self._give_up(partition, error)

    async def _pump(self, partition: int, *, filling: bool = False) -> None:
        protocol = self.protocol
        while (unit := dict(protocol.units()).get(partition)) is not None and self._pumped(partition, unit, filling):
            await asyncio.sleep(0)
            while protocol.crowded(partition, _CROWDED):
                if not await protocol.commit(partition) and protocol.committing(partition):
                    await asyncio.sleep(0.01)

    def _pumped(self, partition: int, unit: UnitState, filling: bool) -> bool:
        try:
            return unit.pump(self._now_ms(), filling=filling)
        except PoisonError as error:
            self.protocol.discard(partition, error)
            return False

    async def _give_up(self, partition: int, error: Exception) -> None:
        """End the worker, and write nothing of a state that may lack what was lost: the next worker reads it again."""
        self._ends(error)
        await self.protocol.revoke([partition])

    def _ends(self, error: Exception) -> None:
        self._stopping = True
        self._failed(error)

    # ---- when to write

    async def commit(self) -> bool:
        """Write what was applied since the last commit, all partitions side by side, but for those far behind."""
        return await self.protocol.commit_all(self._can_wait) > 0

    def _can_wait(self, partition: int, unit: UnitState) -> bool:
        """Whether there is more to read than was applied since the last commit, and that was lately."""
        left = sum(self._left.get(TP(topic, partition), 0) for topic in self._topics)
        if left > unit.status().pending and self._put_off[partition] + 1 < _FAR_BEHIND:
            self._put_off[partition] += 1
            return True
        del self._put_off[partition]
        return False

    async def close(self) -> None:
        """Commit what was applied, and give everything up."""
        self._stopping = True
        for task in self._bringing.values():
            task.cancel()
        await asyncio.gather(*self._bringing.values(), return_exceptions=True)
        await self.suspend()

    async def released(self) -> None:
        """Let go of the units, when nothing is read any more."""
        self._partitions = frozenset()
        await self.protocol.revoke(self.protocol.partitions)

    # ---- the group (streams.group.Group)

    async def committed(self, partition: int) -> Mapping[int, int]:
        """Return the group's committed offset of each input."""
        tps = [TP(topic, partition) for topic in self._topics]
        found = await self.consumer.thread.committed_offsets(tps)
        return {source: found[tp] for source, tp in enumerate(tps)}

    async def commit_offsets(self, partition: int, offsets: Mapping[int, int]) -> None:
        """Commit offsets as a member."""
        try:
            await self.consumer.thread.commit_as_member(
                {TP(self._topics[source], partition): at for source, at in offsets.items()}
            )
        except (RefusedError, IllegalStateError) as error:
            raise FencedError(f"the group refuses our commit: {error}") from error


def _made_anew(tp: TP, end: int, read: int) -> TopicChangedError:
    return TopicChangedError(
        f"{tp.topic}-{tp.partition} ends at {end}, but was already read up to {read}: it was deleted and made anew; "
        "start under another app_id"
    )
