"""Measures: the unit in which predicates read a parameter, so that a duration can be written for it."""

import ast
from collections.abc import Iterator

from scoring.rules.columns import FIELDS, Unit
from scoring.rules.words import EXPECTED_NAMES, FIELD_NAMES, SINCE_UNITS

__all__ = ["measure_ms"]

_HOUR_MS, _DAY_MS = 3_600_000.0, 86_400_000.0
_WINDOWS_MS = {"hours": _HOUR_MS, "days": _DAY_MS}
_OF_FIELDS_MS = {Unit.MINUTES: 60_000.0, Unit.DAYS: _DAY_MS}


def measure_ms(name: str, predicates: list[str]) -> float | None:
    """Milliseconds of one unit of a parameter: of an hour where `hours_since(…) >= name` stands.

    None where the predicates use it as something else than a time, in two units, not at all, or cannot be
    read.
    """
    found: set[float] = set()
    for text in predicates:
        try:
            tree = ast.parse(" ".join(text.split()), mode="eval")
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            return None
        found.update(_measures(tree, name))
    return found.pop() if len(found) == 1 else None


def _measures(tree: ast.AST, name: str) -> Iterator[float]:
    for node in ast.walk(tree):
        match node:
            case ast.keyword(arg="hours" | "days" as window, value=value) if _reads(value, name):
                yield _WINDOWS_MS[window]
            case ast.Compare(left=left, comparators=others):
                sides = [left, *others]
                if any(_adds(side, name) for side in sides):
                    yield from _units(sides)


def _units(sides: list[ast.expr]) -> Iterator[float]:
    for node in (node for side in sides for node in ast.walk(side)):
        match node:
            case ast.Call(func=ast.Name(id=function)) if function in SINCE_UNITS:
                yield SINCE_UNITS[function][1]
            case ast.Name(id=field) if field in EXPECTED_NAMES:
                yield _DAY_MS
            case ast.Name(id=field) if field in FIELD_NAMES and FIELDS[FIELD_NAMES[field]].unit in _OF_FIELDS_MS:
                yield _OF_FIELDS_MS[FIELDS[FIELD_NAMES[field]].unit]


def _reads(node: ast.expr, name: str) -> bool:
    return any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(node))


def _adds(node: ast.expr, name: str) -> bool:
    """Whether the name stands there by itself, or is added or taken off."""
    match node:
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub(), right=right):
            return _adds(left, name) or _adds(right, name)
    return isinstance(node, ast.Name) and node.id == name
