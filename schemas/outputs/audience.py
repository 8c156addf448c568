"""Audiences: what `audiences` carries."""

from typing import Annotated, Literal, Self

from msgspec import UNSET, Meta, Struct, UnsetType

from schemas.outputs.event import CloudEvent, Count, Crossing, Text, Time

__all__ = ["AudienceData", "AudienceEvent"]


class AudienceData(Struct, forbid_unknown_fields=True):
    """A customer (or one of its objects) entered or left a named list; `withheld` are the gates that were shut."""

    customer_id: Text
    audience: Text
    rule_version: Count
    crossing: Crossing
    crossing_number: Annotated[int, Meta(ge=1)]
    object: Text | None
    event_time: Time
    products: list[Text] | UnsetType = UNSET
    withheld: list[Text] | UnsetType = UNSET


class AudienceEvent(CloudEvent, kw_only=True):
    """A change of a list, on `audiences`."""

    type: Literal["recompra.audience"]
    dataschema: Literal["urn:recompra:audience.v1"]
    data: AudienceData

    @classmethod
    def of(cls, event_id: str, subject: str, time: str, data: AudienceData) -> Self:
        """Return the event around its data."""
        return cls(
            specversion="1.0",
            id=event_id,
            source="/recompra",
            type="recompra.audience",
            subject=subject,
            time=time,
            datacontenttype="application/json",
            dataschema="urn:recompra:audience.v1",
            data=data,
        )
