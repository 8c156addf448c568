"""Objects: lines of JSON, one object each, and what stands in them."""

from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from typing import Any

import orjson

from schemas.adapters.fields import FieldError, encodable
from schemas.refusal import Refusal, from_validation_error, shown

__all__ = ["finite", "identity", "is_blank", "json_object", "objects", "pieces"]

_DEEP = 250
"""Fewer brackets than this cannot be nested too deeply."""


def objects(lines: Iterable[str]) -> Iterator[tuple[int, dict[str, Any] | Refusal]]:
    """Yield line numbers and objects, or the refusal of a line; empty lines are passed over."""
    for line_number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield line_number, json_object(line, first=line_number == 1)
        except FieldError as error:
            yield line_number, error.refusal


def json_object(line: str, *, first: bool = False) -> dict[str, Any]:
    """Return the object that a line holds; a byte-order mark is allowed on the first.

    Raises
    ------
    FieldError
        If the line is not one JSON object.
    """
    text = line.lstrip("\ufeff") if first else line
    encodable(text)
    try:
        value = orjson.loads(text)
    except (orjson.JSONDecodeError, RecursionError) as error:
        raise FieldError(_malformed(error, text)) from None
    if text.count("{") + text.count("[") >= _DEEP:
        _writable(value, text)
    if not isinstance(value, dict):
        raise FieldError(Refusal("$", text, "is not an object", "write one JSON object a line", "type"))
    return value


def identity(field: str, value: Any) -> str | None:
    """Return an id as text; None where it is absent, empty or one of the exports' ways to say so.

    Raises
    ------
    FieldError
        If it is neither text nor a whole number.
    """
    if is_blank(value):
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise FieldError(Refusal(field, shown(value), "is not an id", "send text or a whole number", "type"))


def is_blank(value: Any) -> bool:
    """Whether a value says nothing: null, empty, `(not set)`."""
    return value is None or (isinstance(value, str) and value.strip() in ("", "(not set)"))


def finite(field: str, value: Any) -> float | None:
    """Return a number, given as one or as text (as warehouses export decimals); None where it is absent.

    Raises
    ------
    FieldError
        If it is no finite number.
    """
    if is_blank(value):
        return None
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError(value)
        found = float(value)
        if not isfinite(found):
            raise ValueError(value)
    except (ValueError, OverflowError):
        raise FieldError(Refusal(field, shown(value), "is not a number", "send a number", "number")) from None
    return int(found) if found.is_integer() and abs(found) < 2**53 else found


def pieces(field: str, value: Any) -> list[Mapping[str, Any]]:
    """Return a list of objects; empty where it is absent.

    Raises
    ------
    FieldError
        If it is something else.
    """
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise FieldError(
            Refusal(field, shown(value), "is not a list of objects", "send a list, or leave it out", "type")
        )
    return value


def _writable(value: Any, text: str) -> None:
    """Refuse what can be read and not be written again: orjson stops at 254 levels."""
    try:
        orjson.dumps(value)
    except TypeError:
        raise FieldError(Refusal("$", text, "is nested too deeply", "send flatter JSON", "depth")) from None


def _malformed(error: BaseException, text: str) -> Refusal:
    if isinstance(error, RecursionError):
        return from_validation_error(error, text.encode())
    said = str(error).split(":")[0]
    return Refusal("$", text.strip(), f"is not JSON ({said})", "write one JSON object a line", "malformed")
