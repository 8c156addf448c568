"""Knowledge: everything known of the products up to a boundary, and how an interval adds to it."""

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from scoring.profile import DAY_MS, HOUR_MS, NEVER, stable_hash
from scoring.shop.companions import Companions
from scoring.shop.interval import Facts, Interval
from scoring.shop.observations import Bought
from scoring.shop.purchases import Purchases
from scoring.shop.settings import ShopSettings
from scoring.shop.snapshot import USUAL, Figures

__all__ = ["Knowledge", "KnowledgeState"]

Ints = NDArray[np.int64]

_NEW_COLUMNS: Final = ("price_ms", "before_since_ms", "before_ms")
"""When the last price was last told, and from when to when the one before; earlier builds kept none of them."""
_STAY: Final = 0.9
"""Share of the products that stay when there are too many."""
_HIGH: Final = 64
"""Half-lives after which weights are scaled down, by a power of two."""


class KnowledgeState(Struct, array_like=True):
    """All of it as plain values; columns are bytes, in the order of `Knowledge._columns`."""

    products: list[str]
    categories: list[str]
    orders: list[int]
    start_ms: int | None
    limit: int
    told: int
    columns: list[bytes]
    usual: list[float] = []


class Knowledge:
    """What is known of each product, one row each, in bounded memory.

    Attributes
    ----------
    products
        Ids by row.
    weight
        (products,) orders that held it, each weighing what the unit was when it was counted.
    usual
        (31,) orders by hour of the day, then by weekday (UTC, Monday first), weighing alike.
    repeated
        Orders left out so far because their id had been counted.
    """

    def __init__(self, settings: ShopSettings) -> None:
        self.settings = settings
        self.products: list[str] = []
        self.categories: list[str] = []
        self.hashes = np.zeros(0, np.uint64)
        self.weight = np.zeros(0)
        self.usual = np.zeros(USUAL)
        self.seen_ms = np.zeros(0, np.int64)
        self.price = np.zeros(0)
        self.price_before = np.zeros(0)
        self.price_ms = np.zeros(0, np.int64)
        self.before_since_ms = np.zeros(0, np.int64)
        self.before_ms = np.zeros(0, np.int64)
        self.category = np.zeros(0, np.int32)
        self.companions = Companions(settings.pairs, settings.companions)
        self.purchases = Purchases(settings.purchases)
        self.repeated = 0
        self._rows: dict[str, int] = {}
        self._numbers: dict[str, int] = {}
        self._orders: dict[int, None] = {}
        self._start_ms: int | None = None
        self._unit = 1.0

    def close(self, interval: Interval, boundary_ms: int) -> None:
        """Add what was observed up to the boundary, the earlier first.

        Orders of one interval weigh the same, so that their order plays no part in what they add.
        """
        settings = self.settings
        interval.bounded(settings.open_orders, settings.open_products)
        self._set_unit(boundary_ms)
        orders = self._new(
            sorted(interval.orders.values(), key=lambda order: (order.time_ms, order.message, order.order))
        )
        named = {line.product for order in orders for line in order.lines} | interval.facts.keys()
        self._know(sorted(named))
        for product in sorted(interval.facts):
            self._learn(self._rows[product], interval.facts[product])
        self.seen_ms[[self._rows[product] for product in named]] = boundary_ms
        self._count(orders, boundary_ms)
        if len(self.products) > settings.products:
            self._evict(int(settings.products * _STAY))

    def figures(self) -> Figures:
        """What a snapshot tells of it, by the hashes of the products; O(products)."""
        order = np.argsort(self.hashes, kind="stable")
        place = np.full(len(order) + 1, -1, np.int32)  # the last stands for -1
        place[order] = np.arange(len(order), dtype=np.int32)
        return Figures(
            self.hashes[order],
            [self.products[row].encode() for row in order.tolist()],
            (self.weight[order] / self._unit).astype(np.float32),
            self.purchases.usual_days()[order],
            self.price[order],
            self.price_before[order],
            self.before_since_ms[order],
            self.before_ms[order],
            self.category[order],
            place[self.companions.top[order]],
            self.categories,
            tuple((self.usual / self._unit).tolist()),
        )

    @property
    def pair_error(self) -> float:
        """By how many decayed orders the count of a pair may be too low, at most; 0 while all pairs are held."""
        error = self.companions.error
        return float(error.max()) / self._unit if len(error) else 0.0

    # ---- what an interval adds

    def _set_unit(self, boundary_ms: int) -> None:
        half_life = self.settings.half_life_ms
        if self._start_ms is None:
            self._start_ms = boundary_ms
        while boundary_ms - self._start_ms >= _HIGH * half_life:
            self._start_ms += _HIGH * half_life
            self.weight *= 2.0**-_HIGH
            self.usual *= 2.0**-_HIGH
            self.companions.scale(2.0**-_HIGH)
        self._unit = 2.0 ** ((boundary_ms - self._start_ms) / half_life)

    def _new(self, orders: list[Bought]) -> list[Bought]:
        """Those whose ids were not counted before; ids are remembered in the order of time."""
        new = []
        for order in orders:
            number = stable_hash(order.order.encode())
            if number in self._orders:
                self.repeated += 1
            else:
                self._orders[number] = None
                new.append(order)
        for number in list(self._orders)[: max(len(self._orders) - self.settings.orders, 0)]:
            del self._orders[number]
        return new

    def _know(self, products: Iterable[str]) -> None:
        """Give a row to each product that has none."""
        new = [product for product in products if product not in self._rows]
        if not new:
            return
        for product in new:
            self._rows[product] = len(self.products)
            self.products.append(product)
        n = len(new)
        self.hashes = np.append(self.hashes, np.array([stable_hash(p.encode()) for p in new], np.uint64))
        self.weight = np.append(self.weight, np.zeros(n))
        self.seen_ms = np.append(self.seen_ms, np.zeros(n, np.int64))
        self.price = np.append(self.price, np.full(n, np.nan))
        self.price_before = np.append(self.price_before, np.full(n, np.nan))
        self.price_ms = np.append(self.price_ms, np.full(n, NEVER))
        self.before_since_ms = np.append(self.before_since_ms, np.full(n, NEVER))
        self.before_ms = np.append(self.before_ms, np.full(n, NEVER))
        self.category = np.append(self.category, np.full(n, -1, np.int32))
        self.companions.grow(len(self.products))
        self.purchases.grow(len(self.products))

    def _learn(self, row: int, facts: Facts) -> None:
        at_first = self.price[row]
        for (told_ms, _), price in reversed(facts.prices):
            if price != self.price[row]:
                # When a price left that came back within the interval is not known: then no time is the other's.
                self.before_since_ms[row] = self.price_ms[row] if price == at_first else self.before_ms[row]
                self.price_before[row], self.before_ms[row] = self.price[row], self.price_ms[row]
                self.price[row] = price
            self.price_ms[row] = told_ms
        if facts.category is not None:
            self.category[row] = self._number(facts.category[1])

    def _number(self, category: str) -> int:
        number = self._numbers.get(category)
        if number is None:
            if len(self.categories) >= self.settings.categories:
                return -1
            number = self._numbers[category] = len(self.categories)
            self.categories.append(category)
        return number

    def _count(self, orders: list[Bought], boundary_ms: int) -> None:
        baskets = [np.unique([self._rows[line.product] for line in order.lines]).astype(np.int64) for order in orders]
        if not baskets:
            return
        np.add.at(self.weight, np.concatenate(baskets), self._unit)
        placed_ms = np.array([order.time_ms for order in orders], np.int64)
        np.add.at(self.usual, placed_ms // HOUR_MS % 24, self._unit)
        np.add.at(self.usual, 24 + (placed_ms // DAY_MS + 3) % 7, self._unit)
        most = self.settings.basket
        self.companions.add((self._few(rows) if len(rows) > most else rows for rows in baskets), self._unit)
        whose = [(order, rows) for order, rows in zip(orders, baskets, strict=True) if order.customer is not None]
        if whose:
            row = np.concatenate([rows for _, rows in whose])
            length = [len(rows) for _, rows in whose]
            customer = np.repeat(np.array([order.customer for order, _ in whose], np.uint64), length)
            time_ms = np.repeat(np.array([order.time_ms for order, _ in whose], np.int64), length)
            self.purchases.add(customer, self.hashes[row], row, time_ms, boundary_ms)

    def _few(self, rows: Ints) -> Ints:
        """Some of the products of a great order, the same ones in every order of just these."""
        turned = self.hashes[rows] * np.uint64(2 * int(self.hashes[rows].sum()) % 2**63 | 1)
        return np.sort(rows[np.argsort(turned, kind="stable")[: self.settings.basket]])

    def _evict(self, most: int) -> None:
        """Keep the products bought most lately, of equals those seen last, then by hash."""
        order = np.lexsort((self.hashes, -self.seen_ms, -self.weight))
        rows = np.sort(order[:most])
        self.products = [self.products[row] for row in rows.tolist()]
        self._rows = {product: row for row, product in enumerate(self.products)}
        self.hashes, self.weight, self.seen_ms = self.hashes[rows], self.weight[rows], self.seen_ms[rows]
        self.price, self.price_before = self.price[rows], self.price_before[rows]
        for name in _NEW_COLUMNS:
            setattr(self, name, getattr(self, name)[rows])
        numbers = self.category[rows]
        used = np.unique(numbers[numbers >= 0])
        self.category = np.where(numbers >= 0, np.searchsorted(used, numbers), -1).astype(np.int32)
        self.categories = [self.categories[number] for number in used.tolist()]
        self._numbers = {category: number for number, category in enumerate(self.categories)}
        self.companions.keep(rows)
        self.purchases.keep(rows)

    # ---- to and from bytes

    def _columns(self) -> list[tuple[Any, str]]:
        """Where each column stands; rows first, then what has a length of its own."""
        companions, purchases = self.companions, self.purchases
        own = [(self, name) for name in ("hashes", "weight", "seen_ms", "price", "price_before", "category")]
        return [
            *own,
            (companions, "error"), (companions, "top"), (companions, "code"), (companions, "weight"),
            (purchases, "gaps"), (purchases, "key"), (purchases, "customer"), (purchases, "last_ms"),
            *((self, name) for name in _NEW_COLUMNS),
        ]  # fmt: skip

    def state(self) -> KnowledgeState:
        """All of it, to go on from."""
        columns = [getattr(owner, name).tobytes() for owner, name in self._columns()]
        return KnowledgeState(
            self.products,
            self.categories,
            list(self._orders),
            self._start_ms,
            self.purchases.limit,
            self.companions.told,
            columns,
            self.usual.tolist(),
        )

    @classmethod
    def restored(cls, settings: ShopSettings, state: KnowledgeState) -> "Knowledge":
        """What `state` gave, under settings that may be others.

        Raises
        ------
        ValueError
            If the columns do not fit.
        """
        made = cls(settings)
        made.products, made.categories = list(state.products), list(state.categories)
        made._rows = {product: row for row, product in enumerate(made.products)}
        made._orders = dict.fromkeys(state.orders)
        made._start_ms, made.purchases.limit = state.start_ms, state.limit
        made.usual[: len(state.usual)] = state.usual  # an earlier build kept none
        made._numbers = {category: number for number, category in enumerate(made.categories)}
        made.companions.top = np.full((0, state.told), -1, np.int32)
        columns = made._columns()
        earlier = len(state.columns) == len(columns) - len(_NEW_COLUMNS)
        for (owner, name), data in zip(
            columns[: -len(_NEW_COLUMNS)] if earlier else columns, state.columns, strict=True
        ):
            blank = getattr(owner, name)
            setattr(owner, name, np.frombuffer(data, blank.dtype).reshape(-1, *blank.shape[1:]).copy())
        if earlier:  # what was told, and when, was before the product was last seen
            for name in _NEW_COLUMNS:
                setattr(made, name, made.seen_ms.copy())
        made.companions.tell(settings.companions)
        return made
