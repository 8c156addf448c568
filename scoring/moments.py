"""Moments: times ahead at which a customer's orders, products and the like are to be looked at again."""

from typing import Any

from scoring.compiled import compiled
from scoring.profile import DAY_MS
from scoring.rules.columns import Expected

__all__ = ["DELIVERY", "REPLENISHMENT", "expect", "keep_moment", "passed"]

DELIVERY, REPLENISHMENT = -1 - int(Expected.DELIVERY), -1 - int(Expected.REPLENISHMENT)
"""In place of a kind in an object clock: the age counts from the time at which that is to be expected."""


@compiled
def keep_moment(p: Any, ms: int) -> None:
    """Keep a time, in order, once; the last of too many is left to the daily looks."""
    span = p.moment_ms.shape[0]
    place = p.moment_n
    while place > 0 and p.moment_ms[place - 1] >= ms:
        place -= 1
    if place < p.moment_n and p.moment_ms[place] == ms:
        return
    if p.moment_n == span:
        p.crowded_ms = max(p.crowded_ms, ms if place == span else p.moment_ms[span - 1])
        if place == span:
            return
        p.moment_n -= 1
    for k in range(p.moment_n, place, -1):
        p.moment_ms[k] = p.moment_ms[k - 1]
    p.moment_ms[place] = ms
    p.moment_n += 1


@compiled
def expect(p: Any, events: Any, i: int, now: int, clocks: Any) -> None:
    """Keep the times after `now` at which time alone can change what rules say of the objects of event `i`.

    `clocks` is (k, 2): a kind, `DELIVERY` or `REPLENISHMENT`, and an age in ms.
    """
    for c in range(clocks.shape[0]):
        kind = clocks[c, 0]
        age = clocks[c, 1]
        since = 0
        last = 0
        if kind == events.kind[i]:
            since = events.time_ms[i]
        elif kind == DELIVERY:
            since = events.promised_ms[i]
        elif kind == REPLENISHMENT:
            since = events.replenish_ms[i]
            last = events.replenish_last_ms[i]
        if since > 0 and since + age > now:
            keep_moment(p, since + age)
        if last > since:
            p.crowded_ms = max(p.crowded_ms, last + age)


@compiled
def passed(p: Any, now: int, daily: bool) -> bool:
    """Forget the times up to `now`; whether there were any, or one that had no place, at a daily look."""
    gone = 0
    while gone < p.moment_n and p.moment_ms[gone] <= now:
        gone += 1
    for k in range(gone, p.moment_n):
        p.moment_ms[k - gone] = p.moment_ms[k]
    p.moment_n -= gone
    return gone > 0 or (daily and p.crowded_ms > now - DAY_MS)
