"""Companion: what is usually bought with a product, and was not."""

from collections.abc import Mapping

from scoring.open_object import OpenObject
from scoring.shop.snapshot import ShopSnapshot

__all__ = ["lacking_companion"]


def lacking_companion(product: str, known: Mapping[str, OpenObject], shop: ShopSnapshot | None) -> str | None:
    """The product that is most often bought with this one, if it was not; None if it was, or there is none.

    `known` are the products that something is known of: what is not among them was not bought.
    """
    companion = None if shop is None else shop.first_companion(product)
    if companion is None:
        return None
    thing = known.get(companion)
    return companion if thing is None or not thing.bought else None
