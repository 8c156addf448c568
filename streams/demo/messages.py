"""Messages of the demo: real orders and synthetic clicks as Segment JSON, each click marked as synthetic."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from streams.demo.clicks import Click, Clicks
from streams.demo.history import History

__all__ = ["Message", "click_messages", "who_clicked"]

_CONTEXT = {"synthetic": True, "library": {"name": "recompra-demo"}}


class Message(NamedTuple):
    """One record to produce: event time (ms), topic name, key, value."""

    time_ms: int
    topic: str
    key: bytes
    value: bytes


def who_clicked(history: History, clicks: Clicks, i: int) -> str:
    """Return the id of who made click `i`: a customer's own, or `visitor-<day>-<place>` of a prospect."""
    if clicks.prospect[i]:
        day, place = divmod(int(clicks.who[i]), 100)
        return f"visitor-{day}-{place:02d}"
    return history.customers[int(clicks.who[i])]


def click_messages(history: History, clicks: Clicks, topic: str = "clickstream") -> Iterator[Message]:
    """Yield the clicks as messages, in time order. About 3 us each."""
    seconds = clicks.time_ms // 1000
    for i in range(len(clicks.time_ms)):
        who = who_clicked(history, clicks, i)
        time_ms = int(clicks.time_ms[i])
        stamp = datetime.fromtimestamp(int(seconds[i]), UTC).strftime("%Y-%m-%dT%H:%M:%S")
        event: dict[str, Any] = {
            "messageId": f"synthetic-{who}-{clicks.day[i]}-{clicks.slot[i]}",
            "timestamp": f"{stamp}.{time_ms % 1000:03d}Z",
            "anonymousId" if clicks.prospect[i] else "userId": who,
            **_call(history, Click(clicks.click[i]), int(clicks.line[i])),
            "context": _CONTEXT,
        }
        yield Message(time_ms, topic, who.encode(), orjson.dumps(event))


def _call(history: History, click: Click, line: int) -> dict[str, Any]:
    """Return type, event name and properties of one click."""
    if click is Click.HOME:
        return {"type": "page", "name": "Home", "properties": {"path": "/"}}
    if click is Click.ORDER_STATUS:
        return {"type": "page", "name": "Order status", "properties": {"path": "/account/orders"}}
    product, name = history.products[int(history.line_product[line])]
    if click is Click.LIST:
        return {"type": "track", "event": "Product List Viewed", "properties": {"list_id": "popular"}}
    if click is Click.SEARCH:
        words = name.lower().split()
        return {"type": "track", "event": "Products Searched", "properties": {"query": " ".join(words[-2:])}}
    properties = {
        "product_id": product,
        "name": name,
        "price": float(history.line_price[line]),
        "quantity": 1,
        "currency": "GBP",
    }
    return {"type": "track", "event": _EVENTS[click], "properties": properties}


_EVENTS = {Click.VIEW: "Product Viewed", Click.ADD: "Product Added", Click.REMOVE: "Product Removed"}
