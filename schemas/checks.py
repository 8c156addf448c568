"""Required fields: what an event of each kind must say to be applied.

The same conditions stand in `json/segment-event.v1.schema.json`; a contract test holds them equal.
"""

from collections.abc import Callable
from typing import Final

from schemas.events import Event
from schemas.refusal import Refusal, shown

__all__ = ["NEEDS_ORDER", "NEEDS_PRODUCT", "NEEDS_TICKET", "required"]

NEEDS_ORDER: Final = (
    "ORDER_COMPLETED",
    "ORDER_UPDATED",
    "ORDER_CANCELLED",
    "ORDER_REFUNDED",
    "ORDER_SHIPPED",
    "ORDER_DELIVERED",
    "RETURN_REQUESTED",
)
"""Kinds that must carry `properties.order_id`."""

NEEDS_PRODUCT: Final = (
    "PRODUCT_VIEWED",
    "PRODUCT_ADDED",
    "PRODUCT_REMOVED",
    "WISHLIST_ADDED",
    "WISHLIST_REMOVED",
)
"""Kinds that must name a product: `properties.product_id`, `sku` or `name`."""

NEEDS_TICKET: Final = ("TICKET_OPENED", "TICKET_SOLVED")
"""Kinds that must carry `properties.ticket_id`."""


def required(kind_name: str | None, event: Event) -> Refusal | None:
    """Return why an event of this kind cannot be applied for want of a field, or None when it can.

    `kind_name` is what `schemas.names.kind_name` says; None (unknown) needs only what all need:
    a message id and a customer. About 0.1 µs when nothing is wrong.
    """
    if not event.messageId:
        return Refusal("messageId", "", "is empty", "give each call an id of its own", "missing")
    if not event.userId and not event.anonymousId:
        return Refusal("userId", "", "nobody is named", "send userId, or anonymousId for a visitor", "missing")
    check = _CHECKS.get(kind_name) if kind_name is not None else None
    return None if check is None else check(event)


_NOBODY: Final = (None, "")


def _order(event: Event) -> Refusal | None:
    found = event.properties.order_id if event.properties is not None else None
    return None if found not in _NOBODY else _missing("properties.order_id", found, "send the order's id")


def _ticket(event: Event) -> Refusal | None:
    found = event.properties.ticket_id if event.properties is not None else None
    return None if found not in _NOBODY else _missing("properties.ticket_id", found, "send the ticket's id")


def _product(event: Event) -> Refusal | None:
    said = event.properties
    if said is not None and (said.product_id not in _NOBODY or said.sku or said.name):
        return None
    return _missing("properties.product_id", None, "send the product's product_id, sku or name")


def _previous(event: Event) -> Refusal | None:
    if event.previousId not in _NOBODY:
        return None
    return _missing("previousId", event.previousId, "send the id that the customer had before")


def _missing(field: str, found: object, remedy: str) -> Refusal:
    return Refusal(field, "" if found is None else shown(found), "is required and absent", remedy, "missing")


_CHECKS: Final[dict[str, Callable[[Event], Refusal | None]]] = {
    **dict.fromkeys(NEEDS_ORDER, _order),
    **dict.fromkeys(NEEDS_PRODUCT, _product),
    **dict.fromkeys(NEEDS_TICKET, _ticket),
    "ALIAS": _previous,
}
