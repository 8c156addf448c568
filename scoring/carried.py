"""Carried: what an action says beside customer, rule and score, as it was at its moment."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from msgspec.structs import astuple

from scoring.open_object import About
from scoring.side import CartItem

__all__ = ["NOTHING_CARRIED", "NOTHING_NOTED", "Carried", "Cheaper", "Contacts", "Noted", "Opinion", "Seen", "Timed",
           "recalled", "remembered"]  # fmt: skip


class Timed(NamedTuple):
    """A product, a ticket, a page or a step of a visit, and when it was bought, opened, looked at or done."""

    name: str
    ms: int


class Seen(NamedTuple):
    """A product that was looked at, when, and the category that the shop has it in."""

    product: str
    ms: int
    category: str | None


class Cheaper(NamedTuple):
    """A product that was looked at and costs less now than it did before."""

    product: str
    price: float
    price_before: float


class Opinion(NamedTuple):
    """What somebody said of the shop, where (survey, review or feedback), and when.

    Of feedback also on which social network, if it came from one.
    """

    source: str
    value: float | None
    ms: int
    network: str | None = None


class Contacts(NamedTuple):
    """When the last e-mails were delivered, newest first, and when one was last opened and clicked."""

    delivered_ms: tuple[int, ...]
    opened_ms: int | None
    clicked_ms: int | None


class Noted(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is not read off the row, and so is remembered with a crossing.

    After a crash the side record has run ahead of the row, and the crossing is told again.
    """

    cart: tuple[CartItem, ...] = ()
    name: str | None = None
    tickets: tuple[Timed, ...] = ()
    purchases: tuple[Timed, ...] = ()
    network: tuple[int, str] | None = None


NOTHING_NOTED = Noted()
_decode = msgspec.msgpack.Decoder(Noted).decode


def remembered(noted: Noted) -> bytes:
    """As bytes, none for nothing; without a network as they were before there was one, which stored rows have."""
    if noted is NOTHING_NOTED or noted == NOTHING_NOTED:
        return b""
    return msgspec.msgpack.encode(noted if noted.network is not None else astuple(noted)[:-1])


def recalled(stored: bytes) -> Noted:
    """What `remembered` made bytes of."""
    return _decode(stored) if stored else NOTHING_NOTED


class Carried(msgspec.Struct, gc=False):
    """What one action carries; what its rule does not ask for, or nobody knows, is empty.

    Attributes
    ----------
    products
        What it is about, first the object itself.
    figures
        The values that the rule names, by their text, and the rank within the tier; None where unknown.
    seen, pages, steps
        The products and the pages looked at last, and what was done last on the site, newest first.
    order
        What is known of the order that the action is about.
    cheaper
        Of the products looked at last those that cost less now than before, newest first.
    companions
        What others lately bought together with the order's products, with the product, or with the last purchases.
    best_sellers
        What sold best lately in the categories of the last purchases, of all products where those are unknown.
    expected_ms, usual_gap_days
        When the next order is to be expected, and the usual gap before it.
    """

    products: Sequence[str] = ()
    category: str | None = None
    noted: Noted = NOTHING_NOTED
    figures: Sequence[tuple[str, float | None]] = ()
    seen: Sequence[Seen] = ()
    pages: Sequence[Timed] = ()
    steps: Sequence[Timed] = ()
    contacts: Contacts | None = None
    opinions: Sequence[Opinion] = ()
    order: About | None = None
    cheaper: Sequence[Cheaper] = ()
    companions: Sequence[str] = ()
    best_sellers: Sequence[str] = ()
    expected_ms: int | None = None
    usual_gap_days: float | None = None


NOTHING_CARRIED = Carried()
