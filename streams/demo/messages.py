"""Messages of the demo: synthetic clicks as Segment JSON, each marked as synthetic."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from streams.demo.categories import category_of
from streams.demo.clicks import Click, Clicks
from streams.demo.history import History

__all__ = ["CONTEXT", "Message", "click_messages", "stamp", "visitor"]

CONTEXT = {"synthetic": True, "library": {"name": "recompra-demo"}}
"""What every synthetic message carries."""


class Message(NamedTuple):
    """One record to produce: event time (ms), topic name, key, value."""

    time_ms: int
    topic: str
    key: bytes
    value: bytes
    synthetic: bool = True


def visitor(number: int) -> str:
    """Return the id of a prospect, `visitor-<day>-<place>`."""
    day, place = divmod(number, 100)
    return f"visitor-{day}-{place:02d}"


def stamp(time_ms: int) -> str:
    """Return a time as Segment writes it."""
    return f"{_second(time_ms // 1000)}.{time_ms % 1000:03d}Z"


@lru_cache(maxsize=4_096)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def click_messages(history: History, clicks: Clicks, topic: str = "clickstream") -> Iterator[Message]:
    """Yield the clicks as messages, in time order. About 10 us each."""
    for i in range(len(clicks.time_ms)):
        prospect = bool(clicks.prospect[i])
        who = visitor(int(clicks.who[i])) if prospect else history.customers[int(clicks.who[i])]
        time_ms = int(clicks.time_ms[i])
        event: dict[str, Any] = {
            "messageId": f"synthetic-{who}-{clicks.day[i]}-{clicks.slot[i]}",
            "timestamp": stamp(time_ms),
            "anonymousId" if prospect else "userId": who,
            **_call(history, Click(clicks.click[i]), int(clicks.line[i])),
            "context": CONTEXT,
        }
        yield Message(time_ms, topic, who.encode(), orjson.dumps(event))


def _call(history: History, click: Click, line: int) -> dict[str, Any]:
    """Return type, event name and properties of one click."""
    if click is Click.HOME:
        return {"type": "page", "name": "Home", "properties": {"path": "/"}}
    if click is Click.ORDER_STATUS:
        return {"type": "page", "name": "Order status", "properties": {"path": "/account/orders"}}
    product, name = history.products[int(history.line_product[line])]
    words, category = name.lower().split(), _category(name)
    if click is Click.LIST:
        list_of = {"category": category} if category else {"list_id": "popular"}
        return _track("Product List Viewed", list_of)
    if click is Click.SEARCH:
        return _track("Products Searched", {"query": " ".join(words[-2:])})
    if click is Click.MISSPELT:
        return _track("Products Searched", {"query": words[-1][::-1]})
    if click is Click.CHECKOUT:
        return _track("Checkout Started", {"currency": "GBP"})
    if click is Click.COUPON:
        return _track("Coupon Entered", {"coupon": "WELCOME10"})
    properties = {
        "product_id": product,
        "name": name,
        "price": float(history.line_price[line]),
        "quantity": 1,
        "currency": "GBP",
    }
    if category:
        properties["category"] = category
    return _track(_EVENTS[click], properties)


def _track(event: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "track", "event": event, "properties": properties}


_category = lru_cache(maxsize=8_192)(category_of)
_EVENTS = {
    Click.VIEW: "Product Viewed",
    Click.ADD: "Product Added",
    Click.REMOVE: "Product Removed",
    Click.WISH: "Product Added to Wishlist",
    Click.UNWISH: "Product Removed from Wishlist",
}
