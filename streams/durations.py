"""Durations: spans of time written the way people write them, `30d`, `24h`, `90s`."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

__all__ = ["Duration", "format_duration", "milliseconds", "parse_duration"]

_UNITS_MS = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|w|d|h|m|s)")
_WHOLE = re.compile(r"\s*(?:\d+(?:\.\d+)?\s*(?:ms|w|d|h|m|s)\s*)+")


def parse_duration(text: str) -> timedelta:
    """Read `30d`, `24h`, `1h30m`, `250ms`; the units are w, d, h, m, s and ms.

    Raises
    ------
    ValueError
        If a part has no unit (a bare `30` could be days or seconds) or an unknown one, or it is too long for any use.
    """
    if not _WHOLE.fullmatch(text):
        raise ValueError("is not a duration: write a number and its unit (w, d, h, m, s, ms), such as 30d or 24h")
    try:
        return timedelta(milliseconds=sum(float(number) * _UNITS_MS[unit] for number, unit in _PART.findall(text)))
    except OverflowError:
        raise ValueError("is longer than a duration can be: write one such as 30d or 24h") from None


def format_duration(span: timedelta) -> str:
    """Write a span in the largest units that say it exactly (`30d`, `1h30m`); inverse of `parse_duration`."""
    rest = milliseconds(span)
    parts: list[str] = []
    for unit, size in _UNITS_MS.items():
        if unit == "w":  # 30d reads better than 4w2d
            continue
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def milliseconds(span: timedelta) -> int:
    """Return a span as whole milliseconds."""
    return span // timedelta(milliseconds=1)


def _validate(value: Any) -> Any:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, timedelta):
        return value
    raise ValueError("is not a duration: write a number and its unit (w, d, h, m, s, ms), such as 30d or 24h")


Duration = Annotated[
    timedelta, BeforeValidator(_validate), PlainSerializer(format_duration, return_type=str, when_used="json")
]
"""A pydantic field type: a `timedelta` that is read from, and written as, text such as `30d`."""
