"""Batches as they are sent: the bytes that aiokafka's own builder makes, which its reader and the broker take."""

import time

import pytest
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from streams import record_batch
from streams.record_batch import Pair, record_batches

NOW_S = 1_714_555_805.125
MANY = [(b"%d" % i, b"x" * (i % 70) if i % 11 else None) for i in range(9000)]
LENGTHS = (0, 1, 63, 64, 127, 128, 8191, 8192, 8193, 70_000)
EVENT = b'{"specversion":"1.0","id":"score/1/c-1"}'
SAID = st.none() | st.binary(max_size=5) | st.just(EVENT) | st.sampled_from(LENGTHS).map(bytes)


@pytest.fixture(autouse=True)
def _at_one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW_S)


def theirs(records: list[Pair], transactional: bool) -> bytes:
    builder = BatchBuilder(1 << 30, 0, is_transactional=transactional)
    for key, value in records:
        headers = [("content-type", b"application/cloudevents+json")] if value == EVENT else []
        assert builder.append(key=key, value=value, timestamp=int(NOW_S * 1000), headers=headers) is not None
    builder._set_producer_state(17, 3, 40)
    return bytes(builder._build())


def ours(records: list[Pair], most_bytes: int, transactional: bool) -> list[bytes]:
    made = []
    for batch in record_batches(records, most_bytes, transactional=transactional):
        assert batch.closed()
        assert batch.append(key=b"", value=b"", timestamp=None) is None
        batch._set_producer_state(17, 3, 40)
        made.append(bytes(batch._build()))
        assert made[-1] == batch._build(), "a batch that is sent again is the same"
    return made


@given(st.lists(st.tuples(SAID, SAID), min_size=1, max_size=20), st.booleans())
def test_one_batch_is_as_theirs(records: list[Pair], transactional: bool) -> None:
    assert ours(records, 1 << 30, transactional) == [theirs(records, transactional)]


def test_a_batch_of_many_is_as_theirs() -> None:
    """Also beyond the numbers whose bytes are kept."""
    assert len(MANY) > record_batch._number.cache_info().maxsize
    assert ours(MANY, 1 << 30, True) == [theirs(MANY, True)]


@pytest.mark.parametrize("most_bytes", [0, 100, 1000, 20_000])
def test_several_hold_all_in_order_and_none_is_larger(most_bytes: int) -> None:
    """But for a single record that is."""
    records = [*MANY[:500], (b"large", bytes(50_000)), *MANY[500:600]]
    made = ours(records, most_bytes, False)
    read = []
    for batch in made:
        (found,) = _read(batch)
        assert len(batch) <= most_bytes or len(found) == 1
        assert [record.offset for record in found] == list(range(len(found)))
        read += [(record.key, record.value) for record in found]
    assert read == records


def _read(batch: bytes) -> list[list[object]]:
    records, found = MemoryRecords(batch), []
    while records.has_next():
        one = records.next_batch()
        assert one.validate_crc()
        found.append(list(one))
    return found


def test_of_nothing_there_is_no_batch() -> None:
    assert ours([], 100, True) == []
