"""Reading: records of an input to what they say of products."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from schemas.accepted import is_unknown
from schemas.events import Event, Product, Properties
from schemas.internals import Deletion
from schemas.names import CALL_KINDS, kind_name
from schemas.refusal import DECODE_ERRORS
from scoring.kinds import Kind
from scoring.profile import stable_hash
from scoring.shop.observations import Bought, Line, Observation, Offered
from streams.examining import AMOUNT_LIMIT, UNKNOWN_RECEIPT, Examiner, customer_of, product_of
from streams.limits import Limits
from streams.stamps import stamps_ms

__all__ = ["Reading", "customers_to_forget"]

_SEEN: Final = frozenset({Kind.PRODUCT_VIEWED, Kind.PRODUCT_ADDED, Kind.WISHLIST_ADDED})


class Reading:
    """Decodes records; those that a worker would refuse say nothing.

    Parameters
    ----------
    allowed_skew_ms
        How far a timestamp may lie past the broker's receipt.
    refused
        Told how many records could not be used.
    limits
        How large what an event says may be.
    """

    def __init__(
        self,
        allowed_skew_ms: int,
        refused: Callable[[int], None],
        limits: Limits = Limits(),  # noqa: B008 - frozen
    ) -> None:
        self._examine = Examiner(allowed_skew_ms, limits)
        self._limits = limits
        self._refused = refused
        self._decode = msgspec.json.Decoder(Event).decode

    def __call__(self, records: Sequence[Any]) -> Iterator[tuple[int, Observation | None]]:
        """Yield the event time of each record that can be used, and what it says; about 3 µs a record."""
        known: list[tuple[Any, Event, Kind]] = []
        for record in records:
            value = record.value or b""
            try:
                event = self._decode(value) if len(value) <= self._limits.max_record_bytes else None
            except DECODE_ERRORS as error:
                if is_unknown(error, value):
                    continue
                event = None
            if event is None:
                self._refused(1)
                continue
            name = kind_name(event.type, event.event)
            if name is not None:
                known.append((record, event, Kind[name]))
        times = stamps_ms([event.timestamp for _, event, _ in known]).tolist()
        for (record, event, kind), time_ms in zip(known, times, strict=True):
            receipt_ms = record.timestamp if record.timestamp is not None else UNKNOWN_RECEIPT
            if self._examine(event, kind, record.key, time_ms, receipt_ms) is not None:
                self._refused(1)
            else:
                yield time_ms, _observed(event, kind, time_ms, self._limits.max_id_bytes)


def customers_to_forget(records: Iterable[Any], refused: Callable[[int], None]) -> list[int]:
    """Return the hashes of the customers that records of `deletions` name."""
    found = []
    for record in records:
        try:
            request = msgspec.json.decode(record.value or b"", type=Deletion)
            found.append(stable_hash(request.customer_id.encode()))
        except DECODE_ERRORS:
            refused(1)
    return found


def _observed(event: Event, kind: Kind, time_ms: int, longest: int) -> Observation | None:
    said = event.properties
    if said is None or event.type in CALL_KINDS:
        return None
    if kind in _SEEN:
        line = _line(said, longest)
        return None if line is None else Offered(time_ms, event.messageId, (line,))
    if kind != Kind.ORDER_COMPLETED:
        return None
    pieces = [line for line in said.products or () if line.quantity is None or line.quantity > 0]
    lines = tuple(line for piece in pieces if (line := _line(piece, longest)) is not None)
    return Bought(time_ms, event.messageId, str(said.order_id), stable_hash(customer_of(event)), lines)


def _line(said: Properties | Product, longest: int) -> Line | None:
    product = product_of(said)
    if not product:
        return None
    price = said.price if said.price is not None and 0 < said.price <= AMOUNT_LIMIT else None
    return Line(product, price, (said.category or "")[:longest] or None)
