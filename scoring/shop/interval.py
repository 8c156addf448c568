"""Interval: what was observed between two boundaries, the same in whatever order it came and however often."""

from typing import TypeVar

from msgspec import Struct, field

from scoring.profile import stable_hash
from scoring.shop.observations import Bought, Line, Observation

__all__ = ["Facts", "Interval", "Mark"]

Mark = tuple[int, str]
"""Time and message id: what is later is told by both."""
V = TypeVar("V")


class Facts(Struct, array_like=True):
    """The last two different prices of a product, the later first, and its last category, each with its mark."""

    prices: list[tuple[Mark, float]] = field(default_factory=list)
    category: tuple[Mark, str] | None = None

    def observe(self, mark: Mark, line: Line) -> None:
        """Take what a line says; O(1)."""
        if line.category and (self.category is None or (mark, line.category) > self.category):
            self.category = (mark, line.category)
        if line.price is None or line.price <= 0:
            return
        newest = {price: at for at, price in self.prices}
        if line.price not in newest or mark > newest[line.price]:
            newest[line.price] = mark
            self.prices = sorted(((at, price) for price, at in newest.items()), reverse=True)[:2]


class Interval(Struct, array_like=True):
    """Orders by id, and facts by product.

    An order id that comes twice is the earlier order. What is beyond a bound is left out by the hash of its id, so that
    what is kept depends on nothing but what there was.

    Attributes
    ----------
    left_out
        Orders and products that were beyond the bounds, at least.
    """

    orders: dict[str, Bought] = field(default_factory=dict)
    facts: dict[str, Facts] = field(default_factory=dict)
    left_out: int = 0

    def add(self, seen: Observation, orders: int, products: int) -> None:
        """Take an observation, with most so many orders and products."""
        if isinstance(seen, Bought):
            known = self.orders.get(seen.order)
            if known is None or seen[:2] < known[:2]:
                self.orders[seen.order] = seen
            if len(self.orders) > 2 * orders:
                self.orders = self._least(self.orders, orders)
        mark = seen.time_ms, seen.message
        for line in seen.lines:
            facts = self.facts.get(line.product)
            if facts is None:
                facts = self.facts[line.product] = Facts()
            facts.observe(mark, line)
        if len(self.facts) > 2 * products:
            self.facts = self._least(self.facts, products)

    def forget(self, customer: int) -> None:
        """Let a customer's orders be nobody's."""
        for name, order in self.orders.items():
            if order.customer == customer:
                self.orders[name] = order._replace(customer=None)

    def bounded(self, orders: int, products: int) -> None:
        """Keep to the bounds, which may be passed twofold in between."""
        self.orders = self._least(self.orders, orders)
        self.facts = self._least(self.facts, products)

    def _least(self, held: dict[str, V], most: int) -> dict[str, V]:
        if len(held) <= most:
            return held
        self.left_out += len(held) - most
        kept = sorted(held, key=lambda name: (stable_hash(name.encode()), name))[:most]
        return {name: held[name] for name in kept}
