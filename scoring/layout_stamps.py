"""Layout stamps: what rows of given sizes carry, of this layout and of those before.

What a layout was is written down here as it was then, and never changes.
"""

from typing import Any, Final

from scoring.profile import Layout, stable_hash

__all__ = ["FIRST_SOURCES", "first_fields", "first_stamp", "stamps"]

FIRST_SOURCES: Final = 3
"""Topics that layout 1 read."""


def stamps(layout: Layout) -> frozenset[int]:
    """The stamps of state with these sizes that this release can read: its own and those before."""
    return frozenset((layout.fingerprint(), first_stamp(layout)))


def first_stamp(layout: Layout) -> int:
    """The stamp of layout 1 for these sizes."""
    sizes = ("horizon_ms", "day_kinds", "hour_kinds", "days", "hours", "orders", "messages", "views")
    lengths = ("kinds", "seen", "lately", "told", "moments", "peak", "guest")
    told = ", ".join(f"{name}={_plain(getattr(layout, name))!r}" for name in sizes)
    parts = ", ".join(f"{name}={getattr(layout.parts, name)!r}" for name in lengths)
    return stable_hash(f"(Layout({told}, parts=Parts({parts})), {first_fields(layout)!r})".encode()) or 1


def _plain(size: Any) -> Any:
    """Kinds as bare numbers, as settings name them."""
    return tuple(map(int, size)) if isinstance(size, tuple) else size


def first_fields(layout: Layout) -> list[Any]:
    """The stored fields of a row of layout 1."""
    parts = layout.parts
    return [
        ("layout", "u8"), ("hash", "u8"),
        ("first_ms", "i8"), ("last_ms", "i8"), ("now_ms", "i8"), ("applied", "i8", FIRST_SOURCES),
        ("last_kind", "i8", parts.kinds), ("total", "u4", parts.kinds),
        ("hour_epoch", "i4"), ("day_epoch", "i4"),
        ("busy", "u2", (1, 2)), ("hours", "u2", (len(layout.hour_kinds), layout.hours)),
        ("days", "u2", (len(layout.day_kinds), layout.days)), ("visited", "u4", (1, 28)),
        ("behaviour", "f8", (3, 4)), ("cancels", "f8", 2),
        ("revenue", "f8"), ("refunded", "f8"), ("discounted", "u4"), ("interested", "u4"), ("cart_value", "f8"),
        ("cart_items", "i4"),
        ("ring_n", "i4"), ("ring_ms", "i8", layout.orders), ("ring_value", "f4", layout.orders),
        ("ring_lines", "f4", layout.orders), ("ring_quantity", "f4", layout.orders),
        ("fold", "f8", 23), ("fold_ms", "i8"), ("fold_orders", "i4"), ("fold_visits", "i4"),
        ("message_n", "i4"), ("view_n", "i4"), ("message", "u8", layout.messages),
        ("view_product", "u8", layout.views), ("view_ms", "i8", layout.views),
        ("bought", "u8"), ("bought_ms", "i8"), ("coupons", "u4"), ("content_n", "u4"), ("content", "u8", 2),
        ("seen_n", "i4"), ("seen_product", "u8", parts.seen), ("seen_category", "u8", parts.seen),
        ("seen_ms", "i8", parts.seen),
        ("lately_ms", "i8", (3, parts.lately)), ("told", "f4", parts.told),
        ("moment_n", "i4"), ("moment_ms", "i8", parts.moments), ("crowded_ms", "i8"),
        ("guest_orders", "i4", (parts.guest,)), ("peak", "f8", (parts.peak,)), ("peak_ms", "i8", (parts.peak,)),
        ("rescore_ms", "i8"), ("example_ms", "i8"), ("pending_n", "i4"), ("band", "i4"),
        ("pending_ms", "i8", 6), ("due_ms", "i8"),
        ("inside", "u8"), ("score", "f8"), ("published_score", "f8"), ("published_ms", "i8"),
    ]  # fmt: skip
