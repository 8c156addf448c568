"""Record batches: many records as the bytes that Kafka keeps, put together at once.

Version 2 of the format (https://kafka.apache.org/documentation/#recordbatch), without compression; all records have the
time at which the batch was made, and CloudEvents a header that says so. aiokafka's builder appends one by one and takes
nearly twice as long.
"""

import struct
import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

from aiokafka.record.util import encode_varint
from crc32c import crc32c

from streams.cloud_event import CONTENT_TYPE, is_event

__all__ = ["Pair", "RecordBatch", "record_batches"]

Pair = tuple[bytes | None, bytes | None]
"""Key and value."""

_HEADER: Final = struct.Struct(">qiibIhiqqqhii")
_LENGTH_FROM: Final = 12
"""Where begins what the header counts as the length."""
_CHECKSUM: Final = struct.Struct(">I")
_CHECKSUM_AT: Final = 17
_CHECKED_FROM: Final = 21
_VERSION: Final = 2
_TRANSACTIONAL: Final = 0x10
_NO_EPOCH: Final = -1
_FRAME: Final = 2
"""Bytes of a record that are always the same: no attributes, the time of the batch."""
_COUNTS: Final = 10
"""Most bytes of a record's length and its place."""
_START = b"\0\0"


@lru_cache(maxsize=8192)
def _number(n: int) -> bytes:
    """A number as the format writes it."""
    written = bytearray()
    encode_varint(n, written.append)
    return bytes(written)


_NONE: Final = _number(-1)
"""The length of a key or value that is not there."""


def _headers(*headers: tuple[str, bytes]) -> bytes:
    """Headers as the format writes them, after how many they are."""
    parts = [part for name, value in headers for part in (name.encode(), value)]
    return _number(len(headers)) + b"".join(_number(len(part)) + part for part in parts)


_OF_EVENT: Final = _headers(CONTENT_TYPE)
_OF_OTHERS: Final = _headers()


class RecordBatch:
    """What aiokafka's `MessageBatch` asks of a builder; nothing can be added.

    Parameters
    ----------
    made
        The batch: room for the header, then the records, whose offsets count from 0.
    count
        How many they are.
    transactional
        Whether it is sent in a transaction.
    """

    def __init__(self, made: bytearray, count: int, *, transactional: bool) -> None:
        self._made, self._count = made, count
        self._attributes = _TRANSACTIONAL if transactional else 0
        self._now_ms = int(time.time() * 1000)
        self._state = -1, -1, 0
        self._ready = False

    def append(self, **_record: Any) -> None:
        """Take nothing, which says that the batch is full."""

    def close(self) -> None:
        """Nothing: it is closed."""

    def closed(self) -> bool:
        """Whether nothing more can be added."""
        return True

    def record_count(self) -> int:
        """How many records it has."""
        return self._count

    def _set_producer_state(self, producer_id: int, producer_epoch: int, base_sequence: int) -> None:
        self._state = producer_id, producer_epoch, base_sequence

    def _build(self) -> bytearray:
        """The batch as it is sent; the same at each time."""
        made = self._made
        if not self._ready:
            _HEADER.pack_into(
                made, 0, 0, len(made) - _LENGTH_FROM, _NO_EPOCH, _VERSION, 0, self._attributes, self._count - 1,
                self._now_ms, self._now_ms, *self._state, self._count,
            )  # fmt: skip
            _CHECKSUM.pack_into(made, _CHECKSUM_AT, crc32c(memoryview(made)[_CHECKED_FROM:]))
            self._ready = True
        return made


def record_batches(records: Sequence[Pair], most_bytes: int, *, transactional: bool) -> Iterator[RecordBatch]:
    """Batches of these records, in order, none larger unless it is one record. About 1 µs a record of 2,000 bytes."""
    parts, size, count = [bytes(_HEADER.size)], _HEADER.size, 0
    for key, value in records:
        told_key, key = (_NONE, b"") if key is None else (_number(len(key)), key)
        told_value, value = (_NONE, b"") if value is None else (_number(len(value)), value)
        headers = _OF_EVENT if is_event(value) else _OF_OTHERS
        n = _FRAME + len(told_key) + len(key) + len(told_value) + len(value) + len(headers)
        if count and size + n + _COUNTS > most_bytes:
            yield RecordBatch(bytearray().join(parts), count, transactional=transactional)
            parts, size, count = [bytes(_HEADER.size)], _HEADER.size, 0
        place = _number(count)
        length = _number(n + len(place))
        parts += (length, _START, place, told_key, key, told_value, value, headers)
        size += len(length) + len(place) + n
        count += 1
    if count:
        yield RecordBatch(bytearray().join(parts), count, transactional=transactional)
