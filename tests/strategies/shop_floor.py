"""A shop floor: partitions as units in memory, with their logs, their commits and the transfers between them."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from schemas.timestamp import from_ms
from scoring.engine import EngineSettings
from scoring.kinds import Source
from scoring.packed import plain
from scoring.rules import RuleSet
from scoring.rules.book import RuleBook
from scoring.stored import LINK, SIDE
from streams.unit import Unit
from streams.unit_options import UnitOptions

__all__ = ["Floor", "Said", "home"]


def home(customer: bytes, partitions: int = 3) -> int:
    """The partition of a customer: the number at the end of the id, modulo the number of partitions."""
    return customer[-1] % partitions


class Said(NamedTuple):
    """What a shop sends of one customer."""

    customer: str
    ms: int
    call: dict[str, Any]
    source: int = 0


class _Record(NamedTuple):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


@dataclass
class Floor:
    """Some partitions; each of the steps below is one that a worker could do."""

    rules: RuleSet
    settings: EngineSettings = field(default_factory=EngineSettings)
    logs: dict[tuple[int, int], list[_Record]] = field(default_factory=lambda: defaultdict(list))
    rows: dict[int, dict[bytes, bytes]] = field(default_factory=lambda: defaultdict(dict))
    outputs: dict[int, list[tuple[str, bytes | None, bytes | None]]] = field(default_factory=lambda: defaultdict(list))
    unit_class: Callable[..., Unit] = Unit
    partitions: int = 3

    def __post_init__(self) -> None:
        self.options = UnitOptions(
            self.settings,
            self.rules,
            600_000,
            False,
            10_000,
            partition_of=self.home,
            erasure_key=b"a secret of the privacy desk",
        )
        self.units = [self._built(partition) for partition in range(self.partitions)]
        self.read: dict[tuple[int, int], int] = defaultdict(int)
        self.number = 0

    def home(self, customer: bytes) -> int:
        """The partition of a customer."""
        return home(customer, self.partitions)

    def say(self, said: Said) -> None:
        """Put an event where its customer is at home."""
        self.number += 1
        value = {"messageId": f"m{self.number}", "timestamp": from_ms(said.ms), **said.call}
        value.setdefault("userId", said.customer)
        self._append(
            said.source, self.home(said.customer.encode()), said.customer.encode(), orjson.dumps(value), said.ms
        )

    def ask_to_forget(self, customer: str, ms: int, request_id: str | None = None) -> None:
        """Put a request where its customer is at home."""
        request_id = request_id or f"request-{ms}"
        request = {"request_id": request_id, "customer_id": customer, "requested_at": from_ms(ms)}
        self._append(Source.DELETIONS, self.home(customer.encode()), customer.encode(), orjson.dumps(request), ms)

    def move(self, partition: int, source: int) -> None:
        """Let a partition read and apply what there is of one source."""
        unit, log = self.units[partition], self.logs[source, partition]
        at = self.read[source, partition]
        if at < len(log):
            unit.offer(source, log[at:], len(log))
            self.read[source, partition] = len(log)
        for each in range(3):
            unit.idle(each, 0, 0)
        while any(unit.status().waiting) and unit.pump(0):
            pass

    def commit(self, partition: int, *, outputs_only: bool = False, written: int | None = None) -> None:
        """Write what a partition did; or its outputs and so many rows alone, as where a crash comes after those."""
        taken = self.units[partition].take()
        if taken is None:
            return
        self.outputs[partition] += taken.outputs
        for topic, key, value in taken.outputs:
            if topic == "transfers":
                assert key is not None
                self._append(3, self.home(key), key, value, 0)
        until = 0 if outputs_only else written
        rows = self.rows[partition]
        for key, value in taken.rows[:until]:
            rows.pop(key, None)
            if value is not None:
                rows[key] = value
        if until is not None:
            self.crash(partition)

    def crash(self, partition: int) -> None:
        """Begin again with what was written."""
        unit = self.units[partition] = self._built(partition, ready=False)
        rows = self.rows[partition]
        unit.restore(list(rows), list(rows.values()))
        for source, offset in unit.ready({}).items():
            self.read[source, partition] = offset

    def settle(self) -> None:
        """Go on until nothing is under way."""
        for _ in range(60):
            before = sum(map(len, self.logs.values()))
            for partition in range(self.partitions):
                for source in range(5):
                    self.move(partition, source)
                self.commit(partition)
            pending = any(unit.status().pending for unit in self.units)
            read = all(self.read[place] == len(log) for place, log in self.logs.items())
            if before == sum(map(len, self.logs.values())) and read and not pending:
                return
        raise AssertionError("transfers go round for ever")

    def _built(self, partition: int, *, ready: bool = True) -> Unit:
        unit = self.unit_class(partition, self.options, timeline=RuleBook(self.rules.rules).timeline())
        if ready:
            unit.ready({})
        return unit

    def _append(self, source: int, partition: int, key: bytes, value: bytes | None, ms: int) -> None:
        log = self.logs[source, partition]
        log.append(_Record(len(log), ms, key, value))

    # ---- what is known in the end

    def root(self, customer: bytes) -> bytes:
        """Who a customer is by now, as the partitions pass on what is told of them."""
        for _ in range(50):
            links = self.units[self.home(customer)].engine.links
            owner = links.owner.get(customer)
            if owner is None:
                return customer
            customer = owner
        raise AssertionError("links go round in a circle")

    def stored(self) -> bytes:
        """All that is stored of customers, as text can be found in it; but of whom somebody claimed to have been."""
        rows = [(key, value) for some in self.rows.values() for key, value in some.items() if key[:1] != LINK]
        return b"\n".join(key + (plain(value) if key[:1] == SIDE else value) for key, value in rows)

    def row(self, customer: bytes) -> Any:
        """The row of a customer where they are at home, None for none."""
        profiles = self.units[self.home(customer)].engine.profiles
        number = profiles.find(customer)
        return None if number < 0 else profiles.rows[number]
