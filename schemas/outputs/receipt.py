"""Receipts: what is told of who was forgotten."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from schemas.outputs.event import CloudEvent, Count, Text, Time

__all__ = ["PassedOn", "ReceiptData", "ReceiptEvent", "Remains", "Removal"]


class Removal(Struct, forbid_unknown_fields=True):
    """What was removed of a customer; `tombstones` are the topics on which their latest record was deleted.

    `audiences` counts the lists that were told that the customer left.
    """

    profile: bool
    record: bool
    examples: Count
    links: Count
    audiences: Count
    tombstones: list[Text]


class Remains(Struct, forbid_unknown_fields=True):
    """Where records of the customer may still lie, and until when: null days is for good."""

    where: Text
    days: Annotated[int, Meta(ge=1)] | None
    what: Text


class PassedOn(Struct, forbid_unknown_fields=True):
    """An id (its keyed hash) that is at home on another partition, which is told to forget it, too."""

    partition: Count
    customer: Text


class ReceiptData(Struct, forbid_unknown_fields=True):
    """What a request to forget a customer led to.

    `customer` and `others` (other ids of the same person) are hashes keyed with what `key` names. `offsets` are the
    next to read of each input then: what lies before them, or was received before `received_at`, is skipped wherever it
    is read again. `refused` says that a refusal of marketing is remembered under the hashes; `partitions` are
    others that have an id of the same person, and write receipts of their own; `passed_on` are the ids that they were
    told: each is `customer` or one of `others` in a receipt of its partition. `another` says that the id had been
    claimed by the customer and is somebody else's, of whom nothing was removed.
    """

    request_id: Text
    customer: Text
    others: list[Text]
    key: Text
    partition: Count
    received_at: Time
    offsets: dict[str, Count]
    removed: Removal
    refused: bool
    partitions: list[Count]
    passed_on: list[PassedOn]
    another: bool
    remains: list[Remains]


class ReceiptEvent(CloudEvent, kw_only=True):
    """What was removed of a customer who is to be forgotten, on `receipts`."""

    type: Literal["recompra.receipt"]
    dataschema: Literal["urn:recompra:receipt.v1"]
    data: ReceiptData
