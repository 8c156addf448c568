"""Content: what `content` carries."""

from typing import Annotated, Literal, Self

from msgspec import Meta, Struct

from schemas.outputs.event import CloudEvent, Count, Text, Time

__all__ = ["ContentData", "ContentEvent"]


class ContentData(Struct, forbid_unknown_fields=True):
    """What one customer is shown from `event_time` on; told when it changes.

    `version` counts the customer's decisions, from 1. `segment` is stage and band together; `products` are to be shown
    in this order; `coupon` says whether one makes sense. `shop_version` is 0 where the shop's knowledge is not there.
    """

    customer_id: Text
    version: Annotated[int, Meta(ge=1)]
    segment: Text
    stage: Text
    band: Text
    categories: list[Text]
    products: list[Text]
    coupon: bool
    event_time: Time
    model_version: Count
    shop_version: Count


class ContentEvent(CloudEvent, kw_only=True):
    """What a customer is shown, on `content`."""

    type: Literal["recompra.content"]
    dataschema: Literal["urn:recompra:content.v1"]
    data: ContentData

    @classmethod
    def of(cls, event_id: str, subject: str, time: str, data: ContentData) -> Self:
        """Return the event around its data."""
        return cls(
            specversion="1.0",
            id=event_id,
            source="/recompra",
            type="recompra.content",
            subject=subject,
            time=time,
            datacontenttype="application/json",
            dataschema="urn:recompra:content.v1",
            data=data,
        )
