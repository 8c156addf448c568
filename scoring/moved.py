"""Moved: the stored rows of one state dealt out over another number of partitions, or begun at other offsets."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from scoring.erased import NOWHERE, Erased, Erasure, together
from scoring.kinds import N_SOURCES, Source
from scoring.links import owner_of, unread
from scoring.packed import packed, unpacked
from scoring.profile import NEVER, Layout, stable_hash
from scoring.rules.ruleset import MAX_CATEGORY_RULES
from scoring.rules.slots import moved_bits
from scoring.side import Side
from scoring.stored import ERASED, EXAMPLE, LINK, PAGE, PRODUCT, PROFILE, SIDE, Meta
from scoring.trials import Trial, Trials

__all__ = ["Mover", "customer_of", "erased_rows", "forgotten_since", "id_of", "leaving", "without",
           "without_erased", "without_transfers"]  # fmt: skip

_ELSEWHERE: Final = -2
"""Offset of a record that lies on other topics than those that are read now; -1 is that of a tick."""

Rows = list[tuple[bytes, bytes]]


def customer_of(key: bytes) -> bytes | None:
    """Return the id of whom a stored row is; None for rows of a whole partition."""
    letter = key[:1]
    if letter in (PROFILE, SIDE):
        return key[1:]
    return key[9:] if letter == EXAMPLE else None


def id_of(key: bytes) -> bytes | None:
    """Return the id of whom a stored row is, a former one of a link."""
    return key[1:] if key[:1] == LINK else customer_of(key)


def leaving(rows: Mapping[bytes, bytes], home: Callable[[bytes], bool]) -> int:
    """Return how many customers of one partition are about to be sent to another: linked, and still there. O(links)."""
    formers = (key[1:] for key, value in rows.items() if key[:1] == LINK and not home(owner_of(value)))
    return sum(PROFILE + former in rows or SIDE + former in rows for former in formers)


class Mover:
    """Makes rows fit for another partition: no offset is applied, and each rule has one bit on all partitions.

    Parameters
    ----------
    layout
        Of the rows.
    metas
        The engine's own rows of the partitions that the rows come from.

    Attributes
    ----------
    names
        Names of products and pages by key, of all partitions: told to each.
    """

    def __init__(self, layout: Layout, metas: Sequence[bytes]) -> None:
        self._dtype = layout.dtype()
        self._stored = layout.stored_bytes()
        self._metas = [msgspec.msgpack.decode(meta, type=Meta) for meta in metas]
        self._slots = list(dict.fromkeys(name for meta in self._metas for name in meta.slots))
        named = dict.fromkeys(name for meta in self._metas for name in meta.category_slots)
        self._category_slots = list(named)[:MAX_CATEGORY_RULES]
        self.names: dict[bytes, bytes] = {}
        self._erased: dict[bytes, Erasure] = {}
        self._trials: dict[bytes, dict[str, Trial]] = {}
        self._links: dict[bytes, bytes] = {}
        self._claims: set[tuple[bytes, bytes]] = set()

    def watermark_ms(self) -> int:
        """The newest watermark: what time alone makes true is told up to there on none, beyond on all."""
        return max((meta.watermark[0] for meta in self._metas), default=NEVER)

    def rows(self, rows: Rows, meta: bytes, home: Callable[[bytes], bool]) -> Rows:
        """Return rows of customers of one partition, given its engine's own row; remembers names and links. O(n).

        `home` says whether an id belonged to that partition.
        """
        found: Rows = []
        profiles = [(key, value) for key, value in rows if key[:1] == PROFILE]
        if profiles:
            found += zip(
                [key for key, _ in profiles], self._profiles([value for _, value in profiles], meta), strict=True
            )
        for key, value in rows:
            letter = key[:1]
            if letter == SIDE:
                side = unpacked(value)
                if trials := side.standing.tried():
                    self._trials[key[1:]] = trials
                found.append((key, _side(side)))
            elif letter == EXAMPLE:
                found.append((key, value))
            elif letter == LINK and home(key[1:]):
                self._links[key[1:]] = owner_of(value)
            elif letter == LINK:
                self._claims.add((key[1:], owner_of(value)))
            elif letter in (PRODUCT, PAGE):
                self.names[key] = value
            elif letter == ERASED:
                erasure = together(self._erased.get(key[1:]), msgspec.msgpack.decode(value, type=Erasure))
                self._erased[key[1:]] = msgspec.structs.replace(erasure, offsets=[0] * len(erasure.offsets))
        return found

    def links(self, partition_of: Callable[[bytes], int]) -> Iterator[tuple[int, bytes, bytes]]:
        """Which ids are one person, once all rows were given: the partition that is told, key and value.

        The partition of the former id knows whose it is, and what it does not say of it was claimed in vain; that of
        the owner knows which ids to tell when they are forgotten. No offset counts as dealt with.
        """
        told = {
            (at, former): owner
            for former, owner in sorted(self._claims)
            if (at := partition_of(owner)) != partition_of(former)
        }
        for former, owner in self._links.items():
            told |= {(partition_of(each), former): owner for each in (former, owner)}
        return ((at, LINK + former, unread(owner)) for (at, former), owner in told.items())

    def erased(self) -> Rows:
        """Who was forgotten on any partition: told to each, as only a hash says who it is; offsets are void."""
        return erased_rows(self._erased)

    def _profiles(self, values: Sequence[bytes], meta: bytes) -> list[bytes]:
        rows = np.zeros(len(values), self._dtype)
        flat = rows.view(np.uint8).reshape(len(values), self._dtype.itemsize)
        flat[:, : self._stored] = np.frombuffer(b"".join(values), np.uint8).reshape(len(values), self._stored)
        rows["applied"] = -1
        told = msgspec.msgpack.decode(meta, type=Meta)
        rows["inside"] = moved_bits(rows["inside"], told.slots, self._slots)
        rows["seen_lists"] = moved_bits(rows["seen_lists"], told.category_slots, self._category_slots)
        block = flat[:, : self._stored].tobytes()
        return [block[i : i + self._stored] for i in range(0, len(block), self._stored)]

    def meta(self, customers: Iterable[bytes], example_customers: int) -> bytes:
        """Return an engine's own row for a partition that gets these customers.

        Which of them give examples is drawn anew: those with the least hashes, `example_customers` at most. What came
        of the holdout is theirs.
        """
        customers = list(customers)
        trials = Trials(0)
        for customer in customers:
            trials.add(self._trials.get(customer, {}))
        first = self._metas[0]
        hashes = np.array([stable_hash(customer) for customer in customers], np.uint64)
        limit = 2**64 - 1
        while (chosen := int((hashes <= np.uint64(limit)).sum())) > max(example_customers, 1):
            limit //= 2
        watermarks: list[Any] = [max(meta.watermark[i] for meta in self._metas) for i in range(2)]
        return msgspec.msgpack.encode(
            Meta(
                layout=first.layout,
                seen_ms=[max(meta.seen_ms[i] for meta in self._metas) for i in range(len(first.seen_ms))],
                behind=[0] * len(first.behind),
                watermark=watermarks,
                choice=[limit, chosen, len(hashes)],
                counts=[0] * len(first.counts),
                slots=self._slots,
                trials=trials.stored(),
                category_slots=self._category_slots,
                object_ages=first.object_ages,
                objects_until_ms=max(meta.objects_until_ms for meta in self._metas),
            )
        )


def without_transfers(layout: Layout, rows: Rows) -> Rows:
    """Return the rows of a partition as they are, but that no offset of transfers is applied to any. O(n)."""
    at: int = layout.dtype().fields["applied"][1] + 8 * Source.TRANSFERS  # type: ignore[index]
    none = (-1).to_bytes(8, "little", signed=True)
    found: Rows = []
    for key, value in rows:
        if key[:1] == PROFILE:
            value = value[:at] + none + value[at + 8 :]
        elif key[:1] == SIDE:
            side = unpacked(value)
            side.applied[Source.TRANSFERS] = -1
            value = packed(side)
        found.append((key, value))
    return found


def forgotten_since(erased: Erased, rows: Iterable[tuple[bytes, bytes]]) -> set[bytes]:
    """Return the hashes of who was forgotten and is not known as such by rows that were stored earlier. O(n)."""
    known: dict[bytes, int] = {}
    for key, value in rows:
        if key[:1] == ERASED:
            known[key[1:]] = max(known.get(key[1:], 0), msgspec.msgpack.decode(value, type=Erasure).at_ms)
    return {name for name, told in erased.known.items() if known.get(name, -1) < told.at_ms}


def without(rows: Rows, erased: Erased, gone: Collection[bytes]) -> Rows:
    """Return the rows but those of customers whose hashes are among these; O(n), 1 µs each where there are any."""
    if not gone:
        return rows
    return [(key, value) for key, value in rows if not any(erased.hash(each) in gone for each in _ids(key, value))]


def without_erased(rows: Rows, erased: Erased, elsewhere: Sequence[tuple[bytes, bytes]] = ()) -> Rows:
    """Return stored rows but those of customers who were forgotten since, and with who was.

    Requests that are read again count as done. What other partitions know of who was forgotten stands `elsewhere`: a
    link to somebody who came again is newer than that.
    """
    gone = forgotten_since(erased, [*rows, *elsewhere])
    known = {key[1:]: msgspec.msgpack.decode(value, type=Erasure) for key, value in rows if key[:1] == ERASED}
    known |= {name: together(known.get(name), erased.known[name]) for name in gone}
    return [*without([row for row in rows if row[0][:1] != ERASED], erased, gone), *erased_rows(known)]


def _ids(key: bytes, value: bytes) -> list[bytes]:
    """The ids that stand in a stored row's key, and in a link."""
    name = id_of(key)
    names = [] if name is None else [name]
    return [*names, owner_of(value)] if key[:1] == LINK else names


def erased_rows(known: Mapping[bytes, Erasure]) -> Rows:
    """Return stored rows of who was forgotten, by hash, whose requests are no other ones that are read."""
    return [(ERASED + name, msgspec.msgpack.encode(_elsewhere(erasure))) for name, erasure in known.items()]


def _elsewhere(erasure: Erasure) -> Erasure:
    requests = [msgspec.structs.replace(each, source=NOWHERE, offset=NOWHERE) for each in erasure.requests]
    return msgspec.structs.replace(erasure, requests=requests)


def _side(side: Side) -> bytes:
    side.applied = [-1] * len(side.applied)
    side.absorbed = {former: [told[0], *[-1] * N_SOURCES] for former, told in side.absorbed.items()}
    side.orders = dict.fromkeys(side.orders, (_ELSEWHERE, _ELSEWHERE))
    for state in side.states().values():
        state.lately = tuple(
            msgspec.structs.replace(told, source=_ELSEWHERE, offset=_ELSEWHERE) for told in state.lately
        )
    return packed(side)
