"""Batches as they are fetched: each is whole, or refused."""

import gc
import weakref
from itertools import pairwise
from typing import Any

import pytest
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.structs import TopicPartition

from streams.slices import _SliceRecords


def batch(first: int, values: list[bytes]) -> bytes:
    """A batch as a broker gives it."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 20)
    for i, value in enumerate(values):
        builder.append(i, 0, b"key", value, [])
    return first.to_bytes(8, "big") + bytes(builder.build())[8:]


BATCHES = [batch(0, [b"a", b"bb"]), batch(2, [b"c" * 1000]), batch(3, [b"", b"d"])]


def slices(fetched: bytes) -> _SliceRecords:
    """What a fetcher makes of fetched bytes, by the slice."""
    return slices_of(fetcher.MemoryRecords(fetched))


def slices_of(records: Any) -> _SliceRecords:
    place = TopicPartition("clickstream", 0)
    return _SliceRecords.of(PartitionRecords(place, records, [], 0, None, None, True, READ_COMMITTED))


def test_batches_come_one_by_one() -> None:
    """Each is a slice with its records and offsets."""
    found = list(slices(b"".join(BATCHES)))
    values = [[record.value for record in piece.records] for piece in found]
    assert values == [[b"a", b"bb"], [b"c" * 1000], [b"", b"d"]]
    assert [(piece.start, piece.next) for piece in found] == [(0, 2), (2, 3), (3, 5)]
    assert all(before.next == after.start for before, after in pairwise(found))


def test_what_was_fetched_is_freed_as_soon_as_it_is_read() -> None:
    """Without a search for cycles: megabytes a fetch, hundreds of times a minute."""
    usual = gc.isenabled()
    gc.disable()
    try:
        fetched = fetcher.MemoryRecords(b"".join(BATCHES))
        there = weakref.ref(fetched)
        read = slices_of(fetched)
        del fetched
        list(read)
        assert there() is not None
        del read
        assert there() is None
    finally:
        if usual:
            gc.enable()


@pytest.mark.parametrize("which", range(len(BATCHES)))
def test_a_batch_with_a_changed_bit_is_refused(which: int) -> None:
    """Those before it are given, nothing of it is."""
    damaged = [bytearray(each) for each in BATCHES]
    damaged[which][-2] ^= 1
    found = slices(b"".join(damaged))
    for _ in range(which):
        next(found)
    with pytest.raises(CorruptRecordException):
        next(found)
