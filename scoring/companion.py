"""Companion: what is usually bought with a product, and was not."""

from collections.abc import Mapping

from scoring.open_object import OpenObject
from scoring.shop.snapshot import ShopSnapshot

__all__ = ["lacking_companion"]

_LEAST_ORDERS = 5.0
"""In fewer orders lately than this, decayed, what a product was bought with is chance."""


def lacking_companion(product: str, known: Mapping[str, OpenObject], shop: ShopSnapshot | None) -> str | None:
    """The product that is most often bought with this one, if it was not; None if it was, or there is none.

    `known` are the products that something is known of: what is not among them was not bought.
    """
    if shop is None or shop.popularity(product) < _LEAST_ORDERS:
        return None
    for companion in shop.companions(product, 1):
        thing = known.get(companion)
        if thing is None or not thing.bought:
            return companion
    return None
