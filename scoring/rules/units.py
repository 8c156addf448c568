"""Units: which values of a predicate may be added, multiplied and compared with which."""

import ast

from scoring.rules.columns import FIELDS, Field, Op, Unit
from scoring.rules.expression import Arithmetic, Constant, Number, Read
from scoring.rules.refused import Refused
from scoring.rules.words import UNIT_NAMES

__all__ = ["DURATIONS", "Side", "check_comparison", "product_unit", "quotient_unit", "range_of", "sum_unit"]

DURATIONS = frozenset({Unit.SECONDS, Unit.MINUTES, Unit.HOURS, Unit.DAYS})
_MIRROR = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_INFINITY = float("inf")

Side = tuple[ast.expr, Number, Unit]
"""One side of a comparison: where it stands, its meaning and its unit."""


def sum_unit(node: ast.expr, left: Unit, right: Unit) -> Unit:
    """The unit of a sum or difference: both the same, or one of them a plain number."""
    if left == right or right is Unit.NUMBER:
        return left
    if left is Unit.NUMBER:
        return right
    reason = f"{UNIT_NAMES[left]} and {UNIT_NAMES[right]} cannot be added"
    raise Refused(node, reason, _same_unit(left, right))


def product_unit(node: ast.expr, left: Unit, right: Unit) -> Unit:
    """The unit of a product: one of the two must be a plain number, a count or a share."""
    pure = (Unit.NUMBER, Unit.COUNT, Unit.SHARE)
    if right in pure and not (left is Unit.NUMBER and right is not Unit.NUMBER):
        return left
    if left in pure:
        return right
    reason = f"{UNIT_NAMES[left]} times {UNIT_NAMES[right]} has no meaning"
    raise Refused(node, reason, "multiply by a plain number or a count")


def quotient_unit(left: Unit, right: Unit) -> Unit:
    """The unit of a quotient: that of what is divided where the divisor is pure, else a plain number."""
    if left != right and right in (Unit.NUMBER, Unit.COUNT):
        return left
    if right is Unit.NUMBER:
        return left
    return Unit.NUMBER


def check_comparison(node: ast.expr, op: str, left: Side, right: Side) -> None:
    """Refuse a comparison of different units, one of two numbers, or one whose answer never changes."""
    units = {left[2], right[2]}
    if isinstance(left[1], Constant) and isinstance(right[1], Constant):
        raise Refused(node, "compares two numbers, the answer never changes", "compare a field or a function")
    if Unit.TRUTH in units:
        raise Refused(node, "a field that is true or false is not compared", "write it alone, or after 'not'")
    if Unit.NUMBER not in units and len(units) > 1:
        reason = f"compares {UNIT_NAMES[left[2]]} with {UNIT_NAMES[right[2]]}"
        raise Refused(node, reason, _same_unit(left[2], right[2]))
    if op in ("==", "!=") and DURATIONS & units:
        raise Refused(node, f"{op!r} with a duration holds for one millisecond only", "use < <= > >=")
    if isinstance(right[1], Constant):
        _check_range(op, left, right[1].value)
    elif isinstance(left[1], Constant):
        _check_range(_MIRROR[op], right, left[1].value)


def range_of(node: Number) -> tuple[float, float]:
    """The least and the greatest value that an expression can take, as far as is known when it is read."""
    match node:
        case Read(column):
            if column.op is Op.FIELD:
                facts = FIELDS[Field(column.a)]
                return facts.low, facts.high
            if column.op is Op.ITS_LATE:
                return -_INFINITY, _INFINITY
            return 0.0, float(column.b) if column.op is Op.DAYS_WITH else _INFINITY
        case Arithmetic("/", Read() as part, Constant(divisor)) if divisor > 0:
            low, high = range_of(part)
            return low / divisor, high / divisor
    return -_INFINITY, _INFINITY


def _check_range(op: str, side: Side, against: float) -> None:
    node, number, unit = side
    low, high = range_of(number)
    outside = not low <= against <= high
    never = (op == "<" and against == low) or (op == ">" and against == high)
    if not (outside or never):
        return
    span = f"is never below {low:g}" if high == _INFINITY else f"lies between {low:g} and {high:g}"
    remedy = f"compare with a number from {low:g}" + ("" if high == _INFINITY else f" to {high:g}")
    if unit is Unit.SHARE and 1 < against <= 100:
        remedy = f"write {against / 100:g} for {against:g} %"
    reason = f"{ast.unparse(node)} {span}: with {op} {against:g} the answer never changes"
    raise Refused(node, reason, remedy)


def _same_unit(left: Unit, right: Unit) -> str:
    if {left, right} <= DURATIONS:
        return f"bring both to one unit, as in 24 * days_since(...) or {left.name.lower()}_since(...)"
    return "compare or add values of one unit, or a value and a plain number"
