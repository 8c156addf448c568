"""Decoding: the records of one input, as fetched, to the columns that the engine takes.

An event of an unknown name is ignored, whatever else is wrong with it, if it is JSON. All others must name who they are
about, lie under that id as their key, and have a time and amounts that can be; one that does not is refused,
with the reason, and the rest goes on.
"""

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.accepted import is_unknown
from schemas.events import Event, Properties, text_id
from schemas.names import CALL_KINDS, EVENT_NAMES, kind_name
from schemas.refusal import DECODE_ERRORS, Refusal, from_validation_error
from schemas.timestamp import to_ms
from scoring.gates.news import News
from scoring.kernel import Events
from scoring.kinds import N_KINDS, Kind
from scoring.profile import stable_hash
from scoring.side import CartItem
from scoring.sides import Detail
from scoring.where import Where
from streams.byte_table import ByteTable
from streams.commit import Record
from streams.examining import UNKNOWN_RECEIPT, Examiner, customer_of, id_bytes, page_of, product_of, worth_of
from streams.fetched import Fetched, fetched
from streams.hashing import hashes
from streams.limits import Limits, too_large
from streams.news import TELLING, is_discounted, news_of
from streams.plain_events import PlainEvents, Wanted
from streams.stamps import UNREADABLE, stamps_ms
from streams.suspects import POISON
from streams.whereabouts import SAYING_WHERE, traits_of, where_of

__all__ = ["Decoded", "Decoder"]

log = logging.getLogger(__name__)

_BLOCK = 384
"""Records decoded at once and reduced to columns before the next: their objects then stay in the processor's cache,
which halves the cost. Those beside a bad record are decoded twice."""
_CACHED, _CACHED_PAGES = 200_000, 20_000
"""Names kept in each cache; it is emptied when full, so that made-up names cannot grow it."""
_LONGEST_EVENT_NAME = 64
"""Letters of the longest event name that is kept: one that holds an address or a search is new with each event."""
_IGNORED = -1

_ORDERS = frozenset({Kind.ORDER_COMPLETED, Kind.ORDER_UPDATED, Kind.ORDER_CANCELLED, Kind.ORDER_REFUNDED})
_DELIVERIES = frozenset({Kind.ORDER_SHIPPED, Kind.ORDER_DELIVERED, Kind.RETURN_REQUESTED})
_STEPS = frozenset({Kind.PRODUCT_ADDED, Kind.PRODUCT_REMOVED})
_NAMING = _STEPS | {Kind.PRODUCT_VIEWED, Kind.WISHLIST_ADDED, Kind.WISHLIST_REMOVED}
_WISHES = frozenset({Kind.WISHLIST_ADDED, Kind.WISHLIST_REMOVED})
_TICKETS = frozenset({Kind.TICKET_OPENED, Kind.TICKET_SOLVED})
_PLACES = frozenset({Kind.REFERRED, Kind.PLACE_ENTERED})
_CARRYING = _ORDERS | _DELIVERIES | _STEPS | _WISHES | _TICKETS | _PLACES | {Kind.CART_VIEWED}
"""Kinds that carry a `Detail`, beside those that tell news (`streams.news`)."""
_NUMBERED = frozenset({Kind.SURVEY, Kind.REVIEWED, Kind.FEEDBACK, Kind.POINTS})
"""Kinds that tell a number."""
_LOOKING = frozenset({Kind.PRODUCT_VIEWED, Kind.LIST_VIEWED})
"""Kinds of which the category counts."""
_ALIAS, _COMPLETED, _UPDATED, _PAGE = (
    int(Kind.ALIAS),
    int(Kind.ORDER_COMPLETED),
    int(Kind.ORDER_UPDATED),
    int(Kind.PAGE),
)
_EXAMINED = _CARRYING | {Kind.ALIAS}
"""Kinds that have amounts or need fields which the columns do not show: each such event is examined."""
_IS_NAMING, _IS_CARRYING, _IS_EXAMINED, _IS_NUMBERED, _IS_LOOKING = (
    np.array([kind in kinds for kind in range(N_KINDS)])
    for kinds in (_NAMING, _CARRYING | TELLING, _EXAMINED, _NUMBERED, _LOOKING)
)
_IS_PAGE = np.arange(N_KINDS) == _PAGE
_IS_PLAIN = ~(_IS_CARRYING | _IS_EXAMINED | _IS_NUMBERED)
"""Kinds of which the columns say all."""
_NAMES_PRODUCT: Final[list[bool]] = _IS_NAMING.tolist()
_KINDS: Final = {int(kind): kind for kind in Kind}
"""By number: to make one of a number takes a third of a microsecond."""
_STARS = {"negative": 1.0, "neutral": 3.0, "positive": 5.0}
"""Stars of feedback that comes with a word instead."""
_NOTHING = Detail()
_UNKNOWN = Event("", "", "")
"""Stands for an event of an unknown name that says things of other types."""
_TAKEN_BACK = frozenset({Kind.ORDER_CANCELLED, Kind.ORDER_REFUNDED})
_GOING_BACK = _TAKEN_BACK | {Kind.RETURN_REQUESTED}
_REASON = 200
"""Characters of the reason why an order goes back that are kept."""


class Decoded(NamedTuple):
    """What a run of records came to.

    Attributes
    ----------
    events
        Columns of those that can be applied, in order.
    details
        By index in `events`: what orders and cart events carry beside the columns.
    places
        Index among the records of each event.
    ignored
        How many have a name that nothing is known of.
    refused
        Index among the records and reason of each that was refused.
    """

    events: Events
    details: dict[int, Detail]
    places: Sequence[int]
    ignored: int
    refused: list[tuple[int, Refusal]]


class Decoder:
    """Decodes the records of one partition number.

    Parameters
    ----------
    row
        Gives the engine's row of a customer (`engine.profiles.find`, or `row` to make one).
    product
        Told the number and the id of each product (`engine.state.product`).
    allowed_skew_ms
        How far a timestamp may lie past the broker's receipt.
    own_clock
        Whether events are as old as they say at their receipt (history, demo, backtest); otherwise the
        broker's receipt counts.
    limits
        How large what an event says may be.
    categories
        Whether the category of a view and of an order is wanted; a row that keeps no views has no use for it.
    page
        Told the number and the name of each page (`engine.state.page`); None: they are not wanted.
    """

    def __init__(
        self,
        row: Callable[[bytes], int],
        product: Callable[[int, str], None],
        allowed_skew_ms: int,
        *,
        own_clock: bool,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        categories: bool = True,
        page: Callable[[int, str], None] | None = None,
    ) -> None:
        self._row = row
        wanted = Wanted(_IS_PLAIN, _IS_NAMING, _IS_LOOKING & categories, _IS_PAGE & (page is not None))
        self._numbers = _Numbers(product, limits.max_id_bytes, _CACHED)
        self._pages = _Numbers(page or _unheard, limits.max_id_bytes, _CACHED_PAGES)
        self._kinds = _Kinds()
        self._plain = PlainEvents(
            wanted, _CALLS, self._kinds.table, self._numbers, self._pages,
            limits.max_record_bytes, limits.max_id_bytes,
        )  # fmt: skip
        self._names_page = wanted.page
        self._limits = limits
        self._examine = Examiner(allowed_skew_ms, limits)
        self._skew_ms = allowed_skew_ms
        self._own_clock = own_clock
        self._looks: list[bool] = (_IS_LOOKING & categories).tolist()
        self._categories = categories
        self._decode = msgspec.json.Decoder(Event).decode

    def __call__(self, source: int, records: Sequence[Record]) -> Decoded:
        """Decode records of one input, in order; never raises for what they hold. 1 µs a plain one, others 7."""
        try:
            there = fetched(records)
            plain = self._plain_of(there)
        except Exception as error:  # noqa: BLE001 - as in `_sound`, which finds the record that something is wrong with
            log.warning("the reader of plain events failed (%s): the decoder reads them", type(error).__name__)
            return self._others(source, list(records))
        if not len(plain.places):
            return self._others(source, list(records))
        found = _joined(source, [plain], own_clock=self._own_clock)
        if len(plain.places) == len(records):
            return found
        rest = np.setdiff1d(np.arange(len(records)), plain.places, assume_unique=True)
        others = self._others(source, list(there.take(rest)))
        return _merged(found._replace(places=plain.places), others, rest)

    def _plain_of(self, records: Fetched) -> "_Block":
        """The plain events among them, but for those that tell of somebody not known to be one with another."""
        read = self._plain.read(records, self._skew_ms, UNKNOWN_RECEIPT)
        signed_in = records.take(np.array([*read.formers], np.int64)).keys()
        for (i, former), key in zip(read.formers.items(), signed_in, strict=True):
            if self._is_news(former, key or b""):
                read.kind[i] = _IGNORED
        places = np.flatnonzero(read.kind != _IGNORED)
        rows = np.fromiter(map(self._row, records.take(places).keys()), np.int64, len(places))  # type: ignore[arg-type]  # a plain one has a key
        told = (column[places] for column in (read.kind, read.time_ms, records.timestamp, records.offset))
        columns = (rows, *told, read.message[places], read.product[places], read.category[places])
        return _Block(columns, [], {}, places.tolist(), 0, [])

    def _others(self, source: int, records: Sequence[Record]) -> Decoded:
        blocks: list[_Block] = []
        for i in range(0, len(records), _BLOCK):
            blocks += self._sound(records[i : i + _BLOCK])
        return _joined(source, blocks, own_clock=self._own_clock)

    def _sound(self, records: Sequence[Record]) -> "list[_Block]":
        """Decode a block; where that itself fails, by halves, until the record is found that it fails on."""
        try:
            return [self._block(records)]
        except Exception:  # noqa: BLE001 - one record must not stop the partition, whatever is wrong with us
            if len(records) == 1:
                return [_POISONED]
            middle = len(records) // 2
            return self._sound(records[:middle]) + self._sound(records[middle:])

    def _block(self, records: Sequence[Record]) -> "_Block":
        places, values, refused = self._parsed(records)
        kinds = self._kinds
        kind = [kinds[event.event] if event.type == "track" else _CALLS.get(event.type, _IGNORED) for event in values]
        ignored = kind.count(_IGNORED)
        if ignored:
            keep = [i for i, k in enumerate(kind) if k != _IGNORED]
            places = [places[i] for i in keep]
            values = [values[i] for i in keep]
            kind = [kind[i] for i in keep]
        if len(values) != len(records):
            records = [records[i] for i in places]
        columns = _Columns.of(values, kind, records, self._numbers, self._limits.max_id_bytes)
        for i in np.flatnonzero(self._names_page[columns.kind]).tolist():
            columns.product[i] = self._pages[page_of(values[i])]
        bad = self._bad(columns)
        if bad:
            refused = sorted([*refused, *((places[i], why) for i, why in bad.items())])
            places = [place for i, place in enumerate(places) if i not in bad]
            columns = columns.without(bad)
        return self._built(columns, places, ignored, refused)

    def _parsed(self, records: Sequence[Record]) -> tuple[Sequence[int], list[Event], list[tuple[int, Refusal]]]:
        """Decode all at once; where one is bad, one by one."""
        decode, longest = self._decode, self._limits.max_record_bytes
        payloads: list[Any] = [record.value for record in records]
        try:
            if max(map(len, payloads), default=0) <= longest:
                return range(len(payloads)), list(map(decode, payloads)), []
        except (*DECODE_ERRORS, TypeError):
            pass
        values, places, refused = [], [], []
        for i, payload in enumerate(payloads):
            if payload is not None and len(payload) > longest:
                refused.append((i, too_large(payload, longest)))
                continue
            try:
                values.append(decode(payload))
                places.append(i)
            except (*DECODE_ERRORS, TypeError) as error:
                if is_unknown(error, payload):
                    values.append(_UNKNOWN)
                    places.append(i)
                else:
                    refused.append((i, from_validation_error(error, payload)))
        return places, values, refused

    def _bad(self, columns: "_Columns") -> dict[int, Refusal]:
        """Examine those that look as if something were wrong; most slices have none."""
        found: dict[int, Refusal] = {}
        suspects = columns.suspects(self._skew_ms)
        if not suspects:
            return found
        time_ms, receipt_ms = columns.time_ms.tolist(), columns.receipt_ms.tolist()
        for i in suspects:
            kind = _KINDS[columns.kinds[i]]
            why = self._examine(columns.values[i], kind, columns.records[i].key, time_ms[i], receipt_ms[i])
            if why is not None:
                found[i] = why
        return found

    def _built(
        self, c: "_Columns", places: Sequence[int], ignored: int, refused: list[tuple[int, Refusal]]
    ) -> "_Block":
        numbers = self._numbers
        rows = np.fromiter(map(self._row, c.names), np.int64, len(c.names))
        kind = _with_deliveries(c)
        category = self._categories_of(c)
        amounts = [
            _Amounts(i, _told(c.kinds[i], c.values[i].properties))
            for i in np.flatnonzero(_IS_NUMBERED[c.kind]).tolist()
        ]
        details = {}
        for i in np.flatnonzero(_IS_CARRYING[c.kind]).tolist():
            event, told = c.values[i], int(kind[i])
            news = news_of(told, event) if told in TELLING else ()
            where = where_of(event) if told in SAYING_WHERE else None
            said = event.properties
            if told not in _CARRYING or said is None or (told == Kind.CART_VIEWED and said.products is None):
                traits = traits_of(event) if told == Kind.IDENTIFY else {}
                if news or traits or where is not None:
                    details[i] = Detail(news=news, where=where, traits=traits)
                continue
            details[i] = detail = _detail(told, said, news, where)
            if told in _ORDERS:
                amounts.append(_Amounts(i, *_order_columns(told, said), is_discounted(said), detail.promised_ms))
            elif detail.promised_ms:
                amounts.append(_Amounts(i, promised_ms=detail.promised_ms))
            if told == Kind.ORDER_COMPLETED and said.products:
                first = said.products[0]
                c.product[i] = numbers[product_of(first)]
        for i, former in self._formers(c):
            details[i] = details.get(i, _NOTHING)._replace(former=former)
        numbers.tell(c.product, category)
        self._pages.tell(c.product)
        columns = (rows, kind, c.time_ms, c.receipt_ms, _offsets(c.records), hashes(c.messages), c.product, category)
        return _Block(columns, amounts, details, places, ignored, refused)

    def _categories_of(self, c: "_Columns") -> npt.NDArray[np.uint64]:
        """(n,) the category of each view, and of each order all of whose products are in one; 0 for none."""
        numbers, looks = self._numbers, self._looks
        found = [
            numbers[said.category] if looks[k] and (said := event.properties) is not None and said.category else 0
            for event, k in zip(c.values, c.kinds, strict=True)
        ]
        for i in np.flatnonzero(c.kind == _COMPLETED).tolist() if self._categories else ():
            if (only := _only_category(c.values[i].properties)) is not None:
                found[i] = numbers[only]
        return np.array(found, np.uint64)

    def _formers(self, c: "_Columns") -> Iterator[tuple[int, bytes]]:
        """By index, the former id that an event tells of: what an alias names, or the visitor who is signed in now.

        One that is known to mean the same customer is left out: most events of a customer who is signed in tell it.
        """
        signed_in = [i for i, event in enumerate(c.values) if event.anonymousId and event.userId]
        aliases = np.flatnonzero(c.kind == _ALIAS).tolist()
        for i in sorted({*signed_in, *aliases}) if aliases else signed_in:
            event = c.values[i]
            former = id_bytes(event.previousId if c.kinds[i] == _ALIAS else event.anonymousId)
            if self._is_news(former, c.names[i]):
                yield i, former

    def _is_news(self, former: bytes, name: bytes) -> bool:
        """Whether a former id can be kept, and is not known to mean the same customer."""
        if former == name or not 0 < len(former) <= self._limits.max_id_bytes:
            return False
        row = self._row(former)
        return row < 0 or row != self._row(name)


class _Amounts(NamedTuple):
    """What few events have, by index."""

    i: int
    value: float = 0.0
    lines: float = 0.0
    quantity: float = 0.0
    discounted: bool = False
    promised_ms: int = 0


class _Block(NamedTuple):
    """What some consecutive records came to.

    Attributes
    ----------
    columns
        Of the events that can be applied: row, kind, time, receipt, offset, hash of the message, product, category.
    amounts
        Of the events that have any.
    details, places, ignored, refused
        As those of `Decoded`, counted from the first record of these.
    """

    columns: tuple[npt.NDArray[Any], ...]
    amounts: list[_Amounts]
    details: dict[int, Detail]
    places: Sequence[int]
    ignored: int
    refused: list[tuple[int, Refusal]]


_POISONED: Final = _Block(tuple(np.zeros(0, kind) for kind in "qqqqqQQQ"), [], {}, [], 0, [(0, POISON)])
"""A record that decoding itself failed on."""


def _joined(source: int, blocks: Sequence[_Block], *, own_clock: bool) -> Decoded:
    """Consecutive blocks as one: `places` and `refused` count on, over what each block read."""
    details: dict[int, Detail] = {}
    refused: list[tuple[int, Refusal]] = []
    amounts: list[_Amounts] = []
    starts: list[int] = []
    n = read = ignored = 0
    for block in blocks:
        details |= {n + i: detail for i, detail in block.details.items()}
        amounts += [each._replace(i=n + each.i) for each in block.amounts]
        refused += [(read + i, why) for i, why in block.refused]
        starts.append(read)
        n += len(block.places)
        read += len(block.places) + block.ignored + len(block.refused)
        ignored += block.ignored
    events = _events(source, n, blocks, own_clock=own_clock)
    if amounts:
        at, events.value[at], events.lines[at], events.quantity[at], events.discounted[at], events.promised_ms[at] = (
            map(np.array, zip(*amounts, strict=True))
        )
    places: Sequence[int] = range(read)
    if n < read:
        places = [start + place for start, block in zip(starts, blocks, strict=True) for place in block.places]
    return Decoded(events, details, places, ignored, refused)


def _merged(plain: Decoded, others: Decoded, rest: npt.NDArray[np.int64]) -> Decoded:
    """Both in the order of the records; `rest` says which record each of the others is."""
    theirs = rest[np.array(others.places, np.int64)]
    places = np.concatenate([plain.places, theirs])
    order = np.argsort(places)
    events = Events._make(np.concatenate(both)[order] for both in zip(plain.events, others.events, strict=True))
    at = np.searchsorted(places, theirs, sorter=order).tolist()
    details = {at[i]: detail for i, detail in others.details.items()}
    refused = [(int(rest[i]), why) for i, why in others.refused]
    return Decoded(events, details, places[order].tolist(), others.ignored, refused)


def _events(source: int, n: int, blocks: Sequence[_Block], *, own_clock: bool) -> Events:
    """The columns of all blocks, but for the amounts."""
    events, receipt_ms = Events.blank(n), np.empty(n, np.int64)
    events.source[:] = source
    told: tuple[npt.NDArray[Any], ...] = (events.row, events.kind, events.time_ms, receipt_ms, events.offset)
    told += (events.message, events.product, events.category)
    for column, *parts in zip(told, *(block.columns for block in blocks), strict=True) if blocks else ():
        np.concatenate(parts, out=column)
    events.received_ms[:] = np.where(own_clock | (receipt_ms == UNKNOWN_RECEIPT), events.time_ms, receipt_ms)
    return events


def _offsets(records: Sequence[Record]) -> npt.NDArray[np.int64]:
    """They increase, so between a first and a last that lie n - 1 apart there is no choice."""
    n = len(records)
    if n and records[-1].offset - records[0].offset == n - 1:
        return np.arange(records[0].offset, records[0].offset + n)
    return np.array([record.offset for record in records], np.int64)


class _Columns(NamedTuple):
    """Decoded events of known kinds beside what is derived of them, one element an event in each.

    `names` are the customers: the very list `keys` where each event lies under its customer's id, as it should.
    """

    values: list[Event]
    messages: list[str]
    kinds: list[int]
    kind: npt.NDArray[np.int64]
    records: Sequence[Record]
    keys: list[bytes | None]
    names: list[bytes]
    time_ms: npt.NDArray[np.int64]
    receipt_ms: npt.NDArray[np.int64]
    product: npt.NDArray[np.uint64]
    max_id_bytes: int

    @classmethod
    def of(
        cls, values: list[Event], kind: list[int], records: Sequence[Record], numbers: "_Numbers", max_id_bytes: int
    ) -> "_Columns":
        keys = [record.key for record in records]
        time_ms = stamps_ms([event.timestamp for event in values])
        receipt_ms = np.array([record.timestamp for record in records], np.int64)
        product = [
            numbers[product_of(said)] if _NAMES_PRODUCT[k] and (said := event.properties) is not None else 0
            for event, k in zip(values, kind, strict=True)
        ]
        return cls(
            values,
            [event.messageId for event in values],
            kind,
            np.array(kind, np.int64),
            records,
            keys,
            _names(keys, values, max_id_bytes),
            time_ms,
            receipt_ms,
            np.array(product, np.uint64),
            max_id_bytes,
        )

    def suspects(self, skew_ms: int) -> list[int]:
        """Those that could be refused; what the columns clear needs no examining."""
        known = self.receipt_ms != UNKNOWN_RECEIPT
        found = (self.time_ms == UNREADABLE) | (known & (self.time_ms > self.receipt_ms + skew_ms))
        found |= _IS_EXAMINED[self.kind] | (_IS_NAMING[self.kind] & (self.product == 0))
        if self.names is not self.keys:
            whose, longest = zip(self.keys, self.names, strict=True), self.max_id_bytes
            found |= np.array([key != name or not 0 < len(name) <= longest for key, name in whose], np.bool_)
        if "" in self.messages:
            found |= np.array([message == "" for message in self.messages], np.bool_)
        return np.flatnonzero(found).tolist()

    def without(self, bad: dict[int, Refusal]) -> "_Columns":
        """The others."""
        keep = [i for i in range(len(self.values)) if i not in bad]
        return _Columns(
            [self.values[i] for i in keep],
            [self.messages[i] for i in keep],
            [self.kinds[i] for i in keep],
            self.kind[keep],
            [self.records[i] for i in keep],
            [self.keys[i] for i in keep],
            [self.names[i] for i in keep],
            self.time_ms[keep],
            self.receipt_ms[keep],
            self.product[keep],
            self.max_id_bytes,
        )


def _names(keys: list[bytes | None], values: list[Event], max_id_bytes: int) -> list[bytes]:
    """Whose each event is; the very list of keys where all are as they should be, which is known in one look."""
    try:
        joined = b"\0".join(keys)  # type: ignore[arg-type]
        named = "\0".join([event.userId or event.anonymousId for event in values])  # type: ignore[misc]
        same = joined == named.encode() and joined.count(b"\0") == max(len(keys) - 1, 0)
    except (TypeError, UnicodeEncodeError):  # no key, no name, a number, a lone surrogate
        same = False
    if same:
        lengths = list(map(len, keys))  # type: ignore[arg-type]
        if lengths and min(lengths) > 0 and max(lengths) <= max_id_bytes:
            return keys  # type: ignore[return-value]
    return [customer_of(event) for event in values]


class _Kinds(dict[str | None, int]):
    """The number of the kind by the event name of a track call; -1 for what nothing is known of.

    Those of plain kinds are in the table, however they are written once met.
    """

    def __init__(self) -> None:
        super().__init__(_KNOWN.items())
        self.table = ByteTable()
        plain = {name: kind for name, kind in _KNOWN.items() if _is_plain(kind)}
        self.table.put_all([name.encode() for name in plain], list(plain.values()))

    def __missing__(self, event: str | None) -> int:
        kind = _number(kind_name("track", event))
        if event is not None and len(event) > _LONGEST_EVENT_NAME:
            return kind
        if len(self) >= _CACHED:
            self.clear()
            self.table.clear()
        self[event] = kind
        if event is not None and _is_plain(kind):
            self.table.put(event.encode("utf-8", "surrogatepass"), kind)
        return kind


def _number(kind: str | None) -> int:
    return _IGNORED if kind is None else int(Kind[kind])


def _is_plain(kind: int) -> bool:
    return kind != _IGNORED and bool(_IS_PLAIN[kind])


_KNOWN = {name: _number(kind_name("track", name)) for name in EVENT_NAMES}
_CALLS = {call: _number(kind) for call, kind in CALL_KINDS.items()}


class _Numbers(dict[str | int | None, int]):
    """The number of a product, a category or a page by its id, 0 for none and for one too long to keep.

    Of one that is new it is told once it is known that its event is not refused, and then put into the table. Beyond
    `most` all are forgotten here, and each is new again.
    """

    def __init__(self, told: Callable[[int, str], None], max_id_bytes: int, most: int) -> None:
        super().__init__()
        self._most = most
        self.table = ByteTable()
        self._told = told
        self._max_id_bytes = max_id_bytes
        self._new: dict[str | int | None, int] = {}

    def __missing__(self, product: str | int | None) -> int:
        name = text_id(product)
        try:
            encoded = b"" if name is None else name.encode()
        except UnicodeEncodeError:  # a lone surrogate
            encoded = b""
        if name is None or not 0 < len(encoded) <= self._max_id_bytes:
            return 0
        number = stable_hash(encoded) or 1
        if len(self) >= self._most:
            self.clear()
            self.table.clear()
        self[product] = self._new[product] = number
        return number

    def tell(self, *numbers: npt.NDArray[np.uint64]) -> None:
        """Tell of the new ones among these; forget the other new ones."""
        if not self._new:
            return
        kept = {number for column in numbers for number in column.tolist()}
        told: dict[bytes, int] = {}
        for product, number in self._new.items():
            if number in kept:
                name = text_id(product) or ""
                self._told(number, name)
                told[name.encode()] = number
            else:
                self.pop(product, None)
        self._new.clear()
        self.table.put_all(list(told), list(told.values()))

    def ask(self, names: Sequence[bytes]) -> list[int]:
        """The numbers of names in UTF-8 that can be kept, and whose events are not refused."""
        numbers = [self[name.decode()] for name in names]
        self.tell(np.array(numbers, np.uint64))
        return numbers


def _unheard(_number: int, _name: str) -> None:
    """What nobody wants to know."""


def _with_deliveries(c: _Columns) -> npt.NDArray[np.int64]:
    """The kinds of the events, an update that says when an order was delivered being its delivery."""
    updates = np.flatnonzero(c.kind == _UPDATED).tolist()
    if not updates:
        return c.kind
    kinds = c.kind.copy()
    for i in updates:
        if (said := c.values[i].properties) is not None and said.delivered_at:
            kinds[i] = Kind.ORDER_DELIVERED
    return kinds


def _told(kind: int, said: Properties | None) -> float:
    """The number that an event tells: the points that there are now, an answer of 10, stars of 5; NaN for none.

    Feedback without stars, as from a social network, may say in a word how it is meant.
    """
    if said is None:
        return math.nan
    told = said.points if kind == Kind.POINTS else said.score if kind == Kind.SURVEY else said.rating
    if told is None and kind == Kind.FEEDBACK and said.sentiment is not None:
        told = _STARS.get(said.sentiment.lower())
    return math.nan if told is None else told


def _detail(kind: int, said: Properties, news: tuple[News, ...], where: Where | None) -> Detail:
    if kind in _WISHES:
        return Detail(product_of(said))
    if kind in _TICKETS:
        return Detail(text_id(said.ticket_id) or "", news=news)
    if kind in _PLACES:
        return Detail((said.code if kind == Kind.REFERRED else said.place) or "", where=where)
    if kind in _STEPS:
        quantity = 1.0 if said.quantity is None else said.quantity
        return Detail("", (CartItem(product_of(said), quantity, said.price or 0.0),))
    lines = tuple(
        CartItem(product_of(line), 1.0 if line.quantity is None else line.quantity, line.price or 0.0)
        for line in said.products or ()
    )
    promised_ms = 0 if said.promised_at is None else max(to_ms(said.promised_at), 0)
    reason = (said.reason or "")[:_REASON] if kind in _GOING_BACK else ""
    return Detail(text_id(said.order_id) or "", lines, news, promised_ms, reason)


def _only_category(said: Properties | None) -> str | None:
    """The category that all products of an order are in, if each tells it and there is one."""
    told = {line.category for line in (said.products or ())} if said is not None else set()
    return told.pop() if len(told) == 1 else None


def _order_columns(kind: int, said: Properties) -> tuple[float, float, float]:
    """Worth, lines and pieces of an order, or of what is taken back of it; never below zero.

    Without a list of products it counts as one line of one piece.
    """
    lines = said.products or ()
    worth = worth_of(said)
    pieces = [1.0 if line.quantity is None else line.quantity for line in lines]
    if kind in _TAKEN_BACK:  # some send what they give back as a negative amount
        worth, pieces = abs(worth), [abs(piece) for piece in pieces]
    return max(worth, 0.0), float(max(len(lines), 1)), max(sum(pieces), 0.0) if lines else 1.0
