"""Starting: the state in a file, an export's or a worker's snapshot, for a replay to go on from."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from schemas.internals import Progress
from schemas.timestamp import from_ms
from scoring.moved import forgotten_since, without
from scoring.profile import NEVER, LayoutMismatchError
from scoring.stored import META, Meta
from streams.commit import SnapshotRefusedError
from streams.living import Inputs
from streams.outbox import INPUTS
from streams.snapshot_file import SnapshotFile
from streams.steps import READY, RULES, START
from streams.unit import Unit
from streams.unit_row import UNIT_KEY, begun_at, next_beside, next_offsets, sequence_of

__all__ = ["NoStartError", "SavedState", "known_at"]

_NAMES: Final = ("{}.rows", "{}.snapshot")
"""What an export and a worker call the file of a partition."""


class NoStartError(RuntimeError):
    """A saved state from which a replay cannot begin; the text says why, and what would do."""


class SavedState:
    """The saved state of one partition.

    Parameters
    ----------
    directory
        An export, or where a worker keeps the snapshots of its application.
    partition, partitions
        Of the inputs: the state must be of this one, of as many.

    Attributes
    ----------
    offsets
        The next to read, by input.
    beside
        The next to read of what other partitions told, and of requests to forget somebody.
    sequence
        The number of the commit that it is of.
    come_ms
        Event time to which it has come.

    Raises
    ------
    NoStartError
        If it is not there, or not whole.
    """

    def __init__(self, directory: Path, partition: int, partitions: int) -> None:
        self._path = _path(directory, partition)
        meta: dict[bytes, bytes] = {}
        rows = 0
        for keys, values in self._pieces():
            rows += len(keys)
            meta |= {key: value for key, value in zip(keys, values, strict=True) if key[:1] in (META, UNIT_KEY)}
        if rows and not (META in meta and UNIT_KEY in meta):
            raise NoStartError(f"{self._path} cannot be used: it does not say how far the inputs were read")
        if (self._header.partition, self._header.partitions) != (partition, partitions):
            raise NoStartError(
                f"{self._path} is of partition {self._header.partition} of {self._header.partitions}, not {partition} "
                f"of {partitions}"
            )
        unit = meta.get(UNIT_KEY) or begun_at([0] * len(INPUTS))  # of a partition on which nothing ever was
        self.offsets, self.sequence, self.beside = next_offsets(unit), sequence_of(unit), next_beside(unit)
        self.come_ms = NEVER
        if META in meta:
            engine = msgspec.msgpack.decode(meta[META], type=Meta)
            self.come_ms = max(engine.watermark[0], *engine.seen_ms)

    def _pieces(self) -> Iterator[tuple[list[bytes], list[bytes]]]:
        try:
            with SnapshotFile(self._path) as file:
                self._header = file.header
                while (piece := file.piece()) is not None:
                    yield piece
        except (OSError, SnapshotRefusedError) as error:
            raise NoStartError(f"{self._path} cannot be used: {error}") from None

    def check(self, first_ms: int, inputs: Inputs) -> None:
        """See that what is told from an event time on is told after this state, and that the inputs go on from it.

        Raises
        ------
        NoStartError
            If it has come further, or records are gone.
        """
        if self.come_ms >= first_ms > NEVER:
            raise NoStartError(
                f"the state in {self._path} has come to {from_ms(self.come_ms)} (event time): say a later --from, or "
                "begin with an earlier state"
            )
        for name, offset, first, end in zip(INPUTS, self.offsets, inputs.first, inputs.end, strict=True):
            if not first <= offset <= end:
                raise NoStartError(
                    f"the state in {self._path} goes on at {offset} of {name}, which holds {first} to {end}: it is of "
                    "other topics, or their retention has passed"
                )

    def restore(self, unit: Unit) -> None:
        """Put it into a new unit, but for customers who were forgotten since, as the unit knows.

        Raises
        ------
        NoStartError
            If it is not whole any more, or of other settings.
        """
        try:
            erased = unit.engine.erased
            gone = forgotten_since(erased, (row for piece in self._pieces() for row in zip(*piece, strict=True)))
            for piece in self._pieces():
                rows = without(list(zip(*piece, strict=True)), erased, gone)
                unit.restore([key for key, _ in rows], [value for _, value in rows])
        except LayoutMismatchError as error:
            raise NoStartError(f"{self._path} cannot be used: {error}") from None


def known_at(saved: SavedState, commits: Iterator[Progress]) -> dict[str, str]:
    """What a partition knew at the commit of a saved state: rules and newest versions, as `progress` names them.

    Takes the commits up to that one; none where nothing had been committed yet.

    Raises
    ------
    NoStartError
        If that commit is not there, or not all that led to it.
    """
    known: dict[str, str] = {}
    if not saved.sequence:
        return known
    for progress in commits:
        for _, _, what, name in progress.told:
            if what == START:
                known.clear()
            elif what != READY:
                known[what] = name
        if progress.sequence == saved.sequence and [progress.offsets[name] for name in INPUTS] == saved.offsets:
            if RULES not in known:
                raise NoStartError(f"what was known at commit {saved.sequence} is not on `progress` any more")
            return known
    raise NoStartError(f"commit {saved.sequence}, which the saved state is of, is not on `progress`")


def _path(directory: Path, partition: int) -> Path:
    paths = [directory / name.format(partition) for name in _NAMES]
    found = next((path for path in paths if path.exists()), None)
    if found is None:
        raise NoStartError(
            f"{directory} holds no state of partition {partition}: neither {' nor '.join(map(str, paths))}"
        )
    return found
