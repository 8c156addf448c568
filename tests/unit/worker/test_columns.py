"""Timestamps and hashes by the column are those that one at a time would give."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.timestamp import from_ms, to_ms
from streams.hashing import hashes
from streams.json_columns import Stamps, written
from streams.stamps import UNREADABLE, stamps_ms

TIMES = st.integers(-62_135_000_000_000, 253_402_000_000_000)
TEXTS = st.text(max_size=30) | st.from_regex(
    r"\A[0-2][0-9]{3}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{1,4})?(Z|z|\+01:00)\Z"
)


def one(text: str) -> int:
    try:
        return to_ms(text)
    except ValueError:
        return UNREADABLE


@given(st.lists(TIMES.map(from_ms) | TEXTS, max_size=8))
@example(["2023-02-29T00:00:00.000Z", "2024-02-29T23:59:59.999Z", "1900-02-29T00:00:00Z", "0000-01-01T00:00:00.000Z"])
@example(["2024-01-01T00:00:00.000Z\n", "2024-01-01T24:00:00.000Z", "２024-01-01T00:00:00.000Z"])
def test_timestamps_by_the_column_are_read_as_one_at_a_time(texts: list[str]) -> None:
    """Whatever stands beside it, a text gives the same time, or none."""
    assert stamps_ms(texts).tolist() == [one(text) for text in texts]


@given(st.lists(TIMES, max_size=8))
@example([951_782_399_999, 951_782_400_000, 951_868_800_000, 4_107_542_400_000, -1, 0])
def test_timestamps_by_the_column_are_written_as_one_at_a_time(times: list[int]) -> None:
    """Leap days, centuries and years before 1970 too; what is written is read as it was."""
    told = [text.decode().strip('"') for text in written(len(times), [Stamps(np.array(times, np.int64))])]
    assert told == [from_ms(time) for time in times]
    assert [to_ms(text) for text in told] == times


@given(st.lists(st.text(max_size=40), max_size=8))
def test_a_hash_does_not_depend_on_its_neighbours(texts: list[str]) -> None:
    """A text has one hash, in any column."""
    together = hashes(texts)
    assert together.tolist() == [int(hashes([text])[0]) for text in texts]
    assert len(set(texts)) == len(set(together.tolist()))


def test_hashes_are_the_same_in_every_process() -> None:
    """Values that are stored in state, so that a change would count everything twice once."""
    assert [hex(h) for h in hashes(["", "a", "ä"]).tolist()] == [
        "0xefd01f60ba992926",
        "0x82a2a958a9bece5b",
        "0xd496e8b7a31c2b2e",
    ]
