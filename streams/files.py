"""Files: the lines of plain and gzipped files and of standard input, one at a time."""

import gzip
import io
import stat
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Self

__all__ = ["STDIN", "LineFile", "UnreadableError"]

STDIN: Final = "-"
"""The name that stands for standard input."""

_LINE_LIMIT: Final = 4 * 1024 * 1024
"""Characters of a line that are kept: a file without line ends must not fill the memory."""
_GZIP: Final = b"\x1f\x8b"


class UnreadableError(OSError):
    """A file cannot be read on: cut off, damaged, or the disk's fault; the text says which."""


class LineFile:
    """A text file's lines, decompressed where it is gzipped (by its content, whatever its name).

    A byte-order mark is left out. Bytes that are not UTF-8 become lone surrogates, which the formats refuse line by
    line.

    Parameters
    ----------
    name
        Path, or `-` for standard input.

    Attributes
    ----------
    line_number
        Of the last line given out, from 1; 0 before the first.

    Raises
    ------
    OSError
        If the file cannot be opened.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.line_number = 0
        # A buffer of our own around descriptor 0: the interpreter's is locked by whoever waits in it.
        self._raw: Any = _stdin() if name == STDIN else io.FileIO(name)
        buffered = io.BufferedReader(self._raw)
        unpacked: Any = buffered
        if buffered.peek(2)[:2] == _GZIP:
            unpacked = gzip.GzipFile(fileobj=buffered)
        self._text = io.TextIOWrapper(unpacked, encoding="utf-8-sig", errors="surrogateescape")

    @property
    def size(self) -> int | None:
        """Bytes of the file as it lies on disk; None for pipes and terminals."""
        try:
            found = Path(self.name).stat() if self.name != STDIN else None
        except OSError:
            return None
        return found.st_size if found is not None and stat.S_ISREG(found.st_mode) else None

    @property
    def position(self) -> int:
        """Bytes read so far, of the file as it lies on disk."""
        try:
            return int(self._raw.tell())
        except (OSError, ValueError):
            return 0

    def __iter__(self) -> Iterator[str]:
        """Yield the lines; raises `UnreadableError` where the file is damaged."""
        try:
            while line := self._text.readline(_LINE_LIMIT):
                self.line_number += 1
                yield line
                while len(line) == _LINE_LIMIT and not line.endswith("\n"):
                    line = self._text.readline(_LINE_LIMIT)
        except (EOFError, zlib.error, OSError) as error:
            said = " ".join(str(error).split()) or type(error).__name__
            raise UnreadableError(f"cannot be read further ({said})") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._text.close()
        self._raw.close()


def _stdin() -> Any:
    try:
        return io.FileIO(sys.stdin.fileno(), "rb", closefd=False)
    except (OSError, ValueError, AttributeError):
        return sys.stdin.buffer
