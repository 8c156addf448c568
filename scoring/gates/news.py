"""News: what an event tells of a customer's standing, apart from what it means."""

from typing import NamedTuple

from scoring.gates.channel import Channel, Purpose

__all__ = [
    "Consent",
    "Contacted",
    "Language",
    "Name",
    "Network",
    "News",
    "Ordered",
    "Promised",
    "Responded",
    "Ticket",
    "Zone",
]


class Consent(NamedTuple):
    """Contact on a channel for a purpose was allowed, or denied or revoked."""

    channel: Channel
    purpose: Purpose
    granted: bool


class Contacted(NamedTuple):
    """A message was delivered; `counts`: it is not one of ours, whose publication counted already."""

    channel: Channel
    purpose: Purpose
    counts: bool


class Responded(NamedTuple):
    """A message was opened or clicked."""

    channel: Channel


class Ordered(NamedTuple):
    """An order was completed, with a coupon or without."""

    coupon: bool


class Ticket(NamedTuple):
    """A ticket was opened, or solved."""

    name: str
    opened: bool


class Promised(NamedTuple):
    """Delivery of an order was promised for a time, or it was delivered (None)."""

    order: str
    promised_ms: int | None


class Language(NamedTuple):
    """A language as ISO 639 has it, and how sure that is (0 to 1)."""

    code: str
    confidence: float


class Name(NamedTuple):
    """What they are called."""

    text: str


class Network(NamedTuple):
    """The social network that feedback came from."""

    name: str


class Zone(NamedTuple):
    """A time zone by its name in the IANA database."""

    name: str


News = Consent | Contacted | Responded | Ordered | Ticket | Promised | Language | Name | Network | Zone
