"""Purchases: after how long the same customer buys a product again, the usual gap of each product."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.profile import DAY_MS

__all__ = ["ERROR", "LEAST_GAPS", "LONGEST_MS", "Purchases"]

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]

_BINS: Final = 48
_EDGES: Final = np.rint(DAY_MS * 2.0 ** (np.arange(_BINS + 1) * 3 / 16)).astype(np.int64)
LONGEST_MS: Final = int(_EDGES[-1])
"""512 days: what is longer is no repetition."""
ERROR: Final = 2 ** (3 / 16) - 1
"""Greatest relative error of a usual gap against the (lower) median of the same gaps: the width of a bin, 14 %."""
LEAST_GAPS: Final = 5
"""Gaps before there is a usual one."""
_MOST_GAPS: Final = 1000
"""Gaps at which a product's are halved, so that it is the later ones that count."""


class Purchases:
    """Remembers when each customer last bought each product, and counts the gaps in between.

    A gap is the time between two orders of a customer one after the other that hold the product, from a day to 512
    days. Counts lie in 48 bins of 3/16 of an octave.

    Parameters
    ----------
    room
        Most last purchases. Beyond it, customers with a greater hash are left out until it fits: those who stay are
        a sample of all, so the usual gap is that of the sample.

    Attributes
    ----------
    key, customer, last_ms
        (purchases,) sorted by `key`, a hash of customer and product.
    limit
        Customers with a greater hash are left out.
    gaps
        (products, bins) counts.
    """

    def __init__(self, room: int) -> None:
        self.room = room
        self.key: Hashes = np.zeros(0, np.uint64)
        self.customer: Hashes = np.zeros(0, np.uint64)
        self.last_ms: Ints = np.zeros(0, np.int64)
        self.limit = 2**64 - 1
        self.gaps = np.zeros((0, _BINS), np.uint16)

    def grow(self, products: int) -> None:
        """Make room for so many products."""
        self.gaps = np.concatenate([self.gaps, np.zeros((products - len(self.gaps), _BINS), np.uint16)])

    def keep(self, rows: Ints) -> None:
        """Let go of all products but these; last purchases of the others stay until they are too old."""
        self.gaps = self.gaps[rows]

    def forget(self, customer: int) -> None:
        """Remove a customer; the counts to which they added name nobody."""
        self._hold(self.customer != np.uint64(customer))

    def add(self, customer: Hashes, product: Hashes, row: Ints, time_ms: Ints, now_ms: int) -> None:
        """Take purchases, none earlier than any taken before; O(n log n) and some for all remembered.

        Parameters
        ----------
        customer, product, row, time_ms
            (n,) hashes of both, the product's row, and when.
        now_ms
            What is older than 512 days by then is let go.
        """
        within = customer <= np.uint64(self.limit)
        customer, row, time_ms = customer[within], row[within], time_ms[within]
        key = _mixed(customer, product[within])
        order = np.lexsort((time_ms, key))
        key, customer, row, time_ms = key[order], customer[order], row[order], time_ms[order]
        place = np.searchsorted(self.key, key)
        known = np.zeros(len(key), np.bool_)
        inside = place < len(self.key)
        known[inside] = self.key[place[inside]] == key[inside]
        again = np.zeros(len(key), np.bool_)
        again[1:] = key[1:] == key[:-1]
        before = np.zeros(len(key), np.int64)
        before[1:] = time_ms[:-1]
        first = known & ~again
        before[first] = self.last_ms[place[first]]
        repeated = again | known
        self._count(row[repeated], (time_ms - before)[repeated])
        last = np.ones(len(key), np.bool_)
        last[:-1] = ~again[1:]
        self.last_ms[place[last & known]] = time_ms[last & known]
        new = last & ~known
        self.key = np.insert(self.key, place[new], key[new])
        self.customer = np.insert(self.customer, place[new], customer[new])
        self.last_ms = np.insert(self.last_ms, place[new], time_ms[new])
        self._fit(now_ms)

    def usual_days(self) -> NDArray[np.float32]:
        """The usual gap of each product (products,), NaN while fewer than five are known; within 14 % of the median."""
        totals = self.gaps.cumsum(axis=1, dtype=np.int64)
        total = totals[:, -1] if len(totals) else np.zeros(0, np.int64)
        found = np.full(len(self.gaps), np.nan, np.float32)
        rows = np.flatnonzero(total >= LEAST_GAPS)
        if len(rows):
            half = total[rows] / 2
            at = (totals[rows] < half[:, None]).sum(axis=1)
            inside = self.gaps[rows, at]
            share = (half - (totals[rows, at] - inside)) / inside
            found[rows] = 2.0 ** ((at + share) * 3 / 16)
        return found

    def _count(self, row: Ints, gap_ms: Ints) -> None:
        counted = (gap_ms >= DAY_MS) & (gap_ms < LONGEST_MS)
        cell = row[counted] * _BINS + np.searchsorted(_EDGES, gap_ms[counted], side="right") - 1
        rows = np.unique(row[counted])
        counts = np.zeros((len(rows), _BINS), np.int64)
        np.add.at(counts, (np.searchsorted(rows, cell // _BINS), cell % _BINS), 1)
        counts += self.gaps[rows]
        while (full := counts.sum(axis=1) > _MOST_GAPS).any():
            counts[full] //= 2
        self.gaps[rows] = counts

    def _fit(self, now_ms: int) -> None:
        if len(self.key) and int(self.last_ms.min()) < now_ms - LONGEST_MS:
            self._hold(self.last_ms >= now_ms - LONGEST_MS)
        while len(self.key) > self.room and self.limit:
            self.limit //= 2
            self._hold(self.customer <= np.uint64(self.limit))
        if len(self.key) > self.room:  # of one customer alone, whose hash is 0
            self._hold(np.lexsort((self.key, -self.last_ms)).argsort() < self.room)

    def _hold(self, kept: NDArray[np.bool_]) -> None:
        self.key, self.customer, self.last_ms = self.key[kept], self.customer[kept], self.last_ms[kept]


def _mixed(customer: Hashes, product: Hashes) -> Hashes:
    """One hash of two, by the finaliser of MurmurHash3."""
    h = customer ^ (product * np.uint64(0x9E3779B97F4A7C15))
    h = (h ^ (h >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    h = (h ^ (h >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    mixed: Hashes = h ^ (h >> np.uint64(33))
    return mixed
