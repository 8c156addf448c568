"""Stored state: the changelog rows of one partition's engine, each kind under a letter of its own."""

from typing import Any

import msgspec
import numpy as np

from scoring.pending import PendingExamples
from scoring.profile import LayoutMismatchError, Profiles
from scoring.sides import Sides

__all__ = ["META", "Meta", "Stored"]

PROFILE, SIDE, EXAMPLE, PRODUCT, META = b"c", b"s", b"e", b"p", b"m"


class Meta(msgspec.Struct, array_like=True):
    """What an engine keeps besides its customers."""

    layout: int
    seen_ms: list[int]
    behind: list[int]
    watermark: list[int]
    choice: list[int]
    counts: list[int]
    slots: list[str]


class Stored:
    """Turns what changed into changelog rows, and rows back into state.

    Keys are a letter and the customer's id (`c` profile, `s` side record), `e`, eight bytes of time and the id
    (a pending example), `p` and eight bytes (a product's number), or `m` (the engine itself).

    Attributes
    ----------
    rows
        Numbers of the profile rows that changed.
    products
        Numbers of the products that are new.
    """

    def __init__(self, profiles: Profiles, sides: Sides, pending: PendingExamples, names: dict[int, str]) -> None:
        self._profiles = profiles
        self._sides = sides
        self._pending = pending
        self._names = names
        self.rows: set[int] = set()
        self.products: list[int] = []

    def changes(self, meta: Meta) -> list[tuple[bytes, bytes | None]]:
        """Every changed row since the last call.

        Side records, examples and products come before the profile rows, whose applied offsets say that an event
        was applied: if only a part is written before a crash, what is read again finds its way. The meta row is last.
        """
        keys = self._profiles.keys
        out: list[tuple[bytes, bytes | None]] = [(SIDE + keys[row], value) for row, value in self._sides.changes()]
        for row, made_ms, value in self._pending.changes():
            out.append((EXAMPLE + made_ms.to_bytes(8, "big", signed=True) + keys[row], value))
        names = ((n, self._names[n].encode("utf-8", "surrogatepass")) for n in self.products)
        out += [(PRODUCT + number.to_bytes(8, "big"), name) for number, name in names]
        numbers = np.fromiter(self.rows, np.int64, len(self.rows))
        numbers.sort()
        out += zip([PROFILE + keys[row] for row in numbers.tolist()], self._profiles.stored(numbers), strict=True)
        out.append((META, msgspec.msgpack.encode(meta)))
        self.products.clear()
        self.rows.clear()
        return out

    def load(self, keys: list[bytes], values: list[bytes | None]) -> Meta | None:
        """Put rows in place, in order; return the last meta row among them.

        Raises
        ------
        LayoutMismatchError
            If a row is of another layout.
        """
        meta: Meta | None = None
        profile_keys: list[bytes] = []
        profile_values: list[bytes] = []
        for key, value in zip(keys, values, strict=True):
            letter = key[:1]
            if letter == PROFILE and value is not None:
                profile_keys.append(key[1:])
                profile_values.append(value)
            elif letter == META and value is not None:
                meta = msgspec.msgpack.decode(value, type=Meta)
                self._check(meta)
            else:
                self._load_other(letter, key[1:], value)
        if profile_keys:
            self._profiles.load(profile_keys, profile_values)
        return meta

    def _load_other(self, letter: bytes, rest: bytes, value: Any) -> None:
        if letter == SIDE:
            self._sides.load(self._profiles.row(rest), value)
        elif letter == EXAMPLE:
            self._pending.load(self._profiles.row(rest[8:]), int.from_bytes(rest[:8], "big", signed=True), value)
        elif letter == PRODUCT and value is not None:
            self._names[int.from_bytes(rest, "big")] = value.decode("utf-8", "surrogatepass")

    def _check(self, meta: Meta) -> None:
        if meta.layout != self._profiles.fingerprint:
            raise LayoutMismatchError(
                "the stored state has another layout: ring sizes, their kinds and the horizon are fixed for the life "
                "of a state; start with the former settings, or under another app id"
            )
