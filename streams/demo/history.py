"""The shop's past: which customer bought which product when, as arrays that can be cut at any time."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.adapters.canonical import Canonical
from streams.demo.chance import key_of

__all__ = ["DAY_MS", "History", "Order", "history_of", "orders_of"]

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Order:
    """One real order: who, when, which products, each with its price."""

    customer: str
    time_ms: int
    products: tuple[tuple[str, str, float], ...]
    """(product id, name, price of one piece)."""
    id: str = ""
    worth: float = 0.0


@dataclass(frozen=True, slots=True)
class History:
    """All order lines in time order, each with its customer and its product.

    `line_customer` and `line_product` are (n,) indices into `customers` and `products`; `line_price` is
    (n,) in the shop's currency; `order_customer`, `order_time_ms`, `order_worth` and `order_number` (a customer's
    first is 1) are (m,), in time order, and so are `order_ids`.
    """

    customers: tuple[str, ...]
    customer_keys: NDArray[np.uint64]
    products: tuple[tuple[str, str], ...]
    """(product id, name)."""
    line_time_ms: NDArray[np.int64]
    line_customer: NDArray[np.int64]
    line_product: NDArray[np.int64]
    line_price: NDArray[np.float64]
    order_time_ms: NDArray[np.int64]
    order_customer: NDArray[np.int64]
    order_worth: NDArray[np.float64]
    order_number: NDArray[np.int64]
    order_ids: tuple[str, ...]


def orders_of(events: Iterable[Canonical]) -> list[Order]:
    """Return the completed orders among canonical events, in the order given; others are left out."""
    orders = []
    for event in events:
        if event.value.get("event") != "Order Completed":
            continue
        said = event.value["properties"]
        sold = [line for line in said.get("products", ()) if "product_id" in line and (line.get("price") or 0) > 0]
        lines = tuple(
            (str(line["product_id"]), str(line.get("name") or line["product_id"]), float(line["price"]))
            for line in sold
        )
        worth = sum(float(line["price"]) * float(line.get("quantity") or 1) for line in sold)
        orders.append(Order(event.key, event.time_ms, lines, str(said.get("order_id") or ""), worth))
    return orders


def history_of(orders: Iterable[Order]) -> History:
    """Lay orders out as arrays.

    Ties in time are ordered by customer and products, so that the order in which orders are given, and
    with it anything that comes later, leaves no trace.
    """
    ordered = sorted(orders, key=lambda order: (order.time_ms, order.customer, order.products, order.id))
    customers: dict[str, int] = {}
    products: dict[tuple[str, str], int] = {}
    lines: list[tuple[int, int, int, float]] = []
    for order in ordered:
        customer = customers.setdefault(order.customer, len(customers))
        for product, name, price in order.products:
            lines.append((order.time_ms, customer, products.setdefault((product, name), len(products)), price))
    who = np.array([customers[order.customer] for order in ordered], dtype=np.int64)
    return History(
        customers=tuple(customers),
        customer_keys=np.array([key_of(customer) for customer in customers], dtype=np.uint64),
        products=tuple(products),
        line_time_ms=np.array([line[0] for line in lines], dtype=np.int64),
        line_customer=np.array([line[1] for line in lines], dtype=np.int64),
        line_product=np.array([line[2] for line in lines], dtype=np.int64),
        line_price=np.array([line[3] for line in lines], dtype=np.float64),
        order_time_ms=np.array([order.time_ms for order in ordered], dtype=np.int64),
        order_customer=who,
        order_worth=np.array([order.worth for order in ordered], dtype=np.float64),
        order_number=_numbers(who),
        order_ids=tuple(order.id for order in ordered),
    )


def _numbers(who: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count the orders of each customer: the number of each order, in the order given."""
    by_customer = np.argsort(who, kind="stable")
    starts = np.flatnonzero(np.diff(who[by_customer], prepend=-1))
    number = np.empty(len(who), np.int64)
    number[by_customer] = np.arange(len(who)) - np.repeat(starts, np.diff(starts, append=len(who))) + 1
    return number
