"""Measures: the unit in which predicates read a parameter, so that a duration can be written for it."""

import ast
from collections.abc import Iterator

from scoring.rules.columns import FIELDS, Unit
from scoring.rules.words import EXPECTED_NAMES, FIELD_NAMES, SINCE_UNITS

__all__ = ["measure_ms"]

_HOUR_MS, _DAY_MS = 3_600_000.0, 86_400_000.0
_WINDOWS_MS = {"hours": _HOUR_MS, "days": _DAY_MS}


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
                for at, side in enumerate(sides):
                    if _stands(side, name):
                        yield from _units([*sides[:at], *sides[at + 1 :]])


def _units(sides: list[ast.expr]) -> Iterator[float]:
    for node in (node for side in sides for node in ast.walk(side)):
        match node:
            case ast.Call(func=ast.Name(id=function)) if function in SINCE_UNITS:
                yield SINCE_UNITS[function][1]
            case ast.Name(id=field) if field in EXPECTED_NAMES:
                yield _DAY_MS
            case ast.Name(id=field) if field in FIELD_NAMES and FIELDS[FIELD_NAMES[field]].unit is Unit.DAYS:
                yield _DAY_MS


def _reads(node: ast.expr, name: str) -> bool:
    return any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(node))


def _stands(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
