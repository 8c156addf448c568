"""Windows: hour and day rings whose bucket is a function of event time alone, so that adding commutes."""

from typing import Any

import numpy as np

from scoring.compiled import compiled
from scoring.profile import DAY_MS, HOUR_MS

__all__ = ["count_days", "count_hours", "days_with", "ring_add", "ring_mark", "roll"]


@compiled
def roll(ring: Any, epoch: int, bucket: int) -> int:
    """Clear the buckets between the newest so far and `bucket`; return the newest.

    `ring` is (kinds, span) of unsigned integers. O(kinds x buckets cleared), never more than one round.
    """
    if bucket <= epoch:
        return epoch
    span = ring.shape[1]
    steps = min(bucket - epoch, span)
    for step in range(steps):
        slot = (bucket - step) % span
        for kind in range(ring.shape[0]):
            ring[kind, slot] = 0
    return bucket


@compiled
def ring_add(ring: Any, kind: int, epoch: int, bucket: int) -> None:
    """Count one event in `bucket`, unless it has left the window; counts saturate at 65,535."""
    span = ring.shape[1]
    if bucket > epoch - span and ring[kind, bucket % span] < 65535:
        ring[kind, bucket % span] += 1


@compiled
def ring_mark(ring: Any, epoch: int, bucket: int, bit: int) -> None:
    """Set a bit of `bucket` in a ring (1, span) uint32, unless the bucket has left the window."""
    span = ring.shape[1]
    if bucket > epoch - span:
        ring[0, bucket % span] |= np.uint32(1) << np.uint32(bit)


@compiled
def _count(ring: Any, kind: int, epoch: int, newest: int, n: int) -> int:
    span = ring.shape[1]
    oldest = max(newest - n + 1, epoch - span + 1)
    kept = min(newest, epoch) + 1 - oldest
    total = 0
    slot = oldest % span
    for _ in range(kept):  # a division for each bucket would take as long as all the rest
        total += ring[kind, slot]
        slot += 1
        if slot == span:
            slot = 0
    return total


@compiled
def count_hours(ring: Any, kind: int, epoch: int, now_ms: int, n: int) -> int:
    """Events in the `n` hour buckets that end with the hour of `now_ms`."""
    return _count(ring, kind, epoch, now_ms // HOUR_MS, n)


@compiled
def count_days(ring: Any, kind: int, epoch: int, now_ms: int, n: int) -> int:
    """Events in the `n` day buckets (UTC) that end with the day of `now_ms`."""
    return _count(ring, kind, epoch, now_ms // DAY_MS, n)


@compiled
def days_with(ring: Any, kind: int, epoch: int, now_ms: int, n: int) -> int:
    """On how many of those `n` days there was an event."""
    span = ring.shape[1]
    newest = now_ms // DAY_MS
    oldest = max(newest - n + 1, epoch - span + 1)
    kept = min(newest, epoch) + 1 - oldest
    total = 0
    slot = oldest % span
    for _ in range(kept):
        if ring[kind, slot] > 0:
            total += 1
        slot += 1
        if slot == span:
            slot = 0
    return total
