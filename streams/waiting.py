"""Waiting: decoded records of a partition's three inputs that are not yet applied, and which come next.

Inputs are merged by event time. Within an input the order of the records holds, so an event counts as no
earlier than those before it.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from types import MappingProxyType
from typing import NamedTuple, overload

import numpy as np
import numpy.typing as npt

from schemas.refusal import Refusal
from scoring.kernel import Events
from scoring.kinds import N_INPUTS
from scoring.profile import FAR, NEVER
from scoring.sides import Detail
from streams.commit import Record
from streams.decoding import Decoded
from streams.fetched import keys_at, values_at

__all__ = ["Run", "Waiting", "origins", "values_of"]

Int = npt.NDArray[np.int64]


class Run(NamedTuple):
    """Events to apply at once, in order, and what else was read with them.

    Attributes
    ----------
    events, details
        As the engine takes them.
    causes
        Input and record of each event.
    refused
        Input, record and reason of each refused record.
    ignored
        Records of unknown names.
    counts
        (input, number of records) in the order in which they were read.
    next
        The next offset to read of each input that was read from.
    """

    events: Events
    details: dict[int, Detail]
    causes: Sequence[tuple[int, Record]]
    refused: list[tuple[int, Record, Refusal]]
    ignored: int
    counts: list[tuple[int, int]]
    next: dict[int, int]


class _Piece:
    """A fetched slice, decoded; `done` events of it are applied, and `read` records."""

    __slots__ = ("decoded", "done", "keys", "places", "read", "records")

    def __init__(self, records: Sequence[Record], decoded: Decoded, front_ms: int) -> None:
        self.records = records
        self.decoded = decoded
        places, times = decoded.places, decoded.events.time_ms
        self.places: Int = np.arange(len(places)) if isinstance(places, range) else np.array(places, np.int64)
        self.keys: Int = np.maximum(np.maximum.accumulate(times), front_ms) if len(times) else times
        self.done = 0
        self.read = 0


class _Share(NamedTuple):
    """Events [start, stop) of one piece of one input."""

    source: int
    piece: _Piece
    start: int
    stop: int


class Causes(Sequence[tuple[int, Record]]):
    """Input and record of each event of a run, looked up when asked for: few are.

    Attributes
    ----------
    source, offset
        (n,) input and offset of all.
    """

    def __init__(self, shares: list[_Share], order: Int | None, source: Int, offset: Int) -> None:
        self.source, self.offset = source, offset
        self._shares = shares
        self._order = order
        self._starts = [0, *accumulate(share.stop - share.start for share in shares)]

    def __len__(self) -> int:
        return self._starts[-1]

    @overload
    def __getitem__(self, i: int) -> tuple[int, Record]: ...
    @overload
    def __getitem__(self, i: slice) -> Sequence[tuple[int, Record]]: ...
    def __getitem__(self, i: int | slice) -> tuple[int, Record] | Sequence[tuple[int, Record]]:
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        if not 0 <= i < len(self):
            raise IndexError(i)
        place = i if self._order is None else int(self._order[i])
        which = bisect_right(self._starts, place) - 1
        source, piece, start, _ = self._shares[which]
        return source, piece.records[int(piece.places[start + place - self._starts[which]])]

    def keys(self, events: Int) -> Iterator[tuple[Int, list[bytes | None]]]:
        """The keys of the records of some events, by share, each with where they stand in `events`; 0.1 µs each."""
        return ((mine, keys_at(records, places)) for mine, records, places in self._places(events))

    def values(self, events: Int) -> list[bytes | None]:
        """The values of the records of some events, in order."""
        found: list[bytes | None] = [None] * len(events)
        for mine, records, places in self._places(events):
            for i, value in zip(mine.tolist(), values_at(records, places), strict=True):
                found[i] = value
        return found

    def _places(self, events: Int) -> Iterator[tuple[Int, Sequence[Record], Int]]:
        """By share, which of the events are of it, its records, and where those of the events are among them."""
        places = events if self._order is None else self._order[events]
        for share, first in zip(self._shares, self._starts, strict=False):
            mine = np.flatnonzero((places >= first) & (places < first + share.stop - share.start))
            yield mine, share.piece.records, share.piece.places[share.start - first + places[mine]]


def origins(causes: Sequence[tuple[int, Record]], events: Int) -> tuple[Int, Int]:
    """Return input and offset of the records of some events; 0.01 µs each in a run."""
    if isinstance(causes, Causes):
        return causes.source[events], causes.offset[events]
    found = [(source, record.offset) for source, record in (causes[event] for event in events.tolist())]
    source, offset = np.array(found, np.int64).reshape(-1, 2).T
    return source, offset


def values_of(causes: Sequence[tuple[int, Record]], events: Int) -> list[bytes | None]:
    """Return the values of the records of some events, in order."""
    if isinstance(causes, Causes):
        return causes.values(events)
    return [causes[event][1].value for event in events.tolist()]


class Waiting:
    """What waits of each input, bounded by whoever adds to it.

    Parameters
    ----------
    index
        The row of each customer who has one: who had none when an event was decoded, perhaps long ago, may have by now.

    Attributes
    ----------
    front_ms
        Newest event time of each input, of what was added so far.
    count
        Records that wait, of each input.
    received_ms
        Newest receipt of what was added so far.
    """

    def __init__(self, index: Mapping[bytes, int] = MappingProxyType({})) -> None:
        self._index = index
        self.front_ms = [NEVER] * N_INPUTS
        self.count = [0] * N_INPUTS
        self.received_ms = NEVER
        self._pieces: list[deque[_Piece]] = [deque() for _ in range(N_INPUTS)]

    def __len__(self) -> int:
        return sum(self.count)

    def add(self, source: int, records: Sequence[Record], decoded: Decoded) -> None:
        """Add a slice of one input, the next in order."""
        piece = _Piece(records, decoded, self.front_ms[source])
        if len(piece.keys):
            self.front_ms[source] = int(piece.keys[-1])
            self.received_ms = max(self.received_ms, int(decoded.events.received_ms.max()))
        self._pieces[source].append(piece)
        self.count[source] += len(records)

    def decode_again(self, decode: Callable[[int, Sequence[Record]], Decoded]) -> None:
        """Decode what waits anew, as who is known to be whom has changed; the same records must be found events."""
        for source, pieces in enumerate(self._pieces):
            for piece in pieces:
                piece.decoded = decode(source, piece.records)

    def first(self) -> tuple[int, int] | None:
        """Event time and receipt of the event that comes next."""
        some = [piece for pieces in self._pieces for piece in pieces if piece.done < len(piece.keys)]
        if not some:
            return None
        first = min(some, key=lambda piece: int(piece.keys[piece.done]))
        return int(first.keys[first.done]), int(first.decoded.events.received_ms[first.done])

    def next_run(self, behind: Sequence[int], limit: int, span_ms: int = FAR, until_ms: int = FAR) -> Run | None:
        """Take what comes next by event time, at most about `limit` events; None if nothing may be taken.

        Parameters
        ----------
        behind
            Inputs that have more than what is here: what is later than the newest of any of these waits,
            since something earlier may still come.
        span_ms
            At most so much event time.
        until_ms
            Nothing later than this.
        """
        until = min([until_ms, *(self.front_ms[source] for source in behind)])
        until = min(until, self._first_ms() + span_ms)
        shares = self._shares(until, limit)
        keys = np.concatenate([s.piece.keys[s.start : s.stop] for s in shares]) if shares else np.zeros(0, np.int64)
        order: Int | None = None
        if len({share.source for share in shares}) > 1:
            order = np.argsort(keys, kind="stable")
            if len(order) > limit:
                shares, order = _cut(shares, order, limit)
        return self._taken(shares, order)

    def within(self, span_ms: int) -> int:
        """How many events wait that lie within so much event time of the first."""
        until = self._first_ms() + span_ms
        lasts = ((int(np.searchsorted(p.keys, until, side="right")), p.done) for some in self._pieces for p in some)
        return sum(max(last - done, 0) for last, done in lasts)

    def _first_ms(self) -> int:
        """Event time of what comes next; 0 where no event waits."""
        first = self.first()
        return 0 if first is None else first[0]

    def _shares(self, until: int, limit: int) -> list[_Share]:
        """The first events of each input up to a time, at most `limit` of each."""
        shares = []
        for source, pieces in enumerate(self._pieces):
            room = limit
            for piece in pieces:
                last = int(np.searchsorted(piece.keys, until, side="right"))
                stop = min(last, piece.done + room)
                if stop > piece.done:
                    shares.append(_Share(source, piece, piece.done, stop))
                    room -= stop - piece.done
                if stop < len(piece.keys):
                    break
        return shares

    def _before(self, share: _Share) -> int:
        """How many records of earlier slices are read with the first event of a share: those behind their last."""
        unread = 0
        for piece in self._pieces[share.source]:
            if piece is share.piece:
                break
            last = int(piece.places[-1]) + 1 if len(piece.places) > piece.done else piece.read
            unread = len(piece.records) - last + (unread if len(piece.places) == piece.done else 0)
        return unread

    def _taken(self, shares: list[_Share], order: Int | None) -> Run | None:
        events, details = _joined(shares, order)
        counts = _counts(shares, [self._before(share) for share in shares], events.source, order)
        causes = Causes(shares, order, events.source, events.offset)
        self._look_up(events, causes)
        refused: list[tuple[int, Record, Refusal]] = []
        nexts: dict[int, int] = {}
        read = 0
        for share in shares:
            share.piece.done = share.stop
        for source, pieces in enumerate(self._pieces):
            of_source = 0
            while pieces:
                piece = pieces[0]
                stop = _read_up_to(piece)
                if stop > piece.read:
                    bad = piece.decoded.refused
                    refused += [(source, piece.records[i], why) for i, why in bad if piece.read <= i < stop]
                    of_source += stop - piece.read
                    nexts[source] = piece.records[stop - 1].offset + 1
                    piece.read = stop
                if stop < len(piece.records):
                    break
                pieces.popleft()
            self.count[source] -= of_source
            read += of_source
            extra = of_source - sum(n for s, n in counts if s == source)
            if extra:  # behind the last event, or in a slice without any
                counts.append((source, extra))
        if not read:
            return None
        ignored = read - len(causes) - len(refused)
        return Run(events, details, causes, refused, ignored, counts, nexts)

    def _look_up(self, events: Events, causes: Causes) -> None:
        unknown = np.flatnonzero(events.row < 0)
        for places, keys in causes.keys(unknown) if len(unknown) else ():
            events.row[unknown[places]] = [self._index.get(key or b"", -1) for key in keys]


def _read_up_to(piece: _Piece) -> int:
    """How many records are read once `done` events are applied: all before the next event."""
    if piece.done == len(piece.keys):
        return len(piece.records)
    return int(piece.places[piece.done]) if piece.done else piece.read


def _counts(shares: list[_Share], before: Sequence[int], source: Int, order: Int | None) -> list[tuple[int, int]]:
    """How many records are read of which input, in turn; each event with those before it that are none."""
    if not shares:
        return []
    weights = np.concatenate(
        [
            np.diff(s.piece.places[s.start : s.stop], prepend=s.piece.read - 1 - unread)
            for s, unread in zip(shares, before, strict=True)
        ]
    )
    if order is not None:
        weights = weights[order]
    starts = np.flatnonzero(np.diff(source, prepend=-1))
    return list(zip(source[starts].tolist(), np.add.reduceat(weights, starts).tolist(), strict=True))


def _cut(shares: list[_Share], order: Int, limit: int) -> tuple[list[_Share], Int]:
    """The first `limit` of the merged events, as shares again."""
    lengths = np.array([share.stop - share.start for share in shares])
    which = np.repeat(np.arange(len(shares)), lengths)
    kept = np.bincount(which[order[:limit]], minlength=len(shares)).tolist()
    cut = [s._replace(stop=s.start + n) for s, n in zip(shares, kept, strict=True) if n]
    again = np.concatenate([s.piece.keys[s.start : s.stop] for s in cut])
    return cut, np.argsort(again, kind="stable")


def _joined(shares: list[_Share], order: Int | None) -> tuple[Events, dict[int, Detail]]:
    """The columns of several shares as one, in order; details follow."""
    if not shares:
        return Events.blank(0), {}
    details: dict[int, Detail] = {}
    base = 0
    for share in shares:
        for i, detail in share.piece.decoded.details.items():
            if share.start <= i < share.stop:
                details[base + i - share.start] = detail
        base += share.stop - share.start
    columns = []
    for parts in zip(*(share.piece.decoded.events for share in shares), strict=True):
        sliced = [part[share.start : share.stop] for part, share in zip(parts, shares, strict=True)]
        columns.append(np.concatenate(sliced) if len(sliced) > 1 else sliced[0].copy())
    if order is not None:
        columns = [column[order] for column in columns]
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        details = {int(place[i]): detail for i, detail in details.items()}
    return Events._make(columns), details
