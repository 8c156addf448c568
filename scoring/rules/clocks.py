"""Clocks: the moments at which time alone can change a predicate.

A comparison of the time since a kind with a constant changes its answer at a fixed age. The kernel makes a
customer due when the last event of that kind reaches it, and looks at nobody else.
"""

import math
from collections.abc import Iterator

from scoring.rules.columns import Column, Field, Op
from scoring.rules.expression import (
    Arithmetic,
    Compare,
    Constant,
    Number,
    Read,
    Truth,
    columns_of,
    comparisons,
    truth,
)

__all__ = ["clocks_of", "daily_of", "object_clocks_of"]

_DAY_MS = 86_400_000.0
_AGES = (Op.SINCE, Op.ITS_SINCE, Op.ITS_LATE)
_LATEST_MS = 2**53
_JUMPING = (
    Field.HOUR, Field.WEEKDAY, Field.CATEGORY_VIEWS, Field.CATEGORY_MINUTES, Field.MONTHS_RUNNING, Field.TYPE,
    Field.STAGE, Field.RFM_GROUP, Field.EXPECTED_NEXT_ORDER, Field.SEEN_CHEAPER,
)  # fmt: skip


def clocks_of(node: Truth) -> frozenset[tuple[int, int]]:
    """The clocks of a predicate: pairs (kind, age in ms), the first age at which a comparison has its new
    answer.

    `>=` and `<` change at the threshold itself, `>` and `<=` one millisecond later. Each comparison counts,
    also under `not`: what it is joined with may be true at any time.
    """
    return frozenset((column.a, age) for column, age in _ages(node) if _has_clock(column) and column.op is Op.SINCE)


def object_clocks_of(node: Truth) -> frozenset[tuple[int, int]]:
    """Those of what is about an order, a product and the like: pairs (kind, age in ms).

    In place of a kind, -1 less an `Expected` stands for the time at which that is to be expected.
    """
    return frozenset(
        (column.a if column.op is Op.ITS_SINCE else -1 - column.a, age)
        for column, age in _ages(node)
        if column.op in (Op.ITS_SINCE, Op.ITS_LATE)
    )


def _ages(node: Truth) -> Iterator[tuple[Column, int]]:
    for comparison in comparisons(node):
        terms = _difference(comparison)
        if terms is None or len(terms[0]) != 1:
            continue
        [(column, slope)] = terms[0].items()
        if column.op in _AGES:
            for age in _changes(comparison, column, -terms[1] / slope):
                yield column, age


def _has_clock(column: Column) -> bool:
    """Of the n-th last event there is none: that time moves with each new one."""
    return column.op in _AGES and column.b < 2


def daily_of(node: Truth) -> tuple[Compare, ...]:
    """The comparisons that time can change but that have no clock; they are seen at the daily evaluation or
    an event.

    Those are day windows, the hour and the weekday, types and stages, and times compared with a changing value, such as
    `days_since(order_completed) >= 1.5 * mean_gap_days`. Scores change with time too, at the daily rescoring.
    """
    found = []
    for comparison in comparisons(node):
        terms = _difference(comparison)
        if terms is None:
            if any(_rate(column) != 0 for column in columns_of(comparison)):
                found.append(comparison)
            continue
        columns = terms[0]
        if len(columns) == 1 and _has_clock(next(iter(columns))):
            continue
        drift = sum(slope * _rate(column) for column, slope in columns.items())
        if math.isnan(drift) or abs(drift) > 1e-12:
            found.append(comparison)
    return tuple(found)


def _rate(column: Column) -> float:
    """How fast a column grows by time alone, per millisecond: NaN where it jumps."""
    if column.op in _AGES:
        return 1.0
    if column.op in (Op.TOTAL, Op.ITS_TOTAL, Op.ITS_LACKING):
        return 0.0
    if column.op is not Op.FIELD or column.a in _JUMPING:
        return math.nan
    return 1.0 / _DAY_MS if column.a == Field.TENURE_DAYS else 0.0


def _changes(comparison: Compare, column: Column, age: float) -> list[int]:
    """The whole milliseconds around `age` at which the comparison has another answer than one before.

    Found by asking the comparison itself, so that rounding in `age` can never make a tick one millisecond
    early.
    """
    least = -_LATEST_MS if column.op is Op.ITS_LATE else 0
    if not least <= age < _LATEST_MS:
        return []
    around = range(max(least, int(age) - 3), int(age) + 5)
    answers = [truth(comparison, {column: float(ms)}.__getitem__) for ms in around]
    return [ms for ms, before, after in zip(around[1:], answers, answers[1:], strict=False) if before != after]


def _difference(comparison: Compare) -> tuple[dict[Column, float], float] | None:
    """`left - right` as slopes by column and a constant; None where it is not linear."""
    return _linear(Arithmetic("-", comparison.left, comparison.right))


def _linear(node: Number) -> tuple[dict[Column, float], float] | None:
    match node:
        case Constant(number):
            return {}, number
        case Read(column):
            return {column: 1.0}, 0.0
        case Arithmetic(op, left_node, right_node):
            left, right = _linear(left_node), _linear(right_node)
            if left is None or right is None:
                return None
            if op in "+-":
                return _added(left, right, 1.0 if op == "+" else -1.0)
            if op == "*" and not left[0]:
                return _added(({}, 0.0), right, left[1])
            if not right[0] and not (op == "/" and right[1] == 0):
                return _added(({}, 0.0), left, right[1] if op == "*" else 1.0 / right[1])
    return None


def _added(
    left: tuple[dict[Column, float], float], right: tuple[dict[Column, float], float], factor: float
) -> tuple[dict[Column, float], float]:
    slopes = dict(left[0])
    for column, slope in right[0].items():
        slopes[column] = slopes.get(column, 0.0) + factor * slope
    return {column: slope for column, slope in slopes.items() if slope != 0}, left[1] + factor * right[1]
