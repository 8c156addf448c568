"""Keep the rows of the present layout for later releases: `python -m tests.layouts.make`."""

import gzip
import sys

import msgspec

from tests.layouts.life import HERE, begun, lived, sent

__all__ = ["made"]


def made() -> bytes:
    """The rows of the first records' life as the compacted changelog would hold them, packed."""
    rows: dict[bytes, bytes] = {}
    for taken in lived(begun(), sent()[0]):
        for key, value in taken.rows:
            rows.pop(key, None)
            if value is not None:
                rows[key] = value
    return gzip.compress(msgspec.msgpack.encode(list(rows.items())), mtime=0)


if __name__ == "__main__":
    path = HERE / f"{int(sys.argv[1])}.rows.gz"
    path.write_bytes(made())
