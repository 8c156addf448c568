"""Recent: the last few views, the last times of some kinds, what was last told; in any order of arrival the same."""

import math
from typing import Any

import numpy as np

from scoring.compiled import compiled
from scoring.kinds import N_KINDS, Kind
from scoring.profile import DAY_MS
from scoring.rules.columns import LATELY_KINDS

__all__ = [
    "BOUGHT",
    "FEEDBACK_TOLD",
    "PEAK_TOLD",
    "POINTS_TOLD",
    "REVIEW_TOLD",
    "SURVEY_TOLD",
    "VISIT_MS",
    "WITHIN",
    "bought",
    "favourite_category",
    "favourite_product",
    "hear",
    "join_lately",
    "join_told",
    "lists_of",
    "look",
    "put_in_lists",
    "seen_dtype",
    "within",
]

SURVEY_TOLD, REVIEW_TOLD, FEEDBACK_TOLD, POINTS_TOLD, PEAK_TOLD = range(5)
"""Places of a row's `told`."""
WITHIN = 4
"""Products of the category looked at most that a point shows."""

_TOLD_BY = {
    Kind.SURVEY: SURVEY_TOLD,
    Kind.REVIEWED: REVIEW_TOLD,
    Kind.FEEDBACK: FEEDBACK_TOLD,
    Kind.POINTS: POINTS_TOLD,
}
_TOLD_SLOT = np.array([_TOLD_BY.get(kind, -1) for kind in range(N_KINDS)])  # type: ignore[call-overload]
_LATELY_SLOT = np.array([LATELY_KINDS.index(kind) if kind in LATELY_KINDS else -1 for kind in range(N_KINDS)])
_COMPLETED = int(Kind.ORDER_COMPLETED)
BOUGHT = np.uint64(2**64 - 1)
"""In place of a product among the last views: an order."""
VISIT_MS = 1_800_000
"""What comes later than this after a view belongs to another visit."""


def seen_dtype(span: int) -> np.dtype[np.void]:
    """What a point has of a row's last views and orders, under the row's names."""
    fields = ("seen_n", "i8"), ("seen_product", "u8", span), ("seen_category", "u8", span), ("seen_ms", "i8", span)
    return np.dtype([*fields, ("seen_lists", "u1", span)], align=True)


@compiled
def hear(p: Any, kind: int, ms: int, value: float) -> None:
    """Note what an event tells (NaN: nothing) and when it was; to be called before its kind's last time moves on.

    Of two at one moment the greater number stands.
    """
    slot = _TOLD_SLOT[kind]
    if slot >= 0 and p.told.shape[0] > 0:
        last = p.last_kind[kind]
        if ms > last or (ms == last and (value > p.told[slot] or math.isnan(p.told[slot]))):
            p.told[slot] = value
        if slot == POINTS_TOLD and (value > p.told[PEAK_TOLD] or math.isnan(p.told[PEAK_TOLD])):
            p.told[PEAK_TOLD] = value
    slot = _LATELY_SLOT[kind]
    if slot >= 0:
        times = p.lately_ms[slot]
        for k in range(times.shape[0]):
            if ms > times[k]:
                times[k], ms = ms, times[k]


@compiled
def join_told(p: Any, q: Any) -> None:
    """Take what another row was told later; to be called before the last times move on."""
    if p.told.shape[0] == 0:
        return
    for kind in range(N_KINDS):
        slot = _TOLD_SLOT[kind]
        if slot >= 0:
            mine = p.last_kind[kind]
            more = q.last_kind[kind]
            if more > mine or (more == mine and (q.told[slot] > p.told[slot] or math.isnan(p.told[slot]))):
                p.told[slot] = q.told[slot]
    if q.told[PEAK_TOLD] > p.told[PEAK_TOLD] or math.isnan(p.told[PEAK_TOLD]):
        p.told[PEAK_TOLD] = q.told[PEAK_TOLD]


@compiled
def join_lately(p: Any, q: Any) -> None:
    """Keep the last times of both."""
    for slot in range(p.lately_ms.shape[0]):
        times = p.lately_ms[slot]
        for i in range(times.shape[0]):
            ms = q.lately_ms[slot, i]
            for k in range(times.shape[0]):
                if ms > times[k]:
                    times[k], ms = ms, times[k]


@compiled
def look(p: Any, product: Any, category: Any, ms: int) -> tuple[Any, int]:
    """Keep a view among the last views and orders, newest first.

    Returns the category that is no longer among them where it is in lists of categories, and those lists as bits.
    """
    n = p.seen_n
    span = p.seen_ms.shape[0]
    nothing = np.uint64(0), 0
    place = n
    while place > 0:
        k = place - 1
        if p.seen_ms[k] > ms or (
            p.seen_ms[k] == ms
            and (p.seen_product[k] > product or (p.seen_product[k] == product and p.seen_category[k] >= category))
        ):
            break
        place = k
    if place == span:
        return nothing
    kept = p.seen_lists.shape[0] > 0
    gone, lists = nothing
    if kept and n == span and p.seen_category[span - 1] != category:
        gone, lists = _last_of_its_category(p, span - 1)
    inside = lists_of(p, category) if kept else 0
    for k in range(min(n, span - 1), place, -1):
        p.seen_ms[k] = p.seen_ms[k - 1]
        p.seen_product[k] = p.seen_product[k - 1]
        p.seen_category[k] = p.seen_category[k - 1]
        if kept:
            p.seen_lists[k] = p.seen_lists[k - 1]
    p.seen_ms[place] = ms
    p.seen_product[place] = product
    p.seen_category[place] = category
    if kept:
        p.seen_lists[place] = inside
    p.seen_n = min(n + 1, span)
    return gone, lists


@compiled
def lists_of(p: Any, category: Any) -> int:
    """The lists that a category is in, as bits."""
    for k in range(p.seen_n):
        if p.seen_category[k] == category:
            return int(p.seen_lists[k])
    return 0


@compiled
def put_in_lists(p: Any, category: Any, lists: int) -> None:
    """Let a category be in these lists, and in no other."""
    for k in range(p.seen_n):
        if p.seen_category[k] == category:
            p.seen_lists[k] = lists


@compiled
def _last_of_its_category(p: Any, place: int) -> tuple[Any, int]:
    """The category of an entry and its lists, where the entry is the only one of it."""
    category = p.seen_category[place]
    lists = int(p.seen_lists[place])
    for k in range(p.seen_n):
        if k != place and p.seen_category[k] == category:
            lists = 0
    return category, lists


@compiled
def bought(p: Any, category: Any, ms: int) -> tuple[Any, int]:
    """Keep an order among the last views: it ends the interest in its category, in all where that is 0."""
    return look(p, BOUGHT, category, ms)


@compiled
def favourite_product(p: Any) -> tuple[int, int]:
    """The most views of one product since the last order, and its place; -1 for none, of several the newest."""
    last_order = p.last_kind[_COMPLETED]
    most = 0
    place = -1
    for i in range(p.seen_n):
        if p.seen_ms[i] <= last_order:
            break
        if p.seen_product[i] == 0 or p.seen_product[i] == BOUGHT:
            continue
        views = 0
        for k in range(i, p.seen_n):
            if p.seen_ms[k] <= last_order:
                break
            if p.seen_product[k] == p.seen_product[i]:
                views += 1
        if views > most:
            most = views
            place = i
    return most, place


@compiled
def favourite_category(p: Any, now: int) -> tuple[int, int, int]:
    """The most views in one category within a day and since an order ended it, the ms spent in it, and its place.

    -1 for none; of several with as many views that with the most time, then the newest. A view lasts until what is next
    among the last views and orders, if that is within half an hour; the last one has no time.
    """
    most = 0
    longest = 0
    place = -1
    for i in range(p.seen_n):
        if p.seen_ms[i] <= now - DAY_MS or _ends(p, i, 0):
            break
        category = p.seen_category[i]
        if category == 0 or _is_newer(p, i, category):
            continue
        views = 0
        spent = 0
        for k in range(i, p.seen_n):
            if p.seen_ms[k] <= now - DAY_MS or _ends(p, k, category):
                break
            if p.seen_category[k] == category:
                views += 1
                lasted = p.seen_ms[k - 1] - p.seen_ms[k] if k > 0 else 0
                spent += lasted if lasted <= VISIT_MS else 0
        if views > most or (views == most and spent > longest):
            most = views
            longest = spent
            place = i
    return most, longest, place


@compiled
def _ends(p: Any, k: int, category: Any) -> bool:
    """Whether entry `k` is an order that ends the interest in a category; of one moment orders come first."""
    return bool(p.seen_product[k] == BOUGHT and (p.seen_category[k] == category or p.seen_category[k] == 0))


@compiled
def _is_newer(p: Any, i: int, category: Any) -> bool:
    """Whether there is a view or an order of a category that is newer than entry `i`."""
    newer = False
    for k in range(i):
        newer = newer or p.seen_category[k] == category
    return bool(newer)


@compiled
def within(p: Any, now: int, category: Any, found: Any) -> None:
    """Write the products last seen in a category within a day and since an order ended it, newest first, 0 for none."""
    n = 0
    for i in range(p.seen_n):
        if category == 0 or n == found.shape[0] or p.seen_ms[i] <= now - DAY_MS or _ends(p, i, category):
            break
        product = p.seen_product[i]
        if p.seen_category[i] != category or product == 0:
            continue
        new = True
        for k in range(n):
            new = new and found[k] != product
        if new:
            found[n] = product
            n += 1
    for k in range(n, found.shape[0]):
        found[k] = np.uint64(0)
