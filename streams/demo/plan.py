"""The plan of a run: what is produced, in the order of event time, decided by the seed before anything starts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from schemas.adapters.canonical import Canonical
from streams.demo.chance import key_of, uniform
from streams.demo.clicks import Clicks, clickstream
from streams.demo.coupons import with_coupons
from streams.demo.deed_messages import deed_messages
from streams.demo.deeds import Deeds, in_order
from streams.demo.feed import merged
from streams.demo.guests import as_guests, becoming_known
from streams.demo.history import DAY_MS, History, history_of, orders_of
from streams.demo.letters import letters
from streams.demo.loyalty import loyalty
from streams.demo.messages import Message, click_messages
from streams.demo.parcels import parcels
from streams.demo.source import order_messages, read_orders
from streams.demo.visits import prospect_visits

__all__ = ["Plan", "deeds_around", "plan"]

_SHARE = 0.4
"""Of the customers: with all rules in force, a year of all of them would take longer than one likes to watch."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Real orders and the synthetic life around them, between two event times in ms."""

    start_ms: int
    end_ms: int
    orders: list[Canonical]
    history: History
    clicks: Clicks
    deeds: Deeds
    countries: Mapping[str, str]

    @property
    def total(self) -> int:
        """Records that will be produced."""
        return len(self.orders) + len(self.clicks.time_ms) + len(self.deeds.time_ms)

    def messages(self) -> Iterator[Message]:
        """Yield all records in the order of event time; they are encoded as they are asked for."""
        return merged(
            order_messages(self.orders),
            deed_messages(self.history, self.deeds, self.countries),
            click_messages(self.history, self.clicks),
        )


def plan(seed: int, days: int | None = None, *, everyone: bool = False) -> Plan:
    """Read the real orders (of the first `days`, or of all) and draw the life around them.

    They are those of four in ten customers, always the same ones, unless `everyone` is wanted.

    Takes about five seconds, most of them for reading.
    """
    events = read_orders()
    start_ms = events[0].time_ms // DAY_MS * DAY_MS
    end_ms = events[-1].time_ms + 1
    if days is not None:
        end_ms = min(end_ms, start_ms + days * DAY_MS)
    drawn = {customer: everyone or _takes_part(customer) for customer in {event.key for event in events}}
    orders = with_coupons((event for event in events if event.time_ms < end_ms and drawn[event.key]), seed)
    history = history_of(orders_of(orders))
    clicks = clickstream(history, seed, start_ms, end_ms)
    said = ((event.key, event.value["properties"].get("country")) for event in reversed(orders))
    countries = {customer: country for customer, country in said if country}
    orders = as_guests(orders, history, seed)
    return Plan(start_ms, end_ms, orders, history, clicks, deeds_around(history, seed, start_ms, end_ms), countries)


def _takes_part(customer: str) -> bool:
    return bool(uniform(0, "takes part", np.array([key_of(customer)], np.uint64))[0] < _SHARE)


def deeds_around(history: History, seed: int, start_ms: int, end_ms: int) -> Deeds:
    """Draw all deeds between two times (ms since the epoch, end exclusive)."""
    prospects = prospect_visits(seed, start_ms // DAY_MS, -(-end_ms // DAY_MS))
    parts = [
        *letters(history, prospects, seed, start_ms, end_ms),
        *parcels(history, seed),
        *loyalty(history, seed, start_ms, end_ms),
        becoming_known(history, seed),
    ]
    return in_order(parts, start_ms, end_ms)
