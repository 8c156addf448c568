"""The shop's knowledge as it travels: parts of versions on `products`, parts of its state on `shop-state`."""

from typing import Annotated, Literal, Self

from msgspec import Meta, Struct

from schemas.outputs.event import CloudEvent, Count, Text, Time

__all__ = ["ProductsData", "ProductsEvent", "ShopState"]

One = Annotated[int, Meta(ge=1)]


class ProductsData(Struct, forbid_unknown_fields=True):
    """One of the `parts` of a version, counted from 0, in base64; in force from `effective_time` on.

    `products` is how many the whole version knows. Nothing in it names a customer.
    """

    name: Text
    version: One
    effective_time: Time
    part: Count
    parts: One
    products: Count
    snapshot: Text


class ProductsEvent(CloudEvent, kw_only=True):
    """A part of a version of the shop's knowledge, on `products`; `subject` is `name@version`."""

    type: Literal["recompra.products"]
    dataschema: Literal["urn:recompra:products.v1", "products.v1"]  # the second on records of former releases
    data: ProductsData

    @classmethod
    def of(cls, event_id: str, subject: str, time: str, data: ProductsData) -> Self:
        """Return the event around its data."""
        return cls(
            specversion="1.0",
            id=event_id,
            source="/recompra",
            type="recompra.products",
            subject=subject,
            time=time,
            datacontenttype="application/json",
            dataschema="urn:recompra:products.v1",
            data=data,
        )


class ShopState(Struct, forbid_unknown_fields=True):
    """One of the `parts` of a copy of the state, in base64; `saved` counts the copies."""

    saved: One
    part: Count
    parts: One
    state: Text
