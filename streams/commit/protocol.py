"""The commit protocol: what each partition number applied reaches the broker once, whatever dies and when.

It imports neither Faust nor a Kafka client: it drives a `UnitState` (what is applied) and a `BrokerClient`
(what is written), so that a simulation can put stand-ins in the place of both.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum

from streams.commit.ports import (
    BrokerClient,
    CommitFailedError,
    FencedError,
    NoSnapshots,
    Slice,
    SnapshotRefusedError,
    Snapshots,
    Taken,
    UnitState,
)

__all__ = ["CommitProtocol", "Offered", "Stage"]


class Stage(Enum):
    """How far a partition number has come with us."""

    ACQUIRING = "acquiring"
    SUSPENDED = "suspended"  # restored, but nothing is read, applied or written
    ACTIVE = "active"


class Offered(Enum):
    """What became of a slice that was offered."""

    TAKEN = "taken"
    STALE = "stale"  # nothing of it is new, or the partition is not ours: forget it
    GAP = "gap"  # it begins after the next offset that we need: seek back


@dataclass(slots=True, eq=False)
class _Holding:
    """A partition number that we hold: its unit, the next offset needed of each source.

    `written` is the changelog's offset that follows our last commit, or the restore; None if it is not known.
    """

    partition: int
    stage: Stage = Stage.ACQUIRING
    unit: UnitState | None = None
    read: dict[int, int] = field(default_factory=dict)
    written: int | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    restoring: UnitState | None = None


class CommitProtocol:
    """Holds the units of the partition numbers that are ours, and writes what they applied.

    Parameters
    ----------
    client
        The broker.
    build
        Makes an empty unit for a partition number.
    lost
        Told, without await, when a unit was dropped because a commit failed, with the reason. Its state was
        ahead of the broker; it must be acquired anew, and after `FencedError` only once the group says that the
        partition is ours.
    written
        Told what a commit wrote, after it succeeded.
    snapshots
        Keeps copies of the units.
    """

    def __init__(
        self,
        client: BrokerClient,
        build: Callable[[int], UnitState],
        lost: Callable[[int, Exception], None],
        written: Callable[[int, Taken], None] = lambda _partition, _taken: None,
        snapshots: Snapshots | None = None,
    ) -> None:
        self._client = client
        self._build = build
        self._lost = lost
        self._written = written
        self._snapshots = snapshots or NoSnapshots()
        self._holdings: dict[int, _Holding] = {}
        self._locks: dict[int, asyncio.Lock] = {}

    @property
    def partitions(self) -> frozenset[int]:
        """The partition numbers held, at whatever stage."""
        return frozenset(self._holdings)

    def stage(self, partition: int) -> Stage | None:
        """How far the partition has come; None if it is not ours."""
        holding = self._holdings.get(partition)
        return None if holding is None else holding.stage

    def units(self) -> list[tuple[int, UnitState]]:
        """The active units by partition number."""
        return [
            (holding.partition, holding.unit)
            for holding in self._holdings.values()
            if holding.stage is Stage.ACTIVE and holding.unit is not None
        ]

    def held(self) -> list[UnitState]:
        """All units, active or not, those included whose state is still being read: whom a new model is told to."""
        units = [holding.unit or holding.restoring for holding in self._holdings.values()]
        return [unit for unit in units if unit is not None]

    # ---- ownership

    async def acquire(self, partition: int) -> None:
        """Take a partition number: fence the former owner, restore, read the committed offsets; in that order.

        A former owner's open transaction must have ended before the changelog's end is asked for, and a
        commit of his that succeeds after our restore would leave us behind the committed offsets.
        Afterwards the partition is suspended; `activate` starts it.

        Raises
        ------
        FencedError, CommitFailedError
            From the client. The partition is then not held.
        """
        lock = self._locks.setdefault(partition, asyncio.Lock())
        holding = self._holdings[partition] = _Holding(partition, lock=lock)
        try:
            async with lock:  # a commit of a unit that was discarded under way ends, well or not, before we read
                pass
            await self._client.fence(partition)
            unit, end = await self._restored(holding)
            committed = await self._client.committed(partition)
        except BaseException:
            self._forget(holding)
            raise
        if self._ours(holding):
            holding.read = unit.ready(committed)
            holding.unit, holding.written, holding.restoring = unit, end, None
            holding.stage = Stage.SUSPENDED
        elif partition not in self._holdings:  # revoked meanwhile
            await self._client.release(partition)

    async def _restored(self, holding: _Holding) -> tuple[UnitState, int | None]:
        """A unit of what is kept here and the changelog's tail, or else of the whole changelog; and where that ends."""
        partition = holding.partition
        unit = holding.restoring = self._build(partition)
        try:
            start = await self._snapshots.restore(partition, unit.restore)
            return unit, await self._client.restore(partition, unit.restore, start)
        except SnapshotRefusedError as refusal:
            self._snapshots.refuse(partition, refusal)
            unit = holding.restoring = self._build(partition)
            return unit, await self._client.restore(partition, unit.restore)

    def positions(self, partition: int) -> dict[int, int]:
        """The next offset needed of each source; empty while it is not known."""
        holding = self._holdings.get(partition)
        return {} if holding is None else dict(holding.read)

    def skip_to(self, partition: int, source: int, offset: int) -> None:
        """Give up what lies before `offset`: the broker no longer has it."""
        self._holdings[partition].read[source] = offset

    def activate(self, partition: int) -> None:
        """Start to read, apply and write; the reader must stand at `positions`."""
        holding = self._holdings.get(partition)
        if holding is not None and holding.unit is not None:
            holding.stage = Stage.ACTIVE

    async def suspend(self) -> None:
        """Commit all that was applied, then write nothing until `activate`.

        To be called when ownership is in question: before a rebalance, and before the worker leaves.
        """
        await asyncio.gather(*(self._suspend(holding) for holding in list(self._holdings.values())))

    async def _suspend(self, holding: _Holding) -> None:
        if holding.stage is Stage.ACTIVE:
            try:
                if holding.unit is not None:
                    holding.unit.finish()
                await self._commit(holding, wait=True)
            finally:
                if holding.stage is Stage.ACTIVE:
                    holding.stage = Stage.SUSPENDED

    async def revoke(self, partitions: Iterable[int]) -> None:
        """Drop the units of partitions that are no longer ours; nothing is written for them any more."""
        gone = [holding for p in partitions if (holding := self._holdings.pop(p, None)) is not None]
        for holding in gone:
            async with holding.lock:  # a commit under way ends, well or not, before its writer goes
                holding.unit = None
            if holding.partition not in self._holdings:
                await self._client.release(holding.partition)

    # ---- reading

    def wants(self, partition: int, source: int) -> bool:
        """Whether more of this input can be taken now."""
        holding = self._holdings.get(partition)
        return (
            holding is not None
            and holding.stage is Stage.ACTIVE
            and holding.unit is not None
            and holding.unit.wants(source)
        )

    def offer(self, partition: int, source: int, piece: Slice) -> Offered:
        """Hand a fetched slice to its unit, if it goes on exactly where the last one ended.

        Only what lies *below* the next offset needed is skipped (a redelivery); a slice that begins above it
        was fetched before a seek, and taking it would lose what lies between.
        """
        holding = self._holdings.get(partition)
        if holding is None or holding.stage is not Stage.ACTIVE or holding.unit is None:
            return Offered.STALE
        needed = holding.read[source]
        if piece.start > needed:
            return Offered.GAP
        if piece.next <= needed:
            return Offered.STALE
        records = piece.records
        if piece.start < needed:
            records = records[bisect_left(records, needed, key=lambda record: record.offset) :]
        holding.read[source] = piece.next
        if records:
            holding.unit.offer(source, records, piece.end)
        if not records or records[-1].offset + 1 != piece.next:
            holding.unit.idle(source, piece.next, piece.end)
        return Offered.TAKEN

    def idle(self, partition: int, source: int, position: int, end_offset: int) -> None:
        """Nothing was fetched although something was asked for: the unit may be caught up.

        Ignored while a slice is still on its way, that is unless `position` is the next offset needed.
        """
        holding = self._holdings.get(partition)
        if holding is None or holding.stage is not Stage.ACTIVE or holding.unit is None:
            return
        if holding.read.get(source) == position:
            holding.unit.idle(source, position, end_offset)

    # ---- writing

    def crowded(self, partition: int, bound: int) -> bool:
        """Whether more than `bound` outputs and rows wait for a commit, and one can be made now, or is under way."""
        holding = self._holdings.get(partition)
        if holding is None or holding.unit is None or holding.stage is not Stage.ACTIVE:
            return False
        status = holding.unit.status()
        return status.whole and status.pending > bound

    def committing(self, partition: int) -> bool:
        """Whether a commit of this partition is under way."""
        holding = self._holdings.get(partition)
        return holding is not None and holding.lock.locked()

    async def commit(self, partition: int) -> bool:
        """Write what the unit applied since the last commit; False if there was nothing, or one is under way."""
        holding = self._holdings.get(partition)
        return holding is not None and await self._commit(holding, wait=False)

    async def commit_all(self, wait: Callable[[int, UnitState], bool] = lambda _, __: False) -> int:
        """Commit every active partition that need not `wait`, side by side; the number of them that wrote something."""
        due = [partition for partition, unit in self.units() if not wait(partition, unit)]
        return sum(await asyncio.gather(*map(self.commit, due)))

    async def _commit(self, holding: _Holding, *, wait: bool) -> bool:
        if holding.lock.locked() and not wait:
            return False
        async with holding.lock:
            unit = holding.unit
            if unit is None or holding.stage is not Stage.ACTIVE or not self._ours(holding):
                return False
            taken = unit.take()  # one step: nothing is applied between outputs, rows and offsets
            offset = holding.written if taken is None else None
            if taken is None and offset is None:
                return False
            copied = self._snapshots.copy(holding.partition, unit, offset)  # the same step: what these rows lead to
            try:
                if taken is None:
                    return False
                offset = holding.written = await self._write(holding.partition, taken)
            except (FencedError, CommitFailedError) as error:
                self._drop(holding, error)
                return False
            except BaseException:
                self._forget(holding)  # cancelled, or a mistake of ours: never go on ahead of the broker
                raise
            finally:
                if copied is not None:
                    self._snapshots.write(copied, offset)
                if taken is not None and taken.erased:
                    # A commit that failed may be there all the same: only its answer was lost.
                    self._snapshots.let_go(holding.partition)
        self._written(holding.partition, taken)
        return True

    async def _write(self, partition: int, taken: Taken) -> int | None:
        """Outputs before rows before offsets; returns the changelog's offset behind the rows, if it is known.

        In a transaction the order makes no difference. Without one, a crash in between repeats outputs
        (whose ids are functions of the input) and re-reads records (which the rows know to skip): outputs
        sent after the rows would be lost, as the rows would say that they were made.
        """
        client = self._client
        await client.begin(partition)
        if taken.outputs:
            await client.send_outputs(partition, taken.outputs)
        if taken.rows:
            await client.send_rows(partition, taken.rows)
        if taken.offsets:
            await client.commit_offsets(partition, taken.offsets)
        return await client.end(partition)

    async def keep_all(self) -> None:
        """Keep a copy of every unit as it was last committed; to be called when nothing is applied any more."""
        for holding in list(self._holdings.values()):
            if holding.unit is not None and holding.written is not None:
                await self._snapshots.finish(holding.partition, holding.unit, holding.written)

    def discard(self, partition: int, error: Exception) -> None:
        """Drop a unit whose state is of no use any more, without writing anything of it; `lost` is told."""
        holding = self._holdings.get(partition)
        if holding is not None:
            self._drop(holding, error)

    def _ours(self, holding: _Holding) -> bool:
        return self._holdings.get(holding.partition) is holding

    def _forget(self, holding: _Holding) -> None:
        holding.unit = None
        if self._ours(holding):
            del self._holdings[holding.partition]

    def _drop(self, holding: _Holding, error: Exception) -> None:
        ours = self._ours(holding)
        self._forget(holding)
        if ours:
            self._lost(holding.partition, error)
