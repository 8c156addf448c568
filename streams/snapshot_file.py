"""Snapshot file: a unit's rows, and the changelog's offset from which to read on; whole, or refused.

It begins with eight letters that name the format, and 32 bytes of BLAKE2b over all the rest: blocks, each of four bytes
of length and MessagePack. The first block is the header, each other some hundred keys and their values.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import blake2b, file_digest
from pathlib import Path
from typing import IO, Final, Self

import msgspec

from streams.commit import Copy, SnapshotRefusedError

__all__ = ["TEMPORARY", "Header", "SnapshotFile", "write_snapshot"]

FORMAT: Final = b"RCSNAP01"
TEMPORARY: Final = ".part"
"""How the names of files end that are being written."""
_DIGEST_BYTES: Final = 32

Piece = tuple[list[bytes], list[bytes]]


class Header(msgspec.Struct, array_like=True, frozen=True):
    """What a snapshot is of.

    Parameters
    ----------
    app_id, partition, partitions
        Whose, which partition number, of how many.
    layout
        Stamp of the profile rows' layout.
    topic_id
        The changelog topic, as the broker tells it from another of the same name.
    offset
        Where the changelog goes on from these rows.
    taken_ms
        When the rows were copied.
    """

    app_id: str
    partition: int
    partitions: int
    layout: int
    topic_id: str
    offset: int
    taken_ms: int


def write_snapshot(path: Path, header: Header, copy: Copy, settle: Callable[[Path, Path], None]) -> int:
    """Write a snapshot beside `path` and let `settle` move it there once it is safe on disk; return its size.

    Raises
    ------
    OSError
        If the disk refuses; what was written is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    number, name = tempfile.mkstemp(TEMPORARY, f"{path.name}-", path.parent)
    try:
        with os.fdopen(number, "wb") as file:
            _fill(file, header, copy)
            size = file.tell()
            file.flush()
            os.fsync(file.fileno())
        settle(Path(name), path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
    _sync(path.parent)
    return size


def _fill(file: IO[bytes], header: Header, copy: Copy) -> None:
    digest = blake2b(digest_size=_DIGEST_BYTES)
    file.write(bytes(len(FORMAT) + _DIGEST_BYTES))
    for block in _blocks(header, copy):
        for part in (len(block).to_bytes(4, "little"), block):
            digest.update(part)
            file.write(part)
    end = file.tell()
    file.seek(0)
    file.write(FORMAT + digest.digest())
    file.seek(end)


def _blocks(header: Header, copy: Copy) -> Iterator[bytes]:
    yield msgspec.msgpack.encode(header)
    for piece in copy.pieces():
        yield msgspec.msgpack.encode(piece)


def _sync(directory: Path) -> None:
    """Make the directory's entries last, where the system can."""
    with suppress(OSError):
        number = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


class SnapshotFile:
    """A snapshot that is whole, to be read from its beginning to its end; use as a context manager.

    Raises
    ------
    FileNotFoundError
        If there is none.
    OSError
        If it cannot be read.
    SnapshotRefusedError
        If it is of another format, or not as it was written.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        try:
            self.size = self._check()
            self.header = self._header()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def _check(self) -> int:
        """Compare the checksum, and return the size."""
        written = self._file.read(len(FORMAT) + _DIGEST_BYTES)
        if len(written) < len(FORMAT) + _DIGEST_BYTES:
            raise SnapshotRefusedError("torn", "it ends within its first bytes")
        if not written.startswith(FORMAT):
            raise SnapshotRefusedError("format", f"it begins with {written[: len(FORMAT)]!r}, not {FORMAT!r}")
        digest = file_digest(self._file, lambda: blake2b(digest_size=_DIGEST_BYTES))
        if digest.digest() != written[len(FORMAT) :]:
            raise SnapshotRefusedError("torn", "its checksum is not that of its content")
        size = self._file.tell()
        self._file.seek(len(FORMAT) + _DIGEST_BYTES)
        return size

    def _header(self) -> Header:
        try:
            return msgspec.msgpack.decode(self._block(), type=Header)
        except msgspec.MsgspecError as error:
            raise SnapshotRefusedError("format", f"its header is none: {error}") from None

    def _block(self) -> bytes:
        return self._file.read(int.from_bytes(self._file.read(4), "little"))

    def piece(self) -> Piece | None:
        """The next keys and values; None at the end."""
        block = self._block()
        return msgspec.msgpack.decode(block, type=Piece) if block else None
