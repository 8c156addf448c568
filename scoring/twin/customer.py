"""A customer as the twin sees them: the list of their events, and questions about it."""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from scoring.kinds import Kind
from scoring.profile import FAR, VISIT_DAYS
from scoring.recent import WITHIN
from scoring.rules.columns import ANY, VISIT_KINDS, VISITED
from scoring.rules.parts import Parts
from scoring.twin.orders import Order, Orders

__all__ = ["DAY_MS", "HOUR_MS", "Customer", "Event", "Look"]

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
_FULL = Parts()
_BOUGHT = 2**64 - 1
"""In place of a product: it was an order."""


class Event(NamedTuple):
    """One event of a customer; `cart_items` is -1 where the event says nothing of the cart."""

    customer: bytes
    time_ms: int
    kind: int
    source: int
    offset: int
    message: int
    product: int = 0
    category: int = 0
    value: float = 0.0
    lines: float = 0.0
    quantity: float = 0.0
    discounted: int = 0
    coupon: int = 0
    cart_items: int = -1
    cart_value: float = 0.0
    promised_ms: int = 0
    replenish_ms: int = 0
    replenish_last_ms: int = 0
    received_ms: int = 0

    def is_of(self, kind: int) -> bool:
        """Whether the event is of a kind or pseudo-kind."""
        return kind == ANY or kind == self.kind or (kind == VISITED and self.kind in VISIT_KINDS)


class Look(NamedTuple):
    """A view of a product or of a list, or an order, of a category or none."""

    ms: int
    product: int
    category: int


@dataclass
class Customer:
    """Everything that was applied of one customer, in the order of arrival, and when they are due next.

    `orders_kept` is the length of the ring of orders, `views_kept` and `pages_kept` are those of the lists of viewed
    products and of pages.
    """

    hash: int
    orders_kept: int
    views_kept: int
    pages_kept: int
    offsets: dict[int, int] = field(default_factory=dict)
    messages: list[int] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    orders: Orders = field(default_factory=Orders)
    now_ms: int = 0
    rescore_ms: int = FAR
    example_ms: int = FAR
    due_ms: int = FAR
    moments: list[int] = field(default_factory=list)
    crowded_ms: int | None = None
    pending: list[int] = field(default_factory=list)

    def apply(self, event: Event) -> int | None:
        """Remember an event; the rank of the order where it is one, 0 where an order is cancelled."""
        self.events.append(event)
        if event.kind == Kind.ORDER_COMPLETED:
            order = Order.of(event.time_ms, event.value, event.lines, event.quantity)
            return self.orders.add(order, self.orders_kept)
        return 0 if event.kind == Kind.ORDER_CANCELLED else None

    def of(self, *kinds: int) -> list[Event]:
        """The events of any of the kinds."""
        return [event for event in self.events if any(event.is_of(kind) for kind in kinds)]

    def first_ms(self) -> int:
        """When the customer was first seen."""
        return min(event.time_ms for event in self.events)

    def last_seen_ms(self) -> int:
        """When the newest event happened."""
        return max(event.time_ms for event in self.events)

    def last_ms(self, kind: int) -> int | None:
        """When the last event of a kind happened, None if there was never one."""
        return max((event.time_ms for event in self.of(kind)), default=None)

    def decayed(self, now_ms: int, half_life_ms: float, *kinds: int) -> float:
        """Each event of the kinds counts one half after a half-life, a quarter after two …"""
        return math.fsum(2.0 ** (-(now_ms - e.time_ms) / half_life_ms) for e in self.of(*kinds))

    def count(self, kind: int, now_ms: int, bucket_ms: int, n: int) -> int:
        """Events of a kind in the last `n` UTC days or hours, that of `now_ms` being one of them."""
        return len([event for event in self.of(kind) if event.time_ms // bucket_ms > now_ms // bucket_ms - n])

    def days_with(self, kind: int, now_ms: int, n: int) -> int:
        """On how many of the last `n` UTC days there was an event of a kind."""
        days = {event.time_ms // DAY_MS for event in self.of(kind)}
        return len([day for day in days if day > now_ms // DAY_MS - n])

    def nth_last_ms(self, kind: int, n: int) -> int | None:
        """When the n-th last event of a kind happened, None if there were fewer."""
        times = sorted((event.time_ms for event in self.of(kind)), reverse=True)
        return times[n - 1] if len(times) >= n else None

    def told(self, kind: int) -> float:
        """The number that came with the last event of a kind, the greatest of several at one moment; NaN for none."""
        told = [(event.time_ms, -math.inf if math.isnan(event.value) else event.value) for event in self.of(kind)]
        last = max(told, default=(0, -math.inf))[1]
        return math.nan if last == -math.inf else float(np.float32(last))

    def peak_points(self) -> float:
        """The highest balance of points ever."""
        told = [event.value for event in self.of(Kind.POINTS) if not math.isnan(event.value)]
        return float(np.float32(max(told))) if told else math.nan

    def looks(self) -> list[Look]:
        """The last views of a product or of a category and the last orders, newest first."""
        found = [
            Look(event.time_ms, _BOUGHT if event.kind == Kind.ORDER_COMPLETED else event.product, event.category)
            for event in self.events
            if event.kind == Kind.ORDER_COMPLETED
            or (event.kind == Kind.PRODUCT_VIEWED and event.product)
            or (event.kind == Kind.LIST_VIEWED and event.category)
        ]
        return sorted(found, reverse=True)[: _FULL.seen]

    def product_views(self) -> list[int]:
        """Of each view since the last order its product."""
        order = self.last_ms(Kind.ORDER_COMPLETED)
        since = -math.inf if order is None else order
        return [look.product for look in self.looks() if look.product not in (0, _BOUGHT) and look.ms > since]

    def looks_by_category(self, now_ms: int) -> dict[int, list[tuple[Look, int]]]:
        """By category the views within a day that no order of it, or of no category, came after.

        Each with how long it lasted: until the next of the last views and orders, if that is within half an hour.
        """
        looks = self.looks()
        found: dict[int, list[tuple[Look, int]]] = {}
        for later, look in zip([None, *looks], looks, strict=False):
            lasted = 0 if later is None else later.ms - look.ms
            ended = any(
                order.product == _BOUGHT and order.ms >= look.ms and order.category in (0, look.category)
                for order in looks
            )
            if look.product != _BOUGHT and look.category and look.ms > now_ms - DAY_MS and not ended:
                found.setdefault(look.category, []).append((look, lasted if lasted <= HOUR_MS // 2 else 0))
        return found

    def favourite_category(self, now_ms: int) -> tuple[int, int, int]:
        """The category looked at most, of several that with the most time, then the newest; its views and its ms."""
        counted = self.categories(now_ms)
        category = max(counted, key=counted.__getitem__, default=0)
        return category, *counted.get(category, (0, 0))

    def categories(self, now_ms: int) -> dict[int, tuple[int, int]]:
        """By category, the newest first, the views that count and the ms spent with them."""
        looks = self.looks_by_category(now_ms)
        return {category: (len(each), sum(lasted for _, lasted in each)) for category, each in looks.items()}

    def favourites(self, now_ms: int) -> list[int]:
        """The product and the category looked at most, of several products the one looked at last; 0 for none."""
        views = self.product_views()
        product = max(dict.fromkeys(views), key=views.count, default=0)
        return [product, self.favourite_category(now_ms)[0]]

    def within(self, category: int, now_ms: int) -> list[int]:
        """The products last seen in a category within a day and since an order ended it, newest first."""
        looks = self.looks_by_category(now_ms).get(category, [])
        return list(dict.fromkeys(look.product for look, _ in looks if look.product))[:WITHIN]

    def viewed_ms(self) -> list[int]:
        """When each of the products viewed last was viewed."""
        views = self.of(Kind.PRODUCT_VIEWED)
        return [max(event.time_ms for event in views if event.product == product) for product in self.viewed()]

    def pages(self) -> list[tuple[int, int]]:
        """The distinct pages looked at last, newest first, each with when that was last."""
        last: dict[int, int] = {}
        for event in self.of(Kind.PAGE):
            if event.product:
                last[event.product] = max(last.get(event.product, event.time_ms), event.time_ms)
        newest = sorted(((ms, page) for page, ms in last.items()), reverse=True)
        return [(page, ms) for ms, page in newest[: self.pages_kept]]

    def bought(self) -> tuple[int, int | None]:
        """The product of the last order, of several the one with the greatest number, and when that was."""
        orders = [(event.time_ms, event.product) for event in self.of(Kind.ORDER_COMPLETED)]
        ms, product = max(orders, default=(None, 0))
        return product, ms

    def coupons(self) -> int:
        """How many orders came with a coupon."""
        return sum(event.coupon for event in self.of(Kind.ORDER_COMPLETED))

    def months_running(self, now_ms: int) -> int:
        """In how many months in a row there was an order, up to this one or the one before."""
        months = {_month(order.time_ms) for order in self.orders.ring}
        last = next((month for month in (_month(now_ms), _month(now_ms) - 1) if month in months), None)
        return 0 if last is None else next(n for n in range(1, 99) if last - n not in months)

    def expect(self, moments: list[int]) -> None:
        """Keep these times; of too many the last ones are left to the daily looks."""
        kept = sorted({*self.moments, *moments})
        self.moments = kept[: _FULL.moments]
        self.crowd(kept[_FULL.moments :])

    def crowd(self, moments: list[int]) -> None:
        """Leave times to the daily looks."""
        self.crowded_ms = max([*moments, *([] if self.crowded_ms is None else [self.crowded_ms])], default=None)

    def cart(self) -> tuple[int, float]:
        """What the last event that told of the cart said: pieces and worth."""
        told = [event for event in self.events if event.cart_items >= 0]
        return (told[-1].cart_items, told[-1].cart_value) if told else (0, 0.0)

    def revenue(self) -> float:
        """Worth of all orders, less what was refunded or cancelled."""
        back = self.of(Kind.ORDER_CANCELLED, Kind.ORDER_REFUNDED)
        return sum(e.value for e in self.of(Kind.ORDER_COMPLETED)) - sum(e.value for e in back)

    def viewed(self) -> list[int]:
        """The products viewed last, newest first."""
        last: dict[int, int] = {}
        for event in self.of(Kind.PRODUCT_VIEWED):
            if event.product:
                last[event.product] = max(last.get(event.product, event.time_ms), event.time_ms)
        newest = sorted(last, key=lambda product: (last[product], product), reverse=True)
        return newest[: self.views_kept]

    def visited(self) -> list[int]:
        """The hours with a visit as bits, by day modulo 28, of the 28 days that end with the newest event's."""
        newest, found = self.last_seen_ms() // DAY_MS, [0] * VISIT_DAYS
        for event in self.of(VISITED):
            day = event.time_ms // DAY_MS
            if day > newest - VISIT_DAYS:
                found[day % VISIT_DAYS] |= 1 << event.time_ms // HOUR_MS % 24
        return found


def _month(ms: int) -> int:
    return int(np.datetime64(ms, "ms").astype("datetime64[M]").astype(np.int64))
