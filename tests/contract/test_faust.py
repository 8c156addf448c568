"""What is relied upon of Faust's and aiokafka's internals: pinned versions, seams that are overridden, their order."""

import asyncio
import inspect
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.consumer.fetcher import Fetcher, FetchResult, PartitionRecords
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import TopicPartitionState
from aiokafka.errors import GroupAuthorizationFailedError, InvalidSessionTimeoutError, KafkaError
from aiokafka.producer.message_accumulator import MessageAccumulator, MessageBatch
from faust.app.base import App, BootStrategy
from faust.stores.base import Store
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.transport import consumer as base
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.services import ServiceTask
from mode.threads import QueueServiceThread

from streams import binding as binding_module
from streams import table, transport
from streams.binding import Binding
from streams.commit import CommitProtocol, Offered, Slice
from streams.connection import aiokafka_options
from streams.outbox import INPUTS
from streams.record_batch import RecordBatch
from streams.settings import Settings


def source(thing: Any) -> str:
    return inspect.getsource(thing.fun if isinstance(thing, ServiceTask) else thing)


def test_the_versions_are_those_that_the_seams_were_read_from() -> None:
    """Another version must be read before it is used."""
    assert (version("faust-streaming"), version("aiokafka")) == ("0.15.3", "0.14.0")


@pytest.mark.parametrize(
    ("ours", "theirs", "names"),
    [
        (
            transport.SliceConsumer,
            driver.Consumer,
            ("_drain_messages", "_commit", "commit", "perform_seek", "on_partitions_revoked", "_new_consumer_thread"),
        ),
        (
            transport.SliceThread,
            driver.AIOKafkaConsumerThread,
            ("_create_worker_consumer", "on_start", "on_thread_stop", "on_partitions_assigned", "verify_event_path"),
        ),
        (transport.SliceTransport, driver.Transport, ("Consumer",)),
        (table.ProfileStore, Store, ("on_rebalance", "persisted_offset")),
        (table.Tables, TableManager, ("recovery", "on_start")),
        (
            table._NoRecovery,
            Recovery,
            ("on_rebalance", "on_partitions_revoked", "_restart_recovery", "_slurp_changelogs", "_publish_stats"),
        ),
    ],
)
def test_what_is_overridden_is_there_to_be_overridden(ours: type, theirs: type, names: tuple[str, ...]) -> None:
    """A method of another name would never be called, and Faust would do in silence what it always does."""
    assert issubclass(ours, theirs)
    for name in names:
        assert hasattr(theirs, name), f"{theirs.__name__} has no {name}"
        assert name in ours.__dict__, f"{ours.__name__} does not override {name}"
        if callable(getattr(theirs, name)) and not isinstance(getattr(theirs, name), type):
            assert inspect.iscoroutinefunction(getattr(ours, name)) == inspect.iscoroutinefunction(
                getattr(theirs, name)
            )


def test_the_tables_start_as_faust_s_do_but_for_its_sleep() -> None:
    """Faust waits a second for tables that are made late; what it does then is what ours does at once."""
    theirs = [line.strip() for line in source(TableManager.on_start).splitlines()]
    assert "await self.sleep(1.0)" in theirs
    ours = [line.strip() for line in source(table.Tables.on_start).splitlines()]
    assert [line for line in theirs if "self._" in line or "recovery" in line] == ours[-2:]


def test_the_fetcher_drains_messages_until_it_is_stopped() -> None:
    """Faust's fetcher runs `_drain_messages(self)`."""
    assert "consumer._drain_messages(self)" in source(base.Fetcher._fetcher)


def test_everything_that_commits_goes_through_commit() -> None:
    """The timer, the end of the consumer and an error in an agent all call `commit`, which is ours."""
    assert "await self.commit()" in source(base.Consumer._commit_handler)
    assert "self.commit(" in source(base.Consumer.commit_and_end_transactions)
    assert "await self.commit()" in source(base.Consumer.on_task_error)


def test_streams_resume_only_in_the_generation_that_was_assigned() -> None:
    """`_resume_streams` seeks (ours does nothing), lets the flow go on, starts the fetcher and ends the rebalance."""
    text = source(Recovery._resume_streams)
    steps = ("consumer_generation_id != generation_id", "perform_seek()", "completed.set()", "resume_flow()",
             "_fetcher.maybe_start()", "on_rebalance_end()")  # fmt: skip
    places = [text.index(step) for step in steps]
    assert places == sorted(places)


def test_the_tables_hear_of_an_assignment_before_the_streams_resume() -> None:
    """The store's `on_rebalance` comes before the recovery's, and both within the assignment's callback."""
    text = source(TableManager.on_rebalance)
    assert text.index("table.on_rebalance") < text.index("self.recovery.on_rebalance")
    assert "self.tables.on_rebalance" in source(App._on_partitions_assigned)


def test_the_flow_stops_and_what_is_queued_is_dropped_when_partitions_are_revoked() -> None:
    """Nothing that an agent has not yet taken reaches it after a rebalance."""
    text = source(App._on_partitions_revoked)
    assert text.index("consumer.stop_flow") < text.index("flow_control.clear")


def test_a_member_does_not_answer_for_itself_while_its_callbacks_run() -> None:
    """Heartbeats stop before joining and start after the callbacks: a restore within them would cost the partitions."""
    text = source(GroupCoordinator.ensure_active_group)
    places = [text.index(step) for step in ("_stop_heartbeat_task", "_do_rejoin_group", "_start_heartbeat_task")]
    assert places == sorted(places)
    assert "_on_join_complete" in source(GroupCoordinator._do_rejoin_group)


def test_faust_s_own_producer_can_be_left_out() -> None:
    """The boot strategy asks `enable_kafka_producer`."""
    assert "enable_kafka_producer" in source(BootStrategy._should_enable_kafka_producer)


def test_the_fetcher_keeps_what_it_fetched_where_slices_are_made() -> None:
    """`Fetcher._records` holds a `FetchResult` a partition, whose `_partition_records` unpack batches one by one."""
    assert "self._records" in source(Fetcher.fetched_records)
    assert "_partition_records" in source(FetchResult.getall)
    text = source(PartitionRecords._unpack_records)
    for name in ("has_next()", "next_batch()", "validate_crc()", "is_control_batch", "_consume_aborted_up_to",
                 "_contains_abort_marker", "_aborted_producers", "next_fetch_offset"):  # fmt: skip
        assert name in text, name


def test_the_producer_asks_of_a_batch_what_ours_answers() -> None:
    """`MessageBatch` and the accumulator use nothing else of a builder; it is transactional if its manager is."""
    text = source(MessageBatch) + source(MessageAccumulator)
    asked = set(re.findall(r"_builder\.(\w+)", text)) - {"_metadata"}
    assert asked == {"append", "close", "closed", "record_count", "_set_producer_state", "_build"}
    assert all(hasattr(RecordBatch, name) for name in asked)
    assert "compression_type" not in aiokafka_options(Settings()), "ours are not compressed"
    text = source(MessageAccumulator.create_builder)
    assert "self._txn_manager is not None" in text
    assert "self._txn_manager.transactional_id is not None" in text
    assert "self._txn_manager" in source(AIOKafkaProducer.send_batch), "the producer's own, which we ask"


def test_positions_and_ends_can_be_read_beside_the_consumer() -> None:
    """A partition's state has a position, the stable end and the high watermark."""
    text = source(TopicPartitionState)
    for name in ("self.highwater", "self.lso", "def has_valid_position", "def position"):
        assert name in text, name
    for name in ("request_rejoin", "fetch_committed_offsets"):
        assert hasattr(GroupCoordinator, name)


class _Client:
    """A broker with nothing on it, whose group has committed 5 of the first input."""

    transactional = True

    async def fence(self, partition: int) -> None: ...
    async def restore(self, partition: int, sink: Any, start: int | None = None) -> int | None: ...
    async def committed(self, partition: int) -> Mapping[int, int]:
        return {0: 5, 1: 0, 2: 0}


class _Unit:
    """A unit that writes down the offsets it is offered."""

    def __init__(self) -> None:
        self.offered: list[int] = []

    def offer(self, source: int, records: list[Any], end_offset: int) -> None:
        self.offered += [record.offset for record in records]

    def pump(self, now_ms: int, *, filling: bool = False) -> bool:
        return False

    def restore(self, keys: Any, values: Any) -> None: ...
    def idle(self, source: int, position: int, end_offset: int) -> None: ...

    def ready(self, committed: Mapping[int, int]) -> dict[int, int]:
        return dict(committed)


def taken(*fetched: tuple[int, int]) -> tuple[list[int], list[int]]:
    """What a binding offers its unit of messages as the consumer makes them, and where it seeks to."""
    unit, sought, tp = _Unit(), [], TP(INPUTS[0], 0)

    async def bounds(tps: Sequence[TP]) -> dict[TP, tuple[int, int]]:
        return dict.fromkeys(tps, (0, 99))

    async def seek_all(places: Mapping[TP, int]) -> None:
        sought.extend(places.values())

    async def given() -> None:
        made: Any = unit
        binding: Any = Binding(lambda _: _Client(), lambda _: made, lambda: 0, lambda *_: None, lambda _: None)
        binding.consumer = SimpleNamespace(
            thread=SimpleNamespace(seek_all=seek_all, bounds=bounds, place=lambda _: (99, 99))
        )
        await binding.protocol.acquire(0)
        binding.protocol.activate(0)
        consumer: Any = SimpleNamespace(app=SimpleNamespace(consumer_generation_id=1))
        for start, stop in fetched:
            records: Any = [SimpleNamespace(offset=at) for at in range(start, stop)]
            piece = Slice(start, stop, records, stop)
            await binding.take(transport.SliceConsumer._message(consumer, tp, piece))

    asyncio.run(given())
    return unit.offered, sought


def assert_nothing_is_left_out_or_read_twice() -> None:
    """Redelivered, partly redelivered, in turn, too far ahead, in turn again."""
    assert taken((0, 5), (3, 8), (8, 9), (11, 12), (9, 12)) == ([5, 6, 7, 8, 9, 10, 11], [9])


def test_a_message_goes_on_where_the_last_one_ended() -> None:
    """The next offset needed is taken, what lies below it is not; before a gap is taken, the reader goes back."""
    assert_nothing_is_left_out_or_read_twice()


def test_what_is_left_of_a_slice_waits_for_the_next_one_only_while_that_comes() -> None:
    """A unit is told whether there is more to read; by the clock it has its turn where no slice is on its way."""
    pumped: list[bool] = []
    again = asyncio.Event()

    class Pumped(_Unit):
        def pump(self, now_ms: int, *, filling: bool = False) -> bool:
            pumped.append(filling)
            if len(pumped) == 3:
                again.set()
            return False

    async def given() -> None:
        unit: Any = Pumped()
        binding: Any = Binding(lambda _: _Client(), lambda _: unit, lambda: 0, lambda *_: None, lambda _: None)
        await binding.protocol.acquire(0)
        binding.protocol.activate(0)
        consumer: Any = SimpleNamespace(app=SimpleNamespace(consumer_generation_id=1))
        tp = TP(INPUTS[0], 0)
        for start, end in ((5, 100), (6, 7)):
            piece = Slice(start, start + 1, [SimpleNamespace(offset=start)], end)  # type: ignore[list-item]
            await binding.take(transport.SliceConsumer._message(consumer, tp, piece))
        by_the_clock = asyncio.ensure_future(binding.pump_for_ever())
        binding.handed(tp, True)
        await asyncio.sleep(0.25)
        assert pumped == [True, False]
        binding.handed(tp, False)
        await asyncio.wait_for(again.wait(), 30)
        by_the_clock.cancel()

    asyncio.run(given())
    assert pumped[:3] == [True, False, False]


def test_who_is_far_behind_is_written_every_third_time() -> None:
    """A partition with more to read than was applied since its last commit waits twice; one that is near does not."""
    taken: list[int] = []

    class Applying(_Unit):
        def take(self) -> None:
            taken.append(len(self.offered))

        def status(self) -> Any:
            return SimpleNamespace(pending=len(self.offered), whole=True)

    async def given(ends: Sequence[int], idle: bool = False) -> list[int]:
        taken.clear()
        unit: Any = Applying()
        binding: Any = Binding(lambda _: _Client(), lambda _: unit, lambda: 0, lambda *_: None, lambda _: None)
        await binding.protocol.acquire(0)
        binding.protocol.activate(0)
        consumer: Any = SimpleNamespace(app=SimpleNamespace(consumer_generation_id=1))
        for n, end in enumerate(ends, 5):
            piece = Slice(n, n + 1, [SimpleNamespace(offset=n)], end)  # type: ignore[list-item]
            await binding.take(transport.SliceConsumer._message(consumer, TP(INPUTS[0], 0), piece))
            if idle:
                binding.idle(TP(INPUTS[0], 0), n + 1, n + 1)
            await binding.commit()
        return list(taken)

    assert asyncio.run(given([100] * 7)) == [3, 6]
    assert asyncio.run(given([6, 7, 8])) == [1, 2, 3]
    assert asyncio.run(given([100, 8, 9])) == [2, 3]
    assert asyncio.run(given([100, 100], idle=True)) == [1, 2]


class _AtOrBelowSkipped(CommitProtocol):
    """The next offset needed is taken for the last one read."""

    def offer(self, partition: int, source: int, piece: Slice) -> Offered:
        needed = self.positions(partition)[source]
        return super().offer(
            partition, source, piece._replace(records=[each for each in piece.records if each.offset > needed])
        )


class _ReadAgain(CommitProtocol):
    """A slice that overlaps what was read is taken whole."""

    def offer(self, partition: int, source: int, piece: Slice) -> Offered:
        if piece.start < self.positions(partition)[source] < piece.next:
            self.skip_to(partition, source, piece.start)
        return super().offer(partition, source, piece)


class _GapTaken(CommitProtocol):
    """A slice that begins too late is taken."""

    def offer(self, partition: int, source: int, piece: Slice) -> Offered:
        self.skip_to(partition, source, max(piece.start, self.positions(partition)[source]))
        return super().offer(partition, source, piece)


@pytest.mark.parametrize("broken", [_AtOrBelowSkipped, _ReadAgain, _GapTaken])
def test_a_protocol_that_goes_on_elsewhere_is_found(
    monkeypatch: pytest.MonkeyPatch, broken: type[CommitProtocol]
) -> None:
    """The next offset skipped, records read twice and a gap passed over are seen."""
    monkeypatch.setattr(binding_module, "CommitProtocol", broken)
    with pytest.raises(AssertionError):
        assert_nothing_is_left_out_or_read_twice()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (InvalidSessionTimeoutError(), "the group recompra does not take us: session_timeout_s is 6, and the broker"),
        (GroupAuthorizationFailedError("recompra"), "does not let us read as the group recompra"),
        (KafkaError("UnknownError()"), "the group recompra does not take us: KafkaError"),
    ],
)
def test_a_member_that_its_group_refuses_ends(error: KafkaError, told: str) -> None:
    """Its client would wait for ever for somebody to ask what is the matter, without a word."""

    async def refused() -> BaseException:
        coordinator: Any = GroupCoordinator.__new__(GroupCoordinator)
        coordinator._pending_exception = None
        coordinator._closing = asyncio.get_running_loop().create_future()
        coordinator._subscription = SimpleNamespace(abort_waiters=lambda _: None)
        coordinator._coordination_task = asyncio.create_task(asyncio.Event().wait())
        thread: Any = transport.SliceThread.__new__(transport.SliceThread)
        thread._consumer = SimpleNamespace(_coordinator=coordinator)
        consumer = SimpleNamespace(thread=thread, settings=Settings())
        app = SimpleNamespace(should_stop=False, crashed=False, _consumer=consumer)
        asyncio.get_running_loop().call_later(0.01, coordinator._push_error_to_user, error)
        return await asyncio.wait_for(transport.ended(app), 5)

    assert told in str(asyncio.run(refused()))


def test_a_member_whose_client_failed_ends() -> None:
    """By an error that nobody foresaw, which is told with where it came from."""

    async def failed() -> BaseException:
        coordinator = SimpleNamespace(_pending_exception=None, _coordination_task=asyncio.create_task(_failing()))
        thread: Any = transport.SliceThread.__new__(transport.SliceThread)
        thread._consumer = SimpleNamespace(_coordinator=coordinator)
        consumer = SimpleNamespace(thread=thread, settings=Settings())
        app = SimpleNamespace(should_stop=False, crashed=False, _consumer=consumer)
        return await asyncio.wait_for(transport.ended(app), 5)

    found = asyncio.run(failed())
    assert "the group recompra does not take us: ZeroDivisionError" in str(found)
    assert isinstance(found.__cause__, ZeroDivisionError)


async def _failing() -> None:
    raise ZeroDivisionError


def test_a_member_whose_broker_is_gone_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fetch that waits for it is cancelled, and aiokafka raises that: the thread died of it, and was waited for."""

    async def nothing(_: Any) -> None:
        pass

    async def left() -> None:
        fetcher: Any = Fetcher.__new__(Fetcher)
        fetcher._fetch_task = asyncio.create_task(_for_ever())
        fetcher._fetch_waiters, fetcher._pending_tasks = set(), {asyncio.create_task(_for_ever())}
        await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await Fetcher.close(fetcher)
        fetcher._pending_tasks = {asyncio.create_task(_for_ever())}
        await asyncio.sleep(0)
        thread: Any = transport.SliceThread.__new__(transport.SliceThread)
        thread._consumer = SimpleNamespace(stop=fetcher.close)
        await thread.on_thread_stop()

    monkeypatch.setattr(QueueServiceThread, "on_thread_stop", nothing)
    asyncio.run(left())


async def _for_ever() -> None:
    await asyncio.Event().wait()


def test_an_app_that_ended_says_why() -> None:
    """As it crashed, or that it stopped by itself, whether it had a member of the group by then or not."""
    error = ZeroDivisionError()
    for consumer in (None, SimpleNamespace(thread=SimpleNamespace(refusal=None))):
        app = SimpleNamespace(should_stop=False, crashed=True, crash_reason=error, _consumer=consumer)
        assert asyncio.run(transport.ended(app)) is error
