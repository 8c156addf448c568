"""Broker: logs, transactions fenced by epoch, and the consumer group, as far as the commit protocol needs them."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

from simulation.group import Group
from simulation.history import History
from simulation.log import Log, State, Transaction

from streams.commit import FencedError

__all__ = ["START_MS", "Broker", "Moved"]

START_MS = 1_700_000_000_000
"""What the wall clock says when virtual time begins."""

Rows = Iterable[tuple[bytes | None, bytes | None]]


@dataclass(slots=True, eq=False)
class _Producer:
    """A transactional id: whoever has its newest epoch may write; one transaction at a time."""

    epoch: int = -1
    current: Transaction | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """A committed offset changed."""

    source: int
    partition: int
    before: int
    after: int


class Broker:
    """One that never loses what it acknowledged.

    A transaction is decided in one step; its markers reach each log, and its offsets the group, some time later.
    Until they all have, no one may start another under the same id.

    Parameters
    ----------
    sources, partitions
        How many inputs, and how many partition numbers.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, chance: Random, history: History, sources: int, partitions: int
    ) -> None:
        self._loop, self._chance, self._history = loop, chance, history
        self.moved: list[Moved] = []
        self.group = Group(loop, chance, history, partitions, lambda *moved: self.moved.append(Moved(*moved)))
        self.inputs = {
            (source, partition): Log(f"input-{source}-{partition}")
            for source in range(sources)
            for partition in range(partitions)
        }
        self.changelog = [Log(f"changelog-{partition}") for partition in range(partitions)]
        self._outputs: dict[tuple[str, int], Log] = {}
        self._producers: dict[int, _Producer] = defaultdict(_Producer)

    def now_ms(self) -> int:
        """The wall clock of everybody."""
        return START_MS + int(self._loop.time() * 1000)

    def output(self, topic: str, partition: int) -> Log:
        """An output's log; a partition number writes to its own."""
        key = topic, partition
        if key not in self._outputs:
            self._outputs[key] = Log(f"{topic}-{partition}")
        return self._outputs[key]

    def outputs(self, partition: int) -> list[tuple[str, Log]]:
        """The logs of all outputs of a partition number, by topic."""
        return [(topic, log) for (topic, number), log in sorted(self._outputs.items()) if number == partition]

    def quiet(self) -> bool:
        """Whether no transaction is open or being ended."""
        return all(producer.current is None for producer in self._producers.values())

    # ---- transactions, by partition number

    def initialise(self, partition: int) -> int | None:
        """Give out a new epoch, so that all earlier ones are refused; None while a transaction is being ended."""
        producer = self._producers[partition]
        if producer.current is not None:
            self.expire(partition)
            return None
        producer.epoch += 1
        self._history.note("broker", "producer of partition {} is now of epoch {}", partition, producer.epoch)
        return producer.epoch

    def expire(self, partition: int) -> None:
        """Abort the open transaction, if there is one, and refuse whoever wrote it."""
        producer = self._producers[partition]
        if producer.current is not None and producer.current.state is State.OPEN:
            producer.epoch += 1
            self._history.note("broker", "aborts the open transaction of partition {}", partition)
            self._decide(producer, State.ABORTED)

    def produce(self, partition: int, epoch: int, batches: Sequence[tuple[Log, Rows]]) -> bool:
        """Write to a transaction, and open one if there is none; False while the last one is being ended."""
        transaction = self._transaction(partition, epoch)
        if transaction is None:
            return False
        for log, rows in batches:
            log.append(self.now_ms(), rows, transaction)
        return True

    def add_offsets(self, partition: int, epoch: int, offsets: dict[tuple[int, int], int]) -> bool:
        """Commit offsets with the transaction; False while the last one is being ended."""
        transaction = self._transaction(partition, epoch)
        if transaction is None:
            return False
        transaction.offsets.update(offsets)
        return True

    def end(self, partition: int, epoch: int, *, commit: bool) -> None:
        """Decide the open transaction; nothing to do if nothing was written."""
        producer = self._checked(partition, epoch)
        if producer.current is not None and producer.current.state is State.OPEN:
            self._history.note("broker", "{} partition {}", "commits" if commit else "aborts", partition)
            self._decide(producer, State.COMMITTED if commit else State.ABORTED)

    def _checked(self, partition: int, epoch: int) -> _Producer:
        producer = self._producers[partition]
        if epoch != producer.epoch:
            self._history.note("broker", "refuses epoch {} of partition {}", epoch, partition)
            raise FencedError(f"epoch {epoch} of partition {partition} is over, {producer.epoch} is the newest")
        return producer

    def _transaction(self, partition: int, epoch: int) -> Transaction | None:
        producer = self._checked(partition, epoch)
        if producer.current is None:
            producer.current = Transaction(epoch)
        return producer.current if producer.current.state is State.OPEN else None

    def _decide(self, producer: _Producer, state: State) -> None:
        transaction = producer.current
        assert transaction is not None
        transaction.state = state
        steps = [*transaction.logs]
        self._chance.shuffle(steps)
        at = 0.0
        for log in steps:
            at += self._chance.uniform(0.0, 0.02)
            self._loop.call_later(at, log.mark, self.now_ms(), transaction)
        self._loop.call_later(at + self._chance.uniform(0.0, 0.02), self._through, producer)

    def _through(self, producer: _Producer) -> None:
        transaction, producer.current = producer.current, None
        assert transaction is not None
        if transaction.state is State.COMMITTED:
            self.group.apply(transaction.offsets)
