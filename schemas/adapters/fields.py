"""Fields of text files: rows, numbers, ids and times, each refused with a reason when it is wrong."""

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from math import isfinite
from typing import Final

from schemas.refusal import Refusal, shown
from schemas.timestamp import FIRST_MS, LAST_MS

__all__ = [
    "FieldError",
    "cells",
    "customer_number",
    "encodable",
    "epoch",
    "header",
    "number",
    "rows",
    "strptime_ms",
    "time_ms",
]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_NUMBER: Final = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_WHOLE_FLOAT: Final = re.compile(r"([0-9]+)\.0+")
_AMERICAN: Final = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4}) ([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?")
_COMPACT: Final = re.compile(r"[0-9]{8}")
_LINES_OF_A_ROW: Final = 16
_UNITS: Final = {1: "seconds", 1000: "milliseconds", 1_000_000: "microseconds"}


class FieldError(Exception):
    """A field is wrong; carries the refusal."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


def cells(line: str, delimiter: str = ",") -> list[str]:
    """Split one line of a delimited file.

    A quote that stays open spoils that line, not the rest of the file (`rows` looks whether it goes on in the next).

    Raises
    ------
    FieldError
        If quotes do not close, or the line holds what is no text.
    """
    encodable(line)
    try:
        row = next(csv.reader((line.rstrip("\r\n"),), delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise FieldError(
            Refusal("line", line, f"is not delimited text ({error})", "close the quotes in the line", "malformed")
        ) from None
    return row


def encodable(line: str) -> None:
    """Raise `FieldError` where a line held bytes that are not UTF-8 (read with `surrogateescape`)."""
    if line.isascii():
        return
    try:
        line.encode()
    except UnicodeEncodeError:
        remedy = "write the file as UTF-8, for instance with `iconv -f windows-1252 -t utf-8`"
        raise FieldError(Refusal("line", line, "holds bytes that are not UTF-8", remedy, "encoding")) from None


def header(names: Sequence[str], wanted: Iterable[tuple[str, tuple[str, ...]]], otherwise: str = "") -> dict[str, int]:
    """Return the position of each wanted column; names match without regard to case, blanks and BOM.

    `otherwise` is what else can be done about one that is absent, where the format has an option for it.

    Raises
    ------
    FieldError
        If a column is absent under all its names.
    """
    places = {_plain(name): place for place, name in reversed(list(enumerate(names)))}
    found: dict[str, int] = {}
    for column, aliases in wanted:
        place = next((places[_plain(alias)] for alias in aliases if _plain(alias) in places), None)
        if place is None:
            raise FieldError(
                Refusal(
                    aliases[0],
                    ", ".join(names),
                    "is not among the columns of the first line",
                    f"name the column {aliases[0]}{otherwise}",
                    "header",
                )
            )
        found[column] = place
    return found


def number(field: str, text: str) -> float:
    """Return a finite number; a whole one is returned as int, so that JSON stays short.

    Raises
    ------
    FieldError
        If the text is not a decimal number.
    """
    plain = text.strip()
    value = float(plain) if len(plain) <= 40 and _NUMBER.fullmatch(plain) else float("nan")
    if not isfinite(value):
        raise FieldError(Refusal(field, text, "is not a number", "write digits with a decimal point", "number"))
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def customer_number(text: str) -> str:
    """Return a customer's id, without the `.0` that spreadsheets add to whole numbers."""
    plain = text.strip()
    match = _WHOLE_FLOAT.fullmatch(plain)
    return match[1] if match else plain


def time_ms(field: str, text: str, otherwise: str = "") -> int:
    """Return milliseconds since the epoch of a time in a file; without an offset it is taken as UTC.

    Takes ISO 8601 (a day, a day and a time), `YYYYMMDD`, and `M/D/YYYY H:MM`. `otherwise` is what else can be done
    about one that is none, where the format has an option for it; so it is with the other forms of times.

    Raises
    ------
    FieldError
        If it is none of these or no such day exists.
    """
    plain = text.strip()
    try:
        if american := _AMERICAN.fullmatch(plain):
            month, day, year, hour, minute, second = (int(part or 0) for part in american.groups())
            when = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        elif "-" in plain or _COMPACT.fullmatch(plain):
            when = datetime.fromisoformat(plain.removesuffix(" UTC"))
        else:
            raise ValueError(plain)
        aware = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
        return _in_range((aware - _EPOCH) // _MS)
    except (ValueError, OverflowError):
        raise _no_time(field, text, "ISO 8601 such as 2024-05-01T09:30:00Z", otherwise) from None


def epoch(field: str, text: str, per_second: int, otherwise: str = "") -> int:
    """Return milliseconds since the epoch of a count of seconds (1), milliseconds or microseconds.

    Raises
    ------
    FieldError
        If it is not a whole number, or lies outside the years 1970 to 9999.
    """
    plain = text.strip()
    try:
        if not (plain.isascii() and len(plain) <= 20 and plain.isdigit()):
            raise ValueError(plain)
        return _in_range(int(plain) * 1000 // per_second)
    except ValueError:
        raise _no_time(field, text, f"whole {_UNITS[per_second]} since the begin of 1970", otherwise) from None


def strptime_ms(field: str, text: str, pattern: str, otherwise: str = "") -> int:
    """Return milliseconds since the epoch of a time written by a pattern of `datetime.strptime`."""
    try:
        when = datetime.strptime(text.strip(), pattern)  # noqa: DTZ007 - the offset may be in the pattern
        aware = when if isinstance(when.tzinfo, timezone) else when.replace(tzinfo=UTC)
        return _in_range((aware - _EPOCH) // _MS)
    except (ValueError, OverflowError):
        raise _no_time(field, text, f"it as {shown(pattern)}", otherwise) from None


def rows(lines: Iterable[str], delimiter: str, width: int = 0) -> Iterator[tuple[int, list[str] | Refusal]]:
    """Yield line numbers and cells, or the refusal of a line; empty lines are passed over.

    A quoted cell may go on in the next lines, 16 at most, if the row is then as wide as the first, or as `width` says;
    otherwise the quote is a slip, and spoils its own line alone.
    """
    source, ahead = enumerate(lines, 1), deque[tuple[int, str]]()
    while (entry := ahead.popleft() if ahead else next(source, None)) is not None:
        line_number, line = entry
        if not line.strip():
            continue
        try:
            row = cells(line, delimiter)
            width = width or len(row)
            yield line_number, row
        except FieldError as error:
            refusal = error.refusal
            joined = _joined(line, ahead, source, delimiter, width) if refusal.code == "malformed" else None
            width = width or len(joined or ())
            yield line_number, refusal if joined is None else joined


def _joined(
    line: str, ahead: deque[tuple[int, str]], source: Iterator[tuple[int, str]], delimiter: str, width: int
) -> list[str] | None:
    """The row that begins in `line` and goes on in those that follow, which are taken; None, and none taken, if not."""
    text = line
    for more in range(1, _LINES_OF_A_ROW):
        if len(ahead) < more:
            entry = next(source, None)
            if entry is None:
                return None
            ahead.append(entry)
        text = text.rstrip("\r\n") + "\n" + ahead[more - 1][1]
        try:
            row = cells(text, delimiter)
        except FieldError:
            continue
        if width and len(row) != width:
            return None
        for _ in range(more):
            ahead.popleft()
        return row
    return None


def _in_range(value: int) -> int:
    if not FIRST_MS <= value <= LAST_MS:
        raise ValueError(value)
    return value


def _no_time(field: str, text: str, form: str, otherwise: str) -> FieldError:
    return FieldError(Refusal(field, shown(text), "is not a time", f"write {form}{otherwise}", "time"))


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())
