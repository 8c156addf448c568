"""Former sizes: with which settings stored rows were laid out, where those are others than now.

A row has a hash of its sizes and not the sizes themselves: what they were is found by trying. 70 µs a try, four
thousand of them where nothing fits, which is once before a start is refused.
"""

from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from itertools import permutations, product
from typing import Any

from scoring.kinds import N_KINDS
from scoring.layout_number import LAYOUT, LayoutMismatchError, number_of, refusal
from scoring.layout_stamps import stamps
from scoring.profile import DAY_MS, HOUR_MS, Layout
from scoring.rules.columns import KINDS
from scoring.rules.parts import STEP, Parts, parts_for

__all__ = ["former_sizes", "refusal_of"]

_SETTINGS = {
    "horizon_ms": "horizon",
    "day_kinds": "day_ring_kinds",
    "hour_kinds": "hour_ring_kinds",
    "days": "window_days",
    "orders": "orders_ring",
    "messages": "deduplication_ring",
}
_MOST_KINDS = 6
_NAMES = {kind: name for name, kind in KINDS.items()}


def refusal_of(what: str, layout: Layout, stamp: int) -> LayoutMismatchError:
    """Why a row with this stamp cannot be used where rows are of `layout`, and what to do."""
    number = number_of(stamp)
    return refusal(what, number, former_sizes(layout, stamp) if number <= LAYOUT else None)


def former_sizes(layout: Layout, stamp: int) -> str | None:
    """In words what differs, where one setting, or what the rules read, explains the stamp of a row; else None."""
    if stamp in stamps(layout):
        return None
    for former in _candidates(layout):
        if stamp in stamps(former):
            return _told(former, layout)
    return None


def _candidates(layout: Layout) -> Iterator[Layout]:
    """What other rules read, those of all and of none first, then one setting different."""
    for parts in _parts(layout.parts):
        yield replace(layout, parts=parts)
    sizes: tuple[tuple[str, Iterable[Any]], ...] = (
        ("days", range(1, 91)),
        ("orders", range(4, 65)),
        ("messages", range(1, 1025)),
        ("horizon_ms", (*range(DAY_MS, 731 * DAY_MS, DAY_MS), *range(HOUR_MS, 72 * HOUR_MS, HOUR_MS))),
        ("day_kinds", _kinds(layout.day_kinds)),
        ("hour_kinds", _kinds(layout.hour_kinds)),
    )
    for name, values in sizes:
        for value in values:
            yield replace(layout, **{name: value})


def _parts(now: Parts) -> Iterator[Parts]:
    full, least = Parts(), parts_for(())
    yield from (full, least)
    names = [part.name for part in fields(Parts) if part.name != "kinds"]
    kinds = sorted({*range(least.kinds, N_KINDS, STEP), N_KINDS, now.kinds})
    for lengths in product(*(sorted({0, getattr(full, name)}) for name in names)):
        for n in kinds:
            yield replace(full, kinds=n, **dict(zip(names, lengths, strict=True)))


def _kinds(now: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Kinds in another order, one fewer, one more, one instead of another."""
    yield from permutations(now)
    for i in range(len(now)):
        rest = (*now[:i], *now[i + 1 :])
        if rest:
            yield rest
        for kind in _NAMES:
            yield (*now[:i], kind, *now[i + 1 :])
    if len(now) < _MOST_KINDS:
        for kind in _NAMES:
            yield (*now, kind)


def _told(former: Layout, now: Layout) -> str:
    if former.parts == now.parts:
        name = next(name for name in _SETTINGS if getattr(former, name) != getattr(now, name))
        was, is_now = (_text(name, getattr(layout, name)) for layout in (former, now))
        return f"it was written with {_SETTINGS[name]} = {was}, and this process has {is_now}"
    less, more = now.parts.missing(former.parts), former.parts.missing(now.parts)
    sides = ("kept then and not now", less), ("asked for now and not kept then", more)
    told = "; ".join(f"{words}: {', '.join(parts)}" for words, parts in sides if parts)
    return f"it was written under other rules ({told})"


def _text(name: str, value: Any) -> str:
    if name == "horizon_ms":
        return f"{value // DAY_MS}d" if value % DAY_MS == 0 else f"{value // HOUR_MS}h"
    return ",".join(_NAMES[kind] for kind in value) if isinstance(value, tuple) else str(value)
