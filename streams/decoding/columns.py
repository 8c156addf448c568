"""Columns: decoded events beside what is derived of them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.events import Event
from schemas.refusal import Refusal
from streams.commit import Record
from streams.decoding.kinds import IS_EXAMINED, IS_NAMING, NAMES_PRODUCT
from streams.decoding.numbering import Numbers
from streams.examining import UNKNOWN_RECEIPT, customer_of, product_of
from streams.stamps import UNREADABLE, stamps_ms

__all__ = ["Columns", "offsets_of"]


class Columns(NamedTuple):
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
        cls, values: list[Event], kind: list[int], records: Sequence[Record], numbers: "Numbers", max_id_bytes: int
    ) -> "Columns":
        """Of events, the kind of each and the records that they came in."""
        keys = [record.key for record in records]
        time_ms = stamps_ms([event.timestamp for event in values])
        receipt_ms = np.array([record.timestamp for record in records], np.int64)
        product = [
            numbers[product_of(said)] if NAMES_PRODUCT[k] and (said := event.properties) is not None else 0
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
        found |= IS_EXAMINED[self.kind] | (IS_NAMING[self.kind] & (self.product == 0))
        if self.names is not self.keys:
            whose, longest = zip(self.keys, self.names, strict=True), self.max_id_bytes
            found |= np.array([key != name or not 0 < len(name) <= longest for key, name in whose], np.bool_)
        if "" in self.messages:
            found |= np.array([message == "" for message in self.messages], np.bool_)
        return np.flatnonzero(found).tolist()

    def without(self, bad: dict[int, Refusal]) -> "Columns":
        """The others."""
        keep = [i for i in range(len(self.values)) if i not in bad]
        return Columns(
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


def offsets_of(records: Sequence[Record]) -> npt.NDArray[np.int64]:
    """They increase, so between a first and a last that lie n - 1 apart there is no choice."""
    n = len(records)
    if n and records[-1].offset - records[0].offset == n - 1:
        return np.arange(records[0].offset, records[0].offset + n)
    return np.array([record.offset for record in records], np.int64)
