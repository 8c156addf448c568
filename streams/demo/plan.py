"""The plan of a run: what is produced, in the order of event time, decided by the seed before anything starts."""

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.adapters.canonical import Canonical
from streams.demo.clicks import Clicks, clickstream
from streams.demo.feed import merged
from streams.demo.history import DAY_MS, History, history_of, orders_of
from streams.demo.messages import Message, click_messages
from streams.demo.source import order_messages, read_orders

__all__ = ["Plan", "plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """Real orders and the synthetic clicks around them, between two event times in ms."""

    start_ms: int
    end_ms: int
    orders: list[Canonical]
    history: History
    clicks: Clicks

    @property
    def total(self) -> int:
        """Records that will be produced."""
        return len(self.orders) + len(self.clicks.time_ms)

    def messages(self) -> Iterator[Message]:
        """Yield all records in the order of event time; they are encoded as they are asked for."""
        return merged(order_messages(self.orders), click_messages(self.history, self.clicks))


def plan(seed: int, days: int | None = None) -> Plan:
    """Read the real orders (the first `days` of them, or all) and draw the clicks around them.

    Takes about five seconds, most of them for reading.
    """
    events = read_orders()
    start_ms = events[0].time_ms // DAY_MS * DAY_MS
    end_ms = events[-1].time_ms + 1
    if days is not None:
        end_ms = min(end_ms, start_ms + days * DAY_MS)
    orders = [event for event in events if event.time_ms < end_ms]
    history = history_of(orders_of(orders))
    return Plan(start_ms, end_ms, orders, history, clickstream(history, seed, start_ms, end_ms))
