"""Decoding: the records of one input, as fetched, to the columns that the engine takes.

An event of an unknown name is ignored, whatever else is wrong with it, if it is JSON. All others must name who they are
about, lie under that id as their key, and have a time and amounts that can be; one that does not is refused,
with the reason, and the rest goes on.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.accepted import is_unknown
from schemas.events import Event
from schemas.refusal import DECODE_ERRORS, Refusal, from_validation_error
from scoring.kinds import Kind
from scoring.sides import Detail
from streams.commit import Record
from streams.decoding.blocks import POISONED, Amounts, Block, Decoded, joined, merged
from streams.decoding.columns import Columns, offsets_of
from streams.decoding.kinds import (
    ALIAS,
    CALLS,
    CARRYING,
    COMPLETED,
    IGNORED,
    IS_CARRYING,
    IS_LOOKING,
    IS_NAMING,
    IS_NUMBERED,
    IS_PAGE,
    IS_PLAIN,
    KINDS,
    ORDERS,
    UPDATED,
    Kinds,
)
from streams.decoding.numbering import Numbers
from streams.decoding.said import detail_of, number_told, only_category, order_columns
from streams.examining import UNKNOWN_RECEIPT, Examiner, id_bytes, page_of, product_of
from streams.fetched import Fetched, fetched
from streams.hashing import hashes
from streams.limits import Limits, too_large
from streams.news import TELLING, is_discounted, news_of
from streams.plain_events import PlainEvents, Wanted
from streams.whereabouts import SAYING_WHERE, traits_of, where_of

__all__ = ["Decoder"]

log = logging.getLogger(__name__)

_BLOCK = 384
"""Records decoded at once and reduced to columns before the next: their objects then stay in the processor's cache,
which halves the cost. Those beside a bad record are decoded twice."""
_CACHED, _CACHED_PAGES = 200_000, 20_000
"""Names kept in each cache; it is emptied when full, so that made-up names cannot grow it."""
_NOTHING = Detail()
_UNKNOWN = Event("", "", "")
"""Stands for an event of an unknown name that says things of other types."""


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
        wanted = Wanted(IS_PLAIN, IS_NAMING, IS_LOOKING & categories, IS_PAGE & (page is not None))
        self._numbers = Numbers(product, limits.max_id_bytes, _CACHED)
        self._pages = Numbers(page or _unheard, limits.max_id_bytes, _CACHED_PAGES)
        self._kinds = Kinds(_CACHED)
        self._plain = PlainEvents(
            wanted, CALLS, self._kinds.table, self._numbers, self._pages,
            limits.max_record_bytes, limits.max_id_bytes,
        )  # fmt: skip
        self._names_page = wanted.page
        self._limits = limits
        self._examine = Examiner(allowed_skew_ms, limits)
        self._skew_ms = allowed_skew_ms
        self._own_clock = own_clock
        self._looks: list[bool] = (IS_LOOKING & categories).tolist()
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
        found = joined(source, [plain], own_clock=self._own_clock)
        if len(plain.places) == len(records):
            return found
        rest = np.setdiff1d(np.arange(len(records)), plain.places, assume_unique=True)
        others = self._others(source, list(there.take(rest)))
        return merged(found._replace(places=plain.places), others, rest)

    def _plain_of(self, records: Fetched) -> "Block":
        """The plain events among them, but for those that tell of somebody not known to be one with another."""
        read = self._plain.read(records, self._skew_ms, UNKNOWN_RECEIPT)
        signed_in = records.take(np.array([*read.formers], np.int64)).keys()
        for (i, former), key in zip(read.formers.items(), signed_in, strict=True):
            if self._is_news(former, key or b""):
                read.kind[i] = IGNORED
        places = np.flatnonzero(read.kind != IGNORED)
        rows = np.fromiter(map(self._row, records.take(places).keys()), np.int64, len(places))  # type: ignore[arg-type]  # a plain one has a key
        told = (column[places] for column in (read.kind, read.time_ms, records.timestamp, records.offset))
        columns = (rows, *told, read.message[places], read.product[places], read.category[places])
        return Block(columns, [], {}, places.tolist(), 0, [])

    def _others(self, source: int, records: Sequence[Record]) -> Decoded:
        blocks: list[Block] = []
        for i in range(0, len(records), _BLOCK):
            blocks += self._sound(records[i : i + _BLOCK])
        return joined(source, blocks, own_clock=self._own_clock)

    def _sound(self, records: Sequence[Record]) -> "list[Block]":
        """Decode a block; where that itself fails, by halves, until the record is found that it fails on."""
        try:
            return [self._block(records)]
        except Exception:  # noqa: BLE001 - one record must not stop the partition, whatever is wrong with us
            if len(records) == 1:
                return [POISONED]
            middle = len(records) // 2
            return self._sound(records[:middle]) + self._sound(records[middle:])

    def _block(self, records: Sequence[Record]) -> "Block":
        places, values, refused = self._parsed(records)
        kinds = self._kinds
        kind = [kinds[event.event] if event.type == "track" else CALLS.get(event.type, IGNORED) for event in values]
        ignored = kind.count(IGNORED)
        if ignored:
            keep = [i for i, k in enumerate(kind) if k != IGNORED]
            places = [places[i] for i in keep]
            values = [values[i] for i in keep]
            kind = [kind[i] for i in keep]
        if len(values) != len(records):
            records = [records[i] for i in places]
        columns = Columns.of(values, kind, records, self._numbers, self._limits.max_id_bytes)
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

    def _bad(self, columns: "Columns") -> dict[int, Refusal]:
        """Examine those that look as if something were wrong; most slices have none."""
        found: dict[int, Refusal] = {}
        suspects = columns.suspects(self._skew_ms)
        if not suspects:
            return found
        time_ms, receipt_ms = columns.time_ms.tolist(), columns.receipt_ms.tolist()
        for i in suspects:
            kind = KINDS[columns.kinds[i]]
            why = self._examine(columns.values[i], kind, columns.records[i].key, time_ms[i], receipt_ms[i])
            if why is not None:
                found[i] = why
        return found

    def _built(self, c: "Columns", places: Sequence[int], ignored: int, refused: list[tuple[int, Refusal]]) -> "Block":
        numbers = self._numbers
        rows = np.fromiter(map(self._row, c.names), np.int64, len(c.names))
        kind = _with_deliveries(c)
        category = self._categories_of(c)
        amounts = [
            Amounts(i, number_told(c.kinds[i], c.values[i].properties))
            for i in np.flatnonzero(IS_NUMBERED[c.kind]).tolist()
        ]
        details = {}
        for i in np.flatnonzero(IS_CARRYING[c.kind]).tolist():
            event, told = c.values[i], int(kind[i])
            news = news_of(told, event) if told in TELLING else ()
            where = where_of(event) if told in SAYING_WHERE else None
            said = event.properties
            if told not in CARRYING or said is None or (told == Kind.CART_VIEWED and said.products is None):
                traits = traits_of(event) if told == Kind.IDENTIFY else {}
                if news or traits or where is not None:
                    details[i] = Detail(news=news, where=where, traits=traits)
                continue
            details[i] = detail = detail_of(told, said, news, where)
            if told in ORDERS:
                amounts.append(Amounts(i, *order_columns(told, said), is_discounted(said), detail.promised_ms))
            elif detail.promised_ms:
                amounts.append(Amounts(i, promised_ms=detail.promised_ms))
            if told == Kind.ORDER_COMPLETED and said.products:
                first = said.products[0]
                c.product[i] = numbers[product_of(first)]
        for i, former in self._formers(c):
            details[i] = details.get(i, _NOTHING)._replace(former=former)
        numbers.tell(c.product, category)
        self._pages.tell(c.product)
        columns = (rows, kind, c.time_ms, c.receipt_ms, offsets_of(c.records), hashes(c.messages), c.product, category)
        return Block(columns, amounts, details, places, ignored, refused)

    def _categories_of(self, c: "Columns") -> npt.NDArray[np.uint64]:
        """(n,) the category of each view, and of each order all of whose products are in one; 0 for none."""
        numbers, looks = self._numbers, self._looks
        found = [
            numbers[said.category] if looks[k] and (said := event.properties) is not None and said.category else 0
            for event, k in zip(c.values, c.kinds, strict=True)
        ]
        for i in np.flatnonzero(c.kind == COMPLETED).tolist() if self._categories else ():
            if (only := only_category(c.values[i].properties)) is not None:
                found[i] = numbers[only]
        return np.array(found, np.uint64)

    def _formers(self, c: "Columns") -> Iterator[tuple[int, bytes]]:
        """By index, the former id that an event tells of: what an alias names, or the visitor who is signed in now.

        One that is known to mean the same customer is left out: most events of a customer who is signed in tell it.
        """
        signed_in = [i for i, event in enumerate(c.values) if event.anonymousId and event.userId]
        aliases = np.flatnonzero(c.kind == ALIAS).tolist()
        for i in sorted({*signed_in, *aliases}) if aliases else signed_in:
            event = c.values[i]
            former = id_bytes(event.previousId if c.kinds[i] == ALIAS else event.anonymousId)
            if self._is_news(former, c.names[i]):
                yield i, former

    def _is_news(self, former: bytes, name: bytes) -> bool:
        """Whether a former id can be kept, and is not known to mean the same customer."""
        if former == name or not 0 < len(former) <= self._limits.max_id_bytes:
            return False
        row = self._row(former)
        return row < 0 or row != self._row(name)


def _unheard(_number: int, _name: str) -> None:
    """What nobody wants to know."""


def _with_deliveries(c: Columns) -> npt.NDArray[np.int64]:
    """The kinds of the events, an update that says when an order was delivered being its delivery."""
    updates = np.flatnonzero(c.kind == UPDATED).tolist()
    if not updates:
        return c.kind
    kinds = c.kind.copy()
    for i in updates:
        if (said := c.values[i].properties) is not None and said.delivered_at:
            kinds[i] = Kind.ORDER_DELIVERED
    return kinds
