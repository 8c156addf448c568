"""Guests: customers who place their first order without an account, and say some days later who they are.

The file of orders tells of no guests; who is one, and when they say who they are, is drawn by customer.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from schemas.adapters.canonical import Canonical
from streams.demo.chance import uniform
from streams.demo.deeds import DAY_MS, HOUR_MS, Deed, Deeds, deeds_of
from streams.demo.history import History

__all__ = ["as_guests", "becoming_known", "guest_id"]

_GUESTS = 0.06
_LATEST_DAYS = 7


def guest_id(customer: str) -> str:
    """The id of a customer before it is known who they are."""
    return f"guest-{customer}"


def as_guests(orders: Iterable[Canonical], history: History, seed: int) -> list[Canonical]:
    """The same orders; the first of those who come as guests is under a guest's id."""
    first = _first_of_guests(history, seed)
    customers = history.order_customer[first].tolist()
    guests = {(history.customers[who], history.order_ids[order]) for order, who in zip(first, customers, strict=True)}
    return [_of_guest(order) if _names(order) in guests else order for order in orders]


def becoming_known(history: History, seed: int) -> Deeds:
    """Draw when guests say who they are: from an hour to a week after their order."""
    first = _first_of_guests(history, seed)
    who = history.order_customer[first]
    wait_ms = HOUR_MS + _LATEST_DAYS * DAY_MS * uniform(seed, "becomes known", history.customer_keys[who])
    return deeds_of(Deed.KNOWN, history.order_time_ms[first] + wait_ms.astype(np.int64), who)


def _first_of_guests(history: History, seed: int) -> NDArray[np.int64]:
    """The first orders of those who come as guests."""
    first = np.flatnonzero(history.order_number == 1)
    drawn = uniform(seed, "guest", history.customer_keys[history.order_customer[first]])
    return first[drawn < _GUESTS]


def _names(order: Canonical) -> tuple[str, str]:
    completed = order.value.get("event") == "Order Completed"
    return order.key, str(order.value["properties"].get("order_id") or "") if completed else ""


def _of_guest(order: Canonical) -> Canonical:
    guest = guest_id(order.key)
    value = {field: told for field, told in order.value.items() if field != "userId"} | {"anonymousId": guest}
    return replace(order, key=guest, value=value)
