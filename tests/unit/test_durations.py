"""Durations: what is read, what is refused, and that writing one reads back."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.durations import format_duration, milliseconds, parse_duration


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("30d", timedelta(days=30)),
        ("24h", timedelta(hours=24)),
        ("1h30m", timedelta(minutes=90)),
        ("1h 30m", timedelta(minutes=90)),
        ("250ms", timedelta(milliseconds=250)),
        ("0.5h", timedelta(minutes=30)),
        ("2w", timedelta(days=14)),
        ("0s", timedelta(0)),
    ],
)
def test_reads(text: str, span: timedelta) -> None:
    """A number and its unit, or several, are a duration."""
    assert parse_duration(text) == span


@pytest.mark.parametrize(
    "text", ["30", "", "d", "30 days", "-1d", "1d-2h", "1y", "1D", "nan d", "1d,2h", "9999999999d", "9" * 400 + "d"]
)
def test_refuses(text: str) -> None:
    """A bare number, an unknown unit or what is too long is refused with an example of how to write it."""
    with pytest.raises(ValueError, match="such as 30d or 24h"):
        parse_duration(text)


@given(st.integers(0, 400 * 86_400_000).map(lambda ms: timedelta(milliseconds=ms)))
def test_writing_reads_back(span: timedelta) -> None:
    """What `format_duration` writes, `parse_duration` reads as the same span."""
    assert parse_duration(format_duration(span)) == span


def test_writes_the_largest_exact_units() -> None:
    """Days, hours and smaller units that say the span exactly, and no weeks."""
    assert format_duration(timedelta(days=30)) == "30d"
    assert format_duration(timedelta(minutes=90)) == "1h30m"
    assert format_duration(timedelta(0)) == "0s"
    assert milliseconds(timedelta(seconds=1.5)) == 1500
