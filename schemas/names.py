"""Event names: what each Segment call means, by the name of its kind.

Values are the names of `scoring.kinds.Kind`; `streams` joins the two, since this package imports
neither. A name that is not listed is not an error: such an event is counted as `ignored`.

References
----------
Segment's specifications: e-commerce v2, e-mail, mobile and live chat.
"""

from typing import Final

__all__ = ["CALL_KINDS", "EVENT_KINDS", "EVENT_NAMES", "kind_name", "normal", "topic_name"]

CALL_KINDS: Final[dict[str, str]] = {
    "page": "PAGE",
    "screen": "PAGE",
    "identify": "IDENTIFY",
    "alias": "ALIAS",
}
"""Kind by call type, for calls that carry no event name."""

_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "PAGE": ("Page Viewed", "Screen Viewed", "Loaded a Page", "Viewed a Page"),
    "PRODUCT_VIEWED": ("Product Viewed", "Product Clicked", "Viewed Product", "Clicked Product"),
    "LIST_VIEWED": ("Product List Viewed", "Product List Filtered", "Product Category Viewed"),
    "SEARCHED": ("Products Searched", "Product Searched", "Searched Products"),
    "PRODUCT_ADDED": (
        "Product Added",
        "Added Product",
        "Product Added to Cart",
        "Wishlist Product Added to Cart",
    ),
    "PRODUCT_REMOVED": ("Product Removed", "Removed Product", "Product Removed from Cart"),
    "CART_VIEWED": ("Cart Viewed", "Viewed Cart"),
    "CHECKOUT_STARTED": ("Checkout Started", "Started Checkout"),
    "CHECKOUT_STEP": ("Checkout Step Viewed", "Checkout Step Completed", "Payment Info Entered"),
    "ORDER_COMPLETED": ("Order Completed", "Completed Order"),
    "ORDER_UPDATED": ("Order Updated", "Updated Order"),
    "ORDER_CANCELLED": ("Order Cancelled", "Order Canceled", "Cancelled Order"),
    "ORDER_REFUNDED": ("Order Refunded", "Refunded Order"),
    "WISHLIST_ADDED": ("Product Added to Wishlist",),
    "WISHLIST_REMOVED": ("Product Removed from Wishlist",),
    "COUPON": ("Coupon Entered", "Coupon Applied", "Coupon Denied", "Coupon Removed"),
    "PROMOTION": ("Promotion Viewed", "Promotion Clicked"),
    "SHARED": ("Product Shared", "Cart Shared"),
    "REVIEWED": ("Product Reviewed", "Review Submitted", "Product Rated"),
    "EMAIL_DELIVERED": ("Email Delivered",),
    "EMAIL_OPENED": ("Email Opened",),
    "EMAIL_CLICKED": ("Email Link Clicked", "Email Clicked"),
    "EMAIL_BOUNCED": ("Email Bounced",),
    "EMAIL_MARKED_SPAM": ("Email Marked as Spam",),
    "SUBSCRIBED": ("Subscribed", "Email Subscribed", "Resubscribed"),
    "UNSUBSCRIBED": ("Unsubscribed", "Email Unsubscribed"),
    "CONSENT": (
        "Consent Given",
        "Consent Granted",
        "Consent Denied",
        "Consent Revoked",
        "Consent Withdrawn",
        "Consent Updated",
        "Segment Consent Preference Updated",
    ),
    "SURVEY": ("Survey Answered", "Survey Completed", "Survey Submitted", "Survey Response Received"),
    "FEEDBACK": ("Feedback Given", "Feedback Submitted", "Feedback Received"),
    "TICKET_OPENED": ("Ticket Opened", "Ticket Created", "Ticket Reopened", "Support Ticket Opened"),
    "ORDER_SHIPPED": ("Order Shipped", "Order Fulfilled", "Shipment Sent"),
    "ORDER_DELIVERED": ("Order Delivered", "Shipment Delivered"),
    "RETURN_REQUESTED": ("Return Requested", "Order Return Requested"),
    "RESULT_OPENED": ("Search Result Opened", "Search Result Clicked"),
    "POINTS": ("Points Changed", "Points Earned", "Points Redeemed", "Loyalty Points Updated"),
    "REFERRED": ("Referral Code Used", "Referral Used", "Referred"),
    "PLACE_ENTERED": ("Location Entered", "Store Nearby", "Event Nearby"),
    "TICKET_SOLVED": ("Ticket Solved", "Ticket Resolved", "Ticket Closed", "Support Ticket Solved"),
}


def normal(name: str) -> str:
    """Return a name as it is compared: without surrounding blanks, in lower case (ASCII)."""
    return name.strip(" \t\r\n").lower() if name.isascii() else name


EVENT_NAMES: Final[tuple[str, ...]] = tuple(name for names in _NAMES.values() for name in names)
"""As the specifications write them."""
EVENT_KINDS: Final[dict[str, str]] = {normal(name): kind for kind, names in _NAMES.items() for name in names}
"""Kind by normal event name, for `track` calls."""


def kind_name(call: str, event: str | None) -> str | None:
    """Return the name of the kind of a call, or None when it is not one that is known.

    `call` is the call's type (`track`, `page`, ...), `event` the name of a `track` call. Call types
    are compared as they are: Segment writes them in lower case.
    """
    if call == "track":
        return EVENT_KINDS.get(normal(event)) if event is not None else None
    return CALL_KINDS.get(call)


_ORDERS: Final = frozenset(
    {
        "ORDER_COMPLETED",
        "ORDER_CANCELLED",
        "ORDER_REFUNDED",
        "ORDER_UPDATED",
        "ORDER_SHIPPED",
        "ORDER_DELIVERED",
        "RETURN_REQUESTED",
    }
)
_CUSTOMERS: Final = frozenset(
    {
        "IDENTIFY",
        "ALIAS",
        "EMAIL_DELIVERED",
        "EMAIL_OPENED",
        "EMAIL_CLICKED",
        "EMAIL_BOUNCED",
        "EMAIL_MARKED_SPAM",
        "SUBSCRIBED",
        "UNSUBSCRIBED",
        "CONSENT",
        "SURVEY",
        "FEEDBACK",
        "REVIEWED",
        "TICKET_OPENED",
        "TICKET_SOLVED",
        "POINTS",
        "REFERRED",
        "PLACE_ENTERED",
    }
)


def topic_name(kind: str | None) -> str:
    """Return the input topic that events of a kind belong to; unknown ones go to `clickstream`."""
    if kind in _ORDERS:
        return "orders"
    return "customers" if kind in _CUSTOMERS else "clickstream"
