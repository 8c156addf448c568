"""Links: the ids that one customer came under before, and the row that stands for all of them."""

from collections.abc import Callable

import msgspec
import numpy as np
import numpy.typing as npt

from scoring.kinds import N_SOURCES
from scoring.profile import Profiles

__all__ = ["Links", "owner_of", "unread"]


class _Stored(msgspec.Struct, array_like=True):
    owner: bytes
    applied: list[int] | None


def owner_of(value: bytes) -> bytes:
    """The id that a former one was linked to, from what is stored of it; the first layout has the bare id."""
    return msgspec.msgpack.decode(value, type=_Stored).owner if value[:1] == b"\x92" else value


def unread(owner: bytes) -> bytes:
    """Return what is stored of a former id of which no record was dealt with where it is read now."""
    return msgspec.msgpack.encode(_Stored(owner, None))


class Links:
    """Which former ids belong to which customer; each is a few dozen bytes, and is kept for good.

    A former id is looked up like any other, and found is the row of the customer that it belongs to: later events of it
    need no more than that. Only rows that were looked up before the ids were linked have to be followed. Where the
    customer is at home on another partition, no row is found: the id is away.

    Parameters
    ----------
    profiles
        The rows; their index learns the former ids.
    home
        Whether an id belongs to this partition.

    Attributes
    ----------
    owner
        By former id: the id that it was linked to, which may be a former one itself by now. Former ids that are at home
        elsewhere are those that customers of ours have asked for.
    applied
        By former id whose profile went to another partition: the offsets that were dealt with, by source.
    fresh
        The former ids of which something is new since they were last stored.
    """

    def __init__(self, profiles: Profiles, home: Callable[[bytes], bool]) -> None:
        self._profiles = profiles
        self._home = home
        self.owner: dict[bytes, bytes] = {}
        self.applied: dict[bytes, list[int]] = {}
        self.fresh: dict[bytes, None] = {}
        self._formers: dict[int, list[bytes]] = {}
        self._at: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.owner)

    def is_former(self, customer: bytes) -> bool:
        """Whether the id was linked to another."""
        return customer in self.owner

    def last(self, customer: bytes) -> tuple[bytes, bytes]:
        """The last id of ours that an id was linked to, itself if it was not, and who that belongs to by now.

        Both are the same for a customer who is here; otherwise the second is at home on another partition.
        """
        mine = customer
        while (owner := self.owner.get(mine)) is not None:
            if not self._home(owner):
                return mine, owner
            mine = owner
        return mine, mine

    def away(self, customer: bytes) -> tuple[bytes, bytes] | None:
        """`last` of an id whose events belong on another partition, else None."""
        if customer not in self.owner:
            return None
        mine, owner = self.last(customer)
        return None if mine == owner else (mine, owner)

    def link(self, former: bytes, row: int) -> None:
        """Let an id, and all that were linked to it, mean another customer's row; its own row is left to nobody."""
        index = self._profiles.index
        own = index.get(former)
        formers = self._formers.setdefault(row, [])
        formers.append(former)
        if own is not None:
            formers += self._formers.pop(own, ())
            self._moved(own, row)
        for each in formers:
            index[each] = row
        self.owner[former] = self._profiles.keys[row]
        self.fresh[former] = None

    def depart(self, former: bytes, owner: bytes, applied: list[int]) -> None:
        """Let an id, and all that were linked to it, mean a customer of another partition; no row is found any more."""
        row = self._profiles.index.pop(former, None)
        if row is not None:
            for each in self._formers.pop(row, ()):
                self._profiles.index.pop(each, None)
            self._moved(row, -1)
        self.owner[former] = owner
        self.applied[former] = applied
        self.fresh[former] = None

    def unlink(self, former: bytes) -> None:
        """Let an id be a customer again."""
        row = self._profiles.index.pop(former, None)
        if row is not None and former in self._formers.get(row, ()):
            self._formers[row].remove(former)
        self.owner.pop(former, None)
        self.applied.pop(former, None)
        self.fresh[former] = None

    def regain(self, customer: bytes, row: int) -> None:
        """Let all that were linked to a customer mean its row, who was a former id until now."""
        for former in self.owner:
            if self.last(former) == (customer, customer):
                self._profiles.index[former] = row
                self._formers.setdefault(row, []).append(former)

    def of(self, customer: bytes) -> list[bytes]:
        """All other ids of the same person that are known here, sorted. O(all links), where the person is away.

        In what order they came to be one is known only until a restore.
        """
        row = self._profiles.find(customer)
        if row >= 0:
            return sorted({self._profiles.keys[row], *self._formers.get(row, ())} - {customer})
        mine, owner = self.last(customer)
        same = [former for former in self.owner if self.last(former) == (mine, owner)] if mine != owner else []
        return sorted({*same, owner} - {customer})

    def drop(self, former: bytes) -> None:
        """Let an id be nobody's; to be called before the index lets go of it."""
        row = self._profiles.index.get(former)
        if row is not None and former in self._formers.get(row, ()):
            self._formers[row].remove(former)
        if self.owner.pop(former, None) is not None or former in self.applied:
            self.applied.pop(former, None)
            self.fresh[former] = None

    def vacate(self, row: int) -> None:
        """Let nobody be in a row: records that wait, and were looked up there, are looked up again."""
        self._formers.pop(row, None)
        self._moved(row, -1)

    def passed(self, former: bytes, source: int, offset: int) -> bool:
        """Note that a record of a departed id is passed on; False if it was dealt with before."""
        applied = self.applied.setdefault(former, [-1] * N_SOURCES)
        if offset <= applied[source]:
            return False
        applied[source] = offset
        self.fresh[former] = None
        return True

    def follow(self, rows: npt.NDArray[np.int64]) -> None:
        """Replace, in place, rows (n,) of customers who are another by now; -1: away. Nothing while none moved."""
        if self._at is None:
            return
        places = np.flatnonzero((rows >= 0) & (rows < len(self._at)))
        while len(places):
            before = rows[places]
            rows[places] = self._at[before]
            places = places[(rows[places] != before) & (rows[places] >= 0)]

    def _moved(self, own: int, row: int) -> None:
        at = np.zeros(0, np.int64) if self._at is None else self._at
        if own >= len(at):
            at = np.concatenate([at, np.arange(len(at), len(self._profiles.rows))])
        at[own] = row
        self._at = at

    # ---- stored

    def changes(self) -> list[tuple[bytes, bytes | None]]:
        """Former ids of which something is new since the last call, as bytes; None: no longer one."""
        changed = [(former, self._value(former)) for former in self.fresh]
        self.fresh.clear()
        return changed

    def copied(self) -> dict[bytes, bytes]:
        """All of them, as bytes."""
        return {former: self._value(former) or b"" for former in self.owner}

    def _value(self, former: bytes) -> bytes | None:
        owner = self.owner.get(former)
        return None if owner is None else msgspec.msgpack.encode(_Stored(owner, self.applied.get(former)))

    def load(self, former: bytes, value: bytes | None) -> None:
        """Take a stored link; `restored` must follow the last."""
        self.owner.pop(former, None)
        self.applied.pop(former, None)
        if value is not None:
            stored = msgspec.msgpack.decode(value, type=_Stored)
            self.owner[former] = stored.owner
            if stored.applied is not None:
                self.applied[former] = stored.applied

    def restored(self) -> list[bytes]:
        """Let every former id mean the row of who it belongs to in the end; return those away that still have a row."""
        left = []
        for former in self.owner:
            mine, owner = self.last(former)
            if mine == owner:
                row = self._profiles.row(owner)
                self._profiles.index[former] = row
                self._formers.setdefault(row, []).append(former)
            elif mine == former and former in self._profiles.index:
                left.append(former)
        return left
