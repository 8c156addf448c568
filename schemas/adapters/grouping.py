"""Grouping: the lines of a file that belong to one order, joined into that order."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from schemas.adapters.canonical import BadLine, Canonical, Customer, Skipped, track
from schemas.refusal import Refusal

__all__ = ["Line", "OpenOrder", "order_events", "orders"]

MOST_OPEN: Final = 64
"""Orders whose lines may be interleaved; real exports mix a few that were entered at the same time."""

MOST_LINES: Final = 1_000
"""Lines of one order that are kept: as many as a worker takes."""

MOST_CLOSED: Final = 100_000
"""Ids of finished orders that are remembered, so that stray lines are told of instead of lost."""


class Line(NamedTuple):
    """One line of an order; `said` is what it says of the order as a whole, `item` what was bought."""

    line_number: int
    order_id: str
    customer: str
    time_ms: int
    item: Mapping[str, Any] | None = None
    said: Mapping[str, Any] = {}
    cancelled: bool = False


@dataclass(slots=True)
class OpenOrder:
    """An order whose lines are still being collected; its line number and time are its first line's."""

    line_number: int
    order_id: str
    customer: str
    time_ms: int
    cancelled: bool
    items: list[Mapping[str, Any]] = field(default_factory=list)
    said: dict[str, Any] = field(default_factory=dict)


def orders(lines: Iterable[Line | BadLine | Skipped]) -> Iterator[OpenOrder | BadLine | Skipped]:
    """Join lines into orders, which come out in the order of their first lines.

    An order is finished once 64 others have begun after it. A line that comes later still is bad: the
    order has gone out without it. Memory is for 64 orders and 100,000 ids.
    """
    open_: dict[tuple[str, str], OpenOrder] = {}
    closed: dict[tuple[str, str], None] = {}
    for line in lines:
        if not isinstance(line, Line):
            yield line
            continue
        key = (line.order_id, line.customer)
        order = open_.get(key)
        if order is None:
            if key in closed:
                yield _stray(line)
                continue
            if len(open_) >= MOST_OPEN:
                yield _finished(open_, closed)
            order = open_[key] = OpenOrder(line.line_number, line.order_id, line.customer, line.time_ms, line.cancelled)
        if len(order.items) >= MOST_LINES:
            yield _too_many(line)
            continue
        if line.item is not None:
            order.items.append(line.item)
        for name, value in line.said.items():
            order.said.setdefault(name, value)
    while open_:
        yield _finished(open_, closed)


def order_events(
    found: Iterable[OpenOrder | BadLine | Skipped],
) -> Iterator[Canonical | BadLine | Skipped]:
    """Turn orders into canonical events.

    An item of negative quantity or price is taken back: such items become a refund of their own, with
    positive figures, beside what was bought. `total` is what the order says of itself, else the sum of
    its items; one that has what was taken back in it already is that of what was bought again.
    """
    for order in found:
        if not isinstance(order, OpenOrder):
            yield order
            continue
        if order.cancelled:
            yield _event("Order Cancelled", order, [_positive(item) for item in order.items])
            continue
        bought = [item for item in order.items if not _taken_back(item)]
        back = [_positive(item) for item in order.items if _taken_back(item)]
        total = order.said.get("total")
        if (back and not bought) or (not back and total is not None and total < 0):
            yield _event("Order Refunded", order, back or bought)
            continue
        if back and total is not None:
            order.said["total"] = _of_bought(total, _worth(bought), _worth(back))
        if bought or not back:
            yield _event("Order Completed", order, bought)
        if back:
            order.said.pop("total", None)
            yield _event("Order Refunded", order, back)


def _event(name: str, order: OpenOrder, items: list[Mapping[str, Any]]) -> Canonical:
    said = dict(order.said)
    total = said.pop("total", None)
    if total is None and any("price" in item for item in items):
        total = _worth(items)
    properties: dict[str, Any] = {"order_id": order.order_id}
    if total is not None:
        # Sums of prices carry binary noise, which would stand in every message: 15.299999999999999.
        properties["total"] = _plain(abs(total))
    properties.update(said)
    if items:
        properties["products"] = [dict(item) for item in items]
    event = track(name, Customer(order.customer), order.time_ms, properties)
    return replace(event, line_number=order.line_number)


def _of_bought(total: float, bought: float, back: float) -> float:
    """The total of what was bought: many write that of all lines, which would be refunded twice."""
    return total + back if abs(total - (bought - back)) < abs(total - bought) else total


def _worth(items: Iterable[Mapping[str, Any]]) -> float:
    return float(sum(item.get("price", 0) * item.get("quantity", 1) for item in items))


def _taken_back(item: Mapping[str, Any]) -> bool:
    return bool(item.get("quantity", 1) < 0 or item.get("price", 0) < 0)


def _positive(item: Mapping[str, Any]) -> Mapping[str, Any]:
    return {k: abs(v) if k in ("quantity", "price") else v for k, v in item.items()}


def _plain(value: float) -> float:
    rounded = round(float(value), 6)
    return int(rounded) if rounded.is_integer() and rounded < 2**53 else rounded


def _finished(open_: dict[tuple[str, str], OpenOrder], closed: dict[tuple[str, str], None]) -> OpenOrder:
    key = next(iter(open_))
    if len(closed) >= MOST_CLOSED:
        del closed[next(iter(closed))]
    closed[key] = None
    return open_.pop(key)


def _stray(line: Line) -> BadLine:
    reason = f"this order's other lines stand more than {MOST_OPEN} orders above, and it has gone out"
    remedy = "sort the file so that the lines of an order stand together"
    return BadLine(line.line_number, Refusal("order", line.order_id, reason, remedy, "scattered"))


def _too_many(line: Line) -> BadLine:
    reason = f"this order has more than {MOST_LINES:,} lines"
    remedy = "check that the column of the order's id is the right one"
    return BadLine(line.line_number, Refusal("order", line.order_id, reason, remedy, "range"))
