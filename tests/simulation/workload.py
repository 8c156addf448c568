"""Workload: what customers do in one schedule, and what a plain count makes of it."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any, NamedTuple

from simulation.broker import START_MS
from simulation.log import Entry

__all__ = ["LATE_MS", "POISON", "PlainCount", "Sent", "Workload", "home", "plain_count", "poisoned"]

LATE_MS = 90 * 60_000
"""The window: what is older than the watermark by more is late."""
_MINUTE_MS = 60_000
_CLICKS = ("Product Viewed", "Product Viewed", "Product Viewed", "Product Added", "Product Removed", "Page")
_CLICKSTREAM, _ORDERS, _CUSTOMERS, _DELETIONS = 0, 1, 2, 4
POISON = "poison"
"""The product that the engine fails on."""


def home(customer: bytes) -> int:
    """The partition number of a customer, which its id says."""
    return int(customer[1:2])


class Sent(NamedTuple):
    """Records that are sent at once, at a virtual second; in a transaction, which may be aborted, or in none."""

    at_s: float
    source: int
    partition: int
    rows: list[tuple[bytes, bytes | None]]
    transactional: bool
    aborted: bool


class Workload:
    """Records of a few customers, some repeated, late, unknown, broken or such as the engine fails on.

    Parameters
    ----------
    chance
        Draws it all.
    partitions
        Customers belong to one each.
    until_s
        When the last of it is sent.
    late
        Whether some are older than the window.

    Attributes
    ----------
    repeats
        Whether some come twice.
    aliases
        Whether some say that two customers are one.
    deletions
        Whether some ask for a customer to be forgotten.
    """

    def __init__(self, chance: Random, partitions: int, until_s: float, *, late: bool) -> None:
        self._chance = chance
        self._until_s = until_s
        self._late = late
        self.repeats = chance.random() < 0.6
        own = Random(chance.getstate()[1][7])  # apart from all else, so that schedules without aliases stay as they are
        self.aliases = own.random() < 0.3
        self._poisoned = chance.random() < 0.25
        self._live = chance.random() < 0.5  # else events tell of the last hours, in which horizons pass
        self._customers = [[f"c{p}{i}" for i in range(chance.randint(1, 3))] for p in range(partitions)]
        self._number = 0
        self._before: dict[tuple[int, str], list[tuple[bytes, bytes | None]]] = defaultdict(list)
        self.batches = self._drawn(partitions)
        if self.aliases:
            self.batches += [self._alias(own) for _ in range(own.randint(1, 5))]
        self.deletions = own.random() < 0.4
        if self.deletions:
            self.batches += [self._deletion(own) for _ in range(own.randint(1, 4))]
        self.batches.sort(key=lambda sent: sent.at_s)

    def _drawn(self, partitions: int) -> list[Sent]:
        chance = self._chance
        count = chance.randint(8, 22)
        # Some of it is there before anybody reads.
        times = sorted(max(0.0, chance.uniform(-0.4, 1.0) * self._until_s) for _ in range(count))
        batches = []
        for i, at_s in enumerate(times):
            source = _ORDERS if chance.random() < 0.3 else _CLICKSTREAM
            partition = chance.randrange(partitions)
            event_ms = self._event_ms(i, count, at_s)
            rows = [self._row(source, partition, event_ms) for _ in range(chance.choice((1, 1, 2, 4)))]
            transactional = chance.random() < 0.15
            batches.append(Sent(at_s, source, partition, rows, transactional, transactional and chance.random() < 0.5))
        return batches

    def _alias(self, own: Random) -> Sent:
        """Somebody says who they were before; often of another partition, now and then in a circle."""
        everybody = [customer for customers in self._customers for customer in customers]
        customer, former = own.choice(everybody), own.choice(everybody)
        share = own.random()
        at_s = max(0.0, (share * 1.4 - 0.4) * self._until_s)
        event_ms = self._event_ms(int(share * 20), 20, at_s)
        number = 1_000 + own.randrange(1_000_000)
        said = {"type": "alias", "previousId": former, "properties": {}}
        value = {"messageId": f"a{number}", "timestamp": _iso(event_ms), "userId": customer, **said}
        row = customer.encode(), json.dumps(value).encode()
        return Sent(at_s, _CUSTOMERS, home(row[0]), [row], False, False)

    def _deletion(self, own: Random) -> Sent:
        """Somebody is to be forgotten; now and then the request is a repeated or a broken one."""
        customer = own.choice([customer for customers in self._customers for customer in customers])
        at_s = max(0.0, own.uniform(-0.2, 1.0) * self._until_s)
        value = {"request_id": f"r{own.randrange(6)}", "customer_id": customer, "requested_at": _iso(START_MS)}
        if own.random() < 0.1:
            del value["request_id"]
        row = customer.encode(), json.dumps(value).encode()
        return Sent(at_s, _DELETIONS, home(row[0]), [row], False, False)

    def _event_ms(self, i: int, count: int, at_s: float) -> int:
        if self._live:
            return START_MS + int(at_s * 1000)
        return START_MS - (count - i) * (20 if self._late else 2) * _MINUTE_MS

    def time_ms(self, chance: Random) -> int:
        """Some event time, mostly before the last and after the first."""
        if self._live:
            return START_MS + int(chance.uniform(-60.0, 60.0)) * 1000
        return START_MS - int(chance.uniform(-2.0, 20.0) * (20 if self._late else 2) * 60) * 1000

    def _row(self, source: int, partition: int, event_ms: int) -> tuple[bytes, bytes | None]:
        chance = self._chance
        customer = chance.choice(self._customers[partition])
        before = self._before[source, customer]
        if self.repeats and before and chance.random() < 0.15:
            return chance.choice(before[-12:])  # well within the span in which message ids are known
        self._number += 1
        number = self._number
        drawn = chance.random()
        if drawn < 0.04:
            return customer.encode(), chance.choice((None, b"{broken", b'{"messageId": 3}'))
        event = "Order Completed" if source == _ORDERS else chance.choice(_CLICKS)
        if drawn < 0.08:
            event = "Flux Compensated"
        age_ms = chance.randrange(_MINUTE_MS)
        if drawn > 0.95 and self._late:
            age_ms += LATE_MS + 60 * _MINUTE_MS
        order = f"o{chance.randrange(max(number - 6, 0), number + 1)}"  # now and then one that was there before
        if self.aliases:
            order = f"{customer}-{order}"  # nobody else's, whoever turns out to be the same
        amount = chance.randrange(1, 9)
        product = f"p{amount}"
        if self._poisoned and event == "Product Viewed" and chance.random() < 0.15:
            product = POISON
        row = customer.encode(), _value(number, customer, event, event_ms - age_ms, order, amount, product)
        before.append(row)
        return row


def _value(number: int, customer: str, event: str, time_ms: int, order: str, amount: int, product: str) -> bytes:
    at = _iso(time_ms)
    said: dict[str, Any] = {"product_id": product, "price": 2.0}
    if event == "Order Completed":
        said = {"order_id": order, "revenue": float(amount)}
    call = {"type": "page"} if event == "Page" else {"type": "track", "event": event}
    return json.dumps(
        {"messageId": f"m{number}", "timestamp": at, "userId": customer, **call, "properties": said}
    ).encode()


def _iso(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def poisoned(value: bytes | None) -> bool:
    """Whether it is one that the engine fails on."""
    return POISON.encode() in (value or b"")


@dataclass(frozen=True, slots=True)
class PlainCount:
    """What must have become of the records of one partition number, and what its customers did."""

    read: int
    applied: int
    duplicate: int
    late: int
    ignored: int
    refused: tuple[tuple[int, int], ...]
    orders: Counter[str]
    views: Counter[str]
    revenue: Counter[str]


def plain_count(records: Iterable[tuple[int, Entry]], late: Iterable[tuple[int, bytes | None]]) -> PlainCount:
    """Count records (source, entry) straight, but for those that were set aside as late (source, value)."""
    records = list(records)
    left = Counter((source, entry.value) for source, entry in records)
    left.subtract(late)  # of equal records those that come last are late
    read = applied = duplicate = ignored = 0
    refused: list[tuple[int, int]] = []
    messages: set[str] = set()
    known: set[tuple[str, str]] = set()
    orders, views, revenue = Counter[str](), Counter[str](), Counter[str]()
    for source, entry in records:
        read += 1
        try:
            event = json.loads(entry.value or b"")
            customer, name = event["userId"], event.get("event")
        except (ValueError, KeyError):
            refused.append((source, entry.offset))
            continue
        if name == "Flux Compensated":
            ignored += 1
            continue
        if poisoned(entry.value):
            refused.append((source, entry.offset))
            continue
        left[source, entry.value] -= 1
        if left[source, entry.value] < 0:
            continue
        order = customer, event["properties"].get("order_id", "")
        if event["messageId"] in messages or (order[1] and order in known):
            messages.add(event["messageId"])
            duplicate += 1
            continue
        messages.add(event["messageId"])
        applied += 1
        if order[1]:
            known.add(order)
            orders[customer] += 1
            revenue[customer] += event["properties"]["revenue"]
        views[customer] += name == "Product Viewed"
    set_aside = read - applied - duplicate - ignored - len(refused)
    return PlainCount(read, applied, duplicate, set_aside, ignored, tuple(refused), orders, views, revenue)
