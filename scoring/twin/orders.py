"""Orders as the twin sees them: those that left the ring, in the order they left, then the ring, sorted."""

import math
from bisect import insort_right
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

__all__ = ["Order", "Orders", "Summary"]

EWMA = 0.3
VISITS_IN_A_HORIZON = 60


class Order(NamedTuple):
    """One order; amounts are kept in single precision, as a row keeps them."""

    time_ms: int
    value: float
    lines: float
    quantity: float

    @classmethod
    def of(cls, time_ms: int, value: float, lines: float, quantity: float) -> "Order":
        """The order with its amounts rounded to single precision."""
        return cls(time_ms, *(float(np.float32(amount)) for amount in (value, lines, quantity)))


@dataclass
class Orders:
    """The orders of one customer."""

    left: list[Order] = field(default_factory=list)
    ring: list[Order] = field(default_factory=list)

    def add(self, order: Order, kept: int) -> int:
        """Put an order in its place and let the oldest leave when there are more than `kept`; its rank by time, from 1.

        Of several at one moment, the one that comes later is the later one.
        """
        insort_right(self.ring, order)
        rank = len(self.left) + len([other for other in self.ring if other.time_ms <= order.time_ms])
        if len(self.ring) > kept:
            self.left.append(self.ring.pop(0))
        return rank

    def __len__(self) -> int:
        return len(self.left) + len(self.ring)

    def between(self, after_ms: int, until_ms: int) -> int:
        """How many orders of the ring are later than `after_ms` and not later than `until_ms`."""
        return len([order for order in self.ring if after_ms < order.time_ms <= until_ms])


@dataclass
class Summary:
    """What all orders say together; spans in horizons. Orders closer than H/60 are one visit."""

    visits: list[int] = field(default_factory=list)
    recent_visits: list[int] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    usual_lines: float = 0.0

    @classmethod
    def of(cls, orders: Orders, horizon_ms: int) -> "Summary":
        """Go through the orders once; one that is older than one that left before it is a visit without a
        gap.
        """
        told = cls()
        newest: int | None = None
        for number, order in enumerate([*orders.left, *orders.ring]):
            late = newest is not None and order.time_ms < newest
            gap = None if newest is None or late else (order.time_ms - newest) / horizon_ms
            if gap is None or gap > 1 / VISITS_IN_A_HORIZON:
                told.visits.append(order.time_ms)
                if gap is not None:
                    told.gaps.append(gap)
                if number >= len(orders.left):
                    told.recent_visits.append(order.time_ms)
            lines = math.log1p(max(order.lines, 0.0))
            told.usual_lines += (EWMA if number else 1.0) * (lines - told.usual_lines)
            newest = order.time_ms if newest is None else max(newest, order.time_ms)
        return told

    def usual_gap(self) -> float:
        """Log of the usual gap: the last ones weigh more; 0 before the second visit."""
        logs = [math.log(gap) for gap in self.gaps]
        usual = logs[0] if logs else 0.0
        for log in logs[1:]:
            usual += EWMA * (log - usual)
        return usual
