"""Functions: calls such as `count(product_viewed, days=14)`, checked and turned into columns."""

import ast
from collections.abc import Callable

from scoring.rules.columns import ANY, KINDS, LATELY, LATELY_KINDS, MAX_DAYS, MAX_HOURS, Column, Op, Unit
from scoring.rules.expression import Arithmetic, Constant, Number, Read
from scoring.rules.refused import Refused
from scoring.rules.words import FIELD_NAMES, FUNCTIONS, ITS_NAMES, KIND_NAMES, SINCE_UNITS, nearest

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
    its = len(node.args) == 1 and isinstance(node.args[0], ast.Name) and node.args[0].id in ITS_NAMES
    kind = _kind(node, name)
    given = _windows(node, name)
    if its and (given or name not in ("total", *SINCE_UNITS)):
        reason = "of an order, a product and the like only totals and last times are kept"
        raise Refused(node, reason, f"write total({ast.unparse(node.args[0])})")
    if name in SINCE_UNITS:
        unit, ms = SINCE_UNITS[name]
        column = Column(Op.ITS_SINCE if its else Op.SINCE, kind, _nth(node, kind, given, whole))
        return Arithmetic("/", Read(column), Constant(ms)), unit
    if name == "total" and its:
        return Read(Column(Op.ITS_TOTAL, kind)), Unit.COUNT
    if name == "total":
        return Read(Column(Op.TOTAL, kind)), Unit.COUNT
    if kind == ANY:
        raise Refused(node.args[0], "windows are not kept for 'any'", "use 'visited' or a kind of event")
    if "hours" in given:
        return Read(Column(Op.COUNT_HOURS, kind, whole(given["hours"], "hours", MAX_HOURS))), Unit.COUNT
    op = Op.DAYS_WITH if name == "days_with" else Op.COUNT_DAYS
    return Read(Column(op, kind, whole(given["days"], "days", MAX_DAYS))), Unit.COUNT


def _nth(node: ast.Call, kind: int, given: dict[str, ast.expr], whole: Whole) -> int:
    """Which of the last events is meant; 0 for the last one."""
    if "nth" not in given:
        return 0
    if kind not in LATELY_KINDS:
        kinds = ", ".join(KIND_NAMES[known] for known in LATELY_KINDS)
        raise Refused(node.args[0], f"of {KIND_NAMES[kind]} only the last one's time is kept", f"known of: {kinds}")
    nth = whole(given["nth"], "nth", LATELY)
    return 0 if nth == 1 else nth


def _kind(node: ast.Call, name: str) -> int:
    if len(node.args) != 1:
        reason = f"{name} takes one kind of event, not {len(node.args)}"
        raise Refused(node.args[1] if len(node.args) > 1 else node, reason, f"write {FUNCTIONS[name]}")
    argument = node.args[0]
    if not isinstance(argument, ast.Name):
        reason = f"{ast.unparse(argument)!r} is not a kind of event"
        raise Refused(argument, reason, f"write {FUNCTIONS[name]}")
    if argument.id in ITS_NAMES:
        return ITS_NAMES[argument.id]
    if argument.id not in KINDS:
        close = nearest(argument.id, [*KINDS, *ITS_NAMES])
        raise Refused(argument, f"unknown kind of event {argument.id!r}", f"nearest known: {close!r}")
    return KINDS[argument.id]


def _windows(node: ast.Call, name: str) -> dict[str, ast.expr]:
    needed = {"count": {"days", "hours"}, "days_with": {"days"}}.get(name, set())
    allowed = {"nth"} if name in SINCE_UNITS else needed
    given: dict[str, ast.expr] = {}
    for keyword in node.keywords:
        if keyword.arg is None or keyword.arg not in allowed:
            reason = f"{name} has no argument {keyword.arg!r}" if keyword.arg else f"{name} has no argument '**'"
            raise Refused(keyword, reason, f"write {FUNCTIONS[name]}")
        if keyword.arg in given:
            raise Refused(keyword, f"{keyword.arg!r} stands twice", "remove one of the two")
        given[keyword.arg] = keyword.value
    if needed and not given:
        raise Refused(node, f"{name} needs a window", f"write {FUNCTIONS[name]}")
    if len(given) > 1:
        raise Refused(node, f"{name} takes days or hours, not both", f"write {FUNCTIONS[name]}")
    return given
