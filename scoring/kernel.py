"""Kernel: applies events to rows in order, runs the ticks that fall due between them, and scores each moment."""

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from scoring.compiled import compiled
from scoring.features import features
from scoring.kinds import INTEREST_KINDS, N_INPUTS, N_KINDS, Kind
from scoring.moments import expect, passed
from scoring.orders import add_order, derive, orders_between
from scoring.profile import DAY_MS, FAR, HOUR_MS, NEVER
from scoring.readings import read_columns, read_facts
from scoring.recent import bought, favourite_category, favourite_product, hear, look, within
from scoring.rules.columns import ANY, VISIT_KINDS, VISITED
from scoring.timers import grid_after, next_due, pop, schedule
from scoring.windows import ring_add, ring_mark, roll

__all__ = [
    "ACTIVE",
    "APPLIED",
    "AUTOMATED",
    "DONE",
    "DUPLICATE",
    "ERASED",
    "EXAMPLE",
    "FULL",
    "HEAP",
    "LATE",
    "MERGED",
    "OBJECTS",
    "PASSED_ON",
    "RESCORE",
    "SKIPPED",
    "SWAP",
    "UNTAUGHT",
    "Config",
    "Events",
    "Heap",
    "Points",
    "Reading",
    "admit",
    "buy",
    "decay",
    "derive_rows",
    "enrol",
    "remember_page",
    "remember_view",
    "reschedule",
    "run",
    "score_rows",
    "settle",
    "show",
    "watermarks",
    "write_point",
]

Int = npt.NDArray[np.int64]
Float = npt.NDArray[np.float64]
Unsigned = npt.NDArray[np.uint64]

APPLIED, DUPLICATE, LATE, SKIPPED, PASSED_ON, ERASED = 0, 1, 2, 3, 4, 5
"""What becomes of an event; `SKIPPED` was already applied to this row before a crash and is counted as applied, and so
is what is passed on to another partition. `ERASED` is of somebody who was forgotten, and counted as ignored."""

EXAMPLE, RESCORE, ACTIVE, AUTOMATED, OBJECTS, MERGED = 1, 2, 4, 8, 16, 32
"""Bits of a point's cause: an example is made here, the daily score is taken here, of one seen within the horizon;
the customer is a machine by the number of events; what rules say of the customer's orders or products may change; two
customers turned out to be one."""

UNTAUGHT = -1
"""The label of an example that nothing is to be learned from: its customer is a machine."""

DONE, FULL, SWAP, HEAP = 0, 1, 2, 3
"""Why the kernel returned: all events applied, no room for points, a new model takes effect, no room in the heap."""

_PAGE, _LIST_VIEWED = int(Kind.PAGE), int(Kind.LIST_VIEWED)
_VIEWED, _CARTED, _WISHED = int(Kind.PRODUCT_VIEWED), int(Kind.PRODUCT_ADDED), int(Kind.WISHLIST_ADDED)
_COMPLETED, _CANCELLED = int(Kind.ORDER_COMPLETED), int(Kind.ORDER_CANCELLED)
_REFUNDED = int(Kind.ORDER_REFUNDED)
_ANY, _VISITED = ANY, VISITED
_IS_INTEREST = np.array([kind in INTEREST_KINDS for kind in range(N_KINDS)])
_IS_VISIT = np.array([kind in VISIT_KINDS for kind in range(N_KINDS)])


class Events(NamedTuple):
    """A run of events in the order of input, one element an event in each column.

    `discounted` is 1 of an order with a coupon or a discount.
    `product` of an order is the first of its lines, of a page the page; `coupon` is 1 where an order came with one.
    `value` is the worth of an order, what a survey, review or feedback gives, or the balance of points; NaN for none.
    `category` is that of a view, or of an order all of whose products are in one, 0 for none.
    Of an order: when it is promised (0: not), and when the first and the last of its products will be used up.
    """

    row: Int
    time_ms: Int
    kind: Int
    source: Int
    offset: Int
    message: Unsigned
    product: Unsigned
    category: Unsigned
    value: Float
    lines: Float
    quantity: Float
    discounted: Int
    coupon: Int
    cart_items: Int
    cart_value: Float
    promised_ms: Int
    replenish_ms: Int
    replenish_last_ms: Int
    received_ms: Int
    watermark_ms: Int
    status: Int

    @classmethod
    def blank(cls, n: int) -> "Events":
        """Room for `n` events, all zero; `cart_items` is -1, that is not told."""
        unsigned, real = {"message", "product", "category"}, {"value", "lines", "quantity", "cart_value"}
        kinds = ("u8" if name in unsigned else "f8" if name in real else "i8" for name in cls._fields)
        events = cls._make(np.zeros(n, kind) for kind in kinds)
        events.cart_items[:] = -1
        return events


class Heap(NamedTuple):
    """The rows that are due, by time and then by a stable hash of the customer."""

    ms: Int
    mark: Unsigned
    row: Int
    n: Int


class Reading(NamedTuple):
    """What the rules ask for: columns of rows (k, 4), clocks (k, 2), and the ring slot of each kind, -1 for none.

    A column's place among those of a point comes before its operation and arguments.

    `object_clocks` (k, 2) are those of orders, products and the like (`scoring.moments`); `favourites` says whether a
    point shows the product and the category that were looked at most, `most_category` whether any rule asks for that
    category, `categories` where a point shows all last views, for rules for each category: nowhere (0), where they are
    not what they were at the customer's point before (1), or always (2), as rules read something else, too.
    """

    columns: Int
    clocks: Int
    day_slot: Int
    hour_slot: Int
    hourly: bool
    object_clocks: Int = np.zeros((0, 2), np.int64)
    favourites: bool = False
    most_category: bool = True
    categories: int = 0


class Config(NamedTuple):
    """Scalars of the kernel, times in ms."""

    horizon_ms: int
    tick_ms: int
    window_ms: int
    example_every_ms: int
    active_ms: int
    example_customers: int
    automated_per_hour: int


class Points(NamedTuple):
    """Room for evaluation points, in order: (m,) each, `X` (m, F), `columns` (m, C).

    `visited` (m, 28) has the hours with a visit as bits, by day modulo 28.
    `facts` (m, FACTS) is what types and values follow from (`scoring.types.Facts`).
    `viewed` (m, V + 2 + WITHIN) are the last products, then the one product and the one category looked at most, then
    the products last seen in that category, 0 for none; `viewed_ms` (m, V) is when the last products were viewed.
    `page` (m, P) are the last pages, 0 for none, `page_ms` (m, P) when each was looked at last.
    `bought` is the first product of the last order, at `bought_ms`; `coupons` how many orders came with one.
    `seen` has the last views and orders, in the fields of a row, `seen_n` -1 where they are not shown; `gone` is the
    category that is no longer among them where it was in lists, those of `gone_lists` as bits.
    `event` is the causing event, -1 for a tick; `at` how many events of the run were applied by then;
    `received_ms` when the record was received that caused the point or moved the watermark to it.
    """

    row: Int
    time_ms: Int
    event: Int
    cause: Int
    at: Int
    received_ms: Int
    X: Float
    logit: Float
    columns: Float
    facts: Float
    viewed: Unsigned
    viewed_ms: Int
    page: Unsigned
    page_ms: Int
    bought: Unsigned
    bought_ms: Int
    coupons: Int
    visited: npt.NDArray[np.uint32]
    seen: npt.NDArray[np.void]
    gone: Unsigned
    gone_lists: Int
    resolved_row: Int
    resolved_made_ms: Int
    resolved_label: Int
    resolved_ms: Int


@compiled
def watermarks(events: Any, seen: Any, behind: Any, watermark: int) -> int:
    """Fill `events.watermark_ms` with the watermark at each event; return that after the last. O(n).

    Events of other sources than the inputs leave it where it is.
    """
    for i in range(events.row.shape[0]):
        ms = events.time_ms[i]
        source = events.source[i]
        if source >= seen.shape[0]:
            events.watermark_ms[i] = watermark
            continue
        seen[source] = max(seen[source], ms)
        least = FAR
        newest = NEVER
        for s in range(seen.shape[0]):
            newest = max(newest, seen[s])
            if behind[s] != 0:
                least = min(least, seen[s])
        watermark = max(watermark, newest if least == FAR else least)
        events.watermark_ms[i] = watermark
    return watermark


@compiled
def admit(rows: Any, events: Any, window_ms: int) -> None:
    """Decide for each event whether it counts: fill `events.status`.

    Already applied to its row (by offset), late by more than the window (what another partition passed on was not late
    there), or a message id among the last ones of its
    customer. Those without a row (-1) are late ones of customers of whom nothing else is known. O(n x message ring).
    """
    for i in range(events.row.shape[0]):
        if events.row[i] < 0:
            events.status[i] = LATE
            continue
        source = events.source[i]
        p = rows[events.row[i]]
        if events.offset[i] <= p.applied[source]:
            events.status[i] = SKIPPED
            continue
        p.applied[source] = events.offset[i]
        if source < N_INPUTS and events.time_ms[i] < events.watermark_ms[i] - window_ms:
            events.status[i] = LATE
            continue
        message = events.message[i]
        span = p.message.shape[0]
        status = APPLIED
        for k in range(min(p.message_n, span)):
            if p.message[k] == message:
                status = DUPLICATE
                break
        events.status[i] = status
        if status == APPLIED:
            p.message[p.message_n % span] = message
            p.message_n += 1
            if p.message_n >= 2 * span:
                p.message_n -= span


@compiled
def decay(p: Any, ms: int, horizon: float) -> float:
    """Bring the decayed counts to the newest event; return the age in horizons of an event that is older."""
    age = float(ms - p.last_ms) / horizon
    if p.last_ms == NEVER:
        p.last_ms = ms
        return 0.0
    if age <= 0.0:
        return -age
    e3 = math.exp2(-age / 3.0)
    e1 = e3 * e3 * e3
    e025 = e1 * e1
    e025 *= e025
    e004 = e025 * e025 * e025
    e004 *= e004
    for k in range(p.behaviour.shape[0]):
        p.behaviour[k, 0] *= e004
        p.behaviour[k, 1] *= e025
        p.behaviour[k, 2] *= e1
        p.behaviour[k, 3] *= e3
    p.cancels[0] *= e1
    p.cancels[1] *= e3
    p.last_ms = ms
    return 0.0


@compiled
def remember_view(p: Any, product: int, ms: int) -> None:
    """Keep the last distinct products viewed, newest first, each with its last time."""
    p.view_n = _keep_newest(p.view_product, p.view_ms, p.view_n, product, ms)


@compiled
def remember_page(p: Any, page: int, ms: int) -> None:
    """Keep the last distinct pages looked at, where any are kept, newest first, each with its last time."""
    n = 0
    while n < p.page.shape[0] and p.page[n] != 0:
        n += 1
    if p.page.shape[0] > 0:
        _keep_newest(p.page, p.page_ms, n, page, ms)


@compiled
def _keep_newest(numbers: Any, times: Any, n: int, number: int, ms: int) -> int:
    """Keep the last of `n` distinct numbers, newest first, each with its last time; return how many there are."""
    span = numbers.shape[0]
    place = n
    for k in range(n):
        if numbers[k] == number:
            if times[k] >= ms:
                return n
            place = k
            break
    if place == n:
        if n < span:
            n += 1
        else:
            place = span - 1
            if ms < times[place] or (ms == times[place] and number < numbers[place]):
                return n
    while place > 0 and (times[place - 1] < ms or (times[place - 1] == ms and numbers[place - 1] < number)):
        times[place] = times[place - 1]
        numbers[place] = numbers[place - 1]
        place -= 1
    times[place] = ms
    numbers[place] = number
    return n


@compiled
def _count(p: Any, kind: int, ms: int, reading: Any) -> None:
    """First and last times, totals and rings of the event's kind and of the pseudo-kinds it belongs to."""
    p.first_ms = ms if p.first_ms == NEVER else min(p.first_ms, ms)
    hour = ms // HOUR_MS
    day = ms // DAY_MS
    roll(p.busy, p.hour_epoch, hour)
    p.hour_epoch = roll(p.hours, p.hour_epoch, hour)
    roll(p.visited, p.day_epoch, day)
    p.day_epoch = roll(p.days, p.day_epoch, day)
    ring_add(p.busy, 0, p.hour_epoch, hour)
    kept = p.total.shape[0]
    for which in range(3):
        slot = place = kind
        if which == 1:
            slot = _ANY + N_KINDS
            place = _ANY + kept
        elif which == 2:
            if not _IS_VISIT[kind]:
                break
            slot = _VISITED + N_KINDS
            place = _VISITED + kept
            ring_mark(p.visited, p.day_epoch, day, hour % 24)
        if which > 0 or place < kept + _VISITED:
            p.last_kind[place] = max(p.last_kind[place], ms)
            p.total[place] += 1
        if reading.day_slot[slot] >= 0:
            ring_add(p.days, reading.day_slot[slot], p.day_epoch, day)
        if reading.hour_slot[slot] >= 0:
            ring_add(p.hours, reading.hour_slot[slot], p.hour_epoch, hour)


@compiled
def buy(p: Any, product: Any, ms: int) -> None:
    """Remember what was bought last, of several at one moment that with the greatest number."""
    if ms > p.bought_ms or (ms == p.bought_ms and product > p.bought):
        p.bought = product
        p.bought_ms = ms


@compiled
def _apply(p: Any, events: Any, i: int, reading: Any, horizon: float, acc: Any) -> tuple[float, bool, Any, int]:
    """Apply event `i` to its row; return the order's rank, NaN where it is no order, and what came of the last views.

    That is whether there is one more of them or an order, and what `look` returns.
    """
    looked, gone, lists = False, np.uint64(0), 0
    ms = events.time_ms[i]
    kind = events.kind[i]
    age = decay(p, ms, horizon)
    hear(p, kind, ms, events.value[i])
    _count(p, kind, ms, reading)
    which = 0 if kind == _VIEWED else 1 if kind == _CARTED else 2 if kind == _WISHED else -1
    if which >= 0:
        p.behaviour[which, 0] += math.exp2(-age * 24.0)
        p.behaviour[which, 1] += math.exp2(-age * 4.0)
        p.behaviour[which, 2] += math.exp2(-age)
        p.behaviour[which, 3] += math.exp2(-age / 3.0)
    if kind == _VIEWED and events.product[i] != 0:
        remember_view(p, events.product[i], ms)
    if kind == _PAGE and events.product[i] != 0:
        remember_page(p, events.product[i], ms)
    if (kind == _VIEWED and events.product[i] != 0) or (kind == _LIST_VIEWED and events.category[i] != 0):
        looked = True
        gone, lists = look(p, events.product[i], events.category[i], ms)
    if events.cart_items[i] >= 0:
        p.cart_items = events.cart_items[i]
        p.cart_value = events.cart_value[i]
    if _IS_INTEREST[kind]:
        p.interested = 1
    rank = math.nan
    if kind == _COMPLETED:
        buy(p, events.product[i], ms)
        p.coupons += events.coupon[i]
        p.revenue += events.value[i]
        p.discounted += events.discounted[i]
        rank = float(add_order(p, ms, events.value[i], events.lines[i], events.quantity[i], horizon))
        derive(p, acc, horizon)
        looked = True
        gone, lists = bought(p, events.category[i], ms)
    elif kind in (_CANCELLED, _REFUNDED):
        p.refunded += events.value[i]
        p.cancels[0] += math.exp2(-age)
        p.cancels[1] += math.exp2(-age / 3.0)
        if kind == _CANCELLED:
            rank = 0.0
    return rank, looked, gone, lists


@compiled
def _logit(x: Any, scorer: Any) -> float:
    """The log-odds of one feature row (F,), as `scoring.model.linear_logits` has them."""
    logit = scorer.intercept
    for j in range(x.shape[0]):
        if scorer.weight[j] != 0.0:
            z = (x[j] - scorer.mean[j]) * scorer.inv_sd[j]
            logit += scorer.weight[j] * min(max(z, -scorer.clip), scorer.clip)
    return float(logit)


@compiled
def score_rows(rows: Any, chosen: Any, now: int, scorer: Any, horizon: float, X: Any, logit: Any) -> None:
    """Write features `X` (n, F) and log-odds `logit` (n,) of the rows `chosen` (n,) as of `now`; the rows stay."""
    for i in range(chosen.shape[0]):
        features(rows[chosen[i]], now, horizon, X[i])
        logit[i] = _logit(X[i], scorer)


@compiled
def write_point(p: Any, row: int, now: int, event: int, cause: int, at: int, received: int, value: float, rank: float,
           m: int, points: Any, scorer: Any, reading: Any, horizon: float) -> None:  # fmt: skip
    """Write evaluation point `m`: features, score and columns as of `now`."""
    points.row[m] = row
    points.time_ms[m] = now
    points.event[m] = event
    points.cause[m] = cause
    points.at[m] = at
    points.received_ms[m] = received
    x = points.X[m]
    features(p, now, horizon, x)
    points.logit[m] = _logit(x, scorer)
    read_facts(p, now, horizon, points.facts[m])
    most, product, often, spent, category = 0, -1, 0, 0, -1
    if p.seen_ms.shape[0] > 0:
        most, product = favourite_product(p)
        if reading.most_category:
            often, spent, category = favourite_category(p, now)
    read_columns(p, now, reading, horizon, value, rank, (most, often, spent), points.columns[m])
    kept = p.view_product.shape[0]
    # A plain 0 would make both of them floats, which lose the last digits of an id.
    for k in range(kept):
        points.viewed[m, k] = p.view_product[k] if k < p.view_n else np.uint64(0)
        points.viewed_ms[m, k] = p.view_ms[k]
    for k in range(p.page.shape[0]):
        points.page[m, k] = p.page[k]
        points.page_ms[m, k] = p.page_ms[k]
    points.bought[m] = p.bought
    points.bought_ms[m] = p.bought_ms
    points.coupons[m] = p.coupons
    for k in range(points.visited.shape[1]):
        points.visited[m, k] = p.visited[0, k]
    points.gone_lists[m] = 0
    if reading.favourites:
        points.viewed[m, kept] = p.seen_product[product] if product >= 0 else np.uint64(0)
        seen_in = p.seen_category[category] if category >= 0 else np.uint64(0)
        points.viewed[m, kept + 1] = seen_in
        within(p, now, seen_in, points.viewed[m, kept + 2 :])


@compiled
def show(p: Any, before: int, now: int, looked: bool, categories: int, seen: Any) -> None:
    """Copy the last views and orders where they are to be asked about, as they are not what they were `before`."""
    shown = categories > 1 or looked
    for k in range(p.seen_n if categories == 1 and not looked else 0):
        shown = shown or before - DAY_MS < p.seen_ms[k] <= now - DAY_MS
    seen.seen_n = p.seen_n if categories > 0 and shown else -1
    for k in range(seen.seen_n):
        seen.seen_product[k] = p.seen_product[k]
        seen.seen_category[k] = p.seen_category[k]
        seen.seen_ms[k] = p.seen_ms[k]
        seen.seen_lists[k] = p.seen_lists[k]


@compiled
def _automated(p: Any, now: int, per_hour: int) -> bool:
    """Whether there were more events in this UTC hour or the one before than a person makes."""
    hour = now // HOUR_MS
    for bucket in range(hour - 1, hour + 1):
        if p.hour_epoch - 2 < bucket <= p.hour_epoch and p.busy[0, bucket % 2] > per_hour:
            return True
    return False


@compiled
def _chosen(p: Any, choice: Any, limit: int) -> bool:
    """Whether the customer gives examples: those with the smallest hashes do, at most about `limit` of them."""
    return bool(p.hash <= choice[0]) and limit > 0


@compiled
def enrol(rows: Any, p: Any, choice: Any, known: int, limit: int) -> None:
    """Count a new customer among those that give examples; halve the share of hashes when there are too many."""
    choice[2] += np.uint64(1)
    if p.hash <= choice[0]:
        choice[1] += np.uint64(1)
        if choice[1] > np.uint64(max(limit, 1)):
            choice[0] = choice[0] // np.uint64(2)
            n = np.uint64(0)
            for r in range(known):
                if rows[r].hash <= choice[0] and rows[r].first_ms != NEVER:
                    n += np.uint64(1)
            choice[1] = n + (np.uint64(1) if p.hash <= choice[0] else np.uint64(0))


@compiled
def _tick(rows: Any, row: int, at: int, received: int, heap: Any, choice: Any, points: Any, m: int, resolved: int,
          scorer: Any, reading: Any, config: Any) -> int:  # fmt: skip
    """Run the tick that row is due for: resolve, make an example, score; return how many labels are resolved."""
    p = rows[row]
    horizon = float(config.horizon_ms)
    due = p.due_ms
    before = p.now_ms
    now = max(due, before)
    p.now_ms = now
    automated = _automated(p, now, config.automated_per_hour)
    while p.pending_n > 0 and p.pending_ms[0] + config.horizon_ms <= due:
        made = p.pending_ms[0]
        points.resolved_row[resolved] = row
        points.resolved_made_ms[resolved] = made
        points.resolved_label[resolved] = 1 if orders_between(p, made, made + config.horizon_ms) > 0 else 0
        if automated:
            points.resolved_label[resolved] = UNTAUGHT
        points.resolved_ms[resolved] = due
        resolved += 1
        for k in range(1, p.pending_n):
            p.pending_ms[k - 1] = p.pending_ms[k]
        p.pending_n -= 1
    cause = AUTOMATED if automated else 0
    if p.example_ms <= due:
        active = now - p.last_ms <= config.active_ms
        if (
            active
            and not automated
            and p.pending_n < p.pending_ms.shape[0]
            and (p.pending_n == 0 or p.pending_ms[p.pending_n - 1] < now)
            and _chosen(p, choice, config.example_customers)
        ):
            cause |= EXAMPLE
            p.pending_ms[p.pending_n] = now  # two who became one may be further than a tick that was due to either
            p.pending_n += 1
        phase = int(p.hash % np.uint64(config.example_every_ms))
        p.example_ms = grid_after(due, config.example_every_ms, phase, config.tick_ms) if active else FAR
    if passed(p, now, p.rescore_ms <= due):
        cause |= OBJECTS
    if p.rescore_ms <= due:
        cause |= RESCORE
        if now - p.last_ms <= config.horizon_ms:
            cause |= ACTIVE
        p.rescore_ms = grid_after(due, DAY_MS, int(p.hash % np.uint64(DAY_MS)), config.tick_ms)
    write_point(p, row, now, -1, cause, at, received, math.nan, math.nan, m, points, scorer, reading, horizon)
    show(p, before, now, cause & RESCORE > 0, reading.categories, points.seen[m])
    p.score = points.logit[m]
    p.due_ms = next_due(p, now, reading.clocks, reading.hourly, config.horizon_ms, config.tick_ms)
    schedule(p, row, heap)
    return resolved


@compiled
def _drain(rows: Any, reach: int, at: int, received: int, heap: Any, choice: Any, points: Any, m: int, resolved: int,
           scorer: Any, reading: Any, config: Any) -> tuple[bool, int, int]:  # fmt: skip
    """Run the ticks due up to `reach`, by (time, hash of the customer); whether all are done, and what was written."""
    room = points.row.shape[0]
    resolved_room = points.resolved_row.shape[0] - 8
    while heap.n[0] > 0 and heap.ms[0] <= reach:
        if m >= room or resolved >= resolved_room:
            return False, m, resolved
        first = heap.ms[0]
        row = pop(heap)
        p = rows[row]
        if p.queued_ms != first:
            continue
        p.queued_ms = FAR
        if p.due_ms == first:
            resolved = _tick(rows, row, at, received, heap, choice, points, m, resolved, scorer, reading, config)
            m += 1
        else:
            schedule(p, row, heap)
    return True, m, resolved


@compiled
def run(rows: Any, known: int, events: Any, start: int, heap: Any, watermark: Any, until_ms: int, received_ms: int,
        stop_ms: int, choice: Any, points: Any, scorer: Any, reading: Any, config: Any,
        acc: Any) -> tuple[int, int, int, int]:  # fmt: skip
    """Apply events from `start` on, with the ticks between them; then ticks up to `until_ms`.

    A tick of any row runs once the watermark has reached it, in order of (time, hash of the customer); a row's own
    ticks run before its next event, whatever the watermark, so that they do not depend on slices. `watermark` is
    (2,): the watermark, and when the record was received that moved it there (`received_ms` for `until_ms`).

    Returns
    -------
    (why, event, m, resolved)
        Why it returned, the next event, how many points and resolved labels were written. On `SWAP` the watermark
        stands at `stop_ms` or beyond and all ticks before that are done.
    """
    m = 0
    resolved = 0
    room = points.row.shape[0]
    resolved_room = points.resolved_row.shape[0] - 8
    heap_room = heap.ms.shape[0] - 4
    n = events.row.shape[0]
    horizon = float(config.horizon_ms)
    i = start
    while True:
        # What is due at the present watermark comes before anything moves it: a run that ends here has done the same.
        reach = min(watermark[0], stop_ms)
        done, m, resolved = _drain(
            rows, reach, i, watermark[1], heap, choice, points, m, resolved, scorer, reading, config
        )
        if not done:
            return FULL, i, m, resolved
        if watermark[0] >= stop_ms:
            return SWAP, i, m, resolved
        target = events.watermark_ms[i] if i < n else until_ms
        if target > watermark[0]:
            watermark[0] = min(target, stop_ms)
            watermark[1] = events.received_ms[i] if i < n else received_ms
            continue
        if i >= n:
            return DONE, i, m, resolved
        if events.status[i] != APPLIED:
            i += 1
            continue
        row = events.row[i]
        p = rows[row]
        ms = events.time_ms[i]
        while p.due_ms <= ms:
            if m >= room or resolved >= resolved_room:
                return FULL, i, m, resolved
            if heap.n[0] >= heap_room:
                return HEAP, i, m, resolved
            resolved = _tick(rows, row, i, watermark[1], heap, choice, points, m, resolved, scorer, reading, config)
            m += 1
        if m >= room:
            return FULL, i, m, resolved
        if heap.n[0] >= heap_room:
            return HEAP, i, m, resolved
        if p.first_ms == NEVER:
            p.now_ms = ms
            p.rescore_ms = grid_after(ms, DAY_MS, int(p.hash % np.uint64(DAY_MS)), config.tick_ms)
            enrol(rows, p, choice, known, config.example_customers)
        rank, looked, gone, gone_lists = _apply(p, events, i, reading, horizon, acc)
        before = p.now_ms
        now = max(before, p.last_ms)
        p.now_ms = now
        if p.example_ms == FAR:
            phase = int(p.hash % np.uint64(config.example_every_ms))
            p.example_ms = grid_after(now, config.example_every_ms, phase, config.tick_ms)
        expect(p, events, i, now, reading.object_clocks)
        value = events.value[i] if rank == rank else math.nan
        cause = AUTOMATED if _automated(p, now, config.automated_per_hour) else 0
        write_point(
            p, row, now, i, cause, i + 1, events.received_ms[i], value, rank, m, points, scorer, reading, horizon
        )
        show(p, before, now, looked, reading.categories, points.seen[m])
        points.gone[m] = gone
        points.gone_lists[m] = gone_lists
        p.score = points.logit[m]
        m += 1
        p.due_ms = next_due(p, now, reading.clocks, reading.hourly, config.horizon_ms, config.tick_ms)
        schedule(p, row, heap)
        i += 1


@compiled
def settle(rows: Any, row: int, ms: int, watermark: Any, heap: Any, choice: Any, points: Any, scorer: Any, reading: Any,
           config: Any) -> tuple[bool, int, int]:  # fmt: skip
    """Run the ticks that a row is due for up to `ms`, as before an event of that time.

    Returns whether all are done (no room is left otherwise), and how many points and resolved labels were written.
    """
    m = 0
    resolved = 0
    p = rows[row]
    while p.due_ms <= ms:
        full = m >= points.row.shape[0] or resolved >= points.resolved_row.shape[0] - 8
        if full or heap.n[0] >= heap.ms.shape[0] - 4:
            return False, m, resolved
        resolved = _tick(rows, row, 0, watermark[1], heap, choice, points, m, resolved, scorer, reading, config)
        m += 1
    return True, m, resolved


@compiled
def derive_rows(rows: Any, known: int, acc: Any, horizon: float) -> None:
    """After a restore: derive what is not stored."""
    for row in range(known):
        derive(rows[row], acc, horizon)


@compiled
def reschedule(rows: Any, known: int, heap: Any, watermark_ms: int, reading: Any, config: Any) -> None:
    """Queue every row in an empty heap for its next tick, as the rules in force have it. O(n log n).

    Ticks up to the watermark are over: rules that hold only since then are not asked what they would have said.
    """
    over = watermark_ms // config.tick_ms * config.tick_ms
    for row in range(known):
        p = rows[row]
        p.queued_ms = FAR
        if p.first_ms != NEVER:
            now = max(p.now_ms, over)
            p.due_ms = next_due(p, now, reading.clocks, reading.hourly, config.horizon_ms, config.tick_ms)
        schedule(p, row, heap)
