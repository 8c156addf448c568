"""The source: the real orders that come with the demo, as the adapter for their format reads them."""

import gzip
from pathlib import Path
from typing import Final

import orjson

from schemas.adapters import ADAPTERS
from schemas.adapters.canonical import Canonical
from streams.demo.messages import Message

__all__ = ["DATA", "order_messages", "read_orders"]

DATA: Final = Path(__file__).parent / "data" / "online_retail_2010_2011.csv.gz"


def read_orders(path: Path = DATA) -> list[Canonical]:
    """Return the canonical events of the orders, in the order of event time. About 5 s for the whole file.

    Lines without a customer, a third of them, tell nothing about anybody and are left out.
    """
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        events = [e for e in ADAPTERS["online-retail"](lines, options={}) if isinstance(e, Canonical)]
    return sorted(events, key=lambda event: event.time_ms)


def order_messages(events: list[Canonical]) -> list[Message]:
    """Return the events as messages for their topics, in the order given."""
    return [Message(e.time_ms, e.topic, e.key.encode(), orjson.dumps(e.value), synthetic=False) for e in events]
