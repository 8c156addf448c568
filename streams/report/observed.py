"""Observed: orders, refunds and visits out of the events of the inputs, in columns; each order once."""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.accepted import is_unknown
from schemas.events import Event, Properties, text_id
from schemas.names import kind_name
from schemas.refusal import DECODE_ERRORS
from schemas.timestamp import to_ms
from scoring.kinds import INTEREST_KINDS, Kind
from scoring.rules.columns import VISIT_KINDS
from streams.examining import AMOUNT_LIMIT, UNKNOWN_RECEIPT, Examiner, customer_of, product_of, worth_of
from streams.report.united import united

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
    customers
        By the id that is known now: who came under several is one customer.
    formers
        By former id: who that is now.
    source, campaign, country
        By customer: where they first came from, as a campaign or the referring site says, and where they live.
    interested_ms, first_ms
        By customer: when they first did more than look, and when they were first seen; the largest integer for never.
    baskets
        By order: numbers of products and categories.
    skipped
        Records that workers refuse: no event that can be read, or one that says what cannot be.
    """

    customers: list[str]
    formers: dict[str, int]
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

    def places(self) -> dict[str, int]:
        """Customers by each id that they came under."""
        return {name: i for i, name in enumerate(self.customers)} | self.formers

    @property
    def end_ms(self) -> int:
        """One millisecond after the last order, refund or visit, or when the last newcomer was first seen; else 0."""
        columns = (self.orders.time_ms, self.refunds.time_ms, self.touches.time_ms, self.first_ms)
        last = [int(times.max()) for times in columns if len(times)]
        return max(last) + 1 if last else 0


class _Properties(Properties, gc=False):
    """What reports read besides; nothing of it makes an event one that cannot be read, as workers do not look at it."""

    margin: Any = None
    cost: Any = None
    source: Any = None
    campaign: Any = None


class _Event(Event, gc=False):
    properties: _Properties | None = None
    context: Any = None


_decode = msgspec.json.Decoder(_Event).decode
_NOTHING: Final = _Properties()
_EXAMINE: Final = Examiner(allowed_skew_ms=0)
"""For events of which nobody knows when they were received."""
T = TypeVar("T")


def observe(values: Iterable[bytes], examine: Examiner | None = None) -> Observed:
    """Read the values of the input topics, in any order. About 10 µs each. What `examine` refuses is counted only.

    An order that comes again, under the same id and customer, counts once, and so does its cancellation, and a refund
    that comes again with the same message id.
    """
    observing = Observing(examine)
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
    """Takes the values of the input topics in as they come; see `observe`.

    Parameters
    ----------
    examine
        Says what workers refuse; None: one that does not know when events were received.
    """

    def __init__(self, examine: Examiner | None = None) -> None:
        self.skipped = 0
        self._examine = examine or _EXAMINE
        self._customers, self._products, self._categories = _Names(), _Names(), _Names()
        self._first: list[int] = []
        self._interested: list[int] = []
        self._source: list[tuple[int, int, str, str]] = []
        self._country: list[tuple[int, str]] = []
        self._orders: list[tuple[int, int, float, bool, float]] = []
        self._baskets: list[tuple[tuple[int, int], ...]] = []
        self._order_ids: list[str] = []
        self._refunds: list[tuple[int, int, float]] = []
        self._refund_ids: list[tuple[Kind, str]] = []
        self._touches: list[tuple[int, int, int, int]] = []
        self._formers: dict[tuple[str, str], int] = {}

    def take(self, value: bytes, key: bytes | None = None, receipt_ms: int = UNKNOWN_RECEIPT) -> None:
        """Take one in; one that workers refuse is counted, and nothing else of it.

        Parameters
        ----------
        key
            Of its record; None where there is none to be wrong.
        receipt_ms
            When the broker received it.
        """
        try:
            if len(value) > self._examine.limits.max_record_bytes or not self._took(_decode(value), key, receipt_ms):
                self.skipped += 1
        except (*DECODE_ERRORS, ValueError) as error:
            self.skipped += not is_unknown(error, value)

    def _took(self, event: _Event, key: bytes | None, receipt_ms: int) -> bool:
        known = Kind.__members__.get(kind_name(event.type, event.event) or "")
        if known is None:
            return True
        time_ms = to_ms(event.timestamp)
        whose = customer_of(event) if key is None else key
        if self._examine(event, known, whose, time_ms, receipt_ms) is not None:
            return False
        who = whose.decode()
        customer = self._customer(who)
        said = event.properties or _NOTHING
        self._first[customer] = min(self._first[customer], time_ms)
        if known in INTEREST_KINDS:
            self._interested[customer] = min(self._interested[customer], time_ms)
        self._came_from(customer, time_ms, event, said)
        former = event.previousId if known is Kind.ALIAS else event.anonymousId if event.userId else None
        if former:
            pair = text_id(former) or "", who
            self._formers[pair] = min(self._formers.get(pair, _NEVER), time_ms)
        if known is Kind.ORDER_COMPLETED:
            self._order(customer, time_ms, said)
        elif known in _BACK:
            name = text_id(said.order_id) if known is Kind.ORDER_CANCELLED else None
            self._refund(customer, time_ms, (known, name or event.messageId), said)
        elif known in VISIT_KINDS:
            product = self._products.number(product_of(said))
            self._touches.append((customer, time_ms, product, self._categories.number(said.category)))
        return True

    def _customer(self, who: str) -> int:
        customer = self._customers.number(who)
        if customer == len(self._first):
            self._first.append(_NEVER)
            self._interested.append(_NEVER)
            self._source.append((_NOT_AT_ALL, _NEVER, UNKNOWN, ""))
            self._country.append((_NEVER, UNKNOWN))
        return customer

    def _came_from(self, customer: int, time_ms: int, event: _Event, said: _Properties) -> None:
        campaign, page = _within(event.context, "campaign"), _within(event.context, "page")
        found = self._source[customer]
        if source := _text(_within(campaign, "source")):
            found = (_TOLD, time_ms, source.lower(), _text(_within(campaign, "name")))
        elif source := _text(said.source):
            found = (_TOLD, time_ms, source.lower(), _text(said.campaign))
        else:
            seen = (page.get("referrer"), page.get("url")) if isinstance(page, dict) else (said.referrer, said.url)
            site, own = map(_site, map(_text, seen))
            if site not in ("", own):
                found = (_REFERRER, time_ms, site, "")
        self._source[customer] = min(self._source[customer], found)
        location = _within(event.context, "location")
        country = _text(_within(location, "country")) or said.country or _lives(event.traits)
        if country:
            self._country[customer] = min(self._country[customer], (time_ms, country))

    def _order(self, customer: int, time_ms: int, said: _Properties) -> None:
        worth = worth_of(said)
        margin, cost = _number(said.margin), _number(said.cost)
        if margin is None and cost is not None:
            margin = worth - cost
        discounted = bool(said.coupon) or (said.discount or 0.0) > 0 or any(line.coupon for line in said.products or ())
        self._orders.append((customer, time_ms, worth, discounted, float("nan") if margin is None else margin))
        self._order_ids.append(text_id(said.order_id) or "")
        lines = said.products or ()
        named = {(self._products.number(product_of(line)), self._categories.number(line.category)) for line in lines}
        self._baskets.append(tuple(sorted(named)))

    def _refund(self, customer: int, time_ms: int, name: tuple[Kind, str], said: _Properties) -> None:
        self._refunds.append((customer, time_ms, worth_of(said)))
        self._refund_ids.append(name)

    def done(self) -> Observed:
        """Everything in the order of time; of one moment, in the order in which it was read."""
        customers, number, formers = united(self._customers.names, self._formers)
        n, places = len(customers), number.tolist()
        once, back = _once(self._orders, self._order_ids, places), _once(self._refunds, self._refund_ids, places)
        orders = _columns([self._orders[i] for i in once], (np.int64, np.int64, np.float64, np.bool_, np.float64))
        refunds = _columns([self._refunds[i] for i in back], (np.int64, np.int64, np.float64))
        touches = _columns(sorted(self._touches, key=lambda one: one[1]), (np.int64,) * 4)
        for columns in (orders, refunds, touches):
            columns[0] = number[columns[0]]
        source = _least(self._source, places, n)
        return Observed(
            customers=customers,
            formers=formers,
            source=[source for _, _, source, _ in source],
            campaign=[campaign for _, _, _, campaign in source],
            country=[country for _, country in _least(self._country, places, n)],
            interested_ms=np.array(_least(self._interested, places, n), np.int64),
            first_ms=np.array(_least(self._first, places, n), np.int64),
            orders=Orders(*orders),
            refunds=Refunds(*refunds),
            touches=Touches(*touches),
            baskets=[self._baskets[i] for i in once],
            products=self._products.names,
            categories=self._categories.names,
            skipped=self.skipped,
        )


def _once(rows: Sequence[Any], ids: Sequence[Hashable], places: Sequence[int]) -> list[int]:
    """Which rows are not of a customer and an id that came before, by time."""
    first: dict[tuple[int, Hashable], int] = {}
    for i, (row, name) in enumerate(zip(rows, ids, strict=True)):
        first.setdefault((places[row[0]], name), i)
    return sorted(first.values(), key=lambda i: rows[i][1])


def _least(values: Sequence[T], places: Sequence[int], n: int) -> list[T]:
    """Of what is known of each name, the least by customer."""
    found: dict[int, Any] = {}
    for place, value in zip(places, values, strict=True):
        found[place] = min(found.get(place, value), value)
    return [found[place] for place in range(n)]


def _columns(rows: list[Any], types: tuple[Any, ...]) -> list[Any]:
    columns = zip(*rows, strict=True) if rows else [()] * len(types)
    return [np.array(column, kind) for column, kind in zip(columns, types, strict=True)]


def _within(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    """The amount that it is, if it can be one."""
    known = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= AMOUNT_LIMIT
    return float(value) if known else None


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
