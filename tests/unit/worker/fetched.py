"""Records as a consumer fetches them, made from a few words."""

from typing import Any, NamedTuple

import orjson

from schemas.timestamp import from_ms

__all__ = ["CLICKS", "CUSTOMERS", "ORDERS", "TRANSFERS", "Fetched", "event"]

CLICKS, ORDERS, CUSTOMERS, TRANSFERS = range(4)


class Fetched(NamedTuple):
    """A record, not yet decoded."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def event(
    offset: int, customer: str, name: str, ms: int, *, received_ms: int | None = None, **properties: Any
) -> Fetched:
    """A track call, received a second after it happened unless told otherwise."""
    value = {
        "messageId": f"{name}-{customer}-{offset}",
        "userId": customer,
        "type": "track",
        "event": name,
        "timestamp": from_ms(ms),
        "properties": properties,
    }
    return Fetched(offset, ms + 1000 if received_ms is None else received_ms, customer.encode(), orjson.dumps(value))
