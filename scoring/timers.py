"""Timers: when time alone can next change anything for a customer, and the heap of rows that are due.

The heap is lazy: a row whose due time moves later keeps its entry and is put back when that comes up, so that
a click costs no heap work.
"""

from typing import Any

from scoring.compiled import compiled
from scoring.profile import FAR, NEVER

__all__ = ["grid_after", "next_due", "pop", "push", "schedule", "tick_up"]


@compiled
def tick_up(ms: int, tick: int) -> int:
    """`ms`, rounded up to the tick."""
    return int(-(-ms // tick) * tick)


@compiled
def grid_after(ms: int, every: int, phase: int, tick: int) -> int:
    """The first tick later than `ms` of the grid `phase + k * every`, a grid rounded up to ticks."""
    shift = phase % every
    base = (ms - shift) // every * every + shift
    while tick_up(base, tick) <= ms:
        base += every
    return tick_up(base, tick)


@compiled
def next_due(p: Any, now: int, clocks: Any, hourly: bool, horizon_ms: int, tick: int) -> int:
    """The first tick after `now` at which time alone can change a predicate, an example or the daily score.

    `clocks` is (k, 2) int64: a kind and a threshold in ms that some rule compares its age with. O(k).
    """
    due = min(p.rescore_ms, p.example_ms)
    if p.moment_n > 0:
        due = min(due, tick_up(p.moment_ms[0], tick))
    if p.pending_n > 0:
        due = min(due, tick_up(p.pending_ms[0] + horizon_ms, tick))
    for i in range(clocks.shape[0]):
        last = p.last_kind[clocks[i, 0]]
        if last != NEVER:
            at = last + clocks[i, 1]
            if now < at < due:
                due = min(due, tick_up(at, tick))
    if hourly and p.hour_epoch >= now // 3_600_000 - p.hours.shape[1]:
        due = min(due, tick_up((now // 3_600_000 + 1) * 3_600_000, tick))
    return int(due)


@compiled
def _before(ms: Any, mark: Any, i: int, j: int) -> bool:
    return bool(ms[i] < ms[j] or (ms[i] == ms[j] and mark[i] < mark[j]))


@compiled
def _swap(heap: Any, i: int, j: int) -> None:
    heap.ms[i], heap.ms[j] = heap.ms[j], heap.ms[i]
    heap.mark[i], heap.mark[j] = heap.mark[j], heap.mark[i]
    heap.row[i], heap.row[j] = heap.row[j], heap.row[i]


@compiled
def push(heap: Any, ms: int, mark: int, row: int) -> None:
    """Add an entry; the caller sees to it that there is room. O(log n)."""
    i = heap.n[0]
    heap.ms[i] = ms
    heap.mark[i] = mark
    heap.row[i] = row
    heap.n[0] = i + 1
    while i > 0:
        parent = (i - 1) // 2
        if not _before(heap.ms, heap.mark, i, parent):
            break
        _swap(heap, i, parent)
        i = parent


@compiled
def pop(heap: Any) -> int:
    """Take the first entry by (time, stable hash of the customer) off and return its row. O(log n)."""
    row = heap.row[0]
    n = heap.n[0] - 1
    heap.n[0] = n
    heap.ms[0] = heap.ms[n]
    heap.mark[0] = heap.mark[n]
    heap.row[0] = heap.row[n]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= n:
            break
        if child + 1 < n and _before(heap.ms, heap.mark, child + 1, child):
            child += 1
        if not _before(heap.ms, heap.mark, child, i):
            break
        _swap(heap, i, child)
        i = child
    return int(row)


@compiled
def schedule(p: Any, row: int, heap: Any) -> None:
    """Make sure that the heap brings the row up when it is due, or earlier."""
    if p.due_ms < p.queued_ms and p.due_ms < FAR:
        push(heap, p.due_ms, p.hash, row)
        p.queued_ms = p.due_ms
