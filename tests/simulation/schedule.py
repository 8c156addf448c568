"""Schedule: one seed, played out: customers, workers, a broker and what goes wrong between them."""

import asyncio
from dataclasses import dataclass
from random import Random
from typing import Any

from simulation.broker import START_MS, Broker
from simulation.disks import Disk
from simulation.faults import Faults
from simulation.history import History
from simulation.log import State, Transaction
from simulation.loop import Loop
from simulation.parts import PRODUCTION, Parts
from simulation.promises import Promises
from simulation.rules import DEFINITIONS, Version
from simulation.units import RecordingUnit, model, shared_scratch
from simulation.worker import Worker
from simulation.workload import Sent, Workload

from scoring.kinds import N_READ, N_SOURCES

__all__ = ["Verdict", "play"]

_PARTITIONS = 2
_SETTLE_S = 400.0
"""Virtual seconds within which everything must be applied and committed once the faults are over."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one schedule came to: nothing broken, or what was, with all that happened."""

    seed: int
    transactional: bool
    broken: tuple[str, ...]
    history: History
    steps: int

    def __str__(self) -> str:
        kind = "with transactions" if self.transactional else "without transactions"
        said = "\n".join(f"  - {promise}" for promise in self.broken) or "  - nothing"
        return f"seed {self.seed} ({kind}, {self.steps} steps) breaks:\n{said}\n{self.history.text()}"


def play(seed: int, parts: Parts = PRODUCTION, *, transactional: bool | None = None, renewing: bool = False) -> Verdict:
    """Play the schedule of a seed and check the promises; about 30 ms.

    Parameters
    ----------
    parts
        What the workers are made of.
    transactional
        Whether the broker has transactions; None: the seed says.
    renewing
        Whether it is tried, too, what a restore after each commit would change.
    """
    chance = Random(seed)
    with_transactions = chance.random() < 0.6
    loop = Loop(chance)
    schedule = _Schedule(loop, chance, parts, with_transactions if transactional is None else transactional, renewing)
    try:
        with shared_scratch():
            broken = loop.run_until_complete(schedule.played())
            verdict = Verdict(seed, schedule.faults.transactional, tuple(broken), schedule.history, loop.steps)
            loop.run_until_complete(_ended(asyncio.all_tasks(loop)))
    finally:
        loop.close()
    return verdict


async def _ended(tasks: set[asyncio.Task[Any]]) -> None:
    """End what hangs where its worker died, or goes on with a worker that lives."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=60.0)


class _Schedule:
    def __init__(self, loop: Loop, chance: Random, parts: Parts, transactional: bool, renewing: bool = False) -> None:
        self._loop, self._chance, self._parts, self._renewing = loop, chance, parts, renewing
        self.history = History(loop.time)
        self.faults = Faults.drawn(chance, transactional=transactional)
        self._until_s = chance.uniform(20.0, 60.0)
        self._workload = Workload(chance, _PARTITIONS, self._until_s, late=transactional)
        self._forgetful = not transactional and not self._workload.repeats
        sources = N_READ if self._workload.deletions else N_SOURCES  # without any, schedules stay as they were
        self._broker = Broker(loop, chance, self.history, sources, _PARTITIONS)
        self._workers: list[Worker] = []
        self._disks: tuple[Disk, ...] = ({}, {})
        # Each has a version, and the event time from which it scores; they become known at any time and in any order.
        self._models = [model(v, START_MS + int(chance.uniform(-60.0, 60.0)) * 1000) for v in (1, 2, 3)]
        self._known = {self._models[0].version: self._models[0]} if chance.random() < 0.5 else {}
        self._versions = [Version(*rule, self._workload.time_ms(chance)) for rule in DEFINITIONS]
        self._told = [version for version in self._versions if chance.random() < (0.2 if transactional else 0.5)]

    async def played(self) -> list[str]:
        """Play it to its end and return what it broke."""
        for batch in self._workload.batches:
            self._loop.call_later(batch.at_s, self._send, batch)
        for _ in range(self._chance.randint(1, 3)):
            self._start()
        troubles = self._loop.create_task(self._trouble())
        await asyncio.sleep(self._until_s)
        troubles.cancel()
        self.faults.over = True
        self.history.note("schedule", "the faults are over")
        for worker in self._alive():
            worker.host.wake()
        give_up_s = self._loop.time() + _SETTLE_S
        while not self._settled():
            if self._loop.time() > give_up_s or self._deaths():
                return [*self._deaths(), "liveness: not everything was applied and committed in the end"]
            if not self._alive():
                self._start()
            await asyncio.sleep(1.0)
        self.history.note("schedule", "everything is applied and committed")
        units = {partition: unit for worker in self._alive() for partition, unit in worker.active()}
        check = Promises(self._broker, self._models, transactional=self.faults.transactional, renewing=self._renewing)
        return [*self._deaths(), *check.broken(units)]

    # ---- what happens

    def _send(self, batch: Sent) -> None:
        log = self._broker.inputs[batch.source, batch.partition]
        self.history.note("customers", "send {} to {}", len(batch.rows), log.name)
        if not batch.transactional:
            log.append(self._broker.now_ms(), batch.rows)
            return
        transaction = Transaction()
        log.append(self._broker.now_ms(), batch.rows, transaction)
        self._loop.call_later(self._chance.uniform(0.0, 6.0), self._decide, batch, transaction)

    def _decide(self, batch: Sent, transaction: Transaction) -> None:
        transaction.state = State.ABORTED if batch.aborted else State.COMMITTED
        self._broker.inputs[batch.source, batch.partition].mark(self._broker.now_ms(), transaction)

    def _start(self) -> None:
        name = f"worker-{len(self._workers) + 1}"
        self.history.note(name, "starts")
        worker = Worker(
            name,
            self._broker,
            self.faults,
            self.history,
            self._known,
            self._told,
            self._parts,
            self._chance.choice(self._disks) if self.faults.transactional else None,
            forgetful=self._forgetful,
        )
        self._workers.append(worker)
        worker.start()

    async def _trouble(self) -> None:
        """The greater events, one after the other."""
        chance = self._chance
        kinds = (
            *(self._kill, self._kill, self._pause, self._leave, self._join, self._expire, self._compact),
            *(self._tell, self._tell_rule, self._tell_rule),
        )
        while True:
            await asyncio.sleep(chance.expovariate(1.0 / self.faults.chaos_s))
            chance.choice(kinds)()
            if not self._alive() and chance.random() < 0.7:
                self._start()

    def _kill(self) -> None:
        if alive := self._alive():
            self._chance.choice(alive).host.kill("by SIGKILL")
            if self._chance.random() < 0.7:
                self._start()

    def _pause(self) -> None:
        seconds = self._chance.choice((2.0, 12.0, 25.0))
        for worker in self._alive()[:1]:
            # Without transactions nobody is fenced: one that sleeps between two writes of a commit goes on writing.
            if self.faults.transactional or not worker.writing():
                worker.host.pause(seconds)

    def _leave(self) -> None:
        if alive := self._alive():
            self._chance.choice(alive).leave()

    def _join(self) -> None:
        if len(self._alive()) < 3:
            self._start()

    def _expire(self) -> None:
        self._broker.expire(self._chance.randrange(_PARTITIONS))

    def _compact(self) -> None:
        partition = self._chance.randrange(_PARTITIONS)
        self.history.note("broker", "compacts changelog {}", partition)
        self._broker.changelog[partition].compact(self._broker.now_ms())

    def _tell(self) -> None:
        """A model is published, or told again, to whoever listens by now."""
        snapshot = self._chance.choice(self._models)
        self._known[snapshot.version] = snapshot
        for worker in self._alive():
            self._loop.call_later(self._chance.choice((0.0, 0.0, 5.0, 15.0)), worker.learn, snapshot)

    def _tell_rule(self) -> None:
        """A version of a rule is published, or told again, to whoever listens by now."""
        number = self._chance.randrange(len(self._versions))
        version, delays_s = self._versions[number], (0.0, 0.0, 5.0, 15.0)
        if version not in self._told and not self.faults.transactional:
            # What a crash undid has been told there, and is the same once more only under the same rules: each version
            # must be known everywhere before its time.
            ahead_ms = self._chance.randint(2, 20) * 1000
            version = self._versions[number] = version._replace(effective_ms=self._broker.now_ms() + ahead_ms)
            delays_s = (0.0,)
        self._told.append(version)
        for worker in self._alive():
            self._loop.call_later(self._chance.choice(delays_s), worker.learn_rule, version)

    # ---- how far it is

    def _alive(self) -> list[Worker]:
        return [worker for worker in self._workers if not worker.host.dead]

    def _deaths(self) -> list[str]:
        died = [worker for worker in self._workers if worker.died_of is not None]
        return [f"no worker dies of itself: {worker.host.name} died of {worker.died_of!r}" for worker in died]

    def _settled(self) -> bool:
        if not self._broker.quiet():
            return False
        committed = self._broker.group.offsets
        for place, log in self._broker.inputs.items():
            visible = log.visible()
            if visible and committed.get(place, 0) <= visible[-1].offset:
                return False
        alive = self._alive()
        held: list[tuple[int, RecordingUnit]] = [pair for worker in alive for pair in worker.active()]
        return sorted(p for p, _ in held) == list(range(_PARTITIONS)) and all(worker.idle for worker in alive)
