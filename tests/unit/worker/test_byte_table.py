"""Numbers by name, found by compiled code in the middle of a text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import byte_table
from streams.byte_table import ROOM_BEHIND, ByteTable, find

ABSENT = np.uint64(2**64 - 1)


def number_of(table: ByteTable, name: bytes, before: bytes = b"", behind: bytes = b"") -> int:
    text = np.frombuffer(before + name + behind + ROOM_BEHIND, np.uint8)
    return int(find(table.names, text, len(before), len(before) + len(name), ABSENT))


@given(
    st.sets(st.binary(max_size=40), max_size=200), st.binary(max_size=40), st.binary(max_size=9), st.binary(max_size=9)
)
def test_what_was_put_is_found(names: set[bytes], other: bytes, before: bytes, behind: bytes) -> None:
    """Wherever in a text it lies, and nothing else; whatever the table grew to meanwhile."""
    table = ByteTable()
    for number, name in enumerate(sorted(names)):
        table.put(name, number)
    for number, name in enumerate(sorted(names)):
        assert number_of(table, name, before, behind) == number
    if other not in names:
        assert number_of(table, other, before, behind) == ABSENT
    table.clear()
    assert all(number_of(table, name) == ABSENT for name in names)


def test_many_names() -> None:
    """Tens of thousands, of which some begin with others; the least and the largest number."""
    table = ByteTable()
    names = [b"x" * (i % 20) + b"%d" % i for i in range(30_000)]
    for start in range(0, len(names), 999):
        table.put_all(names[start : start + 999], range(start, min(start + 999, len(names))))
    table.put_all([], [])
    table.put(b"largest", 2**64 - 2)
    found = [number_of(table, name) for name in names[::37]]
    assert sum(number == ABSENT for number in found) <= 1, "only where sixteen collide is a name left out"
    assert all(number in (i, ABSENT) for number, i in zip(found, range(0, 30_000, 37), strict=True))
    assert number_of(table, b"largest") == 2**64 - 2


@pytest.mark.parametrize("form", [b"%d", b"sku-%04d", b"/page/%d", b"product-%06d", b"%08d", b"x%015d", b"%016d"])
def test_names_that_differ_in_their_last_letters_do_not_collide(form: bytes) -> None:
    """Numbered products and paths, of whatever length: hardly one of them is left out."""
    table, names = ByteTable(), [form % number for number in range(10_000)]
    table.put_all(names, range(1, 1 + len(names)))
    assert sum(number_of(table, name) == ABSENT for name in names[::10]) <= 1


def test_names_that_collide_are_left_out() -> None:
    """Where all of a name's places are taken, it is not found, and the others are."""
    table, text = ByteTable(), np.frombuffer(b"%06d" * 9000 % tuple(range(9000)) + ROOM_BEHIND, np.uint8)
    places = len(table.names.places)
    hashes = [byte_table._hash(text, 6 * i, 6 * i + 6) for i in range(9000)]
    alike = [i for i, h in enumerate(hashes) if byte_table._next(table.names, np.uint64(h), 0) == 1]
    names = [b"%06d" % i for i in alike[: byte_table._TRIES + 3]]
    table.put_all(names, range(1, 1 + len(names)))
    table.put(b"in", 99)
    assert len(table.names.places) == places, "a larger table would have room"
    kept = list(range(1, 1 + byte_table._TRIES))
    assert [number_of(table, name) for name in [*names, b"in"]] == [*kept, ABSENT, ABSENT, ABSENT, 99]
