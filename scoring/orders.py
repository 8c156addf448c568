"""Orders: the sorted ring of a customer's last orders, what has left it, and what both together say."""

import math
from typing import Any

import numpy as np

from scoring.compiled import compiled
from scoring.profile import DAY_MS, NEVER

__all__ = ["A_MEAN_LOG_VALUE", "add_order", "derive", "join_folds", "months_running", "orders_between"]

# Accumulated over orders in time order: decayed sums as of the newest order, and moments of gaps and baskets.
V0, V1, V2, V3, S0, S1, S2, L0, L1 = range(9)
GAP, GAP2, LOG_GAP, LOG_GAP2, EWMA_GAP, EWMA_VAR, MIN_GAP, MAX_GAP = range(9, 17)
LOG_VALUE, LOG_VALUE2, EWMA_LINES, LOG_UNIT, LAST_GAP, GAPS = range(17, 23)

# Derived on each order: the same decayed sums, then means, deviations and lasts.
A_MEAN_GAP, A_VAR_GAP, A_MEAN_LOG_GAP, A_VAR_LOG_GAP, A_EWMA_GAP, A_EWMA_VAR, A_MIN_GAP, A_MAX_GAP = range(9, 17)
A_LAST_GAP, A_LAST_VALUE, A_MEAN_LOG_VALUE, A_VAR_LOG_VALUE, A_LAST_LINES, A_EWMA_LINES, A_UNIT = range(17, 24)
A_VISITS, A_ORDERS, A_GAPS = 24, 25, 26

EWMA = 0.3
VISIT = 1.0 / 60.0
"""Orders closer than H/60 are one visit to the shop (two days at H = 120 days, half a day at H = 30)."""


@compiled
def _absorb(a: Any, visits: int, orders: int, last_ms: int, ms: int, value: float, lines: float,
            quantity: float, horizon: float) -> tuple[int, int]:  # fmt: skip
    """Add one order to the accumulators `a` (24,); return visits and the newest order's time.

    Half-lives H/4, H, 3H, 9H are powers of one exponential: 9 H to the 36th power is H/4.
    """
    known = orders > 0
    age = float(ms - last_ms) if known else 0.0
    late = age < 0.0
    e9 = math.exp2(-abs(age) / (9.0 * horizon))
    e3 = e9 * e9 * e9
    e1 = e3 * e3 * e3
    e2 = e1 * e1
    e025 = e2 * e2
    gap = age / horizon
    visit = not known or gap > VISIT
    one = 1.0 if visit else 0.0
    if late:
        # Older than all that has left the ring: it counts with the decay of its own age, and gaps stay as they are.
        one = 1.0
        a[V0] += e025
        a[V1] += e1
        a[V2] += e3
        a[V3] += e9
        a[S0] += value * e1
        a[S1] += value * e3
        a[S2] += value * e9
        a[L0] += lines * e1
        a[L1] += lines * e3
    else:
        a[V0] = a[V0] * e025 + one
        a[V1] = a[V1] * e1 + one
        a[V2] = a[V2] * e3 + one
        a[V3] = a[V3] * e9 + one
        a[S0] = a[S0] * e1 + value
        a[S1] = a[S1] * e3 + value
        a[S2] = a[S2] * e9 + value
        a[L0] = a[L0] * e1 + lines
        a[L1] = a[L1] * e3 + lines
        if known and visit:
            log_gap = math.log(gap)
            a[GAP] += gap
            a[GAP2] += gap * gap
            a[LOG_GAP] += log_gap
            a[LOG_GAP2] += log_gap * log_gap
            if a[GAPS] == 0.0:
                a[EWMA_GAP] = log_gap
                a[EWMA_VAR] = 0.5
                a[MIN_GAP] = gap
                a[MAX_GAP] = gap
            else:
                d = log_gap - a[EWMA_GAP]
                a[EWMA_GAP] += EWMA * d
                a[EWMA_VAR] = (1.0 - EWMA) * (a[EWMA_VAR] + EWMA * d * d)
                a[MIN_GAP] = min(a[MIN_GAP], gap)
                a[MAX_GAP] = max(a[MAX_GAP], gap)
            a[GAPS] += 1.0
            a[LAST_GAP] = log_gap
    log_value = math.log1p(max(value, 0.0))
    a[LOG_VALUE] += log_value
    a[LOG_VALUE2] += log_value * log_value
    log_lines = math.log1p(max(lines, 0.0))
    a[EWMA_LINES] += (EWMA if known else 1.0) * (log_lines - a[EWMA_LINES])
    a[LOG_UNIT] += math.log(max(value, 0.01) / max(quantity, 1.0))
    return visits + (1 if one > 0.0 else 0), last_ms if late else ms


@compiled
def _fold(p: Any, ms: int, value: float, lines: float, quantity: float, horizon: float) -> None:
    visits, newest = _absorb(p.fold, p.fold_visits, p.fold_orders, p.fold_ms, ms, value, lines, quantity, horizon)
    p.fold_visits = visits
    p.fold_ms = newest
    p.fold_orders += 1


@compiled
def add_order(p: Any, ms: int, value: float, lines: float, quantity: float, horizon: float) -> int:
    """Put an order in its place in the ring (by time, value, lines and quantity); return its rank by time, from 1.

    The ring is a function of the set of orders, whatever order they come in, for as long as none has left it.
    """
    # Compared as they are stored, in single precision: otherwise equal orders would take places by arrival.
    value = float(np.float32(value))
    lines = float(np.float32(lines))
    quantity = float(np.float32(quantity))
    span = p.ring_ms.shape[0]
    n = p.ring_n
    place = n
    while place > 0:
        before = p.ring_ms[place - 1]
        if before < ms:
            break
        if before == ms:
            worth = p.ring_value[place - 1]
            filled = p.ring_lines[place - 1]
            if worth < value or (worth == value and filled < lines):
                break
            if worth == value and filled == lines and p.ring_quantity[place - 1] <= quantity:
                break
        place -= 1
    rank = p.fold_orders + place + 1
    while rank - p.fold_orders <= n and p.ring_ms[rank - p.fold_orders - 1] == ms:
        rank += 1  # of several at one moment, the one that comes later is the later one
    if n == span:
        if place == 0:
            _fold(p, ms, value, lines, quantity, horizon)
            return int(rank)
        _fold(p, p.ring_ms[0], p.ring_value[0], p.ring_lines[0], p.ring_quantity[0], horizon)
        place -= 1
        for i in range(place):
            p.ring_ms[i] = p.ring_ms[i + 1]
            p.ring_value[i] = p.ring_value[i + 1]
            p.ring_lines[i] = p.ring_lines[i + 1]
            p.ring_quantity[i] = p.ring_quantity[i + 1]
    else:
        for i in range(n, place, -1):
            p.ring_ms[i] = p.ring_ms[i - 1]
            p.ring_value[i] = p.ring_value[i - 1]
            p.ring_lines[i] = p.ring_lines[i - 1]
            p.ring_quantity[i] = p.ring_quantity[i - 1]
        p.ring_n = n + 1
    p.ring_ms[place] = ms
    p.ring_value[place] = value
    p.ring_lines[place] = lines
    p.ring_quantity[place] = quantity
    return int(rank)


@compiled
def join_folds(p: Any, q: Any, horizon: float) -> None:
    """Add what has left the ring of another row (orders there: at least one) to what has left this one.

    Sums come out exactly; of the gaps between the orders of one and those of the other nothing is known.
    """
    a = p.fold
    b = q.fold
    newer = p.fold_orders == 0 or q.fold_ms > p.fold_ms
    if p.fold_orders == 0:
        p.fold_ms = q.fold_ms
    age = abs(float(q.fold_ms - p.fold_ms))
    e9 = math.exp2(-age / (9.0 * horizon))
    e3 = e9 * e9 * e9
    e1 = e3 * e3 * e3
    e2 = e1 * e1
    e025 = e2 * e2
    for i in range(9):
        half = (i == V0) * e025 + (i in (V1, S0, L0)) * e1 + (i in (V2, S1, L1)) * e3 + (i in (V3, S2)) * e9
        a[i] = a[i] * half + b[i] if newer else a[i] + b[i] * half
    for i in (GAP, GAP2, LOG_GAP, LOG_GAP2, LOG_VALUE, LOG_VALUE2, LOG_UNIT):
        a[i] += b[i]
    if b[GAPS] > 0.0:
        a[MIN_GAP] = min(a[MIN_GAP], b[MIN_GAP]) if a[GAPS] > 0.0 else b[MIN_GAP]
        a[MAX_GAP] = max(a[MAX_GAP], b[MAX_GAP])
        if newer or a[GAPS] == 0.0:
            for i in (EWMA_GAP, EWMA_VAR, LAST_GAP):
                a[i] = b[i]
    a[GAPS] += b[GAPS]
    if newer:
        a[EWMA_LINES] = b[EWMA_LINES]
    p.fold_ms = max(p.fold_ms, q.fold_ms)
    p.fold_orders += q.fold_orders
    p.fold_visits += q.fold_visits


@compiled
def derive(p: Any, acc: Any, horizon: float) -> None:
    """Compute again, from the ring and what left it, all that features need of the orders.

    `acc` is (24,) scratch. About 2 microseconds; run on orders only, never on clicks.
    """
    for i in range(23):
        acc[i] = p.fold[i]
    visits = p.fold_visits
    orders = p.fold_orders
    newest = p.fold_ms
    visit_ms = NEVER
    for k in range(4):
        p.kth_ms[k] = NEVER
    for i in range(p.ring_n):
        was = visits
        visits, newest = _absorb(acc, visits, orders, newest, p.ring_ms[i], p.ring_value[i], p.ring_lines[i],
                                 p.ring_quantity[i], horizon)  # fmt: skip
        orders += 1
        if visits > was:
            for k in range(3, 0, -1):
                p.kth_ms[k] = p.kth_ms[k - 1]
            p.kth_ms[0] = visit_ms  # the newest is the ring's own
            visit_ms = p.ring_ms[i]
    d = p.derived
    for i in range(9):
        d[i] = acc[i]
    gaps = acc[GAPS]
    if gaps > 0.0:
        d[A_MEAN_GAP] = acc[GAP] / gaps
        d[A_VAR_GAP] = max(acc[GAP2] / gaps - d[A_MEAN_GAP] * d[A_MEAN_GAP], 0.0)
        d[A_MEAN_LOG_GAP] = acc[LOG_GAP] / gaps
        d[A_VAR_LOG_GAP] = max(acc[LOG_GAP2] / gaps - d[A_MEAN_LOG_GAP] * d[A_MEAN_LOG_GAP], 0.0)
    else:
        d[A_MEAN_GAP] = d[A_VAR_GAP] = d[A_MEAN_LOG_GAP] = d[A_VAR_LOG_GAP] = 0.0
    for i in range(EWMA_GAP, MAX_GAP + 1):
        d[i] = acc[i]
    d[A_LAST_GAP] = acc[LAST_GAP]
    d[A_GAPS] = gaps
    d[A_VISITS] = visits
    d[A_ORDERS] = orders
    d[A_EWMA_LINES] = acc[EWMA_LINES]
    if orders > 0:
        last = p.ring_n - 1
        d[A_LAST_VALUE] = math.log1p(max(p.ring_value[last], 0.0))
        d[A_LAST_LINES] = math.log1p(max(float(p.ring_lines[last]), 0.0))
        d[A_MEAN_LOG_VALUE] = acc[LOG_VALUE] / orders
        mean = d[A_MEAN_LOG_VALUE]
        d[A_VAR_LOG_VALUE] = max(acc[LOG_VALUE2] / orders - mean * mean, 0.0)
        d[A_UNIT] = acc[LOG_UNIT] / orders


@compiled
def orders_between(p: Any, after_ms: int, until_ms: int) -> int:
    """How many orders in the ring are later than `after_ms` and not later than `until_ms`."""
    n = 0
    for i in range(p.ring_n):
        if after_ms < p.ring_ms[i] <= until_ms:
            n += 1
    return int(n)


@compiled
def _month(ms: int) -> int:
    """Months since year 0 of a moment (UTC), by days since the first of March, as leap days then come last."""
    z = ms // DAY_MS + 719_468
    era = z // 146_097
    of_era = z - era * 146_097
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    march = (5 * of_year + 2) // 153
    return int((year + era * 400) * 12 + march + 2)


@compiled
def months_running(p: Any, now: int) -> int:
    """In how many months (UTC) in a row there was an order, up to that of `now` or the one before; of those kept."""
    month = _month(now)
    n = 0
    for k in range(p.ring_n - 1, -1, -1):
        ordered = _month(p.ring_ms[k])
        if ordered > month:
            continue
        if ordered == month - n or (n == 0 and ordered == month - 1):
            if n == 0:
                month = ordered
            n += 1
        elif ordered < month - n:
            break
    return n
