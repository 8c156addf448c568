"""Profile: one row of a structured array per customer, everything that the kernel touches."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from scoring.kinds import N_SOURCES, Kind
from scoring.layout_number import LayoutMismatchError, number_of, refusal, stamp
from scoring.rules.columns import ANY, LATELY_KINDS, VISITED
from scoring.rules.parts import Parts

__all__ = [
    "ANY",
    "DAY_MS",
    "FAR",
    "HOUR_MS",
    "NEVER",
    "VISITED",
    "VISIT_DAYS",
    "Layout",
    "LayoutMismatchError",
    "Profiles",
    "copied",
    "split",
    "stable_hash",
]

HOUR_MS = 3_600_000
DAY_MS = 86_400_000
NEVER = -(2**62)
"""A time before every event: the last time of what never happened."""
FAR = 2**62
"""A time after every event: the due time of a row that nothing is due for."""
VISIT_DAYS = 28
"""Days of which each hour with a visit is known: whole weeks, so that the slot of a day gives its weekday."""
BEHAVIOURS = 3
BEHAVIOUR_DECAYS = 4
_OF_PAGES = ("page", "page_ms")
_SLACK = 65_536
"""Rows for which there is room beyond those in use, once there are as many."""
_MOST = 2**22
"""Rows of one partition for which address space is taken."""


def stable_hash(text: bytes) -> int:
    """64 bits of BLAKE2b, the same in every process (Python's own hash is not)."""
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little")


@dataclass(frozen=True, slots=True)
class Layout:
    """Sizes of a profile row, fixed at start.

    Parameters
    ----------
    horizon_ms
        The horizon H; half-lives are multiples of it.
    day_kinds, hour_kinds
        Kinds counted by day (90-day rings, at most six) and by hour (24-hour rings);
        `VISITED` counts every event on the site, `ANY` every event.
    days, hours
        Lengths of the rings.
    orders
        Length of the sorted ring of orders.
    messages
        How many message ids each customer remembers: the span of de-duplication.
    views
        How many distinct viewed products each customer remembers.
    parts
        What is kept for the rules that read it; by default for all that a rule can read.
    """

    horizon_ms: int = 30 * DAY_MS
    day_kinds: tuple[int, ...] = (VISITED, Kind.PRODUCT_VIEWED, Kind.PRODUCT_ADDED)
    hour_kinds: tuple[int, ...] = (Kind.PRODUCT_VIEWED,)
    days: int = 90
    hours: int = 24
    orders: int = 16
    messages: int = 32
    views: int = 8
    parts: Parts = field(default_factory=Parts)

    def __post_init__(self) -> None:
        if self.horizon_ms < HOUR_MS:
            raise ValueError(f"horizon_ms: {self.horizon_ms} is under an hour; give at least {HOUR_MS}")
        if not 1 <= len(self.day_kinds) <= 6:
            raise ValueError(f"day_kinds: {len(self.day_kinds)} kinds; give between one and six")
        if not 1 <= len(self.hour_kinds) <= 6:
            raise ValueError(f"hour_kinds: {len(self.hour_kinds)} kinds; give between one and six")
        for name, low, high in (("days", 1, 366), ("hours", 1, 168), ("orders", 4, 64), ("messages", 1, 1024)):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name}: {getattr(self, name)} is outside [{low}, {high}]")

    @property
    def pending(self) -> int:
        """How many examples of one customer can wait at a time (one each 7/30 H, for H)."""
        return 6

    def dtype(self) -> np.dtype[np.void]:
        """The row's dtype: stored fields first, then what is derived from them."""
        return _dtype(self)

    def _stored(self) -> list[Any]:
        parts = self.parts
        return [
            ("layout", "u8"), ("hash", "u8"),
            ("first_ms", "i8"), ("last_ms", "i8"), ("now_ms", "i8"), ("applied", "i8", N_SOURCES),
            ("last_kind", "i8", parts.kinds), ("total", "u4", parts.kinds),
            ("hour_epoch", "i4"), ("day_epoch", "i4"),
            ("busy", "u2", (1, 2)), ("hours", "u2", (len(self.hour_kinds), self.hours)),
            ("days", "u2", (len(self.day_kinds), self.days)), ("visited", "u4", (1, VISIT_DAYS)),
            ("behaviour", "f8", (BEHAVIOURS, BEHAVIOUR_DECAYS)), ("cancels", "f8", 2),
            ("revenue", "f8"), ("refunded", "f8"), ("cart_value", "f8"), ("discounted", "u4"), ("cart_items", "i4"),
            ("ring_ms", "i8", self.orders), ("ring_value", "f4", self.orders),
            ("ring_lines", "f4", self.orders), ("ring_quantity", "f4", self.orders),
            ("fold", "f8", 23), ("fold_ms", "i8"), ("fold_orders", "i4"), ("fold_visits", "i4"),
            ("message", "u8", self.messages),
            ("view_product", "u8", self.views), ("view_ms", "i8", self.views),
            ("page", "u8", parts.pages), ("page_ms", "i8", parts.pages),
            ("bought", "u8"), ("bought_ms", "i8"), ("coupons", "u4"), ("content_n", "u4"), ("content", "u8", 2),
            ("seen_product", "u8", parts.seen), ("seen_category", "u8", parts.seen), ("seen_ms", "i8", parts.seen),
            ("lately_ms", "i8", (len(LATELY_KINDS), parts.lately)), ("told", "f4", parts.told),
            ("guest_orders", "i4", (parts.guest,)),
            ("moment_ms", "i8", parts.moments), ("crowded_ms", "i8"),
            ("peak", "f8", (parts.peak,)), ("peak_ms", "i8", (parts.peak,)),
            ("rescore_ms", "i8"), ("example_ms", "i8"), ("pending_ms", "i8", self.pending), ("due_ms", "i8"),
            ("inside", "u8"), ("score", "f8"), ("published_score", "f8"), ("published_ms", "i8"),
            ("message_n", "i2"), ("interested", "i1"), ("band", "i1"),
            ("ring_n", "i1"), ("view_n", "i1"), ("seen_n", "i1"), ("moment_n", "i1"), ("pending_n", "i1"),
            ("seen_lists", "u1", parts.listed),
        ]  # fmt: skip

    def _derived(self) -> list[Any]:
        return [("derived", "f8", 27), ("kth_ms", "i8", 4), ("queued_ms", "i8")]

    def stored_bytes(self) -> int:
        """How many leading bytes of a row go to the changelog; the rest is derived again on restore."""
        offset: int = self.dtype().fields["derived"][1]  # type: ignore[index]
        return offset

    def fingerprint(self) -> int:
        """The stamp that each row carries: number and settings of its layout, so that any other is known for one.

        Rows that keep no pages are laid out as they were before there were any, and have the stamp of then.
        """
        stored = [each for each in self._stored() if self.parts.pages or each[0] not in _OF_PAGES]
        return stamp(stable_hash(repr((self, stored)).encode()))


@lru_cache(maxsize=64)
def _dtype(layout: Layout) -> np.dtype[np.void]:
    """The same for the same layout: putting it together takes 0.2 ms."""
    return np.dtype(layout._stored() + layout._derived(), align=True)


class Profiles:
    """The rows of one partition's customers and the dict from id to row.

    Looking up costs a dict access; a new customer costs a hash of the id and, now and then, a longer array.

    Attributes
    ----------
    find
        Gives a customer's row, -1 if it has none.
    """

    def __init__(self, layout: Layout, capacity: int = 1024) -> None:
        self.layout = layout
        self.dtype = layout.dtype()
        self.fingerprint = layout.fingerprint()
        self.stored_bytes = layout.stored_bytes()
        self._stamp = self.fingerprint.to_bytes(8, "little")
        self.index: dict[bytes, int] = _Index()
        self.find: Callable[[bytes], int] = self.index.__getitem__
        self.keys: list[bytes] = []
        self.rows = self._reserved = np.zeros(capacity, self.dtype)
        self._blank = self.blank_row().view(np.uint8)
        self._vacant = 0

    @property
    def customers(self) -> int:
        """How many customers there are; rows of those who were forgotten, or are another by now, are nobody's."""
        return len(self.keys) - self._vacant

    def __len__(self) -> int:
        return len(self.keys)

    def blank_row(self) -> npt.NDArray[np.void]:
        """An array of one row, of a customer of whom nothing is known."""
        blank = np.zeros(1, self.dtype)
        blank["layout"] = self.fingerprint
        for name in ("first_ms", "last_ms", "now_ms", "last_kind", "fold_ms", "kth_ms", "published_ms",
                     "bought_ms", "lately_ms", "crowded_ms", "peak_ms"):  # fmt: skip
            blank[name] = NEVER
        for name in ("example_ms", "rescore_ms", "due_ms", "queued_ms"):
            blank[name] = FAR
        blank["applied"] = -1
        blank["hour_epoch"] = blank["day_epoch"] = -(2**31)
        blank["published_score"] = np.nan
        blank["score"] = blank["told"] = blank["peak"] = np.nan
        blank["band"] = -1
        return blank

    def row(self, customer: bytes) -> int:
        """The customer's row, a new one if it has none."""
        found = self.index.get(customer)
        return self.add(customer) if found is None else found

    def add(self, customer: bytes) -> int:
        """A blank row for a customer that has none."""
        number = len(self.keys)
        if number >= len(self.rows):
            self._grow(number + 1)
        self.index[customer] = number
        self.keys.append(customer)
        self.blank(number)
        self.rows["hash"][number] = stable_hash(customer)
        return number

    def enlist(self, customers: Iterable[bytes]) -> None:
        """Blank rows for those who have none; one by one it takes five times as long."""
        known = len(self.keys)
        self.keys += [customer for customer in dict.fromkeys(customers) if customer not in self.index]
        new = self.keys[known:]
        if not new:
            return
        self.index.update(zip(new, range(known, len(self.keys)), strict=True))
        if len(self.keys) > len(self.rows):
            self._grow(len(self.keys))
        self._flat()[known : len(self.keys)] = self._blank
        self.rows["hash"][known : len(self.keys)] = [stable_hash(customer) for customer in new]

    def row_of(self, stored: bytes) -> npt.NDArray[np.void]:
        """An array of one row, from its stored bytes; what is derived is blank."""
        one = self.blank_row()
        if stored:
            self._check(b"", stored)
            one.view(np.uint8)[: self.stored_bytes] = np.frombuffer(stored, np.uint8)
        return one

    def forget(self, customer: bytes) -> None:
        """Let nothing be left of a customer who has a row."""
        if (number := self.index.pop(customer, None)) is not None:
            self.vacate(number)

    def vacate(self, number: int) -> None:
        """Let nothing be left in a row, which is nobody's from then on."""
        self.blank(number)
        self._vacant += 1

    def now(self, number: int) -> int:
        """The row of whoever was in a row; itself where they have none here any more."""
        found = self.find(self.keys[number])
        return number if found < 0 else found

    def blank(self, number: int) -> None:
        """Let nothing be left in a row."""
        self._flat()[number] = self._blank  # as bytes: field by field it takes fifty times as long

    def _grow(self, needed: int) -> None:
        # Untouched pages of zeros cost no memory, but a copy of a million rows takes seconds in which nothing else goes
        # on: there is one at the beginning, and others only beyond `_MOST` rows.
        known = len(self.rows)
        room = max(needed, min(4 * known, known + _SLACK))
        if room > len(self._reserved):
            before, self._reserved = self._flat(), _reserved(room + room // 2, self.dtype)
            self.rows = self._reserved[:room]
            self._flat()[:known] = before
        self.rows = self._reserved[:room]

    def stored(self, numbers: npt.NDArray[np.int64]) -> list[bytes]:
        """The stored bytes of rows, one element a row."""
        whole = self._flat()[:, : self.stored_bytes].view(f"V{self.stored_bytes}")
        return [*map(whole[:, 0].item, numbers.tolist())]

    def _flat(self) -> npt.NDArray[np.uint8]:
        return self.rows.view(np.uint8).reshape(len(self.rows), self.dtype.itemsize)

    def load(self, keys: list[bytes], values: list[bytes]) -> npt.NDArray[np.int64]:
        """Put stored rows in place and return their numbers; what is derived is left for the caller.

        Raises
        ------
        LayoutMismatchError
            If a row is not of this layout.
        """
        width = self.stored_bytes
        if {*map(len, values)} - {width} or {value[:8] for value in values} - {self._stamp}:
            for key, value in zip(keys, values, strict=True):
                self._check(key, value)
        index, known = self.index, len(self.keys)
        numbers = np.empty(len(keys), np.int64)
        for i, key in enumerate(keys):
            number = index.get(key)
            if number is None:
                number = index[key] = len(self.keys)
                self.keys.append(key)
            numbers[i] = number
        if len(self.keys) > len(self.rows):
            self._grow(len(self.keys))
        self._flat()[known : len(self.keys), width:] = self._blank[width:]
        self._flat()[numbers, :width] = np.frombuffer(b"".join(values), np.uint8).reshape(len(keys), width)
        return numbers

    def _check(self, key: bytes, value: bytes) -> None:
        if len(value) != self.stored_bytes or int.from_bytes(value[:8], "little") != self.fingerprint:
            told = f"{len(value)} bytes stored, {self.stored_bytes} expected"
            number = number_of(int.from_bytes(value[:8], "little"))
            raise refusal(f"profile of a customer ({len(key)} bytes of id, {told})", number)


class _Index(dict[bytes, int]):
    """Rows by customer, -1 for one who has none: every event asks, and so it is not a function of Python's."""

    def __missing__(self, customer: bytes) -> int:
        return -1


def _reserved(room: int, dtype: np.dtype[np.void]) -> npt.NDArray[np.void]:
    """Zeros for `room` rows and for many more, of which only those that are touched cost memory."""
    most = _MOST
    while most > room:
        try:
            return np.zeros(most, dtype)
        except MemoryError:  # more than the system would ever give
            most //= 2
    return np.zeros(room, dtype)


def copied(rows: npt.NDArray[np.void], width: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Copies of the first `width` bytes of rows (n, width), and which of them an event reached (n,).

    A row is there from the moment that a record of its customer is read, before it is applied.
    """
    reached = (rows["applied"].max(axis=1, initial=-1) >= 0) | (rows["first_ms"] != NEVER)
    return rows.view(np.uint8).reshape(len(rows), rows.dtype.itemsize)[:, :width].copy(), reached


def split(rows: npt.NDArray[np.uint8]) -> list[bytes]:
    """Rows of bytes (n, width) as n bytes objects."""
    whole: list[bytes] = rows.view(f"V{rows.shape[1]}")[:, 0].tolist()
    return whole
