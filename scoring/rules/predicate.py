"""Predicates: text such as `cart_items > 0 and hours_since(visited) >= 1`, checked and turned into an
expression.

A small subset of Python's syntax tree is read; nothing of it is ever executed. Allowed are comparisons
(chained too), and/or/not, + - * /, numbers, `never`, the fields, the parameters of the rule and these
functions:

- `seconds_since(kind)`, `minutes_since(kind)`, `hours_since(kind)`, `days_since(kind)`: time since the last
  one, or with `nth=n` since the n-th last;
- `count(kind, days=n)`, `count(kind, hours=n)`: how many lately; `total(kind)`: how many ever;
- `days_with(kind, days=n)`: on how many of the last n days.

Types, stages and RFM groups are compared by name: `type == big`.

Where the list is one of orders, products and the like, kinds that begin with `its_` count what is about that one only.
"""

import ast
import re
import warnings
from collections.abc import Callable, Mapping
from typing import TypeVar

from scoring.rules.columns import FIELDS, KINDS, LABELS, Column, Field, Op, Unit
from scoring.rules.expression import (
    All,
    Always,
    AnyOf,
    Arithmetic,
    Compare,
    Constant,
    Not,
    Number,
    Read,
    Truth,
    value,
)
from scoring.rules.functions import read_call
from scoring.rules.refused import Refused
from scoring.rules.units import check_comparison, product_unit, quotient_unit, sum_unit
from scoring.rules.words import (
    EXPECTED_NAMES,
    FIELD_NAMES,
    FUNCTIONS,
    ITS_NAMES,
    LACKS_COMPANION,
    NEVER,
    UNIT_NAMES,
    nearest,
)

__all__ = ["MAX_LENGTH", "PredicateError", "parse", "parse_value"]

Meaning = TypeVar("Meaning")

MAX_LENGTH = 2_000
"""The longest predicate, in characters."""

MAX_DEPTH = 60
"""How deep a predicate may nest: what reads expressions later recurses, and must never meet Python's limit.
"""

_DAY_MS = 86_400_000.0
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
_WINDOW = re.compile(r"\b(days|hours|nth)\s*=(?!=)")
_ASSIGNED = re.compile(r"(?<![=<>!])=(?!=)")
_ARITHMETIC: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


class PredicateError(ValueError):
    """A predicate that cannot be read: `column` (from 1, in `text`), `reason` and `remedy`."""

    def __init__(self, text: str, column: int, reason: str, remedy: str) -> None:
        super().__init__(f"{text!r} at column {column}: {reason}; {remedy}")
        self.text = text
        self.column = column
        self.reason = reason
        self.remedy = remedy


def parse(text: str, parameters: Mapping[str, float] | None = None) -> Truth:
    """Check a predicate and give its meaning.

    Parameters
    ----------
    text : str
        The predicate; runs of white space, line ends included, count as one space.
    parameters : mapping of str to float, optional
        The values of the names that the rule declares.

    Raises
    ------
    PredicateError
        If it is not in the language: column, reason and remedy.
    """
    return _read(text, lambda tree: _Reader(parameters or {}).truth(tree))


def parse_value(text: str, parameters: Mapping[str, float] | None = None) -> Number:
    """Check a value, as `days_since(order_completed)` or `points`, and give its meaning.

    Raises
    ------
    PredicateError
        If it is not in the language: column, reason and remedy.
    """
    return _read(text, lambda tree: _Reader(parameters or {}).arithmetic_part(tree)[0])


def _read(text: str, meaning: Callable[[ast.expr], Meaning]) -> Meaning:
    text = " ".join(text.split())
    tree = _tree(text)
    try:
        return meaning(tree)
    except Refused as refused:
        offset = refused.node.col_offset if isinstance(refused.node, ast.expr | ast.keyword) else 0
        raise PredicateError(text, offset + 1, refused.reason, refused.remedy) from None


def _tree(text: str) -> ast.expr:
    if not text:
        raise PredicateError(text, 1, "the predicate is empty", f"write a comparison, or {NEVER}")
    if len(text) > MAX_LENGTH:
        raise PredicateError(text[:80], MAX_LENGTH, f"longer than {MAX_LENGTH} characters", "split the rule in two")
    if not text.isascii():
        # Python takes look-alikes for the letters that they look like, checks of the text do not.
        column = next(at for at, letter in enumerate(text, 1) if not letter.isascii())
        reason = f"the character {text[column - 1]!r} is not in the language"
        raise PredicateError(text, column, reason, "write plain letters, digits and signs")
    if "#" in text:
        # Its lines are joined, so that a comment would swallow the rest of the predicate.
        raise PredicateError(text, text.index("#") + 1, "a comment stands in the predicate", "put it above")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # `1or 2` is a mere warning for Python
            tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise PredicateError(text, error.offset or 1, *_syntax_advice(text, error)) from None
    except (SyntaxWarning, ValueError, MemoryError, RecursionError):
        raise PredicateError(text, 1, "cannot be read as an expression", "check spaces and brackets") from None
    _check_depth(text, tree)
    return tree


def _check_depth(text: str, tree: ast.expr) -> None:
    level: list[ast.AST] = [tree]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return
    raise PredicateError(text, 1, f"nested deeper than {MAX_DEPTH} levels", "split the rule in two")


def _syntax_advice(text: str, error: SyntaxError) -> tuple[str, str]:
    for wrong, right in (("&&", "and"), ("||", "or"), ("<>", "!="), ("=>", ">="), ("=<", "<=")):
        if wrong in text:
            return f"{wrong!r} is not in the language", f"write {right!r}"
    if _ASSIGNED.search(_WINDOW.sub("", text)):
        return "'=' does not compare", "write '=='"
    return f"not an expression ({error.msg})", "check the brackets and the words and, or, not"


class _Reader:
    """Turns the syntax tree into an expression; a unit goes with each number."""

    def __init__(self, parameters: Mapping[str, float]) -> None:
        self.parameters = parameters

    def truth(self, node: ast.expr) -> Truth:
        match node:
            case ast.BoolOp(op=op, values=values):
                parts = tuple(self.truth(part) for part in values)
                return All(parts) if isinstance(op, ast.And) else AnyOf(parts)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return Not(self.truth(operand))
            case ast.Compare():
                return self.comparison(node)
            case ast.Name(id=name) if name == NEVER:
                return Always(False)
            case ast.Constant(value=bool()):
                raise Refused(node, "True and False are not in the language", f"write a comparison, or {NEVER}")
            case ast.BinOp(op=ast.BitAnd() | ast.BitOr()):
                raise Refused(node, "'&' and '|' are not in the language", "write 'and' or 'or'")
        number, unit = self.number(node)
        if unit is Unit.TRUTH:
            return Compare("!=", number, Constant(0.0))
        raise Refused(node, f"{UNIT_NAMES[unit]} stands where a condition should", "compare it, as in '... >= 1'")

    def comparison(self, node: ast.Compare) -> Truth:
        parts: list[Truth] = []
        left_node, (left, left_unit) = node.left, self.number(node.left)
        for operator, right_node in zip(node.ops, node.comparators, strict=True):
            op = _COMPARISONS.get(type(operator))
            if op is None:
                raise Refused(right_node, "'is' and 'in' are not in the language", "use < <= > >= == !=")
            right, right_unit = self.compared(right_node, left_unit, op)
            check_comparison(node, op, (left_node, left, left_unit), (right_node, right, right_unit))
            parts.append(Compare(op, left, right))
            left_node, left, left_unit = right_node, right, right_unit
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def compared(self, node: ast.expr, unit: Unit, op: str) -> tuple[Number, Unit]:
        """What a value of a unit is compared with: a number, or for a type and the like one of its names."""
        names = LABELS.get(unit)
        if names is None:
            return self.number(node)
        if op not in ("==", "!="):
            raise Refused(node, f"{UNIT_NAMES[unit]} is more or less than none other", "use == or !=")
        if not isinstance(node, ast.Name) or node.id not in names:
            shown = ast.unparse(node)
            raise Refused(node, f"{shown!r} is not {UNIT_NAMES[unit]}", f"nearest known: {nearest(shown, names)!r}")
        return Constant(float(names.index(node.id))), unit

    def number(self, node: ast.expr) -> tuple[Number, Unit]:
        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return Constant(_finite(node, number)), Unit.NUMBER
            case ast.Name(id=name):
                return self.name(node, name)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                part, unit = self.arithmetic_part(operand)
                return _fold(node, "-", Constant(0.0), part), unit
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.arithmetic_part(operand)
            case ast.BinOp(left=left_node, op=operator, right=right_node):
                return self.arithmetic(node, left_node, operator, right_node)
            case ast.Call():
                return read_call(node, self.whole)
            case ast.BoolOp() | ast.Compare() | ast.UnaryOp(op=ast.Not()):
                raise Refused(node, "a condition stands where a number should", "check the brackets")
            case ast.Constant(value=str()):
                raise Refused(node, "text in quotes is not in the language", "write the name without quotes")
        raise Refused(node, f"{ast.unparse(node)!r} is not in the language", "see the list of fields and functions")

    def arithmetic_part(self, node: ast.expr) -> tuple[Number, Unit]:
        number, unit = self.number(node)
        if unit is Unit.TRUTH:
            raise Refused(node, f"{ast.unparse(node)!r} is true or false, not a number", "join it with 'and'")
        return number, unit

    def arithmetic(
        self, node: ast.expr, left_node: ast.expr, operator: ast.operator, right_node: ast.expr
    ) -> tuple[Number, Unit]:
        op = _ARITHMETIC.get(type(operator))
        if op is None:
            remedy = "write it with these; conditions are joined by 'and' and 'or'"
            raise Refused(node, "only + - * / are in the language", remedy)
        left, left_unit = self.arithmetic_part(left_node)
        right, right_unit = self.arithmetic_part(right_node)
        if op == "*":
            unit = product_unit(node, left_unit, right_unit)
        elif op == "/":
            unit = quotient_unit(left_unit, right_unit)
        else:
            unit = sum_unit(node, left_unit, right_unit)
        return _fold(node, op, left, right), unit

    def name(self, node: ast.expr, name: str) -> tuple[Number, Unit]:
        if name in self.parameters:
            return Constant(_finite(node, self.parameters[name])), Unit.NUMBER
        if name in FIELD_NAMES:
            field: Field = FIELD_NAMES[name]
            return Read(Column(Op.FIELD, int(field))), FIELDS[field].unit
        if name in EXPECTED_NAMES:
            return Arithmetic("/", Read(Column(Op.ITS_LATE, EXPECTED_NAMES[name])), Constant(_DAY_MS)), Unit.DAYS
        if name == LACKS_COMPANION:
            return Read(Column(Op.ITS_LACKING, 0)), Unit.TRUTH
        if name in ITS_NAMES:
            raise Refused(node, f"{name!r} is a kind of event, not a number", f"write days_since({name})")
        if name in KINDS:
            remedy = f"write total({name}), count({name}, days=14) or days_since({name})"
            raise Refused(node, f"{name!r} is a kind of event, not a number", remedy)
        if name in FUNCTIONS:
            raise Refused(node, f"{name!r} needs its arguments", f"write {FUNCTIONS[name]}")
        if name == NEVER:
            raise Refused(node, f"{NEVER!r} is a condition, not a number", "it stands alone")
        close = nearest(name, [*FIELD_NAMES, *EXPECTED_NAMES, LACKS_COMPANION, *self.parameters])
        raise Refused(node, f"unknown feature {name!r}", f"nearest known: {close!r}")

    def whole(self, node: ast.expr, what: str, limit: int) -> int:
        """A window: a whole number from 1 to `limit`, known when the rule is read."""
        number, _ = self.number(node)
        if not isinstance(number, Constant):
            raise Refused(node, f"the window in {what} must be a number, not {ast.unparse(node)!r}", "write a number")
        if number.value != int(number.value) or not 1 <= number.value <= limit:
            reason = f"a window of {number.value:g} {what} is not kept"
            raise Refused(node, reason, f"write a whole number of {what} from 1 to {limit}")
        return int(number.value)


def _finite(node: ast.expr, number: float) -> float:
    # Beyond 2**53 a float no longer holds each whole number, and no amount or time here comes near it.
    if not abs(number) <= 2**53:
        raise Refused(node, "the number is too large", "write a number below 9e15")
    return float(number)


def _fold(node: ast.expr, op: str, left: Number, right: Number) -> Number:
    if op == "/" and right == Constant(0.0):
        raise Refused(node, "division by zero", "divide by another number")
    whole = Arithmetic(op, left, right)
    if not (isinstance(left, Constant) and isinstance(right, Constant)):
        return whole
    return Constant(_finite(node, value(whole, lambda column: 0.0)))
