"""Snapshot: what was known of all products at a time, as rules and actions read it. It names no customer."""

import itertools
import zlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from scoring.profile import NEVER, stable_hash

__all__ = ["USUAL", "Figures", "ShopSnapshot", "SnapshotPartError", "parts_of"]

USUAL: Final = 31
"""Hours of a day and days of a week, by which orders are counted."""
_PART_BYTES: Final = 600_000
"""Of a part before it is packed: as a record it then fits into a broker's default of a megabyte, whatever is in it."""


class SnapshotPartError(ValueError):
    """Parts that are no snapshot."""


class Figures(NamedTuple):
    """What is told of each product, by row.

    Attributes
    ----------
    hashes
        (n,) increasing `stable_hash` of the ids.
    products
        (n,) ids in UTF-8.
    popularity
        (n,) decayed orders.
    gap_days
        (n,) NaN where unknown.
    price, price_before
        (n,) NaN where unknown.
    before_since_ms, before_ms
        (n,) after when the price before was in force, and until when it was told; `NEVER` both where that is unknown.
    category
        (n,) index into `categories`, -1 for none.
    companions
        (n, most) rows, -1 for none.
    categories
        Names.
    usual
        Decayed orders by hour of the day (24), then by weekday (7, Monday first), in UTC; empty where nobody counted.
    """

    hashes: NDArray[np.uint64]
    products: Sequence[bytes]
    popularity: NDArray[np.float32]
    gap_days: NDArray[np.float32]
    price: NDArray[np.float64]
    price_before: NDArray[np.float64]
    before_since_ms: NDArray[np.int64]
    before_ms: NDArray[np.int64]
    category: NDArray[np.int32]
    companions: NDArray[np.int32]
    categories: Sequence[str]
    usual: Sequence[float] = ()


class _Part(msgspec.Struct, array_like=True):
    most: int
    columns: list[bytes]
    products: list[bytes]
    categories: list[str]
    usual: list[float] = []


_LEAST_ORDERS: Final = 5.0
"""In fewer orders lately than this, decayed, what a product was bought with is chance."""
_COLUMNS: Final[dict[str, Any]] = {
    "hashes": np.uint64,
    "popularity": np.float32,
    "gap_days": np.float32,
    "price": np.float64,
    "price_before": np.float64,
    "category": np.int32,
    "companions": np.int32,
    "before_since_ms": np.int64,
    "before_ms": np.int64,
}
"""As they are stored; what is new comes last, as versions of before are without it."""
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Part).decode


def parts_of(figures: Figures) -> list[bytes]:
    """Pack figures in parts of less than a megabyte, which are a function of the figures; O(n)."""
    columns = [getattr(figures, name) for name in _COLUMNS]
    fixed = sum(column.nbytes for column in columns) // max(len(figures.products), 1)
    sizes = np.cumsum([len(name) + 5 + fixed for name in figures.products])
    number = sizes // _PART_BYTES if len(sizes) else np.zeros(0, np.int64)
    edges = np.searchsorted(number, np.arange((int(number[-1]) if len(number) else 0) + 2))
    most = figures.companions.shape[1]
    parts = []
    for i, (start, stop) in enumerate(itertools.pairwise(edges.tolist())):
        part = _Part(
            most,
            [column[start:stop].tobytes() for column in columns],
            list(figures.products[start:stop]),
            list(figures.categories) if i == 0 else [],
            list(figures.usual) if i == 0 else [],
        )
        parts.append(zlib.compress(_encode(part), 1))
    return parts


class ShopSnapshot:
    """One version of the shop's knowledge; the first look-up of a product takes some microseconds, later ones less.

    Parameters
    ----------
    version, effective_ms
        Its number, and the event time from which it is in force.
    parts
        All of them, in order (`parts_of`).

    Raises
    ------
    SnapshotPartError
        If they are none.
    """

    def __init__(self, version: int, effective_ms: int, parts: Sequence[bytes]) -> None:
        self.version, self.effective_ms = version, effective_ms
        self._figures = _figures(parts)
        self._rows: dict[str, int] = {}
        self._selling: dict[tuple[int, str | None], list[str]] = {}
        self._first_companions: dict[str, str | None] = {}

    def __len__(self) -> int:
        return len(self._figures.products)

    @cached_property
    def usual(self) -> Sequence[float]:
        """When customers order: shares by hour, then by weekday, each adding up to 1; empty where that is not known."""
        hours, weekdays = self._figures.usual[:24], self._figures.usual[24:]
        if not sum(hours):
            return ()
        return (*(n / sum(hours) for n in hours), *(n / sum(weekdays) for n in weekdays))

    def companions(self, product: str, most: int) -> list[str]:
        """Return what others bought together with it lately, the most frequent first."""
        row = self._row(product)
        if row is None:
            return []
        others = [other for other in self._figures.companions[row].tolist() if other >= 0]
        return [self._name(other) for other in others[:most]]

    def first_companion(self, product: str) -> str | None:
        """Return what was most often bought together with it lately; None where it was in too few orders to say."""
        if product not in self._first_companions:
            if self._row(product) is None:
                return None
            told = self.companions(product, 1) if self.popularity(product) >= _LEAST_ORDERS else []
            self._first_companions[product] = told[0] if told else None
        return self._first_companions[product]

    def best_sellers(self, most: int, category: str | None = None) -> list[str]:
        """Return the most popular products that were bought, of all or of one category.

        The first look into a category is O(products).
        """
        known = self._selling.get((most, category))
        if known is not None:
            return known
        order = self._by_popularity
        if category is not None:
            if category not in self._numbers:
                return []
            order = order[self._figures.category[order] == self._numbers[category]]
        found = self._selling[most, category] = [self._name(row) for row in order[:most].tolist()]
        return found

    def popularity(self, product: str) -> float:
        """Return in how many orders it was lately: an order counts half after a half-life. 0 for unknown ones."""
        row = self._row(product)
        return 0.0 if row is None else float(self._figures.popularity[row])

    def category_popularity(self, category: str) -> float:
        """Return what the popularity of its products adds up to; O(products)."""
        if category not in self._figures.categories:
            return 0.0
        within = self._figures.category == self._figures.categories.index(category)
        return float(self._figures.popularity[within].sum(dtype=np.float64))

    def usual_gap_days(self, product: str) -> float | None:
        """Return after how many days customers usually buy it again; None if too few did."""
        row = self._row(product)
        return None if row is None else _known(self._figures.gap_days[row])

    def price(self, product: str) -> tuple[float, float | None] | None:
        """Return its last price and the one before that was another; None if it was never seen with one."""
        row = self._row(product)
        last = None if row is None else _known(self._figures.price[row])
        return None if row is None or last is None else (last, _known(self._figures.price_before[row]))

    def category(self, product: str) -> str | None:
        """Return the category that it was last seen in."""
        row = self._row(product)
        number = -1 if row is None else int(self._figures.category[row])
        return None if number < 0 else self._figures.categories[number]

    def cheaper(self, product: str, seen_ms: int) -> tuple[float, float] | None:
        """Return its price and the one before, if it costs less now than when it was seen."""
        row, prices, figures = self._row(product), self.price(product), self._figures
        if row is None or prices is None or prices[1] is None or not prices[0] < prices[1]:
            return None
        seen_before = figures.before_since_ms[row] < seen_ms <= figures.before_ms[row]
        return (prices[0], prices[1]) if seen_before else None

    def are_cheaper(self, numbers: NDArray[np.uint64], seen_ms: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return of each product's number (`stable_hash`) whether it costs less now than when it was seen; 0.1 µs each.

        That is known of what was seen while its price before was in force.
        """
        cheaper, since_ms, until_ms = self._cheaper
        if not len(cheaper):
            return np.zeros(numbers.shape, np.bool_)
        places = np.minimum(np.searchsorted(cheaper, numbers), len(cheaper) - 1)
        seen_before = (since_ms[places] < seen_ms) & (seen_ms <= until_ms[places])
        return np.asarray((cheaper[places] == numbers) & seen_before)

    @cached_property
    def _cheaper(self) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64]]:
        figures = self._figures
        with np.errstate(invalid="ignore"):
            less = figures.price < figures.price_before
        return figures.hashes[less], figures.before_since_ms[less], figures.before_ms[less]

    @cached_property
    def _by_popularity(self) -> NDArray[np.int64]:
        popularity = self._figures.popularity
        order = np.argsort(-popularity, kind="stable")
        return order[popularity[order] > 0]

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {category: number for number, category in enumerate(self._figures.categories)}

    def _row(self, product: str) -> int | None:
        found = self._rows.get(product)
        if found is None:
            name = product.encode("utf-8", "surrogatepass")
            row = int(np.searchsorted(self._figures.hashes, np.uint64(stable_hash(name))))
            if row == len(self) or self._figures.products[row] != name:
                return None
            found = self._rows[product] = row
        return found

    def _name(self, row: int) -> str:
        return self._figures.products[row].decode()


def _known(value: np.floating) -> float | None:
    return None if np.isnan(value) else float(value)


def _figures(parts: Sequence[bytes]) -> Figures:
    try:
        read = [_decode(zlib.decompress(part)) for part in parts]
    except (zlib.error, msgspec.MsgspecError) as error:
        raise SnapshotPartError(f"a part cannot be unpacked: {error}") from None
    if not read or len({part.most for part in read}) != 1:
        raise SnapshotPartError("the parts are not of one snapshot")
    most = read[0].most
    products = [name for part in read for name in part.products]
    columns: dict[str, Any] = dict.fromkeys(("before_since_ms", "before_ms"), np.full(len(products), NEVER))
    try:
        for i, (name, dtype) in enumerate(_COLUMNS.items()):
            if i < len(read[0].columns) or name not in columns:
                columns[name] = np.frombuffer(b"".join(part.columns[i] for part in read), dtype)
        columns["companions"] = columns["companions"].reshape(len(products), most)
    except (IndexError, ValueError) as error:
        raise SnapshotPartError(f"the columns do not fit: {error}") from None
    if any(len(column) != len(products) for column in columns.values()):
        raise SnapshotPartError("the columns are of different lengths")
    usual = read[0].usual
    if usual and (len(usual) != USUAL or not min(usual) >= 0):
        raise SnapshotPartError("when customers order is not told by hour and weekday")
    return Figures(products=products, categories=read[0].categories, usual=usual, **columns)
