"""Examining: the plain checks of one decoded event, in order; the first that fails says why it is refused."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from schemas.checks import required
from schemas.events import Event, Product, Properties, text_id
from schemas.refusal import Refusal, shown
from schemas.timestamp import from_ms, to_ms
from scoring.kinds import Kind
from streams.limits import Limits
from streams.stamps import UNREADABLE

__all__ = [
    "AMOUNT_LIMIT",
    "UNKNOWN_RECEIPT",
    "Examiner",
    "amount_refused",
    "customer_of",
    "id_bytes",
    "page_of",
    "product_of",
    "worth_of",
]

AMOUNT_LIMIT: Final = 1e9
"""Amounts and quantities beyond this are slips of the sender, and would drown a customer's sums."""
UNKNOWN_RECEIPT: Final = -1
"""Kafka's timestamp of a record that has none."""

_ORDERS = frozenset({Kind.ORDER_COMPLETED, Kind.ORDER_UPDATED, Kind.ORDER_CANCELLED, Kind.ORDER_REFUNDED})
_OF_AN_ORDER = _ORDERS | {Kind.ORDER_SHIPPED, Kind.ORDER_DELIVERED, Kind.RETURN_REQUESTED}
_OTHER_IDS: dict[Kind, str] = {
    Kind.TICKET_OPENED: "ticket_id",
    Kind.TICKET_SOLVED: "ticket_id",
    Kind.REFERRED: "code",
    Kind.PLACE_ENTERED: "place",
}
_CART_STEPS = frozenset({Kind.PRODUCT_ADDED, Kind.PRODUCT_REMOVED})
_NAMING = _CART_STEPS | {Kind.PRODUCT_VIEWED, Kind.WISHLIST_ADDED, Kind.WISHLIST_REMOVED}
_LISTING = _ORDERS | {Kind.CART_VIEWED}
_SOLD = frozenset({Kind.ORDER_COMPLETED, Kind.ORDER_UPDATED})
_NAME_OF = {kind: kind.name for kind in Kind}
"""To ask a kind for its name takes 0.3 µs."""


def customer_of(event: Event) -> bytes:
    """Return whose event it is, as its key should say: userId, else anonymousId; empty if nobody's."""
    return id_bytes(event.userId or event.anonymousId)


def id_bytes(told: str | int | None) -> bytes:
    """Return an id as a key has it; empty for nobody's."""
    try:
        return b"" if not told else (text_id(told) or "").encode()
    except UnicodeEncodeError:  # a lone surrogate
        return b""


@dataclass(frozen=True, slots=True)
class Examiner:
    """Says why a decoded event of a known kind is refused, or None.

    Parameters
    ----------
    allowed_skew_ms
        How far a timestamp may lie past the broker's time of receipt.
    limits
        How large what it says may be.
    """

    allowed_skew_ms: int
    limits: Limits = field(default_factory=Limits)

    def __call__(self, event: Event, kind: Kind, key: bytes | None, time_ms: int, receipt_ms: int) -> Refusal | None:
        """Examine one event: what is missing, whose it is, when it was, what it amounts to."""
        return (
            required(_NAME_OF[kind], event)
            or _whose_refused(event, key, self.limits)
            or self._time_refused(event, time_ms, receipt_ms)
            or (_former_refused(event, self.limits) if kind is Kind.ALIAS else None)
            or amount_refused(event.properties, kind, self.limits)
        )

    def _time_refused(self, event: Event, time_ms: int, receipt_ms: int) -> Refusal | None:
        if time_ms == UNREADABLE:
            remedy = "send ISO 8601 with an offset, such as 2024-05-01T09:30:00.000Z"
            return Refusal("timestamp", shown(event.timestamp), "is not a time", remedy, "time")
        if receipt_ms != UNKNOWN_RECEIPT and time_ms > receipt_ms + self.allowed_skew_ms:
            reason = f"lies {(time_ms - receipt_ms) // 1000} s after the broker received it, {from_ms(receipt_ms)}"
            remedy = f"set the sender's clock; {self.allowed_skew_ms // 1000} s are allowed (allowed_skew)"
            return Refusal("timestamp", shown(event.timestamp), reason, remedy, "future")
        return None


def _whose_refused(event: Event, key: bytes | None, limits: Limits) -> Refusal | None:
    """A record lies on the partition that its key chose: under another id it would be counted apart."""
    whose = customer_of(event)
    field = "userId" if event.userId else "anonymousId"
    if not whose:
        return Refusal(field, "", "is not text that UTF-8 can write", "send valid Unicode", "encoding")
    if len(whose) > limits.max_id_bytes:
        remedy = f"send ids of at most {limits.max_id_bytes} bytes (max_id_bytes)"
        return Refusal(field, shown(whose.decode()), f"is {len(whose)} bytes long", remedy, "range")
    if key is None:
        remedy = f"send each record with the customer's id ({field}) as its key"
        return Refusal("key", "", "the record has no key, so that it lies on any partition", remedy, "key")
    if key != whose:
        remedy = f"key each record by {field}, so that a customer's records lie on one partition"
        reason = f"is not {field} ({whose[:80].decode('utf-8', 'ignore')})"
        return Refusal("key", key[:81].decode("utf-8", "backslashreplace"), reason, remedy, "key")
    return None


def _former_refused(event: Event, limits: Limits) -> Refusal | None:
    """A former id is kept for good, so it must be one that can be."""
    former = text_id(event.previousId) or ""
    if _storable(former, limits.max_id_bytes):
        return None
    remedy = f"send an id of at most {limits.max_id_bytes} bytes of UTF-8 (max_id_bytes)"
    return Refusal("previousId", shown(former), "is no id that can be kept", remedy, "range")


def amount_refused(said: Properties | None, kind: Kind, limits: Limits) -> Refusal | None:
    """Return which id is too long or which amount is absurd, of what the kind makes use of."""
    if said is None:
        return None
    field, name = "", ""
    if kind in _OF_AN_ORDER:
        field, name = "order_id", text_id(said.order_id) or ""
    elif kind in _NAMING:
        field, name = "product_id", product_of(said)
    elif kind in _OTHER_IDS:
        field, name = _OTHER_IDS[kind], text_id(getattr(said, _OTHER_IDS[kind])) or ""
    too_long = f"send an id of at most {limits.max_id_bytes} bytes of UTF-8 (max_id_bytes)"
    if not _storable(name, limits.max_id_bytes):
        return Refusal(f"properties.{field}", shown(name), "is no id that can be kept", too_long, "range")
    if kind in _OF_AN_ORDER and said.promised_at is not None and (why := _promise_refused(said.promised_at)):
        return why
    if kind in _LISTING and said.products is not None and len(said.products) > limits.max_products:
        remedy = f"send at most {limits.max_products} products (max_products)"
        return Refusal("properties.products", str(len(said.products)), "are too many", remedy, "range")
    for field, amount, least in _amounts(said, kind):
        if amount is not None and not least <= amount <= AMOUNT_LIMIT:
            remedy = f"send a number from {least:.0f} to {AMOUNT_LIMIT:.0f}"
            if kind in _SOLD and amount < 0:
                remedy = "send what is given back as Order Refunded or Order Cancelled"
            return Refusal(f"properties.{field}", str(amount), "is no amount that can be", remedy, "range")
    for i, line in enumerate(said.products or () if kind in _LISTING else ()):
        name = product_of(line)
        if not _storable(name, limits.max_id_bytes):
            field = f"properties.products[{i}].product_id"
            return Refusal(field, shown(name), "is no id that can be kept", too_long, "range")
    if kind in _ORDERS and not -AMOUNT_LIMIT <= (worth := worth_of(said)) <= AMOUNT_LIMIT:
        remedy = f"send prices and quantities that add up to {AMOUNT_LIMIT:.0f} at most, or the order's total"
        return Refusal("properties.products", str(worth), "add up to no amount that can be", remedy, "range")
    return None


def _promise_refused(promised_at: str) -> Refusal | None:
    try:
        to_ms(promised_at)
    except ValueError:
        remedy = "send ISO 8601 with an offset, such as 2024-05-01T09:30:00.000Z"
        return Refusal("properties.promised_at", shown(promised_at), "is not a time", remedy, "time")
    return None


def worth_of(said: Properties) -> float:
    """Return what an order says it comes to: the revenue, else the total, else what its lines add up to."""
    for amount in (said.revenue, said.total, said.value, said.subtotal):
        if amount is not None:
            return amount
    lines = said.products or ()
    return sum((1.0 if line.quantity is None else line.quantity) * (line.price or 0.0) for line in lines)


def _storable(name: str, max_id_bytes: int) -> bool:
    try:
        return len(name) <= max_id_bytes and (name.isascii() or len(name.encode()) <= max_id_bytes)
    except UnicodeEncodeError:  # a lone surrogate
        return False


def product_of(said: Properties | Product) -> str:
    """Return which product is meant: its id, else its SKU, else its name; empty if none is named."""
    return text_id(said.product_id) or said.sku or said.name or ""


def page_of(event: Event) -> str | None:
    """Return which page is meant: the call's name, else the path without query and fragment, else the title."""
    said = event.properties
    if event.name or said is None:
        return event.name
    path = (said.path or "").partition("?")[0].partition("#")[0]
    return path or said.title


def _amounts(said: Properties, kind: Kind) -> Iterator[tuple[str, float | None, float]]:
    """The amounts that are read of an event of this kind, each with the least it may be; of lines what is beyond it."""
    if kind in _CART_STEPS:
        yield "price", said.price, 0
        yield "quantity", said.quantity, 0
    elif kind in _ORDERS:
        least = 0 if kind in _SOLD else -AMOUNT_LIMIT
        yield "revenue", said.revenue, least
        yield "total", said.total, least
        yield "value", said.value, least
        yield "subtotal", said.subtotal, least
    if kind in _LISTING:
        for i, line in enumerate(said.products or ()):
            for field, amount in (("price", line.price), ("quantity", line.quantity)):  # discounts are below zero
                if amount is not None and not -AMOUNT_LIMIT <= amount <= AMOUNT_LIMIT:
                    yield f"products[{i}].{field}", amount, -AMOUNT_LIMIT
