"""Expressions: what a predicate means once it is checked, and the plain interpreter that specifies it.

Nodes are hashable, so equal parts of different rules are the same key and are computed once (`program`).

The logic is two-valued. A comparison with NaN is False, `!=` included, and `not` turns that into True. A
division by zero is NaN.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from scoring.rules.columns import Column

__all__ = [
    "All",
    "Always",
    "AnyOf",
    "Arithmetic",
    "Compare",
    "Constant",
    "Not",
    "Number",
    "Read",
    "Truth",
    "columns_of",
    "columns_of_value",
    "comparisons",
    "truth",
    "value",
]


@dataclass(frozen=True, slots=True)
class Constant:
    """A number written in the predicate, or a parameter."""

    value: float


@dataclass(frozen=True, slots=True)
class Read:
    """A column."""

    column: Column


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`left op right`, with op one of + - * /."""

    op: str
    left: "Number"
    right: "Number"


Number = Constant | Read | Arithmetic


@dataclass(frozen=True, slots=True)
class Compare:
    """`left op right`, with op one of < <= > >= == !=."""

    op: str
    left: Number
    right: Number


@dataclass(frozen=True, slots=True)
class Always:
    """The same answer for everybody; `never` in a predicate is `Always(False)`."""

    value: bool


@dataclass(frozen=True, slots=True)
class Not:
    """The contrary of a part."""

    part: "Truth"


@dataclass(frozen=True, slots=True)
class All:
    """Parts joined by `and`."""

    parts: tuple["Truth", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Parts joined by `or`."""

    parts: tuple["Truth", ...]


Truth = Compare | Always | Not | All | AnyOf


def truth(node: Truth, read: Callable[[Column], float]) -> bool:
    """Whether the predicate holds for one customer: the specification that `Program` is held to."""
    match node:
        case Always(answer):
            return answer
        case Not(part):
            return not truth(part, read)
        case All(parts):
            return all(truth(part, read) for part in parts)
        case AnyOf(parts):
            return any(truth(part, read) for part in parts)
        case Compare(op, left_node, right_node):
            left, right = value(left_node, read), value(right_node, read)
            if math.isnan(left) or math.isnan(right):
                return False
            return {
                "<": left < right,
                "<=": left <= right,
                ">": left > right,
                ">=": left >= right,
                "==": left == right,
                "!=": left != right,
            }[op]


def value(node: Number, read: Callable[[Column], float]) -> float:
    """The number that an expression gives for one customer; NaN where it is unknown."""
    match node:
        case Constant(number):
            return number
        case Read(column):
            return read(column)
        case Arithmetic(op, left_node, right_node):
            left, right = value(left_node, read), value(right_node, read)
            if op == "+":
                return left + right
            if op == "-":
                return left - right
            if op == "*":
                return left * right
            return left / right if right != 0 else math.nan


def comparisons(node: Truth) -> Iterator[Compare]:
    """Every comparison of a predicate, in the order of its text."""
    match node:
        case Compare():
            yield node
        case Not(part):
            yield from comparisons(part)
        case All(parts) | AnyOf(parts):
            for part in parts:
                yield from comparisons(part)
        case Always():
            return


def columns_of(node: Truth) -> frozenset[Column]:
    """The columns that a predicate reads."""
    found: set[Column] = set()
    for comparison in comparisons(node):
        _collect(comparison.left, found)
        _collect(comparison.right, found)
    return frozenset(found)


def columns_of_value(node: Number) -> frozenset[Column]:
    """The columns that a value reads."""
    found: set[Column] = set()
    _collect(node, found)
    return frozenset(found)


def _collect(node: Number, found: set[Column]) -> None:
    match node:
        case Read(column):
            found.add(column)
        case Arithmetic(_, left, right):
            _collect(left, found)
            _collect(right, found)
        case Constant():
            return
