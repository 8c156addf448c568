"""Hysteresis: whoever leaves a list must have moved away from the line at which they entered."""

from collections.abc import Iterator
from typing import NamedTuple

from scoring.rules.columns import Column, Op
from scoring.rules.expression import (
    All,
    Always,
    AnyOf,
    Compare,
    Constant,
    Not,
    Number,
    Truth,
    columns_of,
)

__all__ = ["Conflict", "conflict"]

_MIRROR = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_CONTRARY = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}


class Conflict(NamedTuple):
    """Where exit does not move away from enter: both lines (`>= 0.8` and `< 0.85`) and what is wrong."""

    enter: str
    exit: str
    reason: str
    remedy: str


class _Line(NamedTuple):
    number: Number
    op: str
    at: float
    certain: bool
    """The line alone decides: it stands in no `or` of enter, in no `and` of exit."""


def conflict(enter: Truth, leave: Truth) -> Conflict | None:
    """The first conflict between the lines that `enter` and `exit` draw through the same quantity, or None.

    Two cases: `exit` draws its line in the other direction but not beyond that of `enter` (0.8 in, 0.85 out),
    or in the same direction so that whoever enters leaves at once. Durations may leave at the line where they
    enter, as time does not go to and fro.
    """
    for inner in _lines(enter, positive=True, splitting=AnyOf):
        for outer in _lines(leave, positive=True, splitting=All):
            if inner.number != outer.number:
                continue
            found = _compare(inner, outer)
            if found is not None:
                return found
    return None


def _compare(inner: _Line, outer: _Line) -> Conflict | None:
    texts = f"{inner.op} {inner.at:g}", f"{outer.op} {outer.at:g}"
    rising = inner.op in (">", ">=")
    if rising == (outer.op in (">", ">=")):
        overlap = outer.at <= inner.at if rising else outer.at >= inner.at
        if overlap and inner.certain and outer.certain:
            return Conflict(*texts, "whoever enters would leave at once", "turn the comparison in exit round")
        return None
    gap = inner.at - outer.at if rising else outer.at - inner.at
    if gap > 0 or (gap == 0 and _is_duration(inner.number)):
        return None
    side = "below" if rising else "above"
    remedy = f"write a number {side} {inner.at:g} in exit, or leave exit out to leave at the same line"
    return Conflict(*texts, f"exit is not {side} enter, so a small change would enter and leave over and over", remedy)


def _lines(node: Truth, *, positive: bool, splitting: type[All] | type[AnyOf], certain: bool = True) -> Iterator[_Line]:
    match node:
        case Always():
            return
        case Not(part):
            yield from _lines(part, positive=not positive, splitting=splitting, certain=certain)
        case All(parts) | AnyOf(parts):
            # Under `not`, an `and` is an `or` of the contraries.
            joined_by_or = isinstance(node, AnyOf) == positive
            alone = certain and joined_by_or != (splitting is AnyOf)
            for part in parts:
                yield from _lines(part, positive=positive, splitting=splitting, certain=alone)
        case Compare(op, left, right):
            op = op if positive else _CONTRARY[op]
            if isinstance(left, Constant):
                left, right, op = right, left, _MIRROR[op]
            if isinstance(right, Constant) and op not in ("==", "!="):
                yield _Line(left, op, right.value, certain)


def _is_duration(number: Number) -> bool:
    columns: set[Column] = set(columns_of(Compare(">", number, Constant(0.0))))
    return bool(columns) and all(column.op in (Op.SINCE, Op.ITS_SINCE, Op.ITS_LATE) for column in columns)
