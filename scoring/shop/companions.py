"""Companions: which products are bought together, in bounded memory, and the most frequent ones of each."""

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scoring.compiled import compiled_allocating

__all__ = ["Companions"]

Ints = NDArray[np.int64]

_PAIRS_AT_ONCE: Final = 2_000_000
_FORGOTTEN: Final = 0.01
"""Orders; a pair that decayed below this goes first when room is needed."""
_KEPT: Final = 0.75
"""Share of the room that is filled after pairs were let go, so that this is seldom."""


class Companions:
    """How often pairs of products were bought in one order, in decayed orders.

    Exact while the pairs fit into `room`. When they do not, each product keeps its `c` most frequent companions, for
    the greatest `c` that fits, less what the first of the others weighs. That is a Misra-Gries summary for each
    product: a weight is never above the true one, and below it by at most `error`, which is at most what all pairs of
    the product weigh, divided by `c` + 1 for the least `c` that there was.

    Weights grow by the unit that is given with each batch instead of decaying, so that nothing but what is added
    changes their order; whoever tells them divides by the newest unit.

    Parameters
    ----------
    room
        Most pairs, each counted in both directions. Twelve bytes each, and three times that while counting.
    told
        Companions kept in order for each product.

    Attributes
    ----------
    code, weight
        (pairs,) sorted: row of the product in the upper 32 bits, row of its companion in the lower; its weight.
    error
        (products,) by how much a weight may be too low, and what is not held weighs at most.
    top
        (products, told) rows of the most frequent companions, -1 for none.

    References
    ----------
    Agarwal, Cormode, Huang, Phillips, Wei, Yi: "Mergeable summaries", PODS 2012.
    Cormode, Shkapenyuk, Srivastava, Xu: "Forward decay", ICDE 2009.
    """

    def __init__(self, room: int, told: int) -> None:
        self.room, self.told = room, told
        self.code = np.zeros(0, np.int64)
        self.weight = np.zeros(0, np.float32)
        self.error = np.zeros(0, np.float32)
        self.top = np.full((0, told), -1, np.int32)

    def grow(self, products: int) -> None:
        """Make room for so many products."""
        new = products - len(self.error)
        self.error = np.concatenate([self.error, np.zeros(new, np.float32)])
        self.top = np.concatenate([self.top, np.full((new, self.told), -1, np.int32)])

    def keep(self, rows: Ints) -> None:
        """Let go of all products but these, which become rows 0, 1, ...; O(pairs)."""
        new = np.full(len(self.error), -1, np.int64)
        new[rows] = np.arange(len(rows))
        row, other = new[self.code >> 32], new[self.code & 0xFFFFFFFF]
        kept = np.flatnonzero((row >= 0) & (other >= 0))
        code = row[kept] << 32 | other[kept]
        order = np.argsort(code, kind="stable")
        self.code, self.weight = code[order], self.weight[kept][order]
        self.error = self.error[rows]
        self.top = np.full((len(rows), self.told), -1, np.int32)
        self._rank(np.arange(len(rows)))

    def tell(self, told: int) -> None:
        """Keep so many companions of each product in order; O(pairs) where it is another number than before."""
        self.told = told
        if self.top.shape[1] != told:
            self.top = np.full((len(self.error), told), -1, np.int32)
            self._rank(np.arange(len(self.error)))

    def scale(self, factor: float) -> None:
        """Multiply all weights by a power of two, which changes no order; O(pairs)."""
        self.weight *= np.float32(factor)
        self.error *= np.float32(factor)

    def add(self, orders: Iterable[Ints], unit: float) -> None:
        """Count orders, each the distinct rows of its products; a pair takes about 0.3 µs and some for all held.

        `unit` is what an order weighs now.
        """
        waiting: list[Ints] = []
        pairs = 0
        for rows in orders:
            if len(rows) > 1:
                waiting.append(rows)
                pairs += len(rows) * (len(rows) - 1)
            if pairs > _PAIRS_AT_ONCE:
                self._merge(waiting, unit)
                waiting, pairs = [], 0
        if waiting:
            self._merge(waiting, unit)

    def _merge(self, orders: list[Ints], unit: float) -> None:
        codes = [(rows[:, None] << 32 | rows[None, :])[rows[:, None] != rows[None, :]] for rows in orders]
        fresh, count = np.unique(np.concatenate(codes), return_counts=True)
        place = np.searchsorted(self.code, fresh)
        known = np.zeros(len(fresh), np.bool_)
        within = place < len(self.code)
        known[within] = self.code[place[within]] == fresh[within]
        added = count * unit
        at = place[known]
        self.weight[at] = self.weight[at].astype(np.float64) + added[known]
        self.code = np.insert(self.code, place[~known], fresh[~known])
        self.weight = np.insert(self.weight, place[~known], added[~known].astype(np.float32))
        if len(self.code) > self.room:
            self._shrink(unit)
            self._rank(np.arange(len(self.error)))
        else:
            self._rank(np.unique(fresh >> 32))

    def _shrink(self, unit: float) -> None:
        """Let pairs go until three quarters of the room are filled."""
        self._hold(self.weight >= _FORGOTTEN * unit)
        most = int(self.room * _KEPT)
        if len(self.code) <= most:
            return
        start = np.searchsorted(self.code, np.arange(len(self.error) + 1) << 32)
        c = _widest(np.diff(start), most)
        _cut(start, c, self.weight, self.error)
        self._hold(self.weight > 0)

    def _hold(self, kept: NDArray[np.bool_]) -> None:
        self.code, self.weight = self.code[kept], self.weight[kept]

    def _rank(self, rows: Ints) -> None:
        """Put the most frequent companions of these products in order; equally frequent ones by row."""
        start = np.searchsorted(self.code, rows << 32)
        stop = np.searchsorted(self.code, (rows + 1) << 32)
        _first(rows, start, stop, self.code, self.weight, self.top)


def _widest(length: Ints, most: int) -> int:
    """The greatest number that each may keep so that all together keep at most `most`; at least one."""
    low, high = 1, int(length.max())
    while low < high:
        middle = (low + high + 1) // 2
        if int(np.minimum(length, middle).sum()) <= most:
            low = middle
        else:
            high = middle - 1
    return low


@compiled_allocating
def _cut(start: Any, c: int, weight: Any, error: Any) -> None:
    """Take from each product's weights what its `c` + 1st greatest weighs; O(n log n)."""
    for row in range(len(start) - 1):
        first, last = start[row], start[row + 1]
        if last - first > c:
            cut = np.sort(weight[first:last])[last - first - 1 - c]
            error[row] += cut
            for i in range(first, last):
                weight[i] -= cut


@compiled_allocating
def _first(rows: Any, start: Any, stop: Any, code: Any, weight: Any, top: Any) -> None:
    """Fill `top` with the companions of greatest weight, of equal ones the first; O(n) and a little."""
    most = top.shape[1]
    best = np.zeros(most + 1, np.float32)
    for k in range(len(rows)):
        there = 0
        for i in range(start[k], stop[k]):
            if there == most and weight[i] <= best[most - 1]:
                continue
            place = there
            while place > 0 and weight[i] > best[place - 1]:
                best[place] = best[place - 1]
                if place < most:
                    top[rows[k], place] = top[rows[k], place - 1]
                place -= 1
            best[place] = weight[i]
            top[rows[k], place] = code[i] & 0xFFFFFFFF
            there = min(there + 1, most)
        top[rows[k], there:] = -1
