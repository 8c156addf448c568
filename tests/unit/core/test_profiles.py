"""Rows of customers: made one by one or many at once, and grown."""

import numpy as np
import pytest
from strategies.layouts import FULL

from scoring.profile import Profiles


def test_rows_made_at_once_are_those_made_one_by_one() -> None:
    """In the order of first mention, blank, with the hash of their customer; who has a row keeps it."""
    names = [b"c%d" % (i % 70) for i in range(100)]
    one, many = Profiles(FULL, 16), Profiles(FULL, 16)
    for profiles in (one, many):
        profiles.rows["revenue"][profiles.row(b"c3")] = 5.0
    for name in names:
        one.row(name)
    many.enlist(names[:40])
    many.enlist(names)
    assert many.keys == one.keys
    assert many.index == one.index
    assert np.array_equal(many.stored(np.arange(70)), one.stored(np.arange(70)))
    assert many.rows["revenue"][many.find(b"c3")] == 5.0


def test_room_for_more_rows_is_made_without_a_copy() -> None:
    """But for the first time: a million rows cannot be copied while a partition waits."""
    profiles = Profiles(FULL, 16)
    profiles.enlist(b"c%d" % i for i in range(17))
    before = profiles.rows
    before["revenue"][:17] = np.arange(17)
    profiles.enlist(b"c%d" % i for i in range(300))
    assert len(before) < 300 <= len(profiles.rows)
    assert np.shares_memory(before, profiles.rows)
    assert profiles.rows["revenue"][:20].tolist() == [*range(17), 0, 0, 0]


def test_rows_stay_where_the_system_gives_no_room_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room is then made as it is needed, and those that are there stay what they are."""
    made, profiles = np.zeros, Profiles(FULL, 16)

    def zeros(room: int, dtype: np.dtype[np.void]) -> np.ndarray:
        if room > 8 * len(profiles) + 8:
            raise MemoryError
        return made(room, dtype)

    monkeypatch.setattr(np, "zeros", zeros)
    for i in range(500):
        row = profiles.row(b"c%d" % i)
        profiles.rows["revenue"][row] = i
    assert profiles.rows["revenue"][:500].tolist() == list(range(500))
