"""Rows of customers: made one by one or many at once, and grown."""

import numpy as np
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
