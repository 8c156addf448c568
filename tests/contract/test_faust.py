"""What is relied upon of Faust's and aiokafka's internals: pinned versions, seams that are overridden, their order."""

import inspect
from importlib.metadata import version
from typing import Any

import pytest
from aiokafka.consumer.fetcher import Fetcher, FetchResult, PartitionRecords
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import TopicPartitionState
from faust.app.base import App, BootStrategy
from faust.stores.base import Store
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.transport import consumer as base
from faust.transport.drivers import aiokafka as driver
from mode.services import ServiceTask

from streams import table, transport


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
            ("_create_worker_consumer", "on_start", "on_partitions_assigned", "verify_event_path"),
        ),
        (transport.SliceTransport, driver.Transport, ("Consumer",)),
        (table.ProfileStore, Store, ("on_rebalance", "persisted_offset")),
        (table.Tables, TableManager, ("recovery",)),
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


def test_positions_and_ends_can_be_read_beside_the_consumer() -> None:
    """A partition's state has a position, the stable end and the high watermark."""
    text = source(TopicPartitionState)
    for name in ("self.highwater", "self.lso", "def has_valid_position", "def position"):
        assert name in text, name
    for name in ("request_rejoin", "fetch_committed_offsets"):
        assert hasattr(GroupCoordinator, name)
