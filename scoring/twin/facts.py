"""Facts as the twin reads them: what types and values follow from, for one customer at a moment."""

import math

from scoring.kinds import INTEREST_KINDS, Kind
from scoring.twin.customer import DAY_MS, Customer
from scoring.twin.orders import Summary
from scoring.types import Facts

__all__ = ["facts"]


def facts(customer: Customer, now_ms: int, horizon_ms: int) -> tuple[float, ...]:
    """The values of `Facts` in their order; NaN for what is not known."""
    orders, gaps = customer.orders, Summary.of(customer.orders, horizon_ms).gaps
    named = {
        "orders": float(len(orders)),
        "since_days": max(now_ms - orders.ring[-1].time_ms, 0) / DAY_MS if len(orders) else math.nan,
        "before_days": gaps[-1] * horizon_ms / DAY_MS if gaps else math.nan,
        "gap_days": sum(gaps) / len(gaps) * horizon_ms / DAY_MS if gaps else math.nan,
        "net": customer.revenue(),
        "discounted": float(sum(event.discounted for event in customer.of(Kind.ORDER_COMPLETED))),
        "interested": float(any(event.kind in INTEREST_KINDS for event in customer.events)),
    }
    return tuple(named[name] for name in Facts._fields)
