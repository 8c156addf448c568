"""Stored state: the changelog rows of one partition's engine, each kind under a letter of its own."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from scoring.erased import Erased
from scoring.links import Links
from scoring.older import Older
from scoring.pending import PendingExamples
from scoring.profile import NEVER, Profiles, copied, split
from scoring.sides import Sides

__all__ = ["META", "Copied", "Meta", "Stored"]

PROFILE, SIDE, EXAMPLE, PRODUCT, PAGE, LINK, ERASED, META = b"c", b"s", b"e", b"p", b"g", b"l", b"x", b"m"
PIECE = 512
"""Rows at a time: what fits the processor's cache takes half as long to write and to load as eight times as many."""


class Meta(msgspec.Struct, array_like=True):
    """What an engine keeps besides its customers; `trials` by rule as in `scoring.trials`.

    The last two are those of `scoring.asked_anew`.
    """

    layout: int
    seen_ms: list[int]
    behind: list[int]
    watermark: list[int]
    choice: list[int]
    counts: list[int]
    slots: list[str]
    trials: dict[str, list[int]] = msgspec.field(default_factory=dict)
    category_slots: list[str] = msgspec.field(default_factory=list)
    object_ages: dict[str, tuple[tuple[int, int], ...]] | None = None
    objects_until_ms: int = NEVER


@dataclass(slots=True)
class Copied:
    """Everything that one engine has stored, as of one moment; once it is filled, nothing changes it any more.

    Parameters
    ----------
    keys
        Ids of the customers by row.
    live, width
        The rows themselves (n,), None once they are copied, and how many of their bytes are stored.
    sides, examples, products, pages, links, erased
        By row (None for none), by row and time made, by number, by number, by former id, by hash.
    """

    keys: list[bytes]
    live: NDArray[np.void] | None
    width: int
    sides: list[bytes | None]
    examples: dict[tuple[int, int], bytes]
    products: dict[int, str]
    pages: dict[int, str]
    links: dict[bytes, bytes]
    erased: dict[bytes, bytes]
    meta: bytes
    _rows: tuple[NDArray[np.uint8], NDArray[np.bool_]] | None = None

    def fill(self) -> None:
        """Copy the rows, which must not change until that is done: about 0.6 µs a customer.

        May be called in another thread; most of it needs no interpreter.
        """
        assert self.live is not None
        try:
            self._rows = copied(self.live, self.width)
        finally:
            self.live = None

    def pieces(self) -> Iterator[tuple[list[bytes], list[bytes]]]:
        """Keys and values as they are in the changelog, some hundreds at a time, the engine's own row last.

        Profile rows come first, in the order of the rows, so that they are loaded as one array. Those that no event
        reached yet are not in the changelog either.

        Raises
        ------
        ValueError
            If the rows are not copied, or could not be.
        """
        if self._rows is None:
            raise ValueError("the rows of the customers were not copied")
        rows, reached = self._rows
        for start in range(0, len(self.keys), PIECE):
            some = np.flatnonzero(reached[start : start + PIECE]) + start
            yield [PROFILE + self.keys[row] for row in some.tolist()], split(rows[some])
        for start in range(0, len(self.sides), PIECE):
            known = {row: value for row, value in enumerate(self.sides[start : start + PIECE], start) if value}
            yield [SIDE + self.keys[row] for row in known], [*known.values()]
        yield from _pieces({_example_key(ms, self.keys[row]): value for (row, ms), value in self.examples.items()})
        yield from _pieces({_number_key(PRODUCT, number): _name(name) for number, name in self.products.items()})
        yield from _pieces({_number_key(PAGE, number): _name(name) for number, name in self.pages.items()})
        yield from _pieces({LINK + former: owner for former, owner in self.links.items()})
        yield from _pieces({ERASED + name: value for name, value in self.erased.items()})
        yield [META], [self.meta]


def _pieces(rows: dict[bytes, bytes]) -> Iterator[tuple[list[bytes], list[bytes]]]:
    keys, values = list(rows), list(rows.values())
    for start in range(0, len(keys), PIECE):
        yield keys[start : start + PIECE], values[start : start + PIECE]


def _example_key(made_ms: int, customer: bytes) -> bytes:
    return EXAMPLE + made_ms.to_bytes(8, "big", signed=True) + customer


def _number_key(letter: bytes, number: int) -> bytes:
    return letter + number.to_bytes(8, "big")


def _name(name: str) -> bytes:
    return name.encode("utf-8", "surrogatepass")


class Stored:
    """Turns what changed into changelog rows, and rows back into state.

    Keys are a letter and the customer's id (`c` profile, `s` side record), `e`, eight bytes of time and the id
    (a pending example), `p` and eight bytes (a product's number), `g` and eight bytes (a page's), `l` and a former id
    (whose it is), `x` and a hash (who was erased), or `m` (the engine itself).

    Attributes
    ----------
    rows
        Numbers of the profile rows that changed and are not packed; to be added to with each change.
    products, pages
        Numbers of the products and of the pages that are new.
    gone
        Customers of whom nothing is kept any more.
    ahead
        Rows whose side records came after the last of the engine's own rows: of half a commit, before a crash.
    """

    def __init__(
        self,
        profiles: Profiles,
        sides: Sides,
        pending: PendingExamples,
        links: Links,
        names: dict[int, str],
        page_names: dict[int, str],
        erased: Erased,
    ) -> None:
        self._profiles = profiles
        self._sides = sides
        self._pending = pending
        self._links = links
        self._names = names
        self._page_names = page_names
        self._erased = erased
        self._removed: list[bytes] = []
        self._older = Older(profiles.layout)
        self._packed: dict[int, tuple[bytes, bytes]] = {}
        self._packed_sides: dict[int, tuple[bytes, bytes]] = {}
        self.rows: set[int] = set()
        self.products: list[int] = []
        self.pages: list[int] = []
        self.gone: list[bytes] = []
        self.ahead: list[int] = []

    def discard(self, row: int) -> None:
        """Let a profile row not be written."""
        self.rows.discard(row)
        self._packed.pop(row, None)
        self._packed_sides.pop(row, None)

    def pack(self) -> None:
        """Copy the rows that changed, and the side records, so that `changes` has less to do at once."""
        keys, rows = self._profiles.keys, list(self.rows)
        self._packed_sides.update((row, (SIDE + keys[row], value)) for row, value in self._sides.changes())
        pairs = zip([PROFILE + keys[row] for row in rows], self._profiles.stored(np.array(rows, np.int64)), strict=True)
        self._packed.update(zip(rows, pairs, strict=True))
        self.rows.clear()

    def unpack(self) -> None:
        """Let the rows that are packed be copied again: they may have changed."""
        self.rows.update(self._packed)
        self._packed.clear()

    def erase(self, customers: Iterable[bytes], owner: bytes, examples_ms: Iterable[int]) -> None:
        """Let no row be left of customers, nor of the examples of one of them, made at these times."""
        erased = dict.fromkeys(customers)
        self._removed += [_example_key(ms, owner) for ms in examples_ms]
        for customer in erased:
            self._removed += [SIDE + customer, PROFILE + customer, LINK + customer]
        self.gone = [customer for customer in self.gone if customer not in erased]  # who may come again at once

    def changes(self, meta: Meta) -> list[tuple[bytes, bytes | None]]:
        """Every changed row since the last call.

        Side records, examples and names come before the profile rows, whose applied offsets say that an event
        was applied: if only a part is written before a crash, what is read again finds its way. Who became another goes
        once that other is written. Who was erased is first, then the rows that are removed with it: the same customer
        may have new ones. Examples that are let go of come before a profile that is removed, by which they are found.
        The meta row is last.
        """
        self.pack()
        keys = self._profiles.keys
        out: list[tuple[bytes, bytes | None]] = [(ERASED + name, value) for name, value in self._erased.changes()]
        examples = [(_example_key(made_ms, keys[row]), value) for row, made_ms, value in self._pending.changes()]
        out += [(key, None) for key, value in examples if value is None]
        out += [(key, None) for key in self._removed]
        out += self._packed_sides.values()
        out += [(key, value) for key, value in examples if value is not None]
        out += [(_number_key(PRODUCT, number), _name(self._names[number])) for number in self.products]
        out += [(_number_key(PAGE, number), _name(self._page_names[number])) for number in self.pages]
        numbers = np.fromiter(self._packed, np.int64, len(self._packed))
        numbers.sort()
        out += [self._packed[row] for row in numbers.tolist()]
        for customer in self.gone:
            out += [(SIDE + customer, None), (PROFILE + customer, None)]
        out += [(LINK + former, value) for former, value in self._links.changes()]
        out.append((META, msgspec.msgpack.encode(meta)))
        self.products.clear()
        self.pages.clear()
        self.gone.clear()
        self._removed.clear()
        self._packed.clear()
        self._packed_sides.clear()
        return out

    def copy(self, meta: Meta) -> Copied | None:
        """Everything, as `changes` has given it, but for the rows, which `fill` copies; None while a change waits.

        What is copied here are lists and dicts whose values cannot change: about 0.05 µs a customer.
        """
        if self.rows or self._packed or self._packed_sides or self.gone or self._removed:
            return None
        if self.products or self.pages:
            return None
        if self._links.fresh or self._sides.waiting or self._pending.waiting or self._erased.fresh:
            return None
        sides, examples, products = self._sides.copied(), self._pending.copied(), self._names.copy()
        pages = self._page_names.copy()
        links = self._links.copied()
        erased = self._erased.copied()
        profiles, encoded = self._profiles, msgspec.msgpack.encode(meta)
        keys, live = profiles.keys.copy(), profiles.rows[: len(profiles)]
        return Copied(keys, live, profiles.stored_bytes, sides, examples, products, pages, links, erased, encoded)

    def load(self, keys: Sequence[bytes], values: Sequence[bytes | None]) -> Meta | None:
        """Put rows in place, in order; return the last meta row among them.

        Raises
        ------
        LayoutMismatchError
            If a row is of a newer layout, or of other settings.
        """
        values = self._older.brought(keys, values)
        self._profiles.enlist(key[1:] for key, value in zip(keys, values, strict=True) if key[:1] == SIDE and value)
        meta: Meta | None = None
        rows: dict[bytes, bytes] = {}
        for key, value in zip(keys, values, strict=True):
            letter = key[:1]
            if letter == PROFILE and value is not None:
                rows[key[1:]] = value
            elif letter == PROFILE:  # at once: what follows is of somebody new, though their row may come with the next
                rows.pop(key[1:], None)
                self._profiles.forget(key[1:])
            elif letter == META and value is not None:
                meta = msgspec.msgpack.decode(value, type=Meta)
                self.ahead.clear()
            else:
                self._load_other(letter, key[1:], value)
        if rows:
            self._profiles.load(list(rows), list(rows.values()))
        return meta

    def _load_other(self, letter: bytes, rest: bytes, value: Any) -> None:
        row = self._profiles.find if value is None else self._profiles.row
        if letter == SIDE:
            number = row(rest)
            self._sides.load(number, value)
            if value is not None:
                self.ahead.append(number)
        elif letter == EXAMPLE:
            self._pending.load(row(rest[8:]), int.from_bytes(rest[:8], "big", signed=True), value)
        elif letter == LINK:
            self._links.load(rest, value)
        elif letter == ERASED and value is not None:
            self._erased.load(rest, value)
        elif letter == PRODUCT and value is not None:
            self._names[int.from_bytes(rest, "big")] = value.decode("utf-8", "surrogatepass")
        elif letter == PAGE and value is not None:
            self._page_names[int.from_bytes(rest, "big")] = value.decode("utf-8", "surrogatepass")
