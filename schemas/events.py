"""Input values: the Segment calls that arrive on `clickstream`, `orders` and `customers`.

These records are decoded once for every event, so they hold only what is read later; any other field
of the JSON is skipped without being built. Ids may be numbers on the wire: see `text_id`.
"""

from typing import Any

from msgspec import Raw, Struct

__all__ = ["Event", "Product", "Properties", "customer_id", "text_id"]


class Product(Struct, gc=False):
    """One line of a cart or an order; `price` is for one piece, in the order's currency."""

    product_id: str | int | None = None
    sku: str | None = None
    name: str | None = None
    category: str | None = None
    brand: str | None = None
    price: float | None = None
    quantity: float | None = None
    coupon: str | None = None


class Properties(Struct, gc=False):
    """What a `track` or `page` call says about what was done; money in `currency`, unchanged."""

    order_id: str | int | None = None
    checkout_id: str | int | None = None
    cart_id: str | int | None = None
    product_id: str | int | None = None
    sku: str | None = None
    name: str | None = None
    category: str | None = None
    brand: str | None = None
    price: float | None = None
    quantity: float | None = None
    products: list[Product] | None = None
    total: float | None = None
    revenue: float | None = None
    value: float | None = None
    subtotal: float | None = None
    discount: float | None = None
    coupon: str | None = None
    shipping: float | None = None
    tax: float | None = None
    currency: str | None = None
    query: str | None = None
    list_id: str | int | None = None
    url: str | None = None
    path: str | None = None
    title: str | None = None
    referrer: str | None = None
    reason: str | None = None
    rating: float | None = None
    score: float | None = None
    sentiment: str | None = None
    network: str | None = None
    ticket_id: str | int | None = None
    message_id: str | int | None = None
    campaign_id: str | int | None = None
    consent: dict[str, Any] | None = None
    wishlist_id: str | int | None = None
    action_id: str | None = None
    channel: str | None = None
    purpose: str | None = None
    promised_at: str | None = None
    delivered_at: str | None = None
    points: float | None = None
    code: str | None = None
    place: str | None = None
    country: str | None = None
    region: str | None = None
    city: str | None = None


class Event(Struct, gc=False):
    """One Segment call (`track`, `page`, `identify`, `alias`).

    `timestamp` is ISO 8601 with an offset; `event` names what a `track` call is about; `name` is a
    page's name. `context` is kept as the bytes that came, since nothing on the hot path reads it; it is
    empty when absent (msgspec refuses everything but null for `Raw | None`, hence no None here).
    """

    messageId: str  # noqa: N815 - as on the wire
    timestamp: str
    type: str = "track"
    event: str | None = None
    name: str | None = None
    userId: str | int | None = None  # noqa: N815
    anonymousId: str | int | None = None  # noqa: N815
    previousId: str | int | None = None  # noqa: N815
    properties: Properties | None = None
    traits: dict[str, Any] | None = None
    context: Raw = Raw()


def text_id(value: str | int | None) -> str | None:
    """Return an id as text: a number becomes its decimal digits, an empty text becomes None."""
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else str(value)


def customer_id(event: Event) -> str | None:
    """Return whose event it is: `userId`, else `anonymousId`, else None.

    The number 0 names nobody: trackers send it for visitors who are not signed in, and all of them would
    become one customer.
    """
    return text_id(event.userId or event.anonymousId)
