"""Records found in the bytes of batches are those that aiokafka's parser makes of them."""

from itertools import accumulate, pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from streams.byte_table import ROOM_BEHIND
from streams.commit import Slice
from streams.fetched import columns_of, fetched, keys_at, parsed, values_at
from streams.slices import joined

PART = st.none() | st.binary(max_size=9) | st.integers(0, 70).map(lambda n: bytes(4 * n))
HEADERS = st.lists(st.tuples(st.text(max_size=3), st.none() | st.binary(max_size=3)), max_size=2)
RECORD = st.tuples(PART, PART, st.integers(-(2**40), 2**40), HEADERS)
BATCH = st.lists(RECORD, min_size=1, max_size=5)


def batches(made: list[list[Any]], first: int) -> tuple[bytes, list[tuple[int, int]]]:
    """Batches one after the other, and where each lies."""
    built = []
    for records in made:
        builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 20)
        for i, (key, value, later_ms, headers) in enumerate(records):
            builder.append(i, 1_700_000_000_000 + later_ms, key, value, headers)
        built.append(first.to_bytes(8, "big") + bytes(builder.build())[8:])
        first += len(records)
    return b"".join(built), list(pairwise([0, *accumulate(map(len, built))]))


def told(records: Any) -> list[tuple[int, int, bytes | None, bytes | None]]:
    return [(record.offset, record.timestamp, record.key, record.value) for record in records]


def as_aiokafka_has_them(text: bytes) -> list[Any]:
    found, read = [], MemoryRecords(text)
    while read.has_next():
        found += told(read.next_batch())
    return found


@given(made=st.lists(BATCH, min_size=1, max_size=3), first=st.integers(0, 2**60), skipped=st.integers(0, 6))
def test_they_are_the_same(made: list[list[Any]], first: int, skipped: int) -> None:
    """All at once, one by one, in part, chosen, joined and as columns."""
    text, places = batches(made, first)
    wanted = [record for record in as_aiokafka_has_them(text) if record[0] >= first + skipped]
    found = parsed(text + ROOM_BEHIND, places, first + skipped)
    assert found is not None
    assert told(found) == wanted
    assert [told([found[i]])[0] for i in range(len(found))] == wanted
    assert told(found[1:-1]) == wanted[1:-1]
    assert told(found.take(np.arange(0, len(found), 2))) == wanted[::2]
    pieces = [Slice(0, 1, records, 1) for records in (found, found[1:])]
    assert told(joined(pieces, None).records) == wanted + wanted[1:]
    assert columns_of(found) == columns_of(list(found)) == ([each[2] for each in wanted], [each[3] for each in wanted])
    assert told(fetched([SimpleNamespace(offset=o, timestamp=t, key=k, value=v) for o, t, k, v in wanted])) == wanted
    assert fetched(found) is found
    last = np.arange(len(found))[-2:]
    assert keys_at(found, last) == keys_at(list(found), last) == [each[2] for each in wanted[-2:]]
    assert values_at(found, last) == values_at(list(found), last) == [each[3] for each in wanted[-2:]]


@given(made=BATCH, data=st.data())
def test_of_damaged_ones_nothing_is_made_up(made: list[Any], data: st.DataObject) -> None:
    """What is found is what aiokafka finds, or does not find as a header's name is no text; and nothing fails."""
    text, places = batches([made], 0)
    damaged = bytearray(text)
    damaged[data.draw(st.integers(61, len(text) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert_the_same_or_nothing(bytes(damaged), places)


def assert_the_same_or_nothing(damaged: bytes, places: list[tuple[int, int]]) -> None:
    found = parsed(damaged + ROOM_BEHIND, places, -(2**63))
    try:
        wanted = as_aiokafka_has_them(damaged)
    except UnicodeDecodeError:
        return
    except Exception:
        assert found is None
        return
    assert found is None or told(found) == wanted


@pytest.mark.parametrize("count", [0, 1, 3, 2**31 - 1, 2**32 - 1])
def test_a_count_that_is_not_true_is_seen(count: int) -> None:
    """No room is made for records that cannot be there."""
    text, places = batches([[(b"k", b"v", 0, []), (b"k", b"v", 0, [])]], 0)
    odd = bytearray(text)
    odd[57:61] = count.to_bytes(4, "big")
    assert parsed(bytes(odd) + ROOM_BEHIND, places, 0) is None


def test_records_of_the_brokers_time_all_have_it() -> None:
    """The attribute says that the newest time is that of all."""
    text, places = batches([[(b"k", b"v", 0, []), (b"k", b"v", 500, [])]], 0)
    appended = bytearray(text)
    appended[22] |= 8
    found = parsed(bytes(appended) + ROOM_BEHIND, places, 0)
    assert found is not None
    assert found.timestamp.tolist() == [1_700_000_000_500] * 2
    assert told(found) == as_aiokafka_has_them(bytes(appended))
