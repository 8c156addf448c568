"""Local snapshots: a restart on the same disk reads the tail, and no disk can make it wrong or stop it."""

import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition

from streams.changelog import changelog_mark, changelog_topic
from streams.snapshot_file import TEMPORARY, SnapshotFile
from streams.topics import create, wanted
from tests.integration.faults.programs import Program
from tests.integration.faults.world import World

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.xdist_group("disks")]

OFTEN = "300ms"
SELDOM = "1h"


@pytest.fixture
def free(world: World) -> Iterator[World]:
    """The world, with nobody at work."""
    world.running("worker", 0)
    yield world
    world.running("worker", 0)


def files(world: World, directory: Path) -> list[Path]:
    return [
        directory / f"{world.settings.app_id}-snapshots" / f"{number}.snapshot"
        for number in range(world.settings.partitions)
    ]


def ends(world: World) -> list[int]:
    """Where the changelog ends, by partition, with what is not committed yet: it may be while a worker starts."""
    topic = changelog_topic(world.settings)
    places = [TopicPartition(topic, number) for number in range(world.settings.partitions)]
    with KafkaConsumer(bootstrap_servers=world.broker.address, isolation_level="read_uncommitted") as consumer:
        found = consumer.end_offsets(places)
    return [found[place] for place in places]


def offsets(world: World, directory: Path) -> list[int]:
    """Where the snapshots' tails begin, by partition."""
    found = []
    for path in files(world, directory):
        with SnapshotFile(path) as snapshot:
            found.append(snapshot.header.offset)
    return found


def read(world: World, worker: Program) -> tuple[float, float]:
    """Rows that it read at its start: of the changelog, and of snapshots."""
    changelog = world.metric(worker, "recompra_restored_rows_total")
    return changelog, world.metric(worker, "recompra_restored_snapshot_rows_total")


def refused(world: World, worker: Program) -> float:
    return world.metric(worker, "recompra_snapshots_refused_total")


def a_snapshot_each(world: World, worker: Program) -> None:
    """Wait until each partition has one that lies somewhere behind the changelog's beginning."""
    written = world.metric(worker, "recompra_snapshots_written_total")
    enough = written + 2 * world.settings.partitions
    world.until(lambda: world.metric(worker, "recompra_snapshots_written_total") >= enough)


def test_after_a_clean_stop_only_what_came_since_is_read(free: World, tmp_path: Path) -> None:
    """A worker that stopped and starts again reads no row of the changelog; after another's work, that one's rows."""
    worker = free.start("worker", state_dir=tmp_path, snapshot_interval=SELDOM)
    free.produce(1000)
    free.drained()
    free.stop(worker)
    worker = free.start("worker", state_dir=tmp_path, snapshot_interval=SELDOM)
    changelog, snapshot = read(free, worker)
    assert (changelog, refused(free, worker)) == (0, 0)
    assert snapshot >= 200, "each customer's row at least"
    free.stop(worker)

    other = free.start("worker")
    whole, none = read(free, other)
    assert whole >= snapshot > none == 0
    free.produce(500)
    free.drained()
    written = free.metric(other, "recompra_changelog_rows_total")
    free.stop(other)
    worker = free.start("worker", state_dir=tmp_path, snapshot_interval=SELDOM)
    assert read(free, worker) == (written, snapshot)
    assert refused(free, worker) == 0
    free.produce(500)
    free.checked()
    free.stop(worker)


def test_after_a_kill_the_tail_is_read(free: World, tmp_path: Path) -> None:
    """Kill -9 under load, between two snapshots or in the midst of one: the next worker reads from there on."""
    worker = free.start("worker", state_dir=tmp_path, snapshot_interval=OFTEN)
    for _ in range(2):
        with free.load(1000):
            a_snapshot_each(free, worker)
            free.kill(worker)
            tail = sum(end - offset for end, offset in zip(ends(free), offsets(free, tmp_path), strict=True))
            worker = free.start("worker", state_dir=tmp_path, snapshot_interval=OFTEN)
            changelog, snapshot = read(free, worker)
            assert refused(free, worker) == 0
            assert snapshot > 0
            assert changelog <= tail < sum(ends(free)) / 2
    free.checked()
    free.stop(worker)


def test_a_flipped_byte_and_the_changelog_is_read(free: World, tmp_path: Path) -> None:
    """Two snapshots in four of which a bit is not as it was: they are refused, and nothing is missing."""
    worker = free.start("worker", state_dir=tmp_path, snapshot_interval=SELDOM)
    free.produce(500)
    free.drained()
    free.stop(worker)
    for path in files(free, tmp_path)[:2]:
        data = bytearray(path.read_bytes())
        data[len(data) // 3] ^= 1
        path.write_bytes(data)
    worker = free.start("worker", state_dir=tmp_path, snapshot_interval=SELDOM)
    changelog, snapshot = read(free, worker)
    assert refused(free, worker) == 2
    assert worker.said("the whole changelog is read")
    assert changelog > 0
    assert snapshot > 0
    with free.load():
        free.next_score(free.ends())
    free.checked()
    free.stop(worker)


def test_a_disk_that_is_full_from_the_start(free: World, tmp_path: Path) -> None:
    """Where no byte can be written to a file, the worker says so, counts it, and works as ever."""
    worker = free.start("worker", "no-files", state_dir=tmp_path, snapshot_interval=OFTEN)
    with free.load():
        free.next_score(free.ends())
        free.until(lambda: free.metric(worker, "recompra_snapshots_failed_total") >= 4)
    free.checked()
    assert worker.said("no snapshot could be written")
    assert free.metric(worker, "recompra_snapshots_written_total") == 0
    free.stop(worker)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_disk_that_fills_up(free: World, tmp_path: Path) -> None:
    """Snapshots fail from some moment on, in their midst: those from before are used, with a longer tail."""
    worker = free.start("worker", state_dir=tmp_path, snapshot_interval=OFTEN)
    with free.load():
        a_snapshot_each(free, worker)
        _, hard = resource.prlimit(worker.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (4096, hard))
        free.until(lambda: free.metric(worker, "recompra_snapshots_failed_total") >= 4)
        before = offsets(free, tmp_path)
        free.next_score(free.ends())
        assert worker.returncode is None
        free.kill(worker)
        assert offsets(free, tmp_path) == before
        left = list(tmp_path.rglob(f"*{TEMPORARY}"))  # a kill amid a write leaves it, for an hour
        assert len(left) <= 1
        worker = free.start("worker", state_dir=tmp_path, snapshot_interval=OFTEN)
        changelog, snapshot = read(free, worker)
        assert refused(free, worker) == 0
        assert changelog > 0
        assert snapshot > 0
    free.checked()
    free.stop(worker)
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(files(free, tmp_path) + left)


def test_a_topic_made_anew_has_another_mark(world: World, unique: Callable[[str], str]) -> None:
    """The broker tells a changelog from one of the same name that was deleted; how long it keeps deletions, too."""
    settings = world.settings.model_copy(update={"app_id": unique("anew")})
    topic = changelog_topic(settings)
    specs = [spec for spec in wanted(settings, []) if spec.name == topic]
    create(settings, specs)
    first = changelog_mark(settings)
    assert changelog_mark(settings) == first
    assert first.delete_retention_ms == 86_400_000
    with world._admin() as admin:
        admin.delete_topics([topic])
    world.until(lambda: topic not in world.ledger._consumer.topics())
    world.until(lambda: bool(create(settings, specs)))
    again = changelog_mark(settings)
    assert again.topic_id != first.topic_id
