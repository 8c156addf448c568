"""Log: one partition of a topic, as a broker keeps it, with transactions, markers and compaction."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from streams.commit import Slice

__all__ = ["DELETE_RETENTION_MS", "Entry", "Log", "State", "Transaction"]

DELETE_RETENTION_MS = 20_000
"""How long compaction leaves a deletion."""


class State(Enum):
    """How far a transaction has come."""

    OPEN = "open"
    COMMITTED = "committed"
    ABORTED = "aborted"


@dataclass(slots=True, eq=False)
class Transaction:
    """One transaction: what it wrote to, and the offsets that it commits."""

    epoch: int = 0
    state: State = State.OPEN
    logs: dict["Log", None] = field(default_factory=dict)
    offsets: dict[tuple[int, int], int] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Entry:
    """A record, or the marker that ends a transaction in this log."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    transaction: Transaction | None
    marker: bool = False

    @property
    def visible(self) -> bool:
        """Whether a reader of committed records may ever see it."""
        return not self.marker and (self.transaction is None or self.transaction.state is State.COMMITTED)


class Log:
    """Entries by offset; offsets of what compaction took stay empty."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.entries: list[Entry] = []
        self.end = 0
        self._open: dict[Transaction, int] = {}

    def append(
        self, timestamp: int, rows: Iterable[tuple[bytes | None, bytes | None]], transaction: Transaction | None = None
    ) -> None:
        """Append records, as part of a transaction if there is one."""
        if transaction is not None:
            self._open.setdefault(transaction, self.end)
            transaction.logs[self] = None
        for key, value in rows:
            self.entries.append(Entry(self.end, timestamp, key, value, transaction))
            self.end += 1

    def mark(self, timestamp: int, transaction: Transaction) -> None:
        """Append the marker that ends a transaction here."""
        self.entries.append(Entry(self.end, timestamp, None, None, transaction, marker=True))
        self.end += 1
        self._open.pop(transaction, None)

    @property
    def stable(self) -> int:
        """The last stable offset: everything before it is decided."""
        return min(self._open.values(), default=self.end)

    def visible(self) -> list[Entry]:
        """What a reader of committed records can see by now."""
        stable = self.stable
        return [entry for entry in self.entries if entry.visible and entry.offset < stable]

    def fetch(self, position: int, most: int) -> Slice:
        """Return at most `most` entries from `position` on, as a reader of committed records is given them."""
        stable = self.stable
        if position >= stable:
            return Slice(position, position, [], stable)
        at = bisect_left(self.entries, position, key=lambda entry: entry.offset)
        looked_at = self.entries[at : at + most]
        records = [entry for entry in looked_at if entry.offset < stable and entry.visible]
        after = self.entries[at + most].offset if at + most < len(self.entries) else self.end
        return Slice(position, min(after, stable), records, stable)

    def compact(self, now_ms: int) -> None:
        """Keep the last visible record of each key, and drop aborted ones; a deletion that is the last goes later."""
        stable = self.stable
        last = {entry.key: entry.offset for entry in self.entries if entry.visible and entry.offset < stable}
        self.entries = [
            entry
            for entry in self.entries
            if entry.offset >= stable
            or (
                entry.visible
                and last[entry.key] == entry.offset
                and (entry.value is not None or now_ms - entry.timestamp < DELETE_RETENTION_MS)
            )
        ]
