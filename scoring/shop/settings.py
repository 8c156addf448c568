"""Settings of the shop's knowledge: its steps in event time, and the bounds of its memory."""

from dataclasses import dataclass

__all__ = ["ShopSettings"]


@dataclass(frozen=True, slots=True)
class ShopSettings:
    """Steps and bounds.

    Parameters
    ----------
    every_ms
        Event time between snapshots; boundaries are its multiples.
    lateness_ms
        By how much an event may be older than the newest before it in its partition.
    half_life_ms
        After this a purchase counts half.
    products
        Most products; beyond it a tenth goes, the least bought ones.
    pairs
        Most pairs of products bought together, each counted in both directions.
    companions
        Companions of a product that a snapshot tells.
    purchases
        Most last purchases (customer and product) remembered for the usual gaps; beyond it they are those of a part
        of the customers, chosen by hash.
    orders
        Order ids remembered, so that one that comes twice counts once.
    basket
        Most products of an order whose pairs are counted, chosen by hash.
    categories
        Most categories; products of any more have none.
    open_orders, open_products
        Most orders, and products with a price, of one interval that is still open; beyond it those are kept whose ids
        have the least hashes.
    """

    every_ms: int = 3_600_000
    lateness_ms: int = 3_600_000
    half_life_ms: int = 30 * 86_400_000
    products: int = 100_000
    pairs: int = 4_000_000
    companions: int = 10
    purchases: int = 1_000_000
    orders: int = 200_000
    basket: int = 500
    categories: int = 5_000
    open_orders: int = 200_000
    open_products: int = 200_000
