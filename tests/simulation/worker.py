"""Worker: a member of the group that drives the production commit protocol, as the binding to Faust does."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Coroutine, Sequence
from random import Random
from typing import Any

from simulation.broker import Broker
from simulation.clients import Acknowledged, Membership, Transactional
from simulation.disks import Disk
from simulation.faults import Faults
from simulation.group import Joined
from simulation.history import History
from simulation.network import Host, Network
from simulation.parts import Parts
from simulation.rules import Version
from simulation.units import RecordingUnit

from scoring.model import Snapshot
from scoring.rules import RuleError
from streams.commit import BrokerClient, CommitFailedError, FencedError, Offered, Slice, Stage, Taken, UnitState
from streams.live_rules import Timeline
from streams.suspects import PoisonError

__all__ = ["Worker"]

_HEARTBEAT_S = 2.0
_JOIN_S = 45.0


class Worker:
    """One process: it joins, acquires what it is dealt, fetches, applies, commits, and gives up what it loses.

    Each of these is a task of its own, so that any step of one may fall between any two steps of another.

    Parameters
    ----------
    models
        The models known at its start, the newest of which scores.
    rules
        The versions of rules told by its start, in that order.
    parts
        The classes that it is made of.
    disk
        Where its snapshots are; None for none.
    forgetful
        Whether its units are.
    """

    def __init__(
        self,
        name: str,
        broker: Broker,
        faults: Faults,
        history: History,
        models: dict[int, Snapshot],
        rules: Sequence[Version],
        parts: Parts,
        disk: Disk | None,
        *,
        forgetful: bool,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.host = Host(loop, name, history)
        self._broker, self._faults, self._history = broker, faults, history
        self._chance: Random = faults.chance
        self._network = Network(loop, self.host, faults, history)
        self._member = Membership(f"{name}/1")
        made: type[Transactional | Acknowledged] = (
            parts.transactional_client if faults.transactional else parts.acknowledged_client
        )
        client: BrokerClient = made(broker, self._network, self.host, self._member, faults)
        snapshots = None if disk is None else parts.snapshots(disk, broker, self.host, faults, history)
        self.protocol = parts.protocol(client, self._build, self._lost, self._written, snapshots)
        self._parts, self._forgetful = parts, forgetful
        self._models = dict(models)
        self._at_start = tuple(rules)
        self._suspects = defaultdict(parts.suspects)
        self._told: dict[Version, None] = {}
        self._rules = parts.rules.beginning(self._changed, self._refused)
        self._assigned: tuple[int, ...] = ()
        self._rebalancing = True
        self._leaving = False
        self._sources = sorted({source for source, _ in broker.inputs})
        self._positions: dict[tuple[int, int], int] = {}
        self._kept: list[tuple[int, int, Slice]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.died_of: BaseException | None = None

    def start(self) -> None:
        """Begin, in tasks of its own."""
        self._spawn(self._begin())

    @property
    def idle(self) -> bool:
        """Whether everything that was read is applied and written."""
        return (
            not self._rebalancing
            and not self.writing()
            and all(self.protocol.stage(p) is Stage.ACTIVE for p in self._assigned)
            and not any(unit.status().pending or any(unit.status().waiting) for _, unit in self.active())
        )

    def active(self) -> list[tuple[int, RecordingUnit]]:
        """The units in work of partitions that were dealt to it."""
        units = self.protocol.units()
        return [(p, unit) for p, unit in units if isinstance(unit, RecordingUnit) and p in self._assigned]

    def writing(self) -> bool:
        """Whether a commit is under way."""
        return any(self.protocol.committing(p) for p in self.protocol.partitions)

    def learn(self, snapshot: Snapshot) -> None:
        """A model arrives, new or not, in whatever order."""
        if not self.host.dead:
            self._history.note(self.host.name, "is told of model {}", snapshot.version)
            self._models[snapshot.version] = snapshot
            for unit in self.protocol.held():
                unit.swap_model(snapshot)

    def learn_rule(self, version: Version) -> None:
        """A version of a rule arrives, new or not, in whatever order."""
        if not self.host.dead:
            self._history.note(self.host.name, "is told of rule {}@{} from {}", *version)
            self._spawn(self._take_rule(version))

    async def _begin(self) -> None:
        for version in self._at_start:
            await self._take_rule(version)
        for work in (self._belong(), self._fetch(), self._apply(), self._commit()):
            self._spawn(work)

    async def _take_rule(self, version: Version) -> None:
        self._told[version] = None
        await self._rules.tell(version)

    def _changed(self, timeline: Timeline) -> None:
        for unit in self.protocol.held():
            unit.plan_rules(timeline)

    def _refused(self, error: RuleError) -> None:
        raise error

    def leave(self) -> None:
        """Stop cleanly: commit, then go."""
        if not self.host.dead and not self._leaving:
            self._leaving = True
            self._history.note(self.host.name, "is asked to stop")
            self._spawn(self._stop())

    # ---- what the protocol calls

    def _build(self, partition: int) -> UnitState:
        timeline, told = self._rules.timeline, self._told.keys()
        suspects = self._suspects[partition]
        return self._parts.unit(partition, self._models.values(), timeline, told, suspects, forgetful=self._forgetful)

    def _lost(self, partition: int, error: Exception) -> None:
        self._history.note(self.host.name, "lost the unit of partition {}: {}", partition, error)
        if partition in self._assigned:
            self._spawn(self._acquire(partition, asked=not isinstance(error, FencedError)))

    def _written(self, partition: int, taken: Taken) -> None:
        self._history.note(self.host.name, "wrote partition {}: {}", partition, taken.offsets)

    # ---- membership

    async def _belong(self) -> None:
        while not self._leaving:
            joined = await self._join()
            await self._assign(joined)
            while (answer := await self._beat()) in ("ok", "?"):
                await self.host.sleep(_HEARTBEAT_S)
                if self._leaving:
                    return  # type: ignore[unreachable]  # it may have come meanwhile
            self._rebalancing = True
            if answer == "unknown":
                await self._expelled()
            else:
                await self.protocol.suspend()

    async def _join(self) -> Joined:
        while True:
            name, known = self._member.name, self._member.generation >= 0
            try:
                joined: Any = await self._network.ask(
                    f"join as {name}",
                    lambda: self._joined(name, known=known),  # noqa: B023
                    _JOIN_S,
                    safe=not self._faults.transactional,
                )
            except CommitFailedError:
                continue
            if isinstance(joined, Joined):
                return joined
            await self._expelled()

    def _joined(self, name: str, *, known: bool) -> Any:
        return self._broker.group.join(name, known=known)

    async def _expelled(self) -> None:
        """The group went on without us: what we hold may have been another's meanwhile."""
        name, number = self._member.name.split("/")
        self._member.name, self._member.generation = f"{name}/{int(number) + 1}", -1
        self._history.note(self.host.name, "is out of the group, and comes back as {}", self._member.name)
        self._assigned = ()
        await self.protocol.revoke(self.protocol.partitions)

    async def _assign(self, joined: Joined) -> None:
        unbroken = self._member.generation + 1 == joined.generation  # else others may have had what was ours meanwhile
        self._member.generation = joined.generation
        self._assigned = joined.partitions
        kept = set(joined.partitions) if unbroken else set()
        await self.protocol.revoke(sorted(self.protocol.partitions - kept))
        self._rebalancing = False
        for partition in joined.partitions:
            stage = self.protocol.stage(partition)
            if stage is Stage.SUSPENDED:
                self._activate(partition)
            elif stage is None:
                self._spawn(self._acquire(partition))

    async def _beat(self) -> str:
        name, generation = self._member.name, self._member.generation
        try:
            return await self._network.ask(
                "send a heartbeat",
                lambda: self._broker.group.heartbeat(name, generation),
                safe=not self._faults.transactional,
            )
        except CommitFailedError:
            return "?"

    async def _acquire(self, partition: int, *, asked: bool = True) -> None:
        while partition in self._assigned and self.protocol.stage(partition) is None and not self._leaving:
            if not asked and await self._beat() != "ok":  # only the group can say whether it is still ours
                await self.host.sleep(1.0)
                continue
            try:
                await self.protocol.acquire(partition)
            except FencedError:
                asked = False
            except CommitFailedError:
                await self.host.sleep(0.5)
            else:
                break
        if not self._rebalancing and partition in self._assigned:
            self._activate(partition)

    def _activate(self, partition: int) -> None:
        positions = self.protocol.positions(partition)
        if self.protocol.stage(partition) is Stage.SUSPENDED:
            self._history.note(self.host.name, "reads partition {} from {}", partition, positions)
            for source, position in positions.items():
                self._positions[source, partition] = position
            self.protocol.activate(partition)

    async def _stop(self) -> None:
        self._rebalancing = True
        await self.protocol.suspend()
        await self.protocol.keep_all()
        await self.protocol.revoke(sorted(self.protocol.partitions))
        name = self._member.name
        try:
            await self._network.ask("leave", lambda: self._broker.group.leave(name))
        finally:
            self.host.kill("by its own will")

    # ---- work

    async def _fetch(self) -> None:
        chance = self._chance
        while True:
            await self.host.sleep(chance.random() * 1.2)
            active = self.protocol.units()
            if not active:
                continue
            partition = chance.choice(active)[0]
            sources = [source for source in self._sources if self.protocol.wants(partition, source)]
            at = {source: self._positions[source, partition] for source in sources}
            most = chance.randint(1, 8)
            try:
                fetched = await self._network.ask(
                    "fetch",
                    lambda: [(s, self._broker.inputs[s, partition].fetch(at[s], most)) for s in sources],  # noqa: B023
                    safe=True,
                )
            except CommitFailedError:
                continue
            chance.shuffle(fetched)
            for source, piece in fetched:
                self._offer(partition, source, piece)
            if self._kept and chance.random() < 0.5:  # delivered again, or only now
                self._offer(*self._kept.pop(chance.randrange(len(self._kept))))

    def _offer(self, partition: int, source: int, piece: Slice) -> None:
        place = source, partition
        if piece.next == piece.start:
            self.protocol.idle(partition, source, piece.start, piece.end)
            self._positions[place] = self.protocol.positions(partition).get(source, piece.start)
            return
        if self._faults.happens(self._faults.repeated):
            self._kept.append((partition, source, piece))
        if self._faults.happens(self._faults.skipped):
            self._positions[place] = piece.next  # what is fetched next begins too late
            return
        offered = self.protocol.offer(partition, source, piece)
        needed = self.protocol.positions(partition).get(source)
        if needed is not None and (offered is not Offered.STALE or self._chance.random() < 0.5):
            self._positions[place] = needed

    async def _apply(self) -> None:
        while True:
            await self.host.sleep(self._chance.random() * 1.0)
            active = self.protocol.units()
            if active:
                partition, unit = self._chance.choice(active)
                try:
                    unit.pump(self._broker.now_ms())
                except PoisonError as error:
                    self.protocol.discard(partition, error)

    async def _commit(self) -> None:
        while True:
            await self.host.sleep(self._chance.random() * (1.0 if self._faults.over else 5.0))
            if self._chance.random() < 0.5:
                await self.protocol.commit_all()
            else:
                for partition in sorted(self.protocol.partitions):
                    await self.protocol.commit(partition)

    # ---- tasks

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Awaitable[None]) -> None:
        """An exception that nothing expects ends the worker, as it would end the process."""
        try:
            await work
        except (FencedError, CommitFailedError) as error:
            self._history.note(self.host.name, "gives up a task: {!r}", error)
        except Exception as error:
            self.died_of = error
            self.host.kill(f"by {error!r}")
