"""Versions of the shop's knowledge, made up: what is known of each product."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from scoring.profile import FAR, NEVER, stable_hash
from scoring.shop.snapshot import Figures, ShopSnapshot, parts_of

__all__ = ["Known", "known_shop"]


class Known(NamedTuple):
    """Of a product: orders lately, what was bought with it most, after how long it is bought again, its prices, and
    from when to when the one before was told.
    """

    orders: float
    companions: tuple[str, ...] = ()
    gap_days: float = np.nan
    category: str | None = None
    price: float = np.nan
    price_before: float = np.nan
    since_ms: int = NEVER
    before_ms: int = FAR


def known_shop(
    version: int, effective_ms: int, known: Mapping[str, Known], usual: Sequence[float] = ()
) -> ShopSnapshot:
    """A version that knows this of these products, and when customers order."""
    names = sorted(known, key=lambda name: stable_hash(name.encode()))
    categories = sorted({facts.category for facts in known.values() if facts.category})
    companions = np.full((len(names), 2), -1, np.int32)
    for row, name in enumerate(names):
        found = [names.index(other) for other in known[name].companions]
        companions[row, : len(found)] = found
    figures = Figures(
        hashes=np.array([stable_hash(name.encode()) for name in names], np.uint64),
        products=[name.encode() for name in names],
        popularity=np.array([known[name].orders for name in names], np.float32),
        gap_days=np.array([known[name].gap_days for name in names], np.float32),
        price=np.array([known[name].price for name in names]),
        price_before=np.array([known[name].price_before for name in names]),
        before_since_ms=np.array([known[name].since_ms for name in names]),
        before_ms=np.array([known[name].before_ms for name in names]),
        category=np.array([categories.index(c) if (c := known[name].category) else -1 for name in names], np.int32),
        companions=companions,
        categories=categories,
        usual=usual,
    )
    return ShopSnapshot(version, effective_ms, parts_of(figures))
