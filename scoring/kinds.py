"""Kinds: the small numbers that stand for what a customer did."""

from enum import IntEnum

__all__ = ["INTEREST_KINDS", "N_INPUTS", "N_KINDS", "N_READ", "N_SOURCES", "Kind", "Source"]


class Source(IntEnum):
    """The topic that a record came from."""

    CLICKSTREAM = 0
    ORDERS = 1
    CUSTOMERS = 2
    TRANSFERS = 3
    """What other partitions tell of customers who are one; apart from the three inputs, it moves no watermark."""
    DELETIONS = 4
    """Requests to forget a customer; no row knows how far these were read."""


class Kind(IntEnum):
    """What an event says the customer did.

    Values are part of the stored row's layout: add at the end, never renumber.
    """

    PAGE = 0
    PRODUCT_VIEWED = 1
    LIST_VIEWED = 2
    SEARCHED = 3
    PRODUCT_ADDED = 4
    PRODUCT_REMOVED = 5
    CART_VIEWED = 6
    CHECKOUT_STARTED = 7
    CHECKOUT_STEP = 8
    ORDER_COMPLETED = 9
    ORDER_CANCELLED = 10
    ORDER_REFUNDED = 11
    ORDER_UPDATED = 12
    WISHLIST_ADDED = 13
    WISHLIST_REMOVED = 14
    COUPON = 15
    PROMOTION = 16
    SHARED = 17
    REVIEWED = 18
    IDENTIFY = 19
    ALIAS = 20
    EMAIL_DELIVERED = 21
    EMAIL_OPENED = 22
    EMAIL_CLICKED = 23
    EMAIL_BOUNCED = 24
    EMAIL_MARKED_SPAM = 25
    SUBSCRIBED = 26
    UNSUBSCRIBED = 27
    CONSENT = 28
    SURVEY = 29
    FEEDBACK = 30
    TICKET_OPENED = 31
    TICKET_SOLVED = 32
    ORDER_SHIPPED = 33
    ORDER_DELIVERED = 34
    RETURN_REQUESTED = 35
    RESULT_OPENED = 36
    POINTS = 37
    REFERRED = 38
    PLACE_ENTERED = 39


N_KINDS = 44
"""Slots kept for kinds in a row: the last two hold the pseudo-kinds `any` (-1) and `visited` (-2), which index
from the end; the room below them lets kinds be added without a new layout."""

INTEREST_KINDS: frozenset[Kind] = frozenset(
    {Kind.PRODUCT_ADDED, Kind.WISHLIST_ADDED, Kind.CHECKOUT_STARTED, Kind.IDENTIFY, Kind.SUBSCRIBED}
)
"""What makes a prospect of a visitor: more than looking."""

N_SOURCES = 4
N_READ = 5
N_INPUTS = 3
