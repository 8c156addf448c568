"""Table: the profiles as a Faust table whose store is ours, and Faust's own recovery left out.

Faust's recovery reads 3,500 rows a second, and only warns of an exception in it while it waits for ever. Ours reads
in bulk (`streams.changelog`), beside the group's rebalance: the member does not answer for itself while a rebalance's
callbacks run, so that a restore within them would cost it its partitions.
"""

import asyncio
from typing import Any, Protocol

import faust
from faust.stores.base import Store
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.types import TP
from mode import Service

__all__ = ["NAME", "Owner", "ProfileStore", "ProfileTable", "Tables", "tables_for"]

NAME = "profiles"


class Owner(Protocol):
    """Who is told what the group decided."""

    async def assigned(self, partitions: frozenset[int], generation: int) -> None:
        """Learn which partition numbers are ours from this generation on."""

    async def resumed(self) -> None:
        """Learn that the rebalance is over and reading may go on."""


class ProfileStore(Store[bytes, bytes]):
    """A store that holds nothing itself: the units do, and are acquired by whoever owns them."""

    owner: Owner

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Tell the owner; nothing is restored here."""
        changelog = self.table.changelog_topic.get_topic_name()
        partitions = frozenset(tp.partition for tp in assigned if tp.topic != changelog)
        await self.owner.assigned(partitions, generation_id)

    def persisted_offset(self, tp: TP) -> int | None:
        """Nothing for Faust to read."""
        return None

    def apply_changelog_batch(self, batch: Any, to_key: Any, to_value: Any) -> None:
        """Nothing: Faust reads no changelog."""

    def reset_state(self) -> None:
        """Nothing is kept on disk."""

    async def backup_partition(self, *args: Any, **options: Any) -> None:
        """Nothing is kept on disk."""

    def restore_backup(self, *args: Any, **options: Any) -> None:
        """Nothing is kept on disk."""


class ProfileTable(faust.Table[bytes, bytes]):
    """The table of profiles; rows are written by the protocol, never through the table."""

    owner: Owner

    def _new_store(self) -> Any:
        store = ProfileStore("mem://", self.app, self)
        store.owner = self.owner
        return store


class _NoRecovery(Recovery):
    """Resumes the streams after each rebalance, and reads no changelog."""

    owner: Owner

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        self._generation_id = generation_id
        self.signal_recovery_start.set()

    def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """No buffers to write."""

    @Service.task
    async def _restart_recovery(self) -> None:
        while not self.should_stop:
            if await self.wait_for_stopped(self.signal_recovery_start.wait()):
                return
            self.signal_recovery_start.clear()
            try:
                await self._resume_streams(generation_id=self._generation_id)
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - without it the worker would wait for ever
                await self.crash(error)
                return
            if self._generation_id == self.app.consumer_generation_id:
                await self.owner.resumed()

    @Service.task
    async def _slurp_changelogs(self) -> None:
        await self._stopped.wait()

    @Service.task
    async def _publish_stats(self) -> None:
        await self._stopped.wait()

    async def on_stop(self) -> None:
        """No buffers to write."""


class Tables(TableManager):
    """Faust's manager of tables, without its recovery."""

    owner: Owner

    @property
    def recovery(self) -> Recovery:
        """The one that only resumes."""
        if self._recovery is None:
            self._recovery = _NoRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
            self._recovery.owner = self.owner
        return self._recovery

    async def on_start(self) -> None:
        """Begin at once: Faust waits a second for tables that are made late, and ours is there."""
        await self._update_channels()
        await self.recovery.start()


def tables_for(owner: Owner) -> type[Tables]:
    """Return the table manager that tells this owner."""

    class OwnedTables(Tables):
        pass

    OwnedTables.owner = owner
    return OwnedTables
