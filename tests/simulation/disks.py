"""Disks: local snapshots as they are kept here: not in files, in memory that outlives a worker."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any

from simulation.broker import Broker
from simulation.faults import Faults
from simulation.history import History
from simulation.log import DELETE_RETENTION_MS
from simulation.network import Host

from streams.commit import Copy, Sink, SnapshotRefusedError, UnitState

__all__ = ["Disk", "Kept", "SimulatedSnapshots"]

_COPY_S = 0.2
"""What copying rows takes."""
_WRITE_S = 4.0
"""Longest that writing takes."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A snapshot: its rows, where the changelog goes on, and when they were copied."""

    pieces: list[tuple[list[bytes], list[bytes]]]
    offset: int
    taken_ms: int


Disk = dict[int, Kept]
"""The snapshots on one machine, by partition; it is there again for the next worker."""


@dataclass(frozen=True, slots=True)
class _Copied:
    partition: int
    copy: Copy
    taken_ms: int
    removals: int


class SimulatedSnapshots:
    """Keeps what the protocol gives it some time later, if the machine still runs; now and then a file is torn."""

    def __init__(self, disk: Disk, broker: Broker, host: Host, faults: Faults, history: History) -> None:
        self._disk, self._broker, self._host = disk, broker, host
        self._faults, self._history = faults, history
        self._removals: Counter[int] = Counter()

    async def restore(self, partition: int, sink: Sink) -> int | None:
        """Give what is kept; some of it only, if it is torn."""
        kept = self._disk.get(partition)
        await self._host.sleep(self._faults.chance.random() * 0.2)
        if kept is None:
            return None
        if self._old(kept):
            raise SnapshotRefusedError("age", "it is too old")
        torn = not self._faults.over and self._faults.chance.random() < 0.2
        for keys, values in kept.pieces:
            if torn and self._faults.chance.random() < 0.5:
                raise SnapshotRefusedError("torn", "it is not as it was written")
            sink(keys, values)
            await self._host.sleep(self._faults.chance.random() * 0.05)
        self._history.note(self._host.name, "reads the snapshot of partition {} up to {}", partition, kept.offset)
        return kept.offset

    def _old(self, kept: Kept) -> bool:
        return self._broker.now_ms() - kept.taken_ms > DELETE_RETENTION_MS // 2

    def refuse(self, partition: int, refusal: SnapshotRefusedError) -> None:
        """Note it."""
        self._history.note(self._host.name, "refuses the snapshot of partition {}: {}", partition, refusal)

    def copy(self, partition: int, unit: UnitState, offset: int | None) -> Any:
        """Copy it as often as not, the rows some time later: until then the unit must not change them."""
        copy = unit.copy(later=True) if self._faults.chance.random() < 0.5 else None
        if copy is None:
            return None
        asyncio.get_running_loop().call_later(_COPY_S, copy.fill)
        return _Copied(partition, copy, self._broker.now_ms(), self._removals[partition])

    def write(self, copied: _Copied, offset: int | None) -> None:
        """Have it on the disk some time later."""
        if offset is not None:
            delay_s = _COPY_S + self._faults.chance.random() * _WRITE_S
            asyncio.get_running_loop().call_later(delay_s, self._written, copied, offset)

    def _written(self, copied: _Copied, offset: int) -> None:
        if not self._host.dead and copied.removals == self._removals[copied.partition]:
            self._history.note(self._host.name, "has a snapshot of partition {} up to {}", copied.partition, offset)
            self._disk[copied.partition] = Kept(list(copied.copy.pieces()), offset, copied.taken_ms)

    async def finish(self, partition: int, unit: UnitState, offset: int) -> None:
        """Have it on the disk at once."""
        copy = unit.copy() if self._faults.chance.random() < 0.5 else None
        if copy is not None:
            self._written(_Copied(partition, copy, self._broker.now_ms(), self._removals[partition]), offset)

    def let_go(self, partition: int) -> None:
        """Remove what is kept, and keep nothing that was copied before."""
        self._removals[partition] += 1
        if self._disk.pop(partition, None) is not None:
            self._history.note(self._host.name, "removes the snapshot of partition {}", partition)
