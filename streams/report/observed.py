"""Observed: orders, refunds and visits out of the events of the inputs, in columns; each order once."""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from schemas.events import text_id
from schemas.names import kind_name
from schemas.timestamp import to_ms
from scoring.kinds import INTEREST_KINDS, Kind
from scoring.rules.columns import VISIT_KINDS

__all__ = ["UNKNOWN", "Observed", "Observing", "Orders", "Refunds", "Touches", "observe"]

IntArray = NDArray[np.int64]

UNKNOWN: Final = "unknown"
"""Where a source, a country or a category was never told."""

_NEVER: Final = np.iinfo(np.int64).max
_BACK: Final = frozenset({Kind.ORDER_CANCELLED, Kind.ORDER_REFUNDED})
_TOLD, _REFERRER, _NOT_AT_ALL = range(3)
"""What says best where somebody came from comes first: what names the source, then the site before."""


class Orders(NamedTuple):
    """Completed orders by time, one element each; `margin` is NaN where the order tells none."""

    customer: IntArray
    time_ms: IntArray
    worth: NDArray[np.float64]
    discounted: NDArray[np.bool_]
    margin: NDArray[np.float64]


class Refunds(NamedTuple):
    """What was cancelled or refunded, by time."""

    customer: IntArray
    time_ms: IntArray
    worth: NDArray[np.float64]


class Touches(NamedTuple):
    """What somebody looked at or added, by time; product and category are numbers of their names, -1 for none."""

    customer: IntArray
    time_ms: IntArray
    product: IntArray
    category: IntArray


class Observed(NamedTuple):
    """A history in columns; customers, products and categories are numbers, places in the lists of names.

    Attributes
    ----------
    source, campaign, country
        By customer: where they first came from, as a campaign or the referring site says, and where they live.
    interested_ms, first_ms
        By customer: when they first did more than look, and when they were first seen; the largest integer for never.
    baskets
        By order: numbers of products and categories.
    skipped
        Records that were no event that can be read.
    """

    customers: list[str]
    source: list[str]
    campaign: list[str]
    country: list[str]
    interested_ms: IntArray
    first_ms: IntArray
    orders: Orders
    refunds: Refunds
    touches: Touches
    baskets: list[tuple[tuple[int, int], ...]]
    products: list[str]
    categories: list[str]
    skipped: int

    @property
    def end_ms(self) -> int:
        """One millisecond after the last order or visit; 0 if there is none."""
        last = [int(times[-1]) for times in (self.orders.time_ms, self.touches.time_ms) if len(times)]
        return max(last) + 1 if last else 0


class _Line(Struct, gc=False):
    product_id: str | int | None = None
    sku: str | None = None
    name: str | None = None
    category: str | None = None
    price: float | None = None
    quantity: float | None = None
    coupon: str | None = None


class _Properties(Struct, gc=False):
    order_id: str | int | None = None
    product_id: str | int | None = None
    sku: str | None = None
    name: str | None = None
    category: str | None = None
    products: list[_Line] | None = None
    revenue: float | None = None
    total: float | None = None
    value: float | None = None
    subtotal: float | None = None
    discount: float | None = None
    coupon: str | None = None
    margin: float | None = None
    cost: float | None = None
    country: str | None = None
    source: str | None = None
    campaign: str | None = None
    referrer: str | None = None
    url: str | None = None


class _Campaign(Struct, gc=False):
    source: str | None = None
    name: str | None = None


class _Page(Struct, gc=False):
    referrer: str | None = None
    url: str | None = None


class _Location(Struct, gc=False):
    country: str | None = None


class _Context(Struct, gc=False):
    campaign: _Campaign | None = None
    page: _Page | None = None
    location: _Location | None = None


class _Event(Struct, gc=False):
    messageId: str  # noqa: N815 - as on the wire
    timestamp: str
    type: str = "track"
    event: str | None = None
    userId: str | int | None = None  # noqa: N815
    anonymousId: str | int | None = None  # noqa: N815
    properties: _Properties | None = None
    traits: dict[str, Any] | None = None
    context: _Context | None = None


_decode = msgspec.json.Decoder(_Event).decode
_NOTHING: Final = _Properties()


def observe(values: Iterable[bytes]) -> Observed:
    """Read the values of the input topics, in any order. About 5 µs each.

    An order that comes again, under the same id and customer, counts once, and so does a cancellation or refund that
    comes again with the same message id.
    """
    observing = Observing()
    for value in values:
        observing.take(value)
    return observing.done()


class _Names:
    """Numbers for names, in the order in which they come."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, name: str | None) -> int:
        if not name:
            return -1
        found = self._numbers.get(name)
        if found is None:
            found = self._numbers[name] = len(self.names)
            self.names.append(name)
        return found


class Observing:
    """Takes the values of the input topics in as they come; see `observe`."""

    def __init__(self) -> None:
        self.skipped = 0
        self._customers, self._products, self._categories = _Names(), _Names(), _Names()
        self._first: list[int] = []
        self._interested: list[int] = []
        self._source: list[tuple[int, int, str, str]] = []
        self._country: list[tuple[int, str]] = []
        self._orders: list[tuple[int, int, float, bool, float]] = []
        self._baskets: list[tuple[tuple[int, int], ...]] = []
        self._refunds: list[tuple[int, int, float]] = []
        self._touches: list[tuple[int, int, int, int]] = []
        self._seen: set[tuple[int, str]] = set()

    def take(self, value: bytes) -> None:
        """Take one in; one that is no event that can be read is counted."""
        try:
            self._take(_decode(value))
        except (msgspec.MsgspecError, ValueError):
            self.skipped += 1

    def _take(self, event: _Event) -> None:
        kind = kind_name(event.type, event.event)
        who = text_id(event.userId or event.anonymousId)
        known = Kind.__members__.get(kind or "")
        if known is None or who is None:
            return
        time_ms = to_ms(event.timestamp)
        customer = self._customer(who)
        said = event.properties or _NOTHING
        self._first[customer] = min(self._first[customer], time_ms)
        if known in INTEREST_KINDS:
            self._interested[customer] = min(self._interested[customer], time_ms)
        self._came_from(customer, time_ms, event, said)
        if known is Kind.ORDER_COMPLETED:
            self._order(customer, time_ms, said)
        elif known in _BACK:
            self._refund(customer, time_ms, event.messageId, said)
        elif known in VISIT_KINDS:
            product = self._products.number(_product(said))
            self._touches.append((customer, time_ms, product, self._categories.number(said.category)))

    def _customer(self, who: str) -> int:
        customer = self._customers.number(who)
        if customer == len(self._first):
            self._first.append(_NEVER)
            self._interested.append(_NEVER)
            self._source.append((_NOT_AT_ALL, _NEVER, UNKNOWN, ""))
            self._country.append((_NEVER, UNKNOWN))
        return customer

    def _came_from(self, customer: int, time_ms: int, event: _Event, said: _Properties) -> None:
        context = event.context or _Context()
        campaign, page = context.campaign, context.page
        found = self._source[customer]
        if campaign is not None and campaign.source:
            found = (_TOLD, time_ms, campaign.source.lower(), campaign.name or "")
        elif said.source:
            found = (_TOLD, time_ms, said.source.lower(), said.campaign or "")
        elif (site := _site(page.referrer if page else said.referrer)) not in (
            "",
            _site(page.url if page else said.url),
        ):
            found = (_REFERRER, time_ms, site, "")
        self._source[customer] = min(self._source[customer], found)
        country = (context.location.country if context.location else None) or said.country or _lives(event.traits)
        if country:
            self._country[customer] = min(self._country[customer], (time_ms, country))

    def _order(self, customer: int, time_ms: int, said: _Properties) -> None:
        key = (customer, f"order {text_id(said.order_id) or ''}")
        if key in self._seen or text_id(said.order_id) is None:
            return
        self._seen.add(key)
        worth = _worth(said)
        margin = said.margin if said.margin is not None else None if said.cost is None else worth - said.cost
        discounted = bool(said.coupon) or (said.discount or 0.0) > 0 or any(line.coupon for line in said.products or ())
        self._orders.append((customer, time_ms, worth, discounted, float("nan") if margin is None else margin))
        lines = said.products or ()
        named = {(self._products.number(_product(line)), self._categories.number(line.category)) for line in lines}
        self._baskets.append(tuple(sorted(named)))

    def _refund(self, customer: int, time_ms: int, message: str, said: _Properties) -> None:
        key = (customer, f"refund {message}")
        if key not in self._seen:
            self._seen.add(key)
            self._refunds.append((customer, time_ms, _worth(said)))

    def done(self) -> Observed:
        """Everything in the order of time; of one moment, in the order in which it was read."""
        by_time = np.argsort(np.array([order[1] for order in self._orders], np.int64), kind="stable")
        orders = _columns([self._orders[i] for i in by_time], (np.int64, np.int64, np.float64, np.bool_, np.float64))
        refunds = _columns(sorted(self._refunds, key=lambda one: one[1]), (np.int64, np.int64, np.float64))
        touches = _columns(sorted(self._touches, key=lambda one: one[1]), (np.int64,) * 4)
        return Observed(
            customers=self._customers.names,
            source=[source for _, _, source, _ in self._source],
            campaign=[campaign for _, _, _, campaign in self._source],
            country=[country for _, country in self._country],
            interested_ms=np.array(self._interested, np.int64),
            first_ms=np.array(self._first, np.int64),
            orders=Orders(*orders),
            refunds=Refunds(*refunds),
            touches=Touches(*touches),
            baskets=[self._baskets[i] for i in by_time],
            products=self._products.names,
            categories=self._categories.names,
            skipped=self.skipped,
        )


def _columns(rows: list[Any], types: tuple[Any, ...]) -> list[Any]:
    columns = zip(*rows, strict=True) if rows else [()] * len(types)
    return [np.array(column, kind) for column, kind in zip(columns, types, strict=True)]


def _worth(said: _Properties) -> float:
    """What an order says it comes to, as scoring takes it (`streams.examining.worth_of`)."""
    for amount in (said.revenue, said.total, said.value, said.subtotal):
        if amount is not None:
            return amount
    lines = said.products or ()
    return sum((1.0 if line.quantity is None else line.quantity) * (line.price or 0.0) for line in lines)


def _product(said: _Properties | _Line) -> str:
    return text_id(said.product_id) or said.sku or said.name or ""


def _site(address: str | None) -> str:
    """The host of an address, without `www.`."""
    try:
        return (urlsplit(address or "").hostname or "").removeprefix("www.")
    except ValueError:
        return ""


def _lives(traits: dict[str, Any] | None) -> str | None:
    if not traits:
        return None
    address = traits.get("address")
    found = address.get("country") if isinstance(address, dict) else traits.get("country")
    return found if isinstance(found, str) else None
