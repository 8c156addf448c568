"""Report on trends: visitors, prospects and first orders by week, and by source, product, category and country."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.report.observed import UNKNOWN, Observed
from streams.report.periods import edges, names
from streams.report.sheet import Cell, Picture, Report, Sheet

__all__ = ["trends_report"]

IntArray = NDArray[np.int64]

_LATELY = 4
"""Weeks that count as lately, beside as many before them."""
_DRAWN = 6


def trends_report(observed: Observed) -> Report:
    """By week, Monday to Sunday in UTC; the last week may not be over."""
    firsts = [int(times[0]) for times in (observed.orders.time_ms, observed.touches.time_ms) if len(times)]
    if not firsts:
        return Report("trends", "Trends", ["There is no order and no visit."], [])
    week = 7 * 86_400_000
    begins = edges(min(firsts), observed.end_ms + week, "week")[:-1]
    told = names(begins, "week")
    touched = np.searchsorted(begins, observed.touches.time_ms, side="right") - 1
    prospects = _are_prospects(observed, touched, begins + week)
    first = _first_orders(observed)
    first_week = np.searchsorted(begins, observed.orders.time_ms[first], side="right") - 1
    k = len(begins)
    everybody = np.zeros(len(touched), np.int64)
    weeks = [
        _distinct(touched, everybody, observed.touches.customer, k, 1)[:, 0],
        _distinct(touched[prospects], everybody[prospects], observed.touches.customer[prospects], k, 1)[:, 0],
        np.bincount(first_week, minlength=k),
        np.bincount(np.searchsorted(begins, observed.orders.time_ms, side="right") - 1, minlength=k),
    ]
    rows: list[tuple[Cell, ...]] = [(told[i], *(int(column[i]) for column in weeks)) for i in reversed(range(k))]
    sheets = [Sheet("weeks", "By week", ("week", "visitors", "prospects", "first_orders", "orders"), rows, most=12)]
    pictures = [Picture("Visitors, prospects and first orders by week", lambda axis: _lines(axis, told, weeks[:3]))]
    for dimension, labels, looked, bought in _dimensions(observed, first):
        counts = _counts(observed, labels, looked, bought, touched, prospects, first, first_week, k)
        sheets += _dimension_sheets(dimension, labels, counts, told)
        pictures.append(_dimension_picture(dimension, labels, counts, told))
    said = [
        "A visitor looked at something in the shop that week; a first order is the first of its customer.",
        "A prospect is a visitor who by then had done more than look, and never ordered. Each counts once a week.",
    ]
    return Report("trends", "Trends", said, sheets, pictures)


def _are_prospects(observed: Observed, touched: IntArray, end_of_week_ms: IntArray) -> NDArray[np.bool_]:
    """By touch: whether its customer had shown interest, and never ordered, by the end of that week."""
    n = len(observed.customers)
    first_order = np.full(n, np.iinfo(np.int64).max)
    np.minimum.at(first_order, observed.orders.customer, observed.orders.time_ms)
    until = end_of_week_ms[touched]
    who = observed.touches.customer
    return np.asarray((observed.interested_ms[who] < until) & (first_order[who] >= until))


def _first_orders(observed: Observed) -> IntArray:
    """Places of each customer's first order."""
    _, first = np.unique(observed.orders.customer, return_index=True)
    return np.sort(first)


def _dimensions(observed: Observed, first: IntArray) -> list[tuple[str, list[str], IntArray, list[tuple[int, ...]]]]:
    """Name, labels, the label of each touch, and the labels of each first order; -1 is none."""
    found: list[tuple[str, list[str], IntArray, list[tuple[int, ...]]]] = []
    for name, of in (("source", observed.source), ("country", observed.country)):
        groups, code = np.unique(np.array(of), return_inverse=True)
        lived: list[tuple[int, ...]] = [(int(code[customer]),) for customer in observed.orders.customer[first]]
        found.append((name, [str(group) for group in groups], code[observed.touches.customer].astype(np.int64), lived))
    baskets = [observed.baskets[i] for i in first.tolist()]
    for place, (name, labels, looked) in enumerate(
        (
            ("product", observed.products, observed.touches.product),
            ("category", observed.categories, observed.touches.category),
        )
    ):
        bought = [tuple({line[place] for line in basket} - {-1}) for basket in baskets]
        found.append((name, labels, looked, bought))
    return found


def _counts(
    observed: Observed,
    labels: Sequence[str],
    looked: IntArray,
    bought: Sequence[tuple[int, ...]],
    touched: IntArray,
    prospects: NDArray[np.bool_],
    first: IntArray,
    first_week: IntArray,
    k: int,
) -> IntArray:
    """(weeks, labels, 3) visitors, prospects and first orders."""
    who, n = observed.touches.customer, len(labels)
    counts = np.zeros((k, n, 3), np.int64)
    for place, mine in enumerate((looked >= 0, (looked >= 0) & prospects)):
        counts[:, :, place] = _distinct(touched[mine], looked[mine], who[mine], k, n)
    for week, named in zip(first_week.tolist(), bought, strict=True):
        counts[week, list(named), 2] += 1
    return counts


def _distinct(week: IntArray, label: IntArray, customer: IntArray, k: int, n: int) -> IntArray:
    """(weeks, labels) how many different customers."""
    counts = np.zeros((k, n), np.int64)
    once = np.unique(np.stack([week, label, customer]), axis=1)
    np.add.at(counts, (once[0], once[1]), 1)
    return counts


def _dimension_sheets(dimension: str, labels: Sequence[str], counts: IntArray, told: Sequence[str]) -> list[Sheet]:
    total = counts.sum(axis=0)
    lately, before = counts[-_LATELY:].sum(axis=0), counts[-2 * _LATELY : -_LATELY].sum(axis=0)
    order = _ranked(total)
    rows: list[tuple[Cell, ...]] = [
        (labels[i], *map(int, total[i]), int(lately[i, 2]), int(before[i, 2]))
        for i in order
        if total[i].any() and (labels[i] != UNKNOWN or len(order) > 1)
    ]
    columns = (dimension, "visitors", "prospects", "first_orders", "first_orders_lately", "first_orders_before")
    note = f"visitors and prospects count once a week; lately: the last {_LATELY} weeks, before: the {_LATELY} before"
    weekly: list[tuple[Cell, ...]] = [
        (told[week], labels[i], *map(int, counts[week, i]))
        for week in reversed(range(len(told)))
        for i in order
        if counts[week, i].any()
    ]
    plural = {"country": "countries", "category": "categories"}.get(dimension, f"{dimension}s")
    return [
        Sheet(plural, f"By {dimension}", columns, rows, note, most=15),
        Sheet(f"weekly_{plural}", f"By {dimension} and week, the latest first",
              ("week", dimension, "visitors", "prospects", "first_orders"), weekly, most=10),
    ]  # fmt: skip


def _ranked(total: IntArray) -> list[int]:
    """Most first orders first, then most visitors."""
    return [int(i) for i in np.lexsort((-total[:, 0], -total[:, 2]))]


def _lines(axis: Any, told: Sequence[str], columns: Sequence[IntArray]) -> None:
    dates = np.array(told, "datetime64[D]")
    for name, column, colour in zip(
        ("visitors", "prospects", "first orders"), columns, ("#8d99ae", "#457b9d", "#2a9d8f"), strict=True
    ):
        axis.plot(dates, column, label=name, color=colour)
    axis.set_ylim(bottom=0)
    axis.tick_params(axis="x", rotation=45)
    axis.legend(frameon=False)


def _dimension_picture(dimension: str, labels: Sequence[str], counts: IntArray, told: Sequence[str]) -> Picture:
    def draw(axis: Any) -> None:
        dates = np.array(told, "datetime64[D]")
        for i in _ranked(counts.sum(axis=0))[:_DRAWN]:
            axis.plot(dates, counts[:, i, 2], label=labels[i][:30])
        axis.set_ylim(bottom=0)
        axis.tick_params(axis="x", rotation=45)
        if labels:
            axis.legend(frameon=False, fontsize=7)

    return Picture(f"First orders by {dimension} and week", draw)
