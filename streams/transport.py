"""Transport: Faust's aiokafka driver with a fetched slice as the message, and commits left to our protocol.

What is relied upon of Faust's and aiokafka's internals is held by a contract test.
"""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Protocol, cast

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import ConsumerStoppedError, GroupAuthorizationFailedError, InvalidSessionTimeoutError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage
from mode.threads import WorkerThread

from streams.connection import aiokafka_options
from streams.rights import NotAllowedError
from streams.settings import Settings
from streams.slices import deliver_slices, joined

__all__ = ["GroupRefusedError", "Guide", "SliceConsumer", "SliceThread", "SliceTransport", "ended", "transport_for"]

_WAIT_S = 0.1
"""Longest wait for records of what is asked for; what else becomes wanted meanwhile waits as long."""
_LOOK_S = 0.2


class GroupRefusedError(RuntimeError):
    """The group does not have us as its member."""


class Guide(Protocol):
    """What the consumer asks: which inputs to read, and when to write."""

    def wanted(self, assigned: Iterable[TP]) -> set[TP]:
        """Return the inputs, among those assigned, of which more can be taken."""

    def handed(self, tp: TP, handed_on: bool) -> None:
        """Note that a slice is on its way to the agent, or that it came to nothing."""

    def idle(self, tp: TP, position: int, end: int) -> None:
        """Learn that nothing was fetched of an input that was asked for."""

    async def suspend(self) -> None:
        """Commit, then write nothing until the partitions are ours again."""

    async def commit(self) -> bool:
        """Write what was applied since the last commit."""


class _EndingThread(WorkerThread):
    """A thread that ends with the process: asked to stop while it starts, Faust's goes on, and keeps its partitions."""

    def __init__(self, service: Any, **options: Any) -> None:
        super().__init__(service, **options)
        self.daemon = True


class SliceThread(driver.AIOKafkaConsumerThread):
    """The thread with the group's member, so that heartbeats go on while events are applied."""

    Worker = _EndingThread
    settings: Settings

    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:
        settings = self.settings
        self._assignor = self.app.assignor  # gives a partition number of all topics to one worker
        session_ms = int(settings.session_timeout_s * 1000)
        return AIOKafkaConsumer(
            **aiokafka_options(settings),
            group_id=settings.app_id,
            partition_assignment_strategy=[self._assignor],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_poll_records=None,  # slices are counted otherwise
            max_poll_interval_ms=2**31 - 1,  # a restore may take long, and heartbeats say that we live
            max_partition_fetch_bytes=settings.fetch_partition_bytes,
            fetch_max_bytes=settings.fetch_max_bytes,
            fetch_max_wait_ms=settings.fetch_max_wait_ms,
            request_timeout_ms=max(40_000, session_ms + 10_000),
            session_timeout_ms=session_ms,
            rebalance_timeout_ms=max(60_000, session_ms),
            heartbeat_interval_ms=max(session_ms // 6, 100),
        )

    async def on_start(self) -> None:
        """Start the member; its fetcher gives slices."""
        await super().on_start()
        deliver_slices(self._consumer)

    async def on_thread_stop(self) -> None:
        """Leave the group; aiokafka raises that it was cancelled where it waits for a broker that is gone."""
        with suppress(asyncio.CancelledError):
            await super().on_thread_stop()

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Leave the changelog's partitions, which Faust assigns, unread: the store reads them in bulk."""
        consumer = self._ensure_consumer()
        changelogs = [tp for tp in assigned if tp.topic in self.app.tables.changelog_topics]
        consumer.pause(*[TopicPartition(tp.topic, tp.partition) for tp in changelogs])
        await super().on_partitions_assigned(assigned, generation_id)

    # ---- asked from the main thread

    def place(self, tp: TP) -> tuple[int, int] | None:
        """Position and known end of an assigned input; None while they are not known."""
        subscription = self._ensure_consumer()._subscription.subscription
        if subscription is None or subscription.assignment is None:
            return None
        key = TopicPartition(tp.topic, tp.partition)
        if key not in subscription.assignment.tps:
            return None
        state = subscription.assignment.state_value(key)
        end = state.lso if state.lso is not None and state.lso >= 0 else state.highwater
        if not state.has_valid_position or end is None or end < 0:
            return None
        return state.position, end

    async def bounds(self, tps: Iterable[TP]) -> dict[TP, tuple[int, int]]:
        """First and next offset of each input, as they are now on the broker."""
        return cast("dict[TP, tuple[int, int]]", await self.call_thread(self._bounds, list(tps)))

    async def _bounds(self, tps: list[TP]) -> dict[TP, tuple[int, int]]:
        keys = [TopicPartition(tp.topic, tp.partition) for tp in tps]
        consumer = self._ensure_consumer()
        first, end = await consumer.beginning_offsets(keys), await consumer.end_offsets(keys)
        return {tp: (first[key], end[key]) for tp, key in zip(tps, keys, strict=True)}

    async def seek_all(self, places: Mapping[TP, int]) -> None:
        """Go to an offset of each input; what was fetched before is dropped."""
        await self.call_thread(self._seek_all, dict(places))

    async def _seek_all(self, places: dict[TP, int]) -> None:
        consumer = self._ensure_consumer()
        for tp, offset in places.items():
            consumer.seek(TopicPartition(tp.topic, tp.partition), offset)

    async def committed_offsets(self, tps: Iterable[TP]) -> dict[TP, int]:
        """The group's committed offsets, -1 where there is none."""
        return cast("dict[TP, int]", await self.call_thread(self._committed_offsets, list(tps)))

    async def _committed_offsets(self, tps: list[TP]) -> dict[TP, int]:
        keys = [TopicPartition(tp.topic, tp.partition) for tp in tps]
        found = await self._ensure_consumer()._coordinator.fetch_committed_offsets(keys)
        return {tp: found[key].offset if key in found else -1 for tp, key in zip(tps, keys, strict=True)}

    async def commit_as_member(self, offsets: Mapping[TP, int]) -> None:
        """Commit offsets; the group refuses them if we are no longer its member."""
        await self.call_thread(self._commit_as_member, dict(offsets))

    async def _commit_as_member(self, offsets: dict[TP, int]) -> None:
        await self._ensure_consumer().commit(
            {TopicPartition(tp.topic, tp.partition): OffsetAndMetadata(at, "") for tp, at in offsets.items()}
        )

    async def rejoin(self) -> None:
        """Ask the group anew what is ours."""
        await self.call_thread(self._rejoin)

    async def _rejoin(self) -> None:
        self._ensure_consumer()._coordinator.request_rejoin()

    @property
    def member(self) -> str:
        """Our id in the group."""
        return str(self._ensure_consumer()._coordinator.member_id)

    @property
    def refusal(self) -> BaseException | None:
        """What the group's client has given up for; None while it has not.

        It asks the group nothing more then, and waits for somebody to ask what is the matter, which Faust never does.
        """
        coordinator = None if self._consumer is None else self._consumer._coordinator
        if coordinator is None:
            return None
        task, told = coordinator._coordination_task, coordinator._pending_exception
        failed = task.exception() if task.done() and not task.cancelled() else None
        return cast(BaseException | None, failed or told)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Nothing: Faust would take an input that waits for another one for one that hangs."""


class SliceConsumer(driver.Consumer):
    """Faust's consumer: reads what is wanted, hands slices to the agents, and lets the protocol commit."""

    guide: Guide
    settings: Settings
    _thread: SliceThread

    def _new_consumer_thread(self) -> SliceThread:
        thread = SliceThread(self, loop=self.loop, beacon=self.beacon)
        thread.settings = self.settings
        return thread

    @property
    def thread(self) -> SliceThread:
        """The thread with the member."""
        return self._thread

    async def _drain_messages(self, fetcher: Any) -> None:
        while not (self._stopped.is_set() or fetcher._stopped.is_set()):
            if not self.flow_active:
                await self.can_resume_flow.wait()
                continue
            asked = self.guide.wanted(self._get_active_partitions())
            if not asked:
                await asyncio.sleep(0.005)
                continue
            try:
                fetched = await self._thread.getmany(asked, _WAIT_S)
            except ConsumerStoppedError:
                if self.app.should_stop:
                    return
                raise
            await self._hand_on(asked, fetched)

    async def _hand_on(self, asked: set[TP], fetched: Mapping[Any, Any]) -> None:
        for key, pieces in fetched.items():
            tp = TP(key.topic, key.partition)
            asked.discard(tp)
            if self.flow_active and pieces:
                place = self._thread.place(tp)
                piece = joined(pieces, None if place is None else place[1])
                self.guide.handed(tp, True)
                await self.wait_first(self.callback(self._message(tp, piece)), self.suspend_flow.wait())
        for tp in asked:
            place = self._thread.place(tp)
            if place is not None:
                self.guide.idle(tp, *place)

    def _message(self, tp: TP, piece: Any) -> Any:
        return ConsumerMessage(
            tp.topic, tp.partition, piece.next - 1, 0.0, 0, [], None, piece, None, 0, 0, tp,
            generation_id=self.app.consumer_generation_id,
        )  # fmt: skip

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Commit before the group decides anew."""
        await self.guide.suspend()
        await super().on_partitions_revoked(revoked)

    async def perform_seek(self) -> None:
        """Nothing: each partition is sought when its state is there."""

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Let the protocol commit.

        Faust's own bookkeeping is left out: it would commit only when an input offset moved, and after a tick
        there is something to write although none did.
        """
        self._acked.clear()
        self._acked_index.clear()
        return await self.guide.commit()

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        return await self.guide.commit()


class SliceTransport(driver.Transport):
    """Makes our consumer."""

    Consumer = SliceConsumer


def transport_for(guide: Guide, settings: Settings) -> type[SliceTransport]:
    """Return the transport whose consumer asks this guide."""

    class Guided(SliceConsumer):
        pass

    Guided.guide, Guided.settings = guide, settings

    class GuidedTransport(SliceTransport):
        Consumer = Guided

    return GuidedTransport


async def ended(app: Any) -> BaseException:
    """Wait until an app of ours has ended by itself, or its group does not take it; return why."""
    while not (app.should_stop or app.crashed):
        consumer: SliceConsumer | None = app._consumer
        error = None if consumer is None else consumer.thread.refusal
        if consumer is not None and error is not None:
            return _refused(error, consumer.settings)
        await asyncio.sleep(_LOOK_S)
    return app.crash_reason or RuntimeError("the stream has stopped by itself")


def _refused(error: BaseException, settings: Settings) -> Exception:
    group = settings.app_id
    if isinstance(error, GroupAuthorizationFailedError):
        return NotAllowedError(settings.broker, settings.sasl_username, f"read as the group {group}")
    why = repr(error)
    if isinstance(error, InvalidSessionTimeoutError):
        why = (
            f"session_timeout_s is {settings.session_timeout_s:g}, and the broker wants it between its "
            "group.min.session.timeout.ms and group.max.session.timeout.ms"
        )
    refused = GroupRefusedError(f"the group {group} does not take us: {why}")
    refused.__cause__ = error
    return refused
