"""Ports: what the commit protocol asks of a unit, of a broker and of snapshots, and what they hand to each other."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

__all__ = [
    "BrokerClient",
    "CommitFailedError",
    "Copy",
    "Copying",
    "FencedError",
    "NoSnapshots",
    "Record",
    "Sink",
    "Slice",
    "SnapshotRefusedError",
    "Snapshots",
    "Taken",
    "UnitState",
    "UnitStatus",
]


class FencedError(Exception):
    """Another worker has taken the partition over: nothing more may be written for it from here."""


class CommitFailedError(Exception):
    """A commit was aborted, timed out or its answer was lost: what it wrote may or may not be there."""


class SnapshotRefusedError(Exception):
    """A snapshot cannot be used, and the whole changelog is; `reason` is one word for the metrics."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Record(Protocol):
    """A record as fetched, not yet decoded; `timestamp` is in milliseconds."""

    @property
    def offset(self) -> int: ...  # noqa: D102
    @property
    def timestamp(self) -> int: ...  # noqa: D102
    @property
    def key(self) -> bytes | None: ...  # noqa: D102
    @property
    def value(self) -> bytes | None: ...  # noqa: D102


class Slice(NamedTuple):
    """What one fetch gave of one partition: everything in `[start, next)`, and the known `end`.

    Offsets that hold no record for us (control markers, aborted transactions, compaction) lie between
    `start` and `next` too, so slices of a partition follow each other without a gap.
    """

    start: int
    next: int
    records: Sequence[Record]
    end: int


class Taken(NamedTuple):
    """What one commit writes: outputs (topic, key, value), changelog rows (None is a deletion; the unit's
    meta row last) and the next offset to read of each source.

    `erased`: somebody was forgotten, so that no copy of before may stay.
    """

    outputs: list[tuple[str, bytes | None, bytes | None]]
    rows: list[tuple[bytes, bytes | None]]
    offsets: dict[int, int]
    erased: bool = False


class Copy(Protocol):
    """All rows of a unit as of one moment, which nothing changes any more."""

    def pieces(self) -> Iterator[tuple[list[bytes], list[bytes]]]:
        """Keys and values, piece by piece; may be called in another thread."""


class Copying(Copy, Protocol):
    """A copy of which something may be left for `fill`."""

    def fill(self) -> None:
        """Copy what `UnitState.copy` left for later; may be called in another thread."""


class UnitStatus(Protocol):
    """What the protocol asks of a unit's figures: `pending` counts outputs and rows not yet taken.

    `whole` is false where `pump` has begun something that it has not ended, and nothing can be taken.
    """

    @property
    def pending(self) -> int: ...  # noqa: D102
    @property
    def whole(self) -> bool: ...  # noqa: D102


class UnitState(Protocol):
    """One partition number's state, as the protocol drives it; every method is one step, without await.

    `pump` may begin what takes several calls of it: until that is done nothing is taken. `finish` does it at once.
    Where more is about to be offered (`filling`), little may be left for it.
    `copy` may leave most of it for `later`, that is for `Copying.fill`: until that is done `pump` does nothing.
    """

    def offer(self, source: int, records: Sequence[Any], end_offset: int) -> None: ...  # noqa: D102
    def idle(self, source: int, position: int, end_offset: int) -> None: ...  # noqa: D102
    def wants(self, source: int) -> bool: ...  # noqa: D102
    def pump(self, now_ms: int, *, filling: bool = False) -> bool: ...  # noqa: D102
    def finish(self) -> None: ...  # noqa: D102
    def take(self) -> Taken | None: ...  # noqa: D102
    def copy(self, *, later: bool = False) -> Copying | None: ...  # noqa: D102
    def restore(self, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None: ...  # noqa: D102
    def ready(self, committed: Mapping[int, int]) -> dict[int, int]: ...  # noqa: D102
    def swap_model(self, snapshot: Any) -> None: ...  # noqa: D102
    def swap_shop(self, snapshot: Any) -> None: ...  # noqa: D102
    def plan_rules(self, timeline: Any) -> None: ...  # noqa: D102
    def status(self) -> UnitStatus: ...  # noqa: D102


Sink = Callable[[Sequence[bytes], Sequence[bytes | None]], None]


class BrokerClient(Protocol):
    """What the protocol asks of a broker. Each call may raise `FencedError` or `CommitFailedError`."""

    @property
    def transactional(self) -> bool:
        """Whether outputs, rows and offsets can be written as one transaction."""

    async def fence(self, partition: int) -> None:
        """Become the partition's only writer: end what a former owner left open, refuse it from now on."""

    async def restore(self, partition: int, sink: Sink, start: int | None = None) -> int | None:
        """Read the partition's changelog to its end, in order: from its beginning, or from an offset of it.

        Returns the offset that follows what was read; None where rows may be there of a commit that is not through.

        Raises
        ------
        SnapshotRefusedError
            If the changelog cannot be read from `start` on, as it begins later or ends before.
        """

    async def committed(self, partition: int) -> Mapping[int, int]:
        """Return the committed offset by source, -1 where there is none."""

    async def begin(self, partition: int) -> None:
        """Begin a transaction; without transactions, make sure that the partition is still ours."""

    async def send_outputs(self, partition: int, outputs: Sequence[tuple[str, bytes | None, bytes | None]]) -> None:
        """Send outputs and return once they are acknowledged."""

    async def send_rows(self, partition: int, rows: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Send changelog rows, in order, and return once they are acknowledged."""

    async def commit_offsets(self, partition: int, offsets: Mapping[int, int]) -> None:
        """Commit offsets: inside the transaction that is open, or at once where there are none."""

    async def end(self, partition: int) -> int | None:
        """Commit the open transaction; nothing to do without transactions.

        Returns the changelog's offset that follows the last row sent; None where that is not known.
        """

    async def release(self, partition: int) -> None:
        """Forget the partition's writer."""


class Snapshots(Protocol):
    """Where copies of units are kept, so that only the changelog's tail need be read; no call of it may fail."""

    async def restore(self, partition: int, sink: Sink) -> int | None:
        """Give the rows that are kept to `sink`; return the changelog's offset that follows them, None for no rows.

        Raises
        ------
        SnapshotRefusedError
            If what is kept cannot be used; some of it may have been given away by then.
        """

    def refuse(self, partition: int, refusal: SnapshotRefusedError) -> None:
        """Learn that what is kept was of no use."""

    def copy(self, partition: int, unit: UnitState, offset: int | None) -> Any:
        """Copy the unit, if it is time for that; whatever is returned must be given to `write`, None excepted.

        `offset` is where the changelog goes on from its state; None: that is for the commit under way to tell.
        """

    def write(self, copied: Any, offset: int | None) -> None:
        """Begin to write a copy, which the changelog holds up to `offset`; None: it does not, forget the copy."""

    async def finish(self, partition: int, unit: UnitState, offset: int) -> None:
        """Keep the unit as it is, which the changelog holds up to `offset`, and return when that is done."""

    def let_go(self, partition: int) -> None:
        """Keep nothing of the partition that was copied before now: somebody in it may have been forgotten."""


class NoSnapshots:
    """Keeps nothing."""

    async def restore(self, partition: int, sink: Sink) -> int | None:
        """There is nothing."""

    def refuse(self, partition: int, refusal: SnapshotRefusedError) -> None:
        """There was nothing."""

    def copy(self, partition: int, unit: UnitState, offset: int | None) -> Any:
        """It is never time."""

    def write(self, copied: Any, offset: int | None) -> None:
        """Nothing was copied."""

    async def finish(self, partition: int, unit: UnitState, offset: int) -> None:
        """Nothing to keep."""

    def let_go(self, partition: int) -> None:
        """Nothing was kept."""
