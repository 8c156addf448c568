"""Windows hold what happened in their span, and nothing else."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from scoring.profile import DAY_MS, HOUR_MS
from scoring.windows import count_days, count_hours, days_with, ring_add, roll

Add = Callable[[Any, int, int, int], None]
START = 19_700


def fill(buckets: list[int], span: int, add: Add = ring_add) -> tuple[Any, int]:
    """A ring of one kind after events in these buckets, in this order; and the newest bucket."""
    ring, epoch = np.zeros((1, span), np.uint16), -(2**31)
    for bucket in buckets:
        epoch = roll(ring, epoch, bucket)
        add(ring, 0, epoch, bucket)
    return ring, epoch


def check_span(buckets: list[int], span: int, add: Add = ring_add) -> None:
    """The ring holds exactly the events of the last `span` buckets."""
    ring, newest = fill(buckets, span, add)
    assert int(ring.sum()) == len([bucket for bucket in buckets if bucket > newest - span])


BUCKETS = st.lists(st.integers(START - 3, START + 3) | st.integers(START - 200, START + 200), min_size=1, max_size=60)


@settings(max_examples=200)
@given(buckets=BUCKETS, span=st.sampled_from((1, 2, 24, 90)))
def test_a_ring_holds_its_span_and_no_more(buckets: list[int], span: int) -> None:
    """Whatever order events come in, what is older than the span has left and what is younger is there."""
    check_span(buckets, span)


@settings(max_examples=200)
@given(buckets=BUCKETS, n=st.integers(1, 90), later=st.integers(0, 100))
def test_counts_are_those_of_the_last_n_days(buckets: list[int], n: int, later: int) -> None:
    """Counting n days, that of the moment being one of them, gives what happened on them, also long after."""
    ring, newest = fill(buckets, 90)
    today = newest + later
    inside = [bucket for bucket in buckets if bucket > today - n]
    assert count_days(ring, 0, newest, today * DAY_MS + 5, n) == len(inside)
    assert days_with(ring, 0, newest, today * DAY_MS + 5, n) == len(set(inside))


@settings(max_examples=100)
@given(buckets=BUCKETS, n=st.integers(1, 24), later=st.integers(0, 30))
def test_counts_are_those_of_the_last_n_hours(buckets: list[int], n: int, later: int) -> None:
    """Counting n hours likewise."""
    ring, newest = fill(buckets, 24)
    now = newest + later
    inside = [bucket for bucket in buckets if bucket > now - n]
    assert count_hours(ring, 0, newest, now * HOUR_MS + HOUR_MS - 1, n) == len(inside)


def test_counts_stop_at_what_a_bucket_holds() -> None:
    """A bucket counts up to 65,535 and then stays there; it never starts again from nothing."""
    ring = np.full((1, 2), 65_534, np.uint16)
    for _ in range(3):
        ring_add(ring, 0, 7, 7)
    assert ring[0, 1] == 65_535


def test_a_ring_that_is_one_bucket_too_long_is_found() -> None:
    """The check of the span fails for a ring that still takes what left it one bucket ago."""

    def off_by_one(ring: Any, kind: int, epoch: int, bucket: int) -> None:
        if bucket >= epoch - ring.shape[1]:
            ring[kind, bucket % ring.shape[1]] += 1

    @settings(max_examples=200, database=None, phases=[Phase.explicit, Phase.generate])
    @example([START + 2, START])
    @given(buckets=BUCKETS)
    def broken(buckets: list[int]) -> None:
        check_span(buckets, 2, off_by_one)

    with pytest.raises((AssertionError, ExceptionGroup)):
        broken()
