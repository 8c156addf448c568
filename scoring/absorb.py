"""Absorb: the row of one customer added to that of another, who turned out to be the same person."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from scoring.compiled import compiled, compiled_allocating
from scoring.kernel import MERGED, buy, decay, enrol, remember_page, remember_view, show, write_point
from scoring.kinds import Kind
from scoring.moments import keep_moment
from scoring.orders import A_ORDERS, add_order, derive, join_folds
from scoring.profile import DAY_MS, FAR, NEVER
from scoring.recent import join_lately, join_told, look
from scoring.rules.columns import ANY
from scoring.timers import grid_after, next_due, schedule
from scoring.windows import roll

__all__ = ["absorb", "categories_in_lists", "keep_lists", "leave", "look_again"]

_COMPLETED = int(Kind.ORDER_COMPLETED)
_ANY = ANY
_MERGED = MERGED


@compiled
def absorb(rows: Any, into: int, others: Any, which: int, now: int, repeated: int, known: int, heap: Any, choice: Any,
           reading: Any, config: Any, acc: Any) -> None:  # fmt: skip
    """Add row `which` of `others` to row `into` of `rows` at `now`, as if all its events had come there; about 5 µs.

    Counts, firsts, lasts, rings and the orders of both rings come out as if every event had been of one customer, sums
    that decay to a relative 1e-9; only what had left the ring of orders does so approximately, as its gaps are no
    longer known one by one. What was published, and the lists, remain those of `into`; applied offsets are the caller's
    to join. `repeated` is how many orders both know by their id: as many that are the same in both rings count once.
    The heap must have room for one entry.
    """
    p = rows[into]
    q = others[which]
    if q.first_ms == NEVER:
        return
    horizon = float(config.horizon_ms)
    if p.first_ms == NEVER:
        p.rescore_ms = grid_after(now, DAY_MS, int(p.hash % np.uint64(DAY_MS)), config.tick_ms)
        enrol(rows, p, choice, known, config.example_customers)
        p.first_ms = q.first_ms
    p.first_ms = min(p.first_ms, q.first_ms)
    p.now_ms = now
    _join_decayed(p, q, horizon)
    join_told(p, q)
    join_lately(p, q)
    for k in range(p.last_kind.shape[0]):
        p.last_kind[k] = max(p.last_kind[k], q.last_kind[k])
        p.total[k] += q.total[k]
    _join_rings(p, q)
    p.revenue += q.revenue
    p.refunded += q.refunded
    _join_orders(p, q, repeated, horizon)
    derive(p, acc, horizon)
    # Of an order that both know it is not known whether it was discounted: of too many, as many as there are orders.
    p.discounted = min(p.discounted + q.discounted, int(p.derived[A_ORDERS]))
    p.interested = max(p.interested, q.interested)
    buy(p, q.bought, q.bought_ms)
    p.coupons = min(p.coupons + q.coupons, p.fold_orders + p.ring_n)
    _join_messages(p, q)
    for k in range(q.view_n - 1, -1, -1):
        remember_view(p, q.view_product[k], q.view_ms[k])
    for k in range(q.page.shape[0]):
        if q.page[k] != 0:
            remember_page(p, q.page[k], q.page_ms[k])
    for k in range(q.seen_n - 1, -1, -1):
        look(p, q.seen_product[k], q.seen_category[k], q.seen_ms[k])
    for k in range(q.moment_n):
        keep_moment(p, q.moment_ms[k])
    p.crowded_ms = max(p.crowded_ms, q.crowded_ms)
    if p.peak.shape[0] > 0 and (math.isnan(p.peak[0]) or q.peak[0] > p.peak[0]):
        p.peak[0] = q.peak[0]
        p.peak_ms[0] = q.peak_ms[0]
    _join_pending(p, q)
    if p.example_ms == FAR and q.example_ms != FAR:
        phase = int(p.hash % np.uint64(config.example_every_ms))
        p.example_ms = grid_after(now, config.example_every_ms, phase, config.tick_ms)
    p.due_ms = next_due(p, now, reading.clocks, reading.hourly, config.horizon_ms, config.tick_ms)
    schedule(p, into, heap)


def categories_in_lists(p: Any, q: Any) -> dict[int, int]:
    """The categories that are in a list of one of two rows, with their lists as bits."""
    found: dict[int, int] = {}
    for row in (p, q):
        for category, lists in zip(row["seen_category"].tolist(), row["seen_lists"].tolist(), strict=False):
            if lists:
                found[category] = found.get(category, 0) | lists
    return found


def keep_lists(p: Any, lists: Mapping[int, int]) -> dict[int, int]:
    """Let categories be in these lists, each as bits; those that are no longer among the last views."""
    gone = {}
    for category, inside in lists.items():
        of = p["seen_category"] == category
        if of.any():
            p["seen_lists"][of] = inside
        else:
            gone[category] = inside
    return gone


@compiled
def leave(q: Any, choice: Any) -> None:
    """Count a customer no longer among those that may give examples."""
    if q.first_ms != NEVER:
        choice[2] -= np.uint64(1)
        if q.hash <= choice[0]:
            choice[1] -= np.uint64(1)


@compiled
def look_again(rows: Any, row: int, now: int, received: int, event: int, points: Any, scorer: Any, reading: Any,
               config: Any) -> None:  # fmt: skip
    """Write the first evaluation point: a row as it is at `now`, for event number `event`, or because it was merged."""
    horizon = float(config.horizon_ms)
    cause = _MERGED if event < 0 else 0
    write_point(rows[row], row, now, event, cause, 0, received, math.nan, math.nan, 0, points, scorer, reading, horizon)
    show(rows[row], now, now, True, reading.categories, points.seen[0])


@compiled
def _join_decayed(p: Any, q: Any, horizon: float) -> None:
    """Add the decayed counts as of the newest event of both."""
    age = decay(p, q.last_ms, horizon)
    e3 = math.exp2(-age / 3.0)
    e1 = e3 * e3 * e3
    e025 = e1 * e1
    e025 *= e025
    e004 = e025 * e025 * e025
    e004 *= e004
    for k in range(p.behaviour.shape[0]):
        p.behaviour[k, 0] += q.behaviour[k, 0] * e004
        p.behaviour[k, 1] += q.behaviour[k, 1] * e025
        p.behaviour[k, 2] += q.behaviour[k, 2] * e1
        p.behaviour[k, 3] += q.behaviour[k, 3] * e3
    p.cancels[0] += q.cancels[0] * e1
    p.cancels[1] += q.cancels[1] * e3


@compiled
def _add_ring(ring: Any, epoch: int, other: Any, other_epoch: int, marks: bool) -> None:
    """Add the buckets of another ring (kinds, span) that are still in the window; of marks, the bits."""
    span = ring.shape[1]
    for bucket in range(max(other_epoch, epoch) - span + 1, other_epoch + 1):
        for kind in range(ring.shape[0]):
            mine = int(ring[kind, bucket % span])
            more = int(other[kind, bucket % span])
            ring[kind, bucket % span] = mine | more if marks else min(mine + more, 65535)


@compiled
def _join_rings(p: Any, q: Any) -> None:
    roll(p.busy, p.hour_epoch, q.hour_epoch)
    roll(p.visited, p.day_epoch, q.day_epoch)
    p.hour_epoch = roll(p.hours, p.hour_epoch, q.hour_epoch)
    p.day_epoch = roll(p.days, p.day_epoch, q.day_epoch)
    _add_ring(p.busy, p.hour_epoch, q.busy, q.hour_epoch, False)
    _add_ring(p.hours, p.hour_epoch, q.hours, q.hour_epoch, False)
    _add_ring(p.days, p.day_epoch, q.days, q.day_epoch, False)
    _add_ring(p.visited, p.day_epoch, q.visited, q.day_epoch, True)


@compiled
def _in_ring(p: Any, n: int, ms: int, value: float) -> bool:
    found = False
    for k in range(n):
        found |= p.ring_ms[k] == ms and p.ring_value[k] == value
    return found


@compiled
def _join_orders(p: Any, q: Any, repeated: int, horizon: float) -> None:
    if q.fold_orders > 0:
        join_folds(p, q, horizon)
    for k in range(q.ring_n):
        if repeated > 0 and _in_ring(p, p.ring_n, q.ring_ms[k], q.ring_value[k]):
            repeated -= 1
            p.revenue -= q.ring_value[k]
            p.total[_COMPLETED] -= 1
            p.total[_ANY + p.total.shape[0]] -= 1
        else:
            add_order(p, q.ring_ms[k], q.ring_value[k], q.ring_lines[k], q.ring_quantity[k], horizon)


@compiled_allocating
def _join_messages(p: Any, q: Any) -> None:
    """Keep the last ids of both, by turns from the newest on, as no times are known of them."""
    span = p.message.shape[0]
    kept = np.empty(span, np.uint64)
    mine = min(p.message_n, span)
    more = min(q.message_n, span)
    n = taken = given = 0
    while n < span and (taken < mine or given < more):
        if taken < mine and (taken <= given or given >= more):
            taken += 1
            kept[n] = p.message[(p.message_n - taken) % span]
        else:
            given += 1
            kept[n] = q.message[(q.message_n - given) % span]
        n += 1
    for k in range(n):
        p.message[k] = kept[n - 1 - k]
    p.message_n = n


@compiled
def _join_pending(p: Any, q: Any) -> None:
    """Keep the times of waiting examples of both, in order, each once; of too many, those that resolve first."""
    span = p.pending_ms.shape[0]
    for k in range(q.pending_n):
        ms = q.pending_ms[k]
        place = p.pending_n
        while place > 0 and p.pending_ms[place - 1] >= ms:
            place -= 1
        if (place < p.pending_n and p.pending_ms[place] == ms) or place == span:
            continue
        for i in range(min(p.pending_n, span - 1), place, -1):
            p.pending_ms[i] = p.pending_ms[i - 1]
        p.pending_ms[place] = ms
        p.pending_n = min(p.pending_n + 1, span)
