"""A partition as the twin runs it: which events count, and what is due when."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from scoring.kernel import (
    ACTIVE,
    APPLIED,
    AUTOMATED,
    DUPLICATE,
    EXAMPLE,
    LATE,
    OBJECTS,
    RESCORE,
    SKIPPED,
    UNTAUGHT,
    Config,
)
from scoring.moments import DELIVERY, REPLENISHMENT
from scoring.profile import FAR, NEVER, Layout, stable_hash
from scoring.rules.columns import Column, Op
from scoring.twin.columns import read
from scoring.twin.customer import DAY_MS, HOUR_MS, Customer, Event, Look
from scoring.twin.facts import facts
from scoring.twin.features import features

__all__ = ["Partition", "Point", "Resolved"]


class Point(NamedTuple):
    """One evaluation: who, as of when, caused by which event (None: a tick), and what was read."""

    customer: bytes
    time_ms: int
    event: int | None
    cause: int
    received_ms: int
    features: dict[str, float]
    columns: tuple[float, ...]
    facts: tuple[float, ...]
    viewed: list[int]
    viewed_ms: list[int]
    pages: list[tuple[int, int]]
    visited: list[int]
    favourites: list[int]
    within: list[int]
    bought: tuple[int, int | None]
    coupons: int
    looks: list[Look]
    categories: dict[int, tuple[int, int]]


class Resolved(NamedTuple):
    """An example whose horizon has passed."""

    customer: bytes
    made_ms: int
    label: int
    resolved_ms: int


@dataclass
class Partition:
    """One partition number: its customers, its watermark, and what came of its events."""

    layout: Layout
    config: Config
    columns: tuple[Column, ...]
    clocks: tuple[tuple[int, int], ...]
    object_clocks: tuple[tuple[int, int], ...] = ()
    customers: dict[bytes, Customer] = field(default_factory=dict)
    behind: frozenset[int] = frozenset()
    newest_ms: dict[int, int] = field(default_factory=dict)
    watermark_ms: int = NEVER
    received_ms: int = 0
    largest_hash: int = 2**64 - 1
    statuses: list[int] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    resolved: list[Resolved] = field(default_factory=list)

    def apply(self, events: Iterable[Event]) -> None:
        """Apply events in the order of input, each after the ticks that come before it."""
        for event in events:
            number = len(self.statuses)
            customer = self._customer(event.customer)
            status = self._admit(customer, event)
            self.statuses.append(status)
            self.advance(self._watermark(), event.received_ms)
            if status == APPLIED:
                while customer.due_ms <= event.time_ms:
                    self._tick(event.customer, customer)
                self._event(event, customer, number)
                self._drain()

    def advance(self, watermark_ms: int, received_ms: int) -> None:
        """Let the watermark pass, and run what is due by (time, hash of the customer)."""
        if watermark_ms > self.watermark_ms:
            self.watermark_ms, self.received_ms = watermark_ms, received_ms
            self._drain()

    def _drain(self) -> None:
        while self.customers:
            name, first = min(self.customers.items(), key=lambda item: (item[1].due_ms, item[1].hash))
            if first.due_ms > self.watermark_ms:
                return
            self._tick(name, first)

    def _customer(self, name: bytes) -> Customer:
        if name not in self.customers:
            kept = self.layout.orders, self.layout.views, self.layout.parts.pages
            self.customers[name] = Customer(stable_hash(name), *kept)
        return self.customers[name]

    def _admit(self, customer: Customer, event: Event) -> int:
        """Whether the event counts: not read before, not too late, not a message that was applied before."""
        self.newest_ms[event.source] = max(self.newest_ms.get(event.source, NEVER), event.time_ms)
        if event.offset <= customer.offsets.get(event.source, -1):
            return SKIPPED
        customer.offsets[event.source] = event.offset
        if event.time_ms < max(self.watermark_ms, self._watermark()) - self.config.window_ms:
            return LATE
        if event.message in customer.messages[-self.layout.messages :]:
            return DUPLICATE
        customer.messages.append(event.message)
        return APPLIED

    def _watermark(self) -> int:
        """The least of the newest event times of the sources that are behind; the newest of all if none is."""
        behind = [self.newest_ms.get(source, NEVER) for source in self.behind]
        return min(behind) if behind else max(self.newest_ms.values())

    def _event(self, event: Event, customer: Customer, number: int) -> None:
        if not customer.events:
            customer.now_ms = event.time_ms
            customer.rescore_ms = self._grid(event.time_ms, DAY_MS, customer)
            self._enrol(customer)
        rank = customer.apply(event)
        customer.now_ms = max(customer.now_ms, event.time_ms)
        if customer.example_ms == FAR:
            customer.example_ms = self._grid(customer.now_ms, self.config.example_every_ms, customer)
        self._expect(customer, event)
        value, order = (math.nan, math.nan) if rank is None else (event.value, float(rank))
        cause = AUTOMATED if self._automated(customer) else 0
        self._point(event.customer, customer, number, cause, event.received_ms, value, order)

    def _tick(self, name: bytes, customer: Customer) -> None:
        due = customer.due_ms
        customer.now_ms = due
        automated = self._automated(customer)
        while customer.pending and customer.pending[0] + self.config.horizon_ms <= due:
            made = customer.pending.pop(0)
            bought = int(customer.orders.between(made, made + self.config.horizon_ms) > 0)
            self.resolved.append(Resolved(name, made, UNTAUGHT if automated else bought, due))
        cause = AUTOMATED if automated else 0
        if customer.example_ms <= due:
            active = due - customer.last_seen_ms() <= self.config.active_ms
            if (
                active
                and not automated
                and len(customer.pending) < self.layout.pending
                and self._gives_examples(customer)
            ):
                cause |= EXAMPLE
                customer.pending.append(due)
            customer.example_ms = self._grid(due, self.config.example_every_ms, customer) if active else FAR
        if any(moment <= due for moment in customer.moments):
            customer.moments = [moment for moment in customer.moments if moment > due]
            cause |= OBJECTS
        if customer.rescore_ms <= due:
            cause |= RESCORE
            if customer.crowded_ms is not None and customer.crowded_ms > due - DAY_MS:
                cause |= OBJECTS
            if due - customer.last_seen_ms() <= self.config.horizon_ms:
                cause |= ACTIVE
            customer.rescore_ms = self._grid(due, DAY_MS, customer)
        self._point(name, customer, None, cause, self.received_ms, math.nan, math.nan)

    def _point(
        self,
        name: bytes,
        customer: Customer,
        event: int | None,
        cause: int,
        received: int,
        value: float,
        order: float,
    ) -> None:
        now, horizon = customer.now_ms, self.config.horizon_ms
        days = self.layout.day_kinds, self.layout.days
        read_now = tuple(read(column, customer, now, horizon, *days, value, order) for column in self.columns)
        x = features(customer, now, horizon)
        told = facts(customer, now, self.config.horizon_ms)
        favourites = customer.favourites(now)
        seen = customer.viewed(), customer.viewed_ms(), customer.pages(), customer.visited()
        most, bought = (favourites, customer.within(favourites[1], now)), (customer.bought(), customer.coupons())
        looked = customer.looks(), customer.categories(now)
        self.points.append(Point(name, now, event, cause, received, x, read_now, told, *seen, *most, *bought, *looked))
        customer.due_ms = self._next_due(customer)

    def _expect(self, customer: Customer, event: Event) -> None:
        """Keep the times at which time alone can change what rules say of the event's objects."""
        moments, later = [], []
        for kind, age in self.object_clocks:
            since, last = 0, 0
            if kind == event.kind:
                since = event.time_ms
            elif kind == DELIVERY:
                since = event.promised_ms
            elif kind == REPLENISHMENT:
                since, last = event.replenish_ms, event.replenish_last_ms
            if since and since + age > customer.now_ms:
                moments.append(since + age)
            if last > since:
                later.append(last + age)
        for moment in moments:
            customer.expect([moment])
        customer.crowd(later)

    def _next_due(self, customer: Customer) -> int:
        """The first tick after now at which time alone can change a predicate, an example or the daily score."""
        now = customer.now_ms
        moments = [customer.rescore_ms, customer.example_ms]
        moments += customer.moments[:1]
        moments += [made + self.config.horizon_ms for made in customer.pending[:1]]
        for kind, age_ms in self.clocks:
            last = customer.last_ms(kind)
            if last is not None and last + age_ms > now:
                moments.append(last + age_ms)
        hourly = any(column.op is Op.COUNT_HOURS for column in self.columns)
        if hourly and customer.last_seen_ms() // HOUR_MS >= now // HOUR_MS - self.layout.hours:
            moments.append((now // HOUR_MS + 1) * HOUR_MS)
        return min(self._up(moment) for moment in moments)

    def _grid(self, after_ms: int, every_ms: int, customer: Customer) -> int:
        """The first tick after a moment of the customer's own grid: staggered by the hash, rounded up to
        ticks.
        """
        moment = after_ms - (after_ms - customer.hash) % every_ms
        while self._up(moment) <= after_ms:
            moment += every_ms
        return self._up(moment)

    def _up(self, moment_ms: int) -> int:
        """The moment, rounded up to a tick."""
        return -(-moment_ms // self.config.tick_ms) * self.config.tick_ms

    def _enrol(self, customer: Customer) -> None:
        """When a new customer is one too many of those that give examples, halve the share of hashes that do."""
        if customer.hash > self.largest_hash:
            return
        seen = [other for other in self.customers.values() if other.events] + [customer]
        if len([other for other in seen if other.hash <= self.largest_hash]) > max(self.config.example_customers, 1):
            self.largest_hash //= 2

    def _automated(self, customer: Customer) -> bool:
        """Whether there were more events in this UTC hour or the one before than a person makes.

        The row knows the two hours up to the newest event only.
        """
        now, newest = customer.now_ms // HOUR_MS, customer.last_seen_ms() // HOUR_MS
        per_hour = Counter(event.time_ms // HOUR_MS for event in customer.events)
        hours = [hour for hour in (now - 1, now) if newest - 2 < hour <= newest]
        return any(per_hour[hour] > self.config.automated_per_hour for hour in hours)

    def _gives_examples(self, customer: Customer) -> bool:
        return customer.hash <= self.largest_hash and self.config.example_customers > 0
