"""Blocks: what consecutive records came to, put together."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.refusal import Refusal
from scoring.kernel import Events
from scoring.sides import Detail
from streams.examining import UNKNOWN_RECEIPT
from streams.suspects import POISON

__all__ = ["POISONED", "Amounts", "Block", "Decoded", "joined", "merged"]


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


class Amounts(NamedTuple):
    """What few events have, by index."""

    i: int
    value: float = 0.0
    lines: float = 0.0
    quantity: float = 0.0
    discounted: bool = False
    promised_ms: int = 0


class Block(NamedTuple):
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
    amounts: list[Amounts]
    details: dict[int, Detail]
    places: Sequence[int]
    ignored: int
    refused: list[tuple[int, Refusal]]


POISONED: Final = Block(tuple(np.zeros(0, kind) for kind in "qqqqqQQQ"), [], {}, [], 0, [(0, POISON)])
"""A record that decoding itself failed on."""


def joined(source: int, blocks: Sequence[Block], *, own_clock: bool) -> Decoded:
    """Consecutive blocks as one: `places` and `refused` count on, over what each block read."""
    details: dict[int, Detail] = {}
    refused: list[tuple[int, Refusal]] = []
    amounts: list[Amounts] = []
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


def merged(plain: Decoded, others: Decoded, rest: npt.NDArray[np.int64]) -> Decoded:
    """Both in the order of the records; `rest` says which record each of the others is."""
    theirs = rest[np.array(others.places, np.int64)]
    places = np.concatenate([plain.places, theirs])
    order = np.argsort(places)
    events = Events._make(np.concatenate(both)[order] for both in zip(plain.events, others.events, strict=True))
    at = np.searchsorted(places, theirs, sorter=order).tolist()
    details = {at[i]: detail for i, detail in others.details.items()}
    refused = [(int(rest[i]), why) for i, why in others.refused]
    return Decoded(events, details, places[order].tolist(), others.ignored, refused)


def _events(source: int, n: int, blocks: Sequence[Block], *, own_clock: bool) -> Events:
    """The columns of all blocks, but for the amounts."""
    events, receipt_ms = Events.blank(n), np.empty(n, np.int64)
    events.source[:] = source
    told: tuple[npt.NDArray[Any], ...] = (events.row, events.kind, events.time_ms, receipt_ms, events.offset)
    told += (events.message, events.product, events.category)
    for column, *parts in zip(told, *(block.columns for block in blocks), strict=True) if blocks else ():
        np.concatenate(parts, out=column)
    events.received_ms[:] = np.where(own_clock | (receipt_ms == UNKNOWN_RECEIPT), events.time_ms, receipt_ms)
    return events
