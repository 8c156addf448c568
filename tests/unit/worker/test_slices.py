"""Batches as they are fetched: each is whole, or refused."""

import gc
import weakref
from typing import Any

import kafka.codec
import pytest
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import READ_COMMITTED, READ_UNCOMMITTED, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from aiokafka.structs import TopicPartition
from crc32c import crc32c
from hypothesis import given
from hypothesis import strategies as st

from streams.commit import Slice
from streams.slices import _SliceRecords, joined

COMMIT, ABORT = b"\0\0\0\1", b"\0\0\0\0"
"""Keys of what ends a transaction."""
TRANSACTIONAL, CONTROL = 0x10, 0x20
CODECS = (
    DefaultRecordBatch.CODEC_GZIP,
    DefaultRecordBatch.CODEC_SNAPPY,
    DefaultRecordBatch.CODEC_LZ4,
    DefaultRecordBatch.CODEC_ZSTD,
)
"""All by which a producer may compress."""


def batch(
    first: int, values: list[bytes], compression: int = 0, key: bytes = b"key", producer: int = -1, attributes: int = 0
) -> bytes:
    """A batch as a broker gives it."""
    builder = DefaultRecordBatchBuilder(2, compression, 0, producer, 0, 0, 1 << 20)
    for i, value in enumerate(values):
        builder.append(i, 0, key, value, [])
    made = bytearray(builder.build())
    made[:8] = first.to_bytes(8, "big")
    made[22] |= attributes
    made[17:21] = crc32c(bytes(made[21:])).to_bytes(4, "big")
    return bytes(made)


BATCHES = [batch(0, [b"a", b"bb"]), batch(2, [b"c" * 1000]), batch(3, [b"", b"d"])]


def slices(fetched: bytes, first: int = 0) -> _SliceRecords:
    """What a fetcher makes of fetched bytes, by the slice, from an offset on."""
    return slices_of(fetcher.MemoryRecords(fetched), first)


def slices_of(records: Any, first: int = 0) -> _SliceRecords:
    place = TopicPartition("clickstream", 0)
    return _SliceRecords.of(PartitionRecords(place, records, [], first, None, None, True, READ_COMMITTED))


def values(piece: Slice) -> list[bytes | None]:
    return [record.value for record in piece.records]


def test_batches_come_as_one() -> None:
    """A slice with the records and offsets of all."""
    (found,) = slices(b"".join(BATCHES))
    assert values(found) == [b"a", b"bb", b"c" * 1000, b"", b"d"]
    assert [record.offset for record in found.records] == [0, 1, 2, 3, 4]
    assert (found.start, found.next) == (0, 5)


@pytest.mark.parametrize("compression", CODECS)
def test_a_compressed_batch_comes_by_itself(compression: int) -> None:
    """Where one is, however it is compressed, and those before and behind it."""
    squeezed = batch(2, [b"c" * 1000], compression)
    found = list(slices(b"".join([BATCHES[0], squeezed, BATCHES[2]])))
    assert [values(piece) for piece in found] == [[b"a", b"bb"], [b"c" * 1000], [b"", b"d"]]
    assert [(piece.start, piece.next) for piece in found] == [(0, 2), (2, 3), (3, 5)]
    whole = joined(found, None)
    assert (whole.start, whole.next, values(whole)) == (0, 5, [b"a", b"bb", b"c" * 1000, b"", b"d"])


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_commands_read_what_is_compressed(codec: str) -> None:
    """They read by kafka-python, which asks other packages for it than what workers read by."""
    assert getattr(kafka.codec, f"has_{codec}")()


@pytest.mark.parametrize("compression", [0, DefaultRecordBatch.CODEC_GZIP])
def test_the_middle_of_a_batch_can_be_asked_for(compression: int) -> None:
    """What lies before is not given."""
    (found,) = slices(batch(0, [b"a", b"b", b"c"], compression), first=1)
    assert ((found.start, found.next), values(found)) == ((1, 3), [b"b", b"c"])


def test_a_batch_that_lies_ahead_begins_where_the_last_one_ended() -> None:
    """Compaction may have taken what lay between."""
    (found,) = slices(BATCHES[0] + batch(7, [b"z"]))
    assert (found.start, found.next, [record.offset for record in found.records]) == (0, 8, [0, 1, 7])


def test_control_batches_leave_no_records() -> None:
    """What ends a transaction is passed over."""
    marker = batch(2, [b""], key=COMMIT, attributes=CONTROL | TRANSACTIONAL)
    (found,) = slices(BATCHES[0] + marker + BATCHES[2])
    assert (found.start, found.next, values(found)) == (0, 5, [b"a", b"bb", b"", b"d"])
    (alone,) = slices(marker, first=2)
    assert (alone.start, alone.next, values(alone)) == (2, 3, [])


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
    if which:
        assert values(next(found)) == [b"a", b"bb", b"c" * 1000][: which + 1]
    with pytest.raises(CorruptRecordException):
        next(found)


def test_a_batch_that_is_whole_but_not_as_it_should_be_is_left_to_aiokafka() -> None:
    """Its own error says so."""
    odd = bytearray(BATCHES[0])
    odd[57:61] = (3).to_bytes(4, "big")  # three records, of which there are two
    odd[17:21] = crc32c(bytes(odd[21:])).to_bytes(4, "big")
    with pytest.raises(CorruptRecordException):
        list(slices(bytes(odd)))


@st.composite
def fetched_bytes(draw: st.DrawFn) -> tuple[bytes, list[tuple[int, int]], int]:
    """Batches of some producers, in transactions or not, with markers, gaps and compression; what was aborted."""
    built, aborted, at = [], [], 0
    doing: dict[int, int] = {}
    for _ in range(draw(st.integers(1, 7))):
        at += draw(st.sampled_from([0, 0, 3]))
        producer = draw(st.integers(-1, 1))
        if producer in doing and draw(st.booleans()):
            ends = draw(st.sampled_from([ABORT, COMMIT]))
            if ends == ABORT:
                aborted.append((producer, doing[producer]))
            del doing[producer]
            built.append(batch(at, [b""], key=ends, producer=producer, attributes=CONTROL | TRANSACTIONAL))
            at += 1
            continue
        transactional = producer >= 0 and (producer in doing or draw(st.booleans()))
        if transactional:
            doing.setdefault(producer, at)
        values = draw(st.lists(st.binary(max_size=5), min_size=1, max_size=4))
        compression = draw(st.sampled_from([0, 0, DefaultRecordBatch.CODEC_GZIP]))
        attributes = TRANSACTIONAL if transactional else 0
        built.append(batch(at, values, compression, producer=producer, attributes=attributes))
        at += len(values)
    # A broker begins with the batch in which the offset lies that is asked for.
    return b"".join(built), aborted, draw(st.integers(0, _last(built[0])))


def _last(made: bytes) -> int:
    """The offset of a batch's last record."""
    return int.from_bytes(made[:8], "big") + int.from_bytes(made[23:27], "big")


@given(fetched_bytes(), st.sampled_from([READ_COMMITTED, READ_UNCOMMITTED]))
def test_the_records_are_those_that_aiokafka_gives(made: tuple[bytes, list[tuple[int, int]], int], level: int) -> None:
    """And so is where to go on; slices follow each other without a gap."""
    text, aborted, first = made

    def partition() -> PartitionRecords:
        nothing = TopicPartition("clickstream", 0), fetcher.MemoryRecords(text), aborted, first, None, None, True, level
        return PartitionRecords(*nothing)

    stock, ours = partition(), _SliceRecords.of(partition())
    wanted = [(each.offset, each.timestamp, each.key, each.value) for each in stock]
    found = list(ours)
    assert [(r.offset, r.timestamp, r.key, r.value) for piece in found for r in piece.records] == wanted
    assert ours.next_fetch_offset == stock.next_fetch_offset
    assert [piece.start for piece in found] == [first, *(piece.next for piece in found)][: len(found)]
