"""Functions: calls such as `count(product_viewed, days=14)`, checked and turned into columns."""

import ast
from collections.abc import Callable

from scoring.rules.columns import ANY, KINDS, MAX_DAYS, MAX_HOURS, Column, Op, Unit
from scoring.rules.expression import Arithmetic, Constant, Number, Read
from scoring.rules.refused import Refused
from scoring.rules.words import FIELD_NAMES, FUNCTIONS, SINCE_UNITS, nearest

__all__ = ["read_call"]

Whole = Callable[[ast.expr, str, int], int]


def read_call(node: ast.Call, whole: Whole) -> tuple[Number, Unit]:
    """The number that a call stands for, and its unit.

    `whole(node, "days", limit)` reads a window. Raises `Refused` for an unknown function or kind, a missing
    or superfluous argument, or a window outside its limit.
    """
    if not isinstance(node.func, ast.Name):
        raise Refused(node, f"{ast.unparse(node)!r} is not in the language", "call a function by its name")
    name = node.func.id
    if name not in FUNCTIONS:
        if name in FIELD_NAMES:
            raise Refused(node, f"{name!r} is a field and takes no arguments", f"write {name}")
        close = nearest(name, FUNCTIONS)
        raise Refused(node, f"unknown function {name!r}", f"nearest known: {FUNCTIONS[close]}")
    kind = _kind(node, name)
    given = _windows(node, name)
    if name in SINCE_UNITS:
        unit, ms = SINCE_UNITS[name]
        return Arithmetic("/", Read(Column(Op.SINCE, kind)), Constant(ms)), unit
    if name == "total":
        return Read(Column(Op.TOTAL, kind)), Unit.COUNT
    if kind == ANY:
        raise Refused(node.args[0], "windows are not kept for 'any'", "use 'visited' or a kind of event")
    if "hours" in given:
        return Read(Column(Op.COUNT_HOURS, kind, whole(given["hours"], "hours", MAX_HOURS))), Unit.COUNT
    op = Op.DAYS_WITH if name == "days_with" else Op.COUNT_DAYS
    return Read(Column(op, kind, whole(given["days"], "days", MAX_DAYS))), Unit.COUNT


def _kind(node: ast.Call, name: str) -> int:
    if len(node.args) != 1:
        reason = f"{name} takes one kind of event, not {len(node.args)}"
        raise Refused(node.args[1] if len(node.args) > 1 else node, reason, f"write {FUNCTIONS[name]}")
    argument = node.args[0]
    if not isinstance(argument, ast.Name):
        reason = f"{ast.unparse(argument)!r} is not a kind of event"
        raise Refused(argument, reason, f"write {FUNCTIONS[name]}")
    if argument.id not in KINDS:
        close = nearest(argument.id, KINDS)
        raise Refused(argument, f"unknown kind of event {argument.id!r}", f"nearest known: {close!r}")
    return KINDS[argument.id]


def _windows(node: ast.Call, name: str) -> dict[str, ast.expr]:
    allowed = {"count": {"days", "hours"}, "days_with": {"days"}}.get(name, set())
    given: dict[str, ast.expr] = {}
    for keyword in node.keywords:
        if keyword.arg is None or keyword.arg not in allowed:
            reason = f"{name} has no argument {keyword.arg!r}" if keyword.arg else f"{name} has no argument '**'"
            raise Refused(keyword, reason, f"write {FUNCTIONS[name]}")
        given[keyword.arg] = keyword.value
    if allowed and not given:
        raise Refused(node, f"{name} needs a window", f"write {FUNCTIONS[name]}")
    if len(given) > 1:
        raise Refused(node, f"{name} takes days or hours, not both", f"write {FUNCTIONS[name]}")
    return given
