"""Local snapshots: what is copied when, what is refused and why, and that a restart from one is as good as any."""

import asyncio
import errno
import os
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from aiokafka import TopicPartition
from simulation.units import rows_of
from strategies.layouts import FULL

from scoring.engine import EngineSettings
from scoring.profile import HOUR_MS
from scoring.rules import shipped
from streams import snapshot_file
from streams.changelog import Mark, _read
from streams.commit import CommitFailedError, CommitProtocol, Sink, Slice, SnapshotRefusedError
from streams.figures import Figures
from streams.metrics import Metrics
from streams.settings import Settings
from streams.snapshot_file import FORMAT, Header
from streams.snapshots import Identity, LocalSnapshots
from streams.unit import Unit
from streams.unit_options import UnitOptions
from streams.worker import _Worker
from tests.unit.worker.fetched import CLICKS, CUSTOMERS, ORDERS, Fetched, event

NOW = 1_700_000_000_000
MARK = Mark("topic-1", 24 * HOUR_MS)
OPTIONS = UnitOptions(EngineSettings(replace(FULL, horizon_ms=2 * HOUR_MS)), shipped(), 600_000, True, 1000)
WHOSE = Identity("shop", 4, OPTIONS.engine.layout.fingerprint())


class Broker:
    """A changelog of one partition, and what of a commit is not there yet."""

    transactional = True

    def __init__(self) -> None:
        self.changelog: list[tuple[bytes, bytes | None]] = []
        self.committed_offsets: dict[int, int] = {}
        self.fails = False
        self.rows_read = 0
        self._open: list[tuple[bytes, bytes | None]] = []

    async def fence(self, partition: int) -> None:
        """Nobody else is there."""

    async def restore(self, partition: int, sink: Sink, start: int | None = None) -> int | None:
        """Read it whole, or from an offset on."""
        if start is not None and start > len(self.changelog):
            raise SnapshotRefusedError("beyond_end", "it ends before")
        rows = self.changelog[start or 0 :]
        self.rows_read = len(rows)
        sink([key for key, _ in rows], [value for _, value in rows])
        return len(self.changelog)

    async def committed(self, partition: int) -> Mapping[int, int]:
        """What was committed."""
        return {source: self.committed_offsets.get(source, -1) for source in (CLICKS, ORDERS, CUSTOMERS)}

    async def begin(self, partition: int) -> None:
        """Nothing is sent yet."""
        self._open = []

    async def send_outputs(self, partition: int, outputs: Sequence[Any]) -> None:
        """They are of no interest here."""
        await asyncio.sleep(0)

    async def send_rows(self, partition: int, rows: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Hold them until the end."""
        await asyncio.sleep(0)
        self._open = list(rows)

    async def commit_offsets(self, partition: int, offsets: Mapping[int, int]) -> None:
        """Hold them until the end."""
        self._offsets = dict(offsets)

    async def end(self, partition: int) -> int | None:
        """Put everything in place, or fail."""
        await asyncio.sleep(0)
        if self.fails:
            raise CommitFailedError("no answer")
        self.changelog += self._open
        self.committed_offsets.update(self._offsets)
        after = len(self.changelog)
        self.changelog.append((b"?", None))  # the transaction's marker
        return after

    async def release(self, partition: int) -> None:
        """Nothing is held."""


class Place:
    """A worker's disk, and the broker."""

    def __init__(self, directory: Path, interval_s: float = 0.0) -> None:
        self.broker = Broker()
        self.directory = directory
        self.now_ms = NOW
        self.mark = MARK
        self.metrics = Metrics()
        self.snapshots = self.opened(interval_s=interval_s)
        self.units: list[Unit] = []

    def opened(self, whose: Identity = WHOSE, interval_s: float = 0.0) -> LocalSnapshots:
        """The snapshots as a worker that starts finds them."""
        return LocalSnapshots(self.directory, whose, interval_s, lambda: self.mark, lambda: self.now_ms, self.metrics)

    async def acquired(self, snapshots: LocalSnapshots | None) -> CommitProtocol:
        """A protocol that has partition 0, of a worker that has just started."""
        protocol = CommitProtocol(self.broker, self._build, lambda *_: None, snapshots=snapshots)
        await protocol.acquire(0)
        protocol.activate(0)
        return protocol

    def _build(self, partition: int) -> Unit:
        self.units.append(Unit(partition, OPTIONS))
        return self.units[-1]

    @property
    def unit(self) -> Unit:
        """The one that was built last."""
        return self.units[-1]

    def refused(self, reason: str) -> float:
        """How many were refused for that."""
        return self.metrics.registry.get_sample_value("recompra_snapshots_refused_total", {"reason": reason}) or 0.0

    def value(self, name: str, **labels: str) -> float:
        """A metric."""
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


def shop(count: int, seed: int = 1) -> list[Fetched]:
    """A few days of clicks and carts of some customers, an order now and then."""
    chance, at, made = Random(seed), NOW, []
    for offset in range(count):
        at += chance.randrange(1, 600_000)
        customer, product = f"c{chance.randrange(30)}", f"p{chance.randrange(40)}"
        if chance.random() < 0.15:
            bought: dict[str, Any] = {"order_id": f"o{offset}", "total": 10.0 + chance.randrange(50)}
            made.append(event(offset, customer, "Order Completed", at, **bought))
        else:
            name = chance.choice(("Product Viewed", "Product Viewed", "Product Added", "Product Removed"))
            made.append(event(offset, customer, name, at, product_id=product, price=5.0, quantity=1))
    return made


RECORDS = shop(1200)


def having_read(n: int) -> Unit:
    """A unit that has applied the first `n` of `RECORDS`."""
    unit = Unit(0, OPTIONS)
    unit.ready({CLICKS: -1, ORDERS: -1, CUSTOMERS: -1})
    for source in (ORDERS, CUSTOMERS):
        unit.idle(source, 0, 0)
    unit.offer(CLICKS, RECORDS[:n], n)
    while unit.pump(NOW):
        pass
    return unit


async def fed(protocol: CommitProtocol, start: int, stop: int) -> None:
    """Offer records of `RECORDS` and apply them, without a commit."""
    assert protocol.positions(0)[CLICKS] == start
    protocol.offer(0, CLICKS, Slice(start, stop, RECORDS[start:stop], stop))
    for source in (ORDERS, CUSTOMERS):
        protocol.idle(0, source, 0, 0)
    unit = dict(protocol.units())[0]
    while unit.pump(NOW):
        pass


async def worked(protocol: CommitProtocol, start: int, stop: int, commits: int = 1) -> None:
    """Apply records of `RECORDS` in so many commits, and let snapshots be written meanwhile."""
    size = -(-(stop - start) // commits)
    for at in range(start, stop, size):
        await fed(protocol, at, min(at + size, stop))
        assert await protocol.commit(0)
        await still(protocol)


async def still(protocol: CommitProtocol) -> None:
    """Wait until nothing is being written to disk."""
    writing = getattr(protocol._snapshots, "_writing", None)
    if writing is not None:
        await asyncio.gather(writing, return_exceptions=True)


async def a_snapshot(place: Place, stop: int = 300) -> None:
    """Leave a snapshot behind, and a tail."""
    protocol = await place.acquired(place.snapshots)
    await worked(protocol, 0, stop)
    assert place.snapshots.path(0).is_file()


# ---- a restart


def test_a_restart_reads_the_tail_and_comes_to_the_same_state(tmp_path: Path) -> None:
    """Snapshot and tail give what the whole changelog gives: to the byte of every row, and of all that follows."""

    async def scenario() -> None:
        place = Place(tmp_path)
        protocol = await place.acquired(place.snapshots)
        await worked(protocol, 0, 600, commits=7)
        snapshot = place.snapshots.path(0).read_bytes()
        before = len(place.broker.changelog)
        await worked(protocol, 600, 900, commits=5)
        place.snapshots.path(0).write_bytes(snapshot)  # the later ones were lost
        tail = len(place.broker.changelog) - before + 1  # and the marker
        assert any(value is None and key[:1] == b"e" for key, value in place.broker.changelog[before:])

        short = await place.acquired(place.opened())
        assert place.broker.rows_read == tail
        assert place.value("recompra_restored_snapshot_rows_total") > 0
        first = place.unit
        whole = await place.acquired(None)
        assert place.broker.rows_read == len(place.broker.changelog)
        second, live = place.unit, place.units[0]
        assert rows_of(first) == rows_of(second) == rows_of(live)
        assert len(first.engine.pending) == len(second.engine.pending) > 0
        assert first.engine.products == second.engine.products

        said = []
        for again in (protocol, short, whole):
            unit = dict(again.units())[0]
            await fed(again, 900, 1200)
            taken = unit.take()
            assert taken is not None
            said.append((sorted(taken.outputs, key=str), sorted(taken.rows, key=str), taken.offsets))
        assert said[0] == said[1] == said[2]
        assert said[0][0]

    run(scenario())


def test_a_customer_who_is_only_read_is_not_in_the_copy() -> None:
    """Rows of customers of whom nothing was applied, and names of their products, are not in the changelog either."""
    unit = having_read(200)
    taken = unit.take()
    assert taken is not None
    unit.offer(CLICKS, [event(200, "somebody", "Order Completed", NOW + 10**9, order_id="o", total=1.0)], 201)
    copy = unit.copy()
    assert copy is not None
    copied = dict(pair for keys, values in copy.pieces() for pair in zip(keys, values, strict=True))
    assert copied == {key: value for key, value in taken.rows if value is not None}
    unit.offer(CLICKS, [event(201, "somebody", "Product Viewed", NOW + 10**9, product_id="unheard-of")], 202)
    assert unit.copy() is None


def test_what_is_applied_and_not_taken_is_not_copied() -> None:
    """A unit ahead of its last commit cannot be copied: no offset of the changelog is that of its state."""
    unit = Unit(0, OPTIONS)
    unit.ready({CLICKS: -1, ORDERS: -1, CUSTOMERS: -1})
    assert unit.copy() is not None
    for source in (ORDERS, CUSTOMERS):
        unit.idle(source, 0, 0)
    unit.offer(CLICKS, RECORDS[:10], 10)
    unit.pump(NOW)
    assert unit.copy() is None
    assert unit.take() is not None
    assert unit.copy() is not None


def test_a_copy_is_of_its_moment() -> None:
    """What is applied after a copy was made, and before it is written, does not change it."""
    unit = having_read(300)
    taken, copy = unit.take(), unit.copy()
    assert taken is not None
    assert copy is not None
    unit.offer(CLICKS, RECORDS[300:900], 900)
    while unit.pump(NOW):
        pass
    unit.take()
    copied = dict(pair for keys, values in copy.pieces() for pair in zip(keys, values, strict=True))
    assert copied == {key: value for key, value in taken.rows if value is not None}


def test_a_unit_waits_while_its_rows_are_copied() -> None:
    """In another thread, as the event loop goes on; nothing is applied or taken until that is done, or has failed."""
    unit = having_read(300)
    taken, copy = unit.take(), unit.copy(later=True)
    assert taken is not None
    assert copy is not None
    unit.offer(CLICKS, RECORDS[300:900], 900)
    assert not unit.pump(NOW)
    assert unit.take() is None
    with pytest.raises(ValueError, match="not copied"):
        list(copy.pieces())
    copy.fill()
    unit.pump(NOW)
    assert unit.take() is not None
    copied = dict(pair for keys, values in copy.pieces() for pair in zip(keys, values, strict=True))
    assert copied == {key: value for key, value in taken.rows if value is not None}
    failed = unit.copy(later=True)
    assert failed is not None
    with patch("scoring.stored.copied", side_effect=MemoryError), pytest.raises(MemoryError):
        failed.fill()
    unit.offer(CLICKS, RECORDS[900:], len(RECORDS))
    unit.pump(NOW)
    assert unit.take() is not None
    with pytest.raises(ValueError, match="not copied"):
        list(failed.pieces())


# ---- refused


def parts_of(data: bytes) -> dict[str, int]:
    """A byte's offset within each kind of part of a snapshot."""
    at = {"format": 3, "checksum": len(FORMAT) + 5}
    start = len(FORMAT) + 32
    size = int.from_bytes(data[start : start + 4], "little")
    at |= {"length of the header": start, "header": start + 4 + size // 2}
    start += 4 + size
    at |= {"length of a piece": start, "keys": start + 8, "rows": (start + len(data)) // 2, "last byte": len(data) - 1}
    return at


PARTS = ("format", "checksum", "length of the header", "header", "length of a piece", "keys", "rows", "last byte")


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("how", ["a bit flipped", "cut off"])
def test_a_torn_snapshot_is_refused(tmp_path: Path, part: str, how: str) -> None:
    """Wherever one bit differs or the file ends, nothing of it is used, and the whole changelog is."""

    async def scenario() -> None:
        place = Place(tmp_path)
        await a_snapshot(place)
        path = place.snapshots.path(0)
        data = bytearray(path.read_bytes())
        at = parts_of(bytes(data))[part]
        data[at] ^= 0x10
        path.write_bytes(data[:at] if how == "cut off" else data)
        await assert_refused(place, "format" if part == "format" and how == "a bit flipped" else "torn")

    run(scenario())


@pytest.mark.parametrize("change", [lambda data: b"", lambda data: data + b"\0", lambda data: data * 2])
def test_what_is_not_a_snapshot_is_refused(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    """An empty file, one with something behind its end, and two in one."""

    async def scenario() -> None:
        place = Place(tmp_path)
        await a_snapshot(place)
        path = place.snapshots.path(0)
        path.write_bytes(change(path.read_bytes()))
        await assert_refused(place, "torn")

    run(scenario())


async def assert_refused(place: Place, reason: str, snapshots: LocalSnapshots | None = None) -> None:
    """A restart reads the whole changelog, says why, and is as good; and it takes a new snapshot at once."""
    protocol = await place.acquired(snapshots or place.opened())
    assert place.refused(reason) == 1
    assert place.broker.rows_read == len(place.broker.changelog)
    found = rows_of(place.unit)
    await place.acquired(None)
    assert found == rows_of(place.unit)
    assert protocol.stage(0) is not None


FOREIGN: dict[str, Callable[[Header], Header]] = {
    "app": lambda header: msgspec.structs.replace(header, app_id="another"),
    "partition": lambda header: msgspec.structs.replace(header, partition=1),
    "partitions": lambda header: msgspec.structs.replace(header, partitions=8),
    "layout": lambda header: msgspec.structs.replace(header, layout=header.layout ^ 1),
    "topic": lambda header: msgspec.structs.replace(header, topic_id="topic-2"),
    "beyond_end": lambda header: msgspec.structs.replace(header, offset=10**6),
    "age": lambda header: msgspec.structs.replace(header, taken_ms=header.taken_ms - 12 * HOUR_MS - 1),
}


@pytest.mark.parametrize("reason", FOREIGN)
def test_a_foreign_snapshot_is_refused(tmp_path: Path, reason: str) -> None:
    """One that is whole, and of another application, partition, layout or topic, or too old, or ahead of its topic."""

    async def scenario() -> None:
        place = Place(tmp_path)
        await a_snapshot(place)
        path = place.snapshots.path(0)
        path.write_bytes(with_header(path.read_bytes(), FOREIGN[reason]))
        await assert_refused(place, reason)

    run(scenario())


def with_header(data: bytes, change: Callable[[Header], Any]) -> bytes:
    """The snapshot with another header and a checksum that fits."""
    start = len(FORMAT) + 32
    size = int.from_bytes(data[start : start + 4], "little")
    header = msgspec.msgpack.decode(data[start + 4 : start + 4 + size], type=Header)
    block = msgspec.msgpack.encode(change(header))
    body = len(block).to_bytes(4, "little") + block + data[start + 4 + size :]
    return FORMAT + blake2b(body, digest_size=32).digest() + body


def test_the_header_that_fits_is_taken(tmp_path: Path) -> None:
    """The same file with the same header, put together again by this test, is not refused."""

    async def scenario() -> None:
        place = Place(tmp_path)
        await a_snapshot(place)
        path = place.snapshots.path(0)
        path.write_bytes(with_header(path.read_bytes(), lambda header: header))
        await place.acquired(place.opened())
        assert place.broker.rows_read == 1

    run(scenario())


@pytest.mark.parametrize("change", [lambda header: "x", lambda header: msgspec.structs.astuple(header)[:-1]])
def test_a_header_of_another_release_is_refused(tmp_path: Path, change: Callable[[Header], Any]) -> None:
    """One that is whole and whose header says less than ours, or something else."""

    async def scenario() -> None:
        place = Place(tmp_path)
        await a_snapshot(place)
        path = place.snapshots.path(0)
        path.write_bytes(with_header(path.read_bytes(), change))
        await assert_refused(place, "format")

    run(scenario())


def test_a_snapshot_of_another_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that a later release has written in another way."""

    async def scenario() -> None:
        place = Place(tmp_path)
        with monkeypatch.context() as later:
            later.setattr(snapshot_file, "FORMAT", b"RCSNAP02")
            await a_snapshot(place)
        await assert_refused(place, "format")

    run(scenario())


def test_a_snapshot_grows_old(tmp_path: Path) -> None:
    """It is used for half of the time that the changelog keeps deletions; one of the future is not used either."""

    async def scenario() -> None:
        place = Place(tmp_path)
        await a_snapshot(place)
        for at_ms, used in ((NOW + 12 * HOUR_MS, True), (NOW + 12 * HOUR_MS + 1, False), (NOW - HOUR_MS, False)):
            place.now_ms = at_ms
            await place.acquired(place.opened())
            assert (place.broker.rows_read == 1) is used
        assert place.refused("age") == 2

    run(scenario())


def test_another_worker_s_settings(tmp_path: Path) -> None:
    """A worker of other settings refuses what was left, and the one whose it is still uses it."""

    async def scenario() -> None:
        place = Place(tmp_path)
        await a_snapshot(place)
        await assert_refused(place, "partitions", place.opened(replace(WHOSE, partitions=8)))
        place.mark = Mark("made-anew", MARK.delete_retention_ms)
        await assert_refused(place, "topic")
        place.mark = MARK
        await place.acquired(place.opened())
        assert place.broker.rows_read == 1

    run(scenario())


def test_rows_that_cannot_be_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit that fails on a snapshot's rows half-way is thrown away, and another reads the changelog."""

    async def scenario() -> None:
        place = Place(tmp_path)
        await a_snapshot(place)
        true_restore, calls = Unit.restore, []

        def restore(unit: Unit, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
            calls.append(unit)
            if len(calls) == 2:
                raise ValueError("no such row")
            true_restore(unit, keys, values)

        monkeypatch.setattr(Unit, "restore", restore)
        await assert_refused(place, "unreadable")
        assert calls[0] is calls[1] is not calls[2]

    run(scenario())


def test_a_broker_that_does_not_say_which_topic_it_is(tmp_path: Path) -> None:
    """Then no snapshot is used, and none is taken."""

    async def scenario() -> None:
        place = Place(tmp_path)
        await a_snapshot(place, 100)
        written = place.value("recompra_snapshots_written_total")

        def unanswered() -> Mark:
            raise OSError("nobody answers")

        snapshots = LocalSnapshots(tmp_path, WHOSE, 0.0, unanswered, lambda: NOW, place.metrics)
        protocol = await place.acquired(snapshots)
        assert place.refused("no_topic_id") == 1
        await worked(protocol, 100, 200)
        assert place.value("recompra_snapshots_written_total") == written

    run(scenario())


class Unsure:
    """A broker that does not say which topic it is until it has been asked so often."""

    def __init__(self, silent: int) -> None:
        self.silent, self.asked = silent, 0

    def __call__(self) -> Mark:
        """The answer, at last."""
        self.asked += 1
        if self.asked <= self.silent:
            raise OSError("nobody answers")
        return MARK


async def asked(snapshots: LocalSnapshots) -> None:
    """Wait until nobody is asked any more."""
    if snapshots._asking is not None:
        await snapshots._asking


def test_which_topic_it_is_is_asked_again(tmp_path: Path) -> None:
    """Who was not told when the partition was acquired asks again, not too often, and then takes snapshots."""

    async def scenario() -> None:
        place, mark = Place(tmp_path), Unsure(silent=2)
        snapshots = LocalSnapshots(tmp_path, WHOSE, 0.0, mark, lambda: NOW, place.metrics)
        protocol = await place.acquired(snapshots)
        assert place.refused("no_topic_id") == 1
        for start in (0, 100):
            await worked(protocol, start, start + 100)
            await asked(snapshots)
            assert mark.asked == 2, "once as it was acquired, then once in half a minute"
        snapshots._ask_s = 0.0  # half a minute later
        await worked(protocol, 200, 300)
        await asked(snapshots)
        await worked(protocol, 300, 400)
        assert (mark.asked, snapshots.path(0).is_file()) == (3, True)
        await place.acquired(place.opened())
        assert place.broker.rows_read == 1

    run(scenario())


def test_which_topic_it_is_is_asked_for_the_last_snapshot(tmp_path: Path) -> None:
    """Who stops before it was asked again leaves a snapshot none the less."""

    async def scenario() -> None:
        place = Place(tmp_path)
        snapshots = LocalSnapshots(tmp_path, WHOSE, 1000.0, Unsure(silent=1), lambda: NOW, place.metrics)
        protocol = await place.acquired(snapshots)
        await protocol.suspend()
        await protocol.keep_all()
        assert snapshots.path(0).is_file()

    run(scenario())


class Consumer:
    """A consumer of a changelog with these bounds."""

    def __init__(self, first: int, end: int) -> None:
        self.first, self.end, self.sought = first, end, -1

    def assign(self, places: list[TopicPartition]) -> None:
        """Nothing to do."""

    async def beginning_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        """The first."""
        return dict.fromkeys(places, self.first)

    async def end_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        """The one after the last."""
        return dict.fromkeys(places, self.end)

    def seek(self, place: TopicPartition, offset: int) -> None:
        """Remember where to."""
        self.sought = offset

    async def position(self, place: TopicPartition) -> int:
        """At the end at once."""
        return self.end


@pytest.mark.parametrize(("start", "reason"), [(4, "below_start"), (5, None), (9, None), (10, "beyond_end")])
def test_the_changelog_must_hold_what_follows(start: int, reason: str | None) -> None:
    """An offset before the changelog's first, or behind its end, is of another state than it has."""
    consumer = Consumer(5, 9)
    reading = _read(consumer, TopicPartition("changelog", 0), lambda *_: None, start)
    if reason is None:
        assert asyncio.run(reading) == 9
        assert consumer.sought == start
        return
    with pytest.raises(SnapshotRefusedError) as refused:
        asyncio.run(reading)
    assert refused.value.reason == reason


# ---- taken


def test_a_commit_that_failed_leaves_no_snapshot(tmp_path: Path) -> None:
    """The copy of a failed commit is forgotten; the next one that succeeds is written."""

    async def scenario() -> None:
        place = Place(tmp_path)
        protocol = await place.acquired(place.snapshots)
        await fed(protocol, 0, 100)
        place.broker.fails = True
        assert not await protocol.commit(0)
        await still(protocol)
        assert not place.snapshots.path(0).exists()
        place.broker.fails = False
        protocol = await place.acquired(place.snapshots)
        await worked(protocol, 0, 100)
        await place.acquired(place.opened())
        assert place.broker.rows_read == 1

    run(scenario())


def test_a_snapshot_is_taken_when_it_is_due(tmp_path: Path) -> None:
    """At the first commit where there was none to start from, then after the interval, and in the end."""

    async def scenario() -> None:
        place = Place(tmp_path, interval_s=1000)
        protocol = await place.acquired(place.snapshots)
        written = "recompra_snapshots_written_total"
        await worked(protocol, 0, 200, commits=4)
        assert place.value(written) == 1
        place.snapshots._due_s[0] = 0.0
        await worked(protocol, 200, 400, commits=4)
        assert place.value(written) == 2
        await protocol.suspend()
        await protocol.keep_all()
        assert place.value(written) == 3
        await protocol.keep_all()
        assert place.value(written) == 3, "nothing has changed since"
        again = await place.acquired(place.opened(interval_s=1000))
        assert place.broker.rows_read == 1
        await worked(again, 400, 500)
        assert place.value(written) == 3, "it had one to start from"

    run(scenario())


def test_one_that_is_due_is_taken_although_nothing_comes(tmp_path: Path) -> None:
    """When all is quiet after the last commit, its state is copied later, with its offset."""

    async def scenario() -> None:
        place = Place(tmp_path, interval_s=1000)
        protocol = await place.acquired(place.snapshots)
        await worked(protocol, 0, 200, commits=4)
        place.snapshots._due_s[0] = 0.0
        assert not await protocol.commit(0), "there was nothing to commit"
        await still(protocol)
        assert place.value("recompra_snapshots_written_total") == 2
        await place.acquired(place.opened())
        assert place.broker.rows_read == 1

    run(scenario())


def test_one_copy_at_a_time(tmp_path: Path) -> None:
    """While a copy waits for its commit, or is written, no other is made."""

    async def scenario() -> None:
        place = Place(tmp_path)
        protocol = await place.acquired(place.snapshots)
        await protocol.acquire(1)
        await fed(protocol, 0, 100)
        copied = place.snapshots.copy(1, place.units[1], None)
        assert copied is not None
        assert await protocol.commit(0)
        assert not place.snapshots.path(0).exists()
        place.snapshots.write(copied, None)
        await worked(protocol, 100, 200)
        assert place.snapshots.path(0).is_file()

    run(scenario())


def test_a_worker_that_finds_nothing_to_do_leaves_a_snapshot(tmp_path: Path) -> None:
    """Who has read the whole changelog and commits nothing saves the next one from reading it."""

    async def scenario() -> None:
        place = Place(tmp_path)
        await worked(await place.acquired(None), 0, 100)  # without a disk
        protocol = await place.acquired(place.snapshots)
        await protocol.suspend()
        await protocol.keep_all()
        await place.acquired(place.opened())
        assert place.broker.rows_read == 0
        found = rows_of(place.unit)
        await place.acquired(None)
        assert found == rows_of(place.unit)

    run(scenario())


def test_partitions_take_turns(tmp_path: Path) -> None:
    """Where all are always due, each has its turn, however they ask; whoever no longer asks holds up nobody."""

    async def scenario() -> None:
        place = Place(tmp_path)
        for partition in range(4):
            await (await place.acquired(place.snapshots)).acquire(partition)
        order = []
        for _ in range(8):
            for partition in range(4):
                copied = place.snapshots.copy(partition, place.unit, None)
                if copied is not None:
                    order.append(partition)
                    held = copied
            place.snapshots.write(held, None)
        assert order == [0, 1, 2, 3, 0, 1, 2, 3]
        place.snapshots._line = {3: -100.0}
        assert place.snapshots.copy(0, place.unit, None) is not None

    run(scenario())


def test_what_has_not_changed_is_not_written_again(tmp_path: Path) -> None:
    """While nothing is committed a snapshot stays as it is, and is only taken anew before it is too old."""

    async def scenario() -> None:
        place = Place(tmp_path)
        protocol = await place.acquired(place.snapshots)
        await worked(protocol, 0, 100)
        for hours, written in ((0, 1), (5, 1), (7, 2), (11, 2), (14, 3)):
            place.now_ms = NOW + hours * HOUR_MS
            assert not await protocol.commit(0)
            await still(protocol)
            assert place.value("recompra_snapshots_written_total") == written
        await place.acquired(place.opened())
        assert place.broker.rows_read == 1

    run(scenario())


@contextmanager
def refusing_disk(monkeypatch: pytest.MonkeyPatch, number: int) -> Iterator[None]:
    """A disk that says no when it must keep something."""

    def fsync(_: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", fsync)
        yield


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EROFS, errno.EIO])
def test_a_disk_that_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """It is counted by its reason, the worker commits as before, the last good snapshot stays, and no litter does."""

    async def scenario() -> None:
        place = Place(tmp_path)
        protocol = await place.acquired(place.snapshots)
        await worked(protocol, 0, 100)
        good = place.snapshots.path(0).read_bytes()
        with refusing_disk(monkeypatch, number):
            await worked(protocol, 100, 200)
        reason = errno.errorcode[number]
        assert place.value("recompra_snapshots_failed_total", reason=reason) == 1
        assert place.snapshots.path(0).read_bytes() == good
        assert [path.name for path in place.snapshots.path(0).parent.iterdir()] == ["0.snapshot"]
        await worked(protocol, 200, 300)
        assert place.snapshots.path(0).read_bytes() != good

    run(scenario())


def test_a_directory_that_cannot_be(tmp_path: Path) -> None:
    """Where a file stands in the directory's place, the worker commits without snapshots."""

    async def scenario() -> None:
        (tmp_path / "state").write_text("in the way")
        place = Place(tmp_path / "state")
        protocol = await place.acquired(place.snapshots)
        await worked(protocol, 0, 100)
        assert place.value("recompra_snapshots_failed_total", reason="ENOTDIR") == 1
        await place.acquired(place.opened())
        assert place.broker.rows_read == len(place.broker.changelog)

    run(scenario())


# ---- removed


def test_a_removed_snapshot_does_not_come_back(tmp_path: Path) -> None:
    """Whatever was copied before the removal is not written after it; the next commit's is."""

    async def scenario() -> None:
        place = Place(tmp_path)
        protocol = await place.acquired(place.snapshots)
        await worked(protocol, 0, 100)
        copied = place.snapshots.copy(0, place.unit, None)
        assert copied is not None
        place.snapshots.remove(0)
        assert not place.snapshots.path(0).exists()
        place.snapshots.write(copied, 10**6)
        await still(protocol)
        assert list(place.snapshots.path(0).parent.iterdir()) == []
        await worked(protocol, 100, 200)
        await place.acquired(place.opened())
        assert place.broker.rows_read == 1

    run(scenario())


@pytest.mark.parametrize("fails", [False, True], ids=["through", "its answer is lost"])
def test_nobody_who_was_erased_stays_in_a_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    """After a commit that forgets somebody, be it through or perhaps through, no snapshot of before is left."""

    async def scenario() -> None:
        place = Place(tmp_path)
        protocol = await place.acquired(place.snapshots)
        await worked(protocol, 0, 100)
        assert place.snapshots.path(0).exists()
        await fed(protocol, 100, 200)
        with monkeypatch.context() as forgets:
            taken = place.unit.take()
            assert taken is not None
            forgets.setattr(place.unit, "take", lambda: taken._replace(erased=True))
            place.broker.fails = fails
            assert await protocol.commit(0) is not fails
        await still(protocol)
        assert list(place.snapshots.path(0).parent.iterdir()) == []
        place.broker.fails = False
        again = await place.acquired(place.snapshots)
        await worked(again, 100 if fails else 200, 300)
        assert place.snapshots.path(0).exists(), "the next one is kept"

    run(scenario())


def test_what_is_too_old_to_be_used_is_removed(tmp_path: Path) -> None:
    """Snapshots of partitions that went elsewhere, and files that were never finished, do not lie about for ever."""

    async def scenario() -> None:
        place = Place(tmp_path)
        directory = place.snapshots.path(0).parent
        directory.mkdir()
        ages_h = {"1.snapshot": 11, "2.snapshot": 13, "3.snapshot-x.part": 0.5, "4.snapshot-x.part": 2, "notes.txt": 99}
        for name, hours in ages_h.items():
            (directory / name).write_text("")
            os.utime(directory / name, ns=(0, int(NOW - hours * HOUR_MS) * 1_000_000))
        await a_snapshot(place)
        left = {path.name for path in directory.iterdir()}
        assert left == {"0.snapshot", "1.snapshot", "3.snapshot-x.part", "notes.txt"}

    run(scenario())


@pytest.mark.parametrize(("transactional", "kept"), [(True, True), (False, False)])
def test_without_transactions_the_worker_says_so(tmp_path: Path, transactional: bool, kept: bool) -> None:
    """Where commits are no transactions no snapshot is taken, whatever `state_dir` says, and the start tells it."""
    said: list[str] = []
    settings = Settings(state_dir=tmp_path, web_port=0)
    worker = _Worker(settings, OPTIONS, said.append, said.append)
    worker.figures = Figures(settings)
    try:
        assert (worker._snapshots(transactional) is not None) is kept
        assert len(said) == (not kept)
        assert all("state_dir is not used" in line for line in said)
    finally:
        worker.figures.close()
