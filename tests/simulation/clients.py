"""Clients: what the commit protocol drives here in place of the real broker clients, step by step over the network."""

from collections.abc import Callable, Mapping, Sequence

from simulation.broker import Broker
from simulation.faults import Faults
from simulation.log import Log
from simulation.network import Host, Network
from simulation.workload import home

from scoring.kinds import Source
from streams.commit import CommitFailedError, FencedError, Sink, SnapshotRefusedError
from streams.outbox import TRANSFERS

__all__ = ["Acknowledged", "Membership", "SimulatedClient", "Transactional"]

_FETCH = 64


class Membership:
    """Who we are in the group, as the worker knows it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.generation = -1


class SimulatedClient:
    """What both clients do alike: restore, and read the committed offsets."""

    transactional: bool

    def __init__(self, broker: Broker, network: Network, host: Host, member: Membership, faults: Faults) -> None:
        self._broker, self._network, self._host = broker, network, host
        self._member, self._faults = member, faults

    async def restore(self, partition: int, sink: Sink, start: int | None = None) -> int | None:
        """Read the changelog until the position is at the end that it had at the start."""
        log, ask = self._broker.changelog[partition], self._network.ask
        end = await ask("ask for the changelog's end", lambda: log.end)
        position = start or 0
        if position > end:
            raise SnapshotRefusedError("beyond_end", f"the changelog ends at {end}, not at {position}")
        while position < end:
            at = position
            piece = await ask("read the changelog", lambda: log.fetch(at, self._faults.chance.randint(1, _FETCH)))  # noqa: B023
            if piece.records:
                sink([record.key or b"" for record in piece.records], [record.value for record in piece.records])
            position = piece.next
            if position == at:  # an open transaction is in the way
                await self._host.sleep(0.2)
        return position if self.transactional else None

    async def committed(self, partition: int) -> Mapping[int, int]:
        """Ask the group."""
        offsets = self._broker.group.offsets
        return await self._network.ask(
            f"read the offsets of partition {partition}",
            lambda: {source: offsets.get((source, p), -1) for source, p in self._broker.inputs if p == partition},
        )

    def _log(self, topic: str, partition: int, key: bytes | None) -> Log:
        """Where an output goes: transfers to the partition of their key, all else to its own."""
        if topic == TRANSFERS:
            return self._broker.inputs[Source.TRANSFERS, home(key or b"")]
        return self._broker.output(topic, partition)

    def _cut(self, rows: Sequence[tuple[bytes, bytes | None]]) -> list[Sequence[tuple[bytes, bytes | None]]]:
        """Rows as the batches that they may travel in."""
        if len(rows) < 2 or self._faults.chance.random() < 0.3:
            return [rows]
        # Before the last row as often as anywhere else: it is the one that says how far all the others go.
        at = self._faults.chance.choice((self._faults.chance.randrange(1, len(rows)), len(rows) - 1))
        return [rows[:at], rows[at:]]


class Transactional(SimulatedClient):
    """One transaction a partition and commit; nothing is seen of it before it is committed."""

    transactional = True

    def __init__(self, broker: Broker, network: Network, host: Host, member: Membership, faults: Faults) -> None:
        super().__init__(broker, network, host, member, faults)
        self._epochs: dict[int, int] = {}
        self._after: dict[int, int] = {}

    async def fence(self, partition: int) -> None:
        """Take a new epoch, once the last transaction is through."""
        self._epochs.pop(partition, None)
        while True:
            epoch = await self._network.ask(f"fence partition {partition}", lambda: self._broker.initialise(partition))
            if epoch is not None:
                self._epochs[partition] = epoch
                return
            await self._host.sleep(0.1)

    async def begin(self, partition: int) -> None:
        """Nothing is asked of the broker."""
        self._epoch(partition)

    async def send_outputs(self, partition: int, outputs: Sequence[tuple[str, bytes | None, bytes | None]]) -> None:
        """Send them with the transaction."""
        batches = [(self._log(topic, partition, key), [(key, value)]) for topic, key, value in outputs]
        epoch = self._epoch(partition)
        await self._until_done(partition, "send outputs", lambda: self._broker.produce(partition, epoch, batches))

    async def send_rows(self, partition: int, rows: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Send them with the transaction."""
        log, epoch = self._broker.changelog[partition], self._epoch(partition)

        def sent(part: Sequence[tuple[bytes, bytes | None]]) -> bool:
            done = self._broker.produce(partition, epoch, [(log, part)])
            self._after[partition] = log.end
            return done

        for part in self._cut(rows):
            await self._until_done(partition, "send rows", lambda: sent(part))  # noqa: B023

    async def commit_offsets(self, partition: int, offsets: Mapping[int, int]) -> None:
        """Commit them with the transaction."""
        epoch = self._epoch(partition)
        placed = {(source, partition): offset for source, offset in offsets.items()}
        await self._until_done(partition, "add offsets", lambda: self._broker.add_offsets(partition, epoch, placed))

    async def end(self, partition: int) -> int | None:
        """Commit the transaction."""
        epoch = self._epoch(partition)
        await self._network.ask(
            f"commit partition {partition}", lambda: self._broker.end(partition, epoch, commit=True)
        )
        return self._after[partition]

    async def release(self, partition: int) -> None:
        """Forget the epoch."""
        self._epochs.pop(partition, None)

    def _epoch(self, partition: int) -> int:
        if partition not in self._epochs:
            raise FencedError(f"partition {partition} was given up")
        return self._epochs[partition]

    async def _until_done(self, partition: int, what: str, action: Callable[[], bool]) -> None:
        """Ask until the last transaction is through; abort where it fails, if the abort gets there."""
        try:
            while not await self._network.ask(f"{what} of partition {partition}", action):
                await self._host.sleep(0.05)
        except CommitFailedError:
            epoch = self._epochs.get(partition)
            if epoch is not None and self._faults.chance.random() < 0.5:
                await self._network.ask("abort", lambda: self._broker.end(partition, epoch, commit=False))
            raise


class Acknowledged(SimulatedClient):
    """Outputs, rows, offsets, each acknowledged before the next; the group says whether a partition is still ours."""

    transactional = False

    def __init__(self, broker: Broker, network: Network, host: Host, member: Membership, faults: Faults) -> None:
        super().__init__(broker, network, host, member, faults)
        self._known: dict[int, dict[int, int]] = {}
        self.writing = 0

    async def fence(self, partition: int) -> None:
        """Nobody can be fenced."""

    async def committed(self, partition: int) -> Mapping[int, int]:
        """Ask the group, and remember the answer."""
        found = await super().committed(partition)
        self._known[partition] = {source: offset for source, offset in found.items() if offset >= 0}
        return found

    async def begin(self, partition: int) -> None:
        """Commit once more what is committed: refused if the partition is another's."""
        await self._commit(partition, self._known[partition])

    async def send_outputs(self, partition: int, outputs: Sequence[tuple[str, bytes | None, bytes | None]]) -> None:
        """Send them and wait until they are acknowledged."""
        half = self._faults.chance.randrange(len(outputs) + 1)
        for part in (outputs[:half], outputs[half:]):
            if part:
                await self._network.ask(f"send outputs of partition {partition}", lambda: self._append(partition, part))  # noqa: B023

    def _append(self, partition: int, outputs: Sequence[tuple[str, bytes | None, bytes | None]]) -> None:
        for topic, key, value in outputs:
            self._log(topic, partition, key).append(self._broker.now_ms(), [(key, value)])

    async def send_rows(self, partition: int, rows: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Send them and wait until they are acknowledged."""
        log = self._broker.changelog[partition]
        for part in self._cut(rows):
            await self._network.ask(
                f"send rows of partition {partition}",
                lambda: log.append(self._broker.now_ms(), part),  # noqa: B023
            )

    async def commit_offsets(self, partition: int, offsets: Mapping[int, int]) -> None:
        """Commit as a member of the group."""
        await self._commit(partition, offsets)
        self._known[partition].update(offsets)

    async def _commit(self, partition: int, offsets: Mapping[int, int]) -> None:
        name, generation = self._member.name, self._member.generation
        await self._network.ask(
            f"commit offsets of partition {partition}",
            lambda: self._broker.group.commit(name, generation, partition, offsets),
        )

    async def end(self, partition: int) -> int | None:
        """Nothing to do."""
        return None

    async def release(self, partition: int) -> None:
        """Forget the offsets."""
        self._known.pop(partition, None)
