"""Plain events: those that say no more than columns hold, read by compiled code from the bytes that came.

Nine of ten events of a shop are pages, lists and products looked at. The decoder takes 3 µs for one, of which its
objects are a quarter; to find in its text what is read of it takes 0.6. The reader takes only what it is sure of: JSON
as RFC 8259 has it with each field of the type that `schemas.events` gives it, no escapes, the usual form of a time, a
customer who is the record's key. Products, categories and pages that are new are asked for by name, and found from then
on.
Whatever else comes, good or bad, is left to the decoder.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final, NamedTuple, Protocol

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import structs

from schemas.events import Event, Properties
from scoring.compiled import compiled
from streams.byte_table import ByteTable, Names, find
from streams.fetched import Fetched
from streams.hashing import hash_of
from streams.json_scan import (
    CLOSE,
    COMMA,
    FIRST_OF_NULL,
    OPEN,
    QUOTE,
    blank,
    past_anything,
    past_colon,
    past_number,
    past_text,
    past_word,
)
from streams.stamps import UNREADABLE, stamp_of

__all__ = ["Numbers", "PlainEvents", "Read", "Wanted"]

Int = npt.NDArray[np.int64]

_AT_ONCE: Final = 2048
"""Records that are read before names that they brought are asked for."""

_TEXT, _TEXT_OR_NULL, _ID, _NUMBER, _ANYTHING, _PROPERTIES, _NULL = range(7)
"""What a field may be. Of an id that is read it must be a text, and what else there is must be null."""

_READ: Final = ("messageId", "timestamp", "type", "event", "userId", "anonymousId", "properties", "name")
_READ_WITHIN: Final = ("product_id", "sku", "name", "category", "path", "title")
(_MESSAGE, _TIME, _TYPE, _EVENT, _USER, _VISITOR, _SAID, _PAGE, _PRODUCT, _SKU, _NAME, _CATEGORY, _PATH, _TITLE) = (
    range(1, 1 + len(_READ) + len(_READ_WITHIN))
)
"""Where it is kept from where to where in the text a field lies; 0: nowhere."""
_ANY_FIELD: Final = _ANYTHING << 8
_ANY_FIELDS: Final = np.uint64(_ANY_FIELD | _ANY_FIELD << 16)
"""What is told of a field: what it may be, and in the lowest eight bits where it is kept."""

_TRACK: Final = 2**32
"""Stands for the kind where the name of the event says it."""
_NONE: Final = np.uint64(2**33)
"""Stands for a kind that is not known as plain."""
_QUERY, _FRAGMENT = b"?#"


class Wanted(NamedTuple):
    """What is read of each kind, (N_KINDS,) bool each.

    Whether events of it are plain, name a product, a category, a page.
    """

    plain: npt.NDArray[np.bool_]
    product: npt.NDArray[np.bool_]
    category: npt.NDArray[np.bool_]
    page: npt.NDArray[np.bool_]


class Numbers(Protocol):
    """The numbers of names.

    Attributes
    ----------
    table
        Those that are known.
    """

    table: ByteTable

    def ask(self, names: Sequence[bytes]) -> Sequence[int]:
        """Give the numbers of names that are not in the table, and put them there, or not."""
        ...


class Read(NamedTuple):
    """What was read of some records, (n,) each; `kind` is -1 where all else means nothing.

    Attributes
    ----------
    kind, time_ms, message, product, category
        As the engine takes them: int64, and the last three uint64. The product of a page is the page.
    formers
        By index, the id of the visitor who is signed in.
    """

    kind: Int
    time_ms: Int
    message: npt.NDArray[np.uint64]
    product: npt.NDArray[np.uint64]
    category: npt.NDArray[np.uint64]
    formers: dict[int, bytes]


class PlainEvents:
    """Reads plain events; finds the names that it was told, and asks for others.

    Parameters
    ----------
    wanted
        What is read of which kind.
    calls
        The number of the kind by the type of a call that carries no name; those that are plain are read.
    kinds
        The kind by the event name of a track call.
    numbers, pages
        Of products and categories, and of pages.
    max_record_bytes, max_id_bytes
        Most bytes of a record, and of the id of a customer, a product or a category, or the name of a page.
    """

    def __init__(
        self,
        wanted: Wanted,
        calls: dict[str, int],
        kinds: ByteTable,
        numbers: Numbers,
        pages: Numbers,
        max_record_bytes: int,
        max_id_bytes: int,
    ) -> None:
        self._wanted = wanted
        self._longest = np.array([max_record_bytes, max_id_bytes])
        self._kinds, self._numbers, self._pages = kinds, numbers, pages
        self._calls = ByteTable()
        self._calls.put(b"track", _TRACK)
        for call, kind in calls.items():
            if kind >= 0 and wanted.plain[kind]:
                self._calls.put(call.encode(), kind)
        self._spans = np.empty((1 + len(_READ) + len(_READ_WITHIN), 2), np.int64)

    def read(self, records: Fetched, skew_ms: int, unknown_ms: int) -> Read:
        """Read what is plain; half a microsecond a record of 440 bytes.

        Parameters
        ----------
        skew_ms
            How far a time may lie past the receipt.
        unknown_ms
            The receipt where it is not known.
        """
        n, receipt_ms = len(records), records.timestamp
        found = Read(
            np.empty(n, np.int64), np.empty(n, np.int64),
            np.empty(n, np.uint64), np.empty(n, np.uint64), np.empty(n, np.uint64), {},
        )  # fmt: skip
        latest = np.where(receipt_ms == unknown_ms, np.iinfo(np.int64).max, receipt_ms + skew_ms)
        for start in range(0, n, _AT_ONCE):
            self._read(records[start : start + _AT_ONCE], latest[start : start + _AT_ONCE], start, found)
        return found

    def _read(self, records: Fetched, latest: Int, start: int, found: Read) -> None:
        kind, time_ms, message, product, category = (column[start : start + len(records)] for column in found[:5])
        former, unknown = np.zeros((len(records), 2), np.int64), np.zeros((len(records), 4), np.int64)
        signed_in, new = _read(
            np.frombuffer(records.text, np.uint8), records.value_spans, records.key_spans,
            latest, self._longest, self._wanted,
            (_fields(), self._calls.names, self._kinds.names, self._numbers.table.names, self._pages.table.names),
            self._spans, (kind, time_ms, message, product, category), former, unknown,
        )  # fmt: skip
        if new:
            self._meet(records.text, kind, unknown, product, category)
        if signed_in:
            for i in np.flatnonzero(former[:, 1]).tolist():
                found.formers[start + i] = records.text[former[i, 0] : former[i, 1]]

    def _meet(self, text: bytes, kind: npt.NDArray[Any], unknown: Int, product: Any, category: Any) -> None:
        """Ask for the names that are not known."""
        missing, of_a_page = unknown.any(axis=1), self._wanted.page[kind]
        for known, those in ((self._numbers, missing & ~of_a_page), (self._pages, missing & of_a_page)):
            places = np.flatnonzero(those).tolist()
            named = [(text[a:b], text[c:d]) for a, b, c, d in unknown[places].tolist()]
            names = list(dict.fromkeys(name for both in named for name in both if name))
            numbers = dict(zip(names, known.ask(names), strict=True))
            for i, (first, its_category) in zip(places, named, strict=True):
                if first:
                    product[i] = numbers[first]
                if its_category:
                    category[i] = numbers[its_category]


@cache
def _fields() -> Names:
    """By its name what a field of an event may be, and, 16 bits higher, one of its properties."""
    told = {each.encode_name: each.type for each in structs.fields(Event)}
    within = {each.encode_name: each.type for each in structs.fields(Properties)}
    table = ByteTable()
    for name in {**told, **within}:
        field = _ANY_FIELD if name not in told else _what(told[name]) << 8 | _place(name, _READ, 1)
        inner = _ANY_FIELD if name not in within else _what(within[name]) << 8 | _place(name, _READ_WITHIN, _PRODUCT)
        table.put(name.encode(), field | inner << 16)
    return table.names


def _place(name: str, read: Sequence[str], first: int) -> int:
    return first + read.index(name) if name in read else 0


def _what(told: Any) -> int:
    known = {
        str: _TEXT,
        str | None: _TEXT_OR_NULL,
        str | int | None: _ID,
        float | None: _NUMBER,
        msgspec.Raw: _ANYTHING,
        Properties | None: _PROPERTIES,
    }
    return known.get(told, _NULL)


@compiled
def _scan(text: Any, at: int, stop: int, fields: Any, spans: Any) -> bool:
    """Go through an event and note where the fields that are read lie, (start, stop); (-1, -1) where they do not.

    False as soon as anything is not sure to be what the decoder would take, and where a field that is read comes twice.
    """
    for k in range(spans.shape[0]):
        spans[k, 0] = spans[k, 1] = -1
    at = blank(text, at, stop)
    if at >= stop or text[at] != OPEN:
        return False
    at = blank(text, at + 1, stop)
    inside, begun = False, True
    while at < stop:
        if text[at] == CLOSE:
            at = blank(text, at + 1, stop)
            if not inside:
                return at == stop
            inside = begun = False
            continue
        if not begun:
            if text[at] != COMMA:
                return False
            at = blank(text, at + 1, stop)
        begun = False
        start = at + 1
        at = past_text(text, at, stop)
        if at < 0:
            return False
        told = np.int64(find(fields, text, start, at - 1, _ANY_FIELDS)) >> (16 if inside else 0)
        what, place = told >> 8 & 255, told & 255
        at = past_colon(text, at, stop)
        if at < 0:
            return False
        start, end = at, at
        first = text[at]
        if what == _ANYTHING:
            at = past_anything(text, at, stop)
        elif first == QUOTE and what <= _ID:
            at = past_text(text, at, stop)
            start, end = start + 1, at - 1
        elif first == OPEN and what == _PROPERTIES:
            at = at + 1
            inside = begun = True
        elif first == FIRST_OF_NULL and what != _TEXT:
            at = past_word(text, at, stop)
        elif what in (_NUMBER, _ID) and place == 0:
            at = past_number(text, at, stop, what == _ID)
        else:
            return False
        if at < 0:
            return False
        if place != 0:
            if spans[place, 0] >= 0:
                return False
            spans[place, 0], spans[place, 1] = start, end
        at = blank(text, at, stop)
    return False


@compiled
def _kind(text: Any, spans: Any, calls: Any, kinds: Any) -> Any:
    """The number of the kind, -1 if the call or its name is not known as plain; a call without type is `track`."""
    kind = np.uint64(_TRACK)
    if spans[_TYPE, 0] >= 0:
        kind = find(calls, text, spans[_TYPE, 0], spans[_TYPE, 1], _NONE)
    if kind == _TRACK and spans[_EVENT, 0] >= 0:
        kind = find(kinds, text, spans[_EVENT, 0], spans[_EVENT, 1], _NONE)
    return np.int64(kind) if kind < _TRACK else np.int64(-1)


@compiled
def _time(text: Any, spans: Any) -> int:
    if spans[_TIME, 0] < 0:
        return UNREADABLE
    return stamp_of(text, spans[_TIME, 0], spans[_TIME, 1])


@compiled
def _product(spans: Any) -> Any:
    """Which of id, SKU and name is the first that is told; the last if none is."""
    for told in range(_PRODUCT, _NAME):
        if _letters(spans, told) > 0:
            return told
    return _NAME


@compiled
def _page(text: Any, spans: Any) -> int:
    """Which of name, path and title is the first that is told, 0 for none; the path ends before query and fragment."""
    if _letters(spans, _PAGE) > 0:
        return _PAGE
    at = spans[_PATH, 0]
    while at < spans[_PATH, 1] and text[at] != _QUERY and text[at] != _FRAGMENT:
        at += 1
    spans[_PATH, 1] = at
    if _letters(spans, _PATH) > 0:
        return _PATH
    return _TITLE if _letters(spans, _TITLE) > 0 else 0


@compiled
def _letters(spans: Any, told: int) -> Any:
    """How many bytes a text has; 0 where it is not told."""
    return spans[told, 1] - spans[told, 0]


@compiled
def _number(text: Any, spans: Any, told: int, numbers: Any, unknown: Any, at: int) -> Any:
    """The number of the name that is told there; where it is not known 0, and where it lies goes to `unknown`."""
    number = find(numbers, text, spans[told, 0], spans[told, 1], np.uint64(0))
    if number == 0:
        unknown[at], unknown[at + 1] = spans[told, 0], spans[told, 1]
    return number


@compiled
def _same(text: Any, start: int, stop: int, its_start: int, its_stop: int) -> bool:
    if stop - start != its_stop - its_start:
        return False
    for k in range(stop - start):  # noqa: SIM110 - compiled code makes no generator
        if text[start + k] != text[its_start + k]:
            return False
    return True


@compiled
def _read(
    text: Any, values: Any, keys: Any, latest: Any, longest: Any, wanted: Any, tables: Any, spans: Any,
    found: Any, former: Any, unknown: Any,
) -> tuple[bool, bool]:  # fmt: skip
    """Fill the columns of each record, kind -1 where it is not plain.

    Returns whether any is of a visitor who is signed in, and whether any names what is not known: `unknown`, from where
    to where its product, or the name of its page, lies and then its category.
    """
    fields, calls, kinds, numbers, pages = tables
    kind, time_ms, message, product, category = found
    signed_in, new = False, False
    for i in range(kind.shape[0]):
        start, key_start = values[0][i], keys[0][i]
        stop, key_stop = start + max(values[1][i], 0), key_start + max(keys[1][i], 0)
        kind[i] = -1
        if stop - start <= longest[0] and _scan(text, start, stop, fields, spans):
            told = _kind(text, spans, calls, kinds)
            time_ms[i] = _time(text, spans)
            whose = _USER if _letters(spans, _USER) > 0 else _VISITOR
            if (
                told >= 0
                and wanted.plain[told]
                and _letters(spans, _MESSAGE) > 0
                and time_ms[i] != UNREADABLE
                and time_ms[i] <= latest[i]
                and 0 < key_stop - key_start <= longest[1]
                and _same(text, spans[whose, 0], spans[whose, 1], key_start, key_stop)
                and (not wanted.product[told] or 0 < _letters(spans, _product(spans)) <= longest[1])
                and (not wanted.category[told] or _letters(spans, _CATEGORY) <= longest[1])
            ):
                product[i] = category[i] = np.uint64(0)
                if wanted.product[told]:
                    product[i] = _number(text, spans, _product(spans), numbers, unknown[i], 0)
                    new = new or product[i] == 0
                elif wanted.page[told]:
                    named = _page(text, spans)
                    if named > 0 and _letters(spans, named) <= longest[1]:
                        product[i] = _number(text, spans, named, pages, unknown[i], 0)
                        new = new or product[i] == 0
                if wanted.category[told] and _letters(spans, _CATEGORY) > 0:
                    category[i] = _number(text, spans, _CATEGORY, numbers, unknown[i], 2)
                    new = new or category[i] == 0
                kind[i] = told
                message[i] = hash_of(text, spans[_MESSAGE, 0], spans[_MESSAGE, 1])
                if whose == _USER and _letters(spans, _VISITOR) > 0:
                    former[i, 0], former[i, 1] = spans[_VISITOR, 0], spans[_VISITOR, 1]
                    signed_in = True
    return signed_in, new
