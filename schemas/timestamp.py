"""Timestamps: ISO 8601 text with an offset, to and from milliseconds since the epoch."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

__all__ = ["FIRST_MS", "LAST_MS", "PATTERN", "from_ms", "receipt_ms", "to_ms"]

PATTERN: Final = (
    r"^(?!0000)[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(\.[0-9]{1,9})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
"""The accepted form, RFC 3339 without leap seconds; the JSON Schemas carry the same expression."""

_ACCEPTED: Final = re.compile(PATTERN)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - only its text is of interest
_MS: Final = timedelta(milliseconds=1)
FIRST_MS: Final = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) // _MS
LAST_MS: Final = 253_402_300_799_999
"""The first and the last millisecond that can be written: of the years 1 and 9999."""
_MINUTES: Final = [f"{hour:02d}:{minute:02d}:" for hour in range(24) for minute in range(60)]
_SECONDS: Final = [f"{second:02d}." for second in range(60)]
_THOUSANDTHS: Final = [f"{ms:03d}Z" for ms in range(1000)]
"""Looked up: to format a number costs as much as all the rest."""


def to_ms(text: str) -> int:
    """Return milliseconds since the epoch, rounded down.

    Raises
    ------
    ValueError
        If the text is not in the accepted form, names a day that the calendar lacks, or lies outside the
        years 1 to 9999 in UTC, where `from_ms` could not write it.
    """
    if text.endswith("\n") or _ACCEPTED.match(text) is None:
        raise ValueError(f"not an ISO 8601 time with an offset: {text[:80]!r}")
    found = (datetime.fromisoformat(text.upper()) - _EPOCH) // _MS
    if not FIRST_MS <= found <= LAST_MS:
        raise ValueError(f"outside the years 1 to 9999: {text[:80]!r}")
    return found


def from_ms(time_ms: int) -> str:
    """Return RFC 3339 text in UTC with milliseconds, such as `2011-12-09T12:50:00.000Z`.

    Raises
    ------
    OverflowError
        If the year would not lie between 1 and 9999.
    """
    minutes, ms = divmod(time_ms, 60_000)
    day, minute = divmod(minutes, 1440)
    return f"{_day(day)}{_MINUTES[minute]}{_SECONDS[ms // 1000]}{_THOUSANDTHS[ms % 1000]}"


@lru_cache(maxsize=4096)
def _day(day: int) -> str:
    """The text up to the hour: many times lie in few days."""
    return (_NAIVE_EPOCH + timedelta(days=day)).isoformat()[:11]


def receipt_ms(timestamp: int) -> int:
    """Return a record's own time as one that can be written: 1970 where it has none, the end of 9999 beyond that.

    A producer may give it in microseconds, where the topic's records are of their producers' time.
    """
    return min(max(timestamp, 0), LAST_MS)
