"""Snapshots: copies of units on the local disk, so that a restart on it reads only the tail of the changelog.

A copy is made in the step that takes what a commit writes, and is written, in a thread, once that commit has succeeded:
it is the state that the changelog holds up to the offset named in it. A disk that refuses costs a warning, and a file
that does not fit is refused with its reason: the changelog has everything.
"""

import asyncio
import errno
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from streams.changelog import Mark
from streams.commit import Copy, Copying, Sink, SnapshotRefusedError, UnitState
from streams.metrics import Metrics
from streams.snapshot_file import TEMPORARY, Header, SnapshotFile, write_snapshot

__all__ = ["Identity", "LocalSnapshots"]

log = logging.getLogger(__name__)

_SLACK_MS = 60_000
"""How far in the future a snapshot may seem to have been taken, as clocks are set now and then."""
_ABANDONED_MS = 3_600_000
"""A file that is still being written after this belongs to nobody any more."""
_LINE_S = 10.0
"""Who has not asked again by then no longer waits for its turn."""
_ASK_AGAIN_S = 30.0
"""How long the broker is let alone after it did not tell the changelog's mark."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose snapshots they are: all of it must fit.

    Parameters
    ----------
    app_id, partitions
        The application, and its number of partitions.
    layout
        Stamp of the profile rows' layout.
    older
        Stamps of former layouts that can be restored from as well.
    """

    app_id: str
    partitions: int
    layout: int
    older: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class _Copied:
    """A copy that waits for its commit; it is void if the partition's count of removals is no longer `removals`."""

    partition: int
    copy: Copy
    mark: Mark
    taken_ms: int
    removals: int


class _RemovedError(Exception):
    """The snapshots of the partition were removed while this one was being written."""


class LocalSnapshots:
    """The snapshots in one directory; one file a partition, in a directory of the application.

    One copy is made and written at a time, so that no more than one is held in memory beside the state.

    Parameters
    ----------
    directory
        Where they are; made if it is not there.
    identity
        Whose they are.
    interval_s
        Time between two snapshots of a partition.
    mark
        Asks the broker for the changelog topic's mark; called in a thread.
    now_ms
        The wall clock.
    metrics
        Of the worker.
    """

    def __init__(
        self,
        directory: Path,
        identity: Identity,
        interval_s: float,
        mark: Callable[[], Mark],
        now_ms: Callable[[], int],
        metrics: Metrics,
    ) -> None:
        self._directory = directory / f"{identity.app_id}-snapshots"
        self._identity = identity
        self._interval_s = interval_s
        self._mark = mark
        self._now_ms = now_ms
        self._metrics = metrics
        self._marks: dict[int, Mark] = {}
        self._due_s: dict[int, float] = {}
        self._offsets: dict[int, int] = {}
        self._taken_ms: dict[int, int] = {}
        self._line: dict[int, float] = {}
        self._busy = False
        self._writing: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[None] | None = None
        self._ask_s = 0.0
        self._thread = ThreadPoolExecutor(1, "snapshots")
        self._removals: Counter[int] = Counter()
        self._lock = threading.Lock()

    def path(self, partition: int) -> Path:
        """The file of a partition."""
        return self._directory / f"{partition}.snapshot"

    def age_s(self, partition: int) -> float | None:
        """Time since the partition's snapshot was taken; None if there is none of ours."""
        taken_ms = self._taken_ms.get(partition)
        return None if taken_ms is None else max(self._now_ms() - taken_ms, 0) / 1000

    def remove(self, partition: int) -> None:
        """Remove the partition's snapshot, and let none be written that was copied before now.

        For what must be forgotten: whoever calls this after the commit that deletes something, through or not, can be
        sure that no snapshot of this worker holds it. On other workers' disks one may lie until it is too old.

        Raises
        ------
        OSError
            If the disk refuses.
        """
        with self._lock:
            self._removals[partition] += 1
            self.path(partition).unlink(missing_ok=True)
        self._taken_ms.pop(partition, None)
        self._offsets.pop(partition, None)
        self._due_s.pop(partition, None)

    def let_go(self, partition: int) -> None:
        """`remove`, once what must be forgotten may be there; where the disk refuses, it must be done by hand."""
        try:
            self.remove(partition)
        except OSError as error:
            log.error("partition %d: %s holds somebody who was erased and cannot be removed: %s; remove it",
                      partition, self.path(partition), error)  # fmt: skip

    # ---- restoring (streams.commit.Snapshots)

    async def restore(self, partition: int, sink: Sink) -> int | None:
        """Give the rows of the partition's snapshot to `sink`, once all that its header says is found to fit."""
        for known in (self._marks, self._due_s, self._offsets, self._taken_ms):
            known.pop(partition, None)
        try:
            mark = self._marks[partition] = await asyncio.to_thread(self._mark)
        except Exception as error:
            raise SnapshotRefusedError("no_topic_id", f"the changelog topic's id is not known: {error}") from error
        try:
            found = await asyncio.to_thread(SnapshotFile, self.path(partition))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SnapshotRefusedError("unreadable", str(error)) from error
        with found:
            self._check(found.header, partition, mark)
            await self._load(found, sink)
        self._taken_ms[partition] = found.header.taken_ms
        self._offsets[partition] = found.header.offset
        self._due_s[partition] = _monotonic_s() + self._interval_s
        self._metrics.snapshot_bytes.labels(str(partition)).set(found.size)
        return found.header.offset

    def _check(self, header: Header, partition: int, mark: Mark) -> None:
        identity, age_ms = self._identity, self._now_ms() - header.taken_ms
        # Half of the time for which deletions are kept: none that came after it can be gone when the tail is read.
        oldest_ms = mark.delete_retention_ms // 2
        for reason, found, wanted in (
            ("app", header.app_id, identity.app_id),
            ("partition", header.partition, partition),
            ("partitions", header.partitions, identity.partitions),
            ("layout", header.layout if header.layout not in identity.older else identity.layout, identity.layout),
            ("topic", header.topic_id, mark.topic_id),
        ):
            if found != wanted:
                raise SnapshotRefusedError(reason, f"its {reason} is {found!r}, not {wanted!r}")
        if not -_SLACK_MS <= age_ms <= oldest_ms:
            raise SnapshotRefusedError(
                "age", f"it is {age_ms / 1000:.0f} s old; at most {oldest_ms / 1000:.0f} s will do"
            )

    async def _load(self, found: SnapshotFile, sink: Sink) -> None:
        try:
            while (piece := await asyncio.to_thread(found.piece)) is not None:
                sink(*piece)
                self._metrics.restored_snapshot_rows.inc(len(piece[0]))
        except Exception as error:
            raise SnapshotRefusedError("unreadable", f"its rows cannot be loaded: {error}") from error

    def refuse(self, partition: int, refusal: SnapshotRefusedError) -> None:
        """Say why, and take a new one soon."""
        log.warning(
            "partition %d: no snapshot is used, the whole changelog is read: %s (%s)",
            partition,
            refusal,
            self.path(partition),
        )
        self._metrics.snapshots_refused.labels(refusal.reason).inc()
        for known in (self._due_s, self._offsets, self._taken_ms):
            known.pop(partition, None)

    # ---- taking (streams.commit.Snapshots)

    def copy(self, partition: int, unit: UnitState, offset: int | None) -> _Copied | None:
        """Copy the unit if its snapshot is due, no other is being taken, and nobody has waited for that longer."""
        now_s = _monotonic_s()
        if now_s < self._due_s.get(partition, 0.0):
            return None
        if partition not in self._marks:
            self._ask_soon(partition, now_s)
            return None
        if offset is not None and offset == self._offsets.get(partition) and self._young(partition):
            return None
        if not self._may(partition, now_s):
            return None
        start = time.perf_counter()
        copy = unit.copy(later=True)
        if copy is None:
            return None
        self._busy = True
        self._thread.submit(self._fill, copy, start)
        return _Copied(partition, copy, self._marks[partition], self._now_ms(), self._removals[partition])

    def _ask_soon(self, partition: int, now_s: float) -> None:
        """Begin to ask for the mark that was not told when the partition was restored, for one partition at a time."""
        if now_s >= self._ask_s and (self._asking is None or self._asking.done()):
            self._asking = asyncio.get_running_loop().create_task(self._ask(partition))

    async def _ask(self, partition: int) -> None:
        """Ask for the mark: without one nothing of the partition could be copied until it is acquired anew."""
        try:
            mark = await asyncio.to_thread(self._mark)
        except Exception as error:  # noqa: BLE001 - a worker goes on without snapshots, whatever the broker says
            self._ask_s = _monotonic_s() + _ASK_AGAIN_S
            log.info("partition %d: no snapshot can be taken yet, the changelog topic's id is not known: %s",
                     partition, error)  # fmt: skip
        else:
            self._marks.setdefault(partition, mark)

    def _fill(self, copy: Copying, start: float) -> None:
        """Copy the rows, before anything is written; in the thread, as a million of them take a second."""
        try:
            copy.fill()
        except MemoryError:  # what was not copied is refused when it is written
            log.warning("the rows for a snapshot could not be copied", exc_info=True)
        self._metrics.snapshot_copies.observe(time.perf_counter() - start)

    def _young(self, partition: int) -> bool:
        """Whether it will be a good while before the partition's snapshot is too old to be used."""
        age_ms = self._now_ms() - self._taken_ms[partition]
        return 0 <= age_ms < self._marks[partition].delete_retention_ms // 4

    def _may(self, partition: int, now_s: float) -> bool:
        """Join the line of those that are due; True for its first one if nothing is being taken, who leaves it then."""
        self._line[partition] = now_s
        self._line = {other: asked_s for other, asked_s in self._line.items() if now_s - asked_s < _LINE_S}
        if self._busy or next(iter(self._line)) != partition:
            return False
        del self._line[partition]
        return True

    def write(self, copied: _Copied, offset: int | None) -> None:
        """Begin to write a copy; forget it if its commit has failed."""
        if offset is None:
            self._busy = False
            return
        self._due_s[copied.partition] = _monotonic_s() + self._interval_s
        self._writing = asyncio.get_running_loop().create_task(self._written(copied, offset))

    async def finish(self, partition: int, unit: UnitState, offset: int) -> None:
        """Write the unit as it is, unless its snapshot is of this very state."""
        if self._writing is not None:
            await asyncio.gather(self._writing, return_exceptions=True)
        if self._offsets.get(partition) != offset:
            self._due_s.pop(partition, None)
            self._line = {}
            if partition not in self._marks:
                await self._ask(partition)
            copied = self.copy(partition, unit, offset)
            if copied is not None:
                await self._written(copied, offset)

    async def _written(self, copied: _Copied, offset: int) -> None:
        partition = copied.partition
        try:
            loop = asyncio.get_running_loop()
            size = await loop.run_in_executor(self._thread, self._write, copied, offset)
        except _RemovedError:
            log.info("partition %d: the snapshot was removed before it was written", partition)
        except Exception as error:  # noqa: BLE001 - a worker goes on without snapshots, whatever the disk does
            reason = errno.errorcode.get(error.errno or 0, "OSError") if isinstance(error, OSError) else "error"
            log.warning("partition %d: no snapshot could be written: %s", partition, error)
            self._metrics.snapshots_failed.labels(reason).inc()
        else:
            self._taken_ms[partition], self._offsets[partition] = copied.taken_ms, offset
            self._metrics.snapshot_bytes.labels(str(partition)).set(size)
            self._metrics.snapshots_written.inc()
        finally:
            self._busy = False

    def _write(self, copied: _Copied, offset: int) -> int:
        """Write a copy; in the thread."""
        identity, partition = self._identity, copied.partition
        header = Header(
            app_id=identity.app_id,
            partition=partition,
            partitions=identity.partitions,
            layout=identity.layout,
            topic_id=copied.mark.topic_id,
            offset=offset,
            taken_ms=copied.taken_ms,
        )
        self._sweep(copied.mark.delete_retention_ms // 2)

        def settle(written: Path, path: Path) -> None:
            with self._lock:
                if self._removals[partition] != copied.removals:
                    raise _RemovedError
                written.replace(path)

        return write_snapshot(self.path(partition), header, copied.copy, settle)

    def _sweep(self, oldest_ms: int) -> None:
        """Remove what is of no use to anybody any more: what is too old, and what was never written to its end."""
        for path in self._directory.glob("*.snapshot*"):
            limit_ms = _ABANDONED_MS if path.suffix == TEMPORARY else oldest_ms
            with suppress(OSError):  # another worker may have done it
                if self._now_ms() - path.stat().st_mtime * 1000 > limit_ms:
                    path.unlink()

    async def close(self) -> None:
        """Wait for what is being written, or asked for."""
        under_way = [task for task in (self._writing, self._asking) if task is not None]
        await asyncio.gather(*under_way, return_exceptions=True)
        self._thread.shutdown(wait=False)


def _monotonic_s() -> float:
    return asyncio.get_running_loop().time()
