"""Refusals: why a record was not accepted, and what to do about it."""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

import orjson
from msgspec import MsgspecError

__all__ = ["DECODE_ERRORS", "VALUE_LIMIT", "Refusal", "from_validation_error", "shown", "start"]

VALUE_LIMIT: Final = 80
"""Characters of the refused value that are shown."""

DECODE_ERRORS: Final = (MsgspecError, UnicodeDecodeError, RecursionError, MemoryError)
"""All that decoding untrusted bytes into a Struct raises; the last three are no subclass of msgspec's."""

_AT: Final = re.compile(r"^(?P<what>.*?)(?: - at (?:key in )?`\$\.?(?P<path>.*)`)?$", re.DOTALL)
_MISSING: Final = re.compile(r"missing required field `([^`]*)`")
_EXPECTED: Final = re.compile(r"^Expected `([^`]*)`, got `([^`]*)`")
_UNKNOWN: Final = re.compile(r"unknown field `([^`]*)`")
_LEAST: Final = re.compile(r"^Expected `(?:str|array)` of length >= 1$")
_FORM: Final = re.compile(r"^Expected `str` matching regex '(.*)'$")
_BYTE: Final = re.compile(r"\(byte (\d+)\)")
_STEP: Final = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")
_WORDS: Final = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
}
"""Words for msgspec's type names, for people who write JSON rather than Python."""
_AROUND: Final = 20
_ABSENT: Final = object()


def shown(value: object) -> str:
    """Return a value as it is shown in a refusal: JSON where it has one, one line, at most 80 characters.

    Never raises. O(length of the value) at worst; text is cut before it is escaped.
    """
    try:
        text = value[: VALUE_LIMIT + 1] if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError, MemoryError):
        text = f"<{type(value).__name__}>"
    return _one_line(text)


def _one_line(text: str) -> str:
    """Return text that any encoder and any terminal takes: no control characters, no lone surrogates."""
    head = text[: VALUE_LIMIT + 1]
    plain = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in head)
    return plain if len(plain) <= VALUE_LIMIT else plain[: VALUE_LIMIT - 1] + "…"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a record is refused, as a person can act on it.

    Parameters
    ----------
    field
        Dotted path of the field, such as `properties.products[1].price`; `$` for the whole record.
    value
        What stood there, as text; cut to 80 characters, made printable.
    reason
        What is wrong, in a sentence without the final stop.
    remedy
        What the sender can do, in a sentence without the final stop.
    code
        The machine's word for the reason: `malformed`, `type`, `missing`, `range`, `invalid`, ...
    """

    field: str
    value: str
    reason: str
    remedy: str
    code: str = "invalid"

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", _one_line(self.value))
        object.__setattr__(self, "field", _one_line(self.field))

    def __str__(self) -> str:
        return f"{self.field}: {self.reason} (found {self.value or 'nothing'}); {self.remedy}"


def from_validation_error(error: BaseException, payload: bytes | None) -> Refusal:
    """Say what a decoder found wrong with a payload.

    Parameters
    ----------
    error
        Any of `DECODE_ERRORS`; others are named by their type.
    payload
        The bytes that were decoded; None for a record without a value.

    Returns
    -------
    Refusal
        Never raises, whatever the bytes. Parses the payload once more, so it costs some ten times a
        decode: it is for what is refused only.
    """
    if payload is None:
        return Refusal("$", "", "the record has no value", "send the call as JSON", "empty")
    try:
        return _explained(error, payload)
    except Exception:  # noqa: BLE001 - a refusal that raised would stop the partition for one bad record.
        return Refusal("$", start(payload), f"cannot be read ({type(error).__name__})", "send valid JSON", "malformed")


def _explained(error: BaseException, payload: bytes) -> Refusal:
    if isinstance(error, RecursionError):
        return Refusal("$", start(payload), "is nested too deeply", "send flatter JSON", "depth")
    if isinstance(error, UnicodeDecodeError):
        piece = bytes(error.object)[max(0, error.start - _AROUND) : error.end + _AROUND]
        value = piece.decode("utf-8", "backslashreplace")
        return Refusal("$", value, "holds bytes that are not UTF-8", "encode the JSON as UTF-8", "encoding")
    match = _AT.match(str(error))
    what, path = (match["what"], match["path"]) if match else (str(error), None)
    if not payload.strip():
        return Refusal("$", "", "the record has no value", "send the call as JSON", "empty")
    if missing := _MISSING.search(what):
        field = f"{path}.{missing[1]}" if path else missing[1]
        return Refusal(field, "", "is required and absent", f"add {missing[1]}", "missing")
    if expected := _EXPECTED.match(what):
        return _wrong_type(expected[1], expected[2], path or "$", payload)
    if unknown := _UNKNOWN.search(what):
        field = f"{path}.{unknown[1]}" if path else unknown[1]
        return Refusal(field, _value_at(field, payload), "is not a known field", "leave it out", "unknown")
    if path is not None:
        return _out_of_range(what, path, payload)
    return _malformed(what, payload)


def _wrong_type(expected: str, got: str, path: str, payload: bytes) -> Refusal:
    kinds = [_WORDS.get(kind, kind) for kind in expected.split(" | ") if kind != "null"]
    wanted = " or ".join(kinds)
    remedy = f"send {wanted}" + (", or leave the field out" if "null" in expected else "")
    reason = f"expected {wanted}, got {_WORDS.get(got, got)}"
    return Refusal(path, _value_at(path, payload), reason, remedy, "type")


def _out_of_range(what: str, path: str, payload: bytes) -> Refusal:
    value = _value_at(path, payload)
    if _LEAST.match(what):
        return Refusal(path, value, "is empty", "send at least one character or item", "range")
    if form := _FORM.match(what):
        remedy = "send text of the form " + form[1].replace("\\\\", "\\")
        return Refusal(path, value, "does not have the right form", remedy, "range")
    if what.startswith("Invalid enum value"):
        return Refusal(path, value, "is not one of the allowed values", "see the schema for them", "range")
    plain = _lowered(what)
    for kind, words in _WORDS.items():
        plain = plain.replace(f"`{kind}`", words)
    return Refusal(path, value, plain, "send a value within the range", "range")


def _malformed(what: str, payload: bytes) -> Refusal:
    at = _BYTE.search(what)
    start = max(0, int(at[1]) - _AROUND) if at else max(0, len(payload) - 2 * _AROUND)
    value = payload[start : start + 2 * _AROUND].decode("utf-8", "backslashreplace")
    return Refusal("$", value, _lowered(what), "send one JSON object in a record", "malformed")


def _value_at(path: str, payload: bytes) -> str:
    """Return the value found at a path, or the payload's start when it cannot be looked up."""
    try:
        return _looked_up(path, payload)
    except (ValueError, IndexError, RecursionError, MemoryError):
        return start(payload)


def _looked_up(path: str, payload: bytes) -> str:
    try:
        value: Any = orjson.loads(payload)
    except ValueError:
        # orjson refuses what msgspec may skip over (bad UTF-8, lone surrogates, NaN in unknown fields).
        value = json.loads(payload.decode("utf-8", "replace"))
    if path in {"$", ""}:
        return shown(value)
    for name, index in _STEP.findall(path):
        if isinstance(value, dict) and name:
            value = value.get(name, _ABSENT)
        elif isinstance(value, list) and index:
            value = value[int(index)]
    return "" if value is _ABSENT else shown(value)


def start(payload: bytes) -> str:
    """Return the first characters of a payload as text, whatever its bytes are; `Refusal` cuts and cleans it."""
    return payload[: VALUE_LIMIT + 1].decode("utf-8", "backslashreplace")


def _lowered(text: str) -> str:
    return text if text.startswith("JSON") else text[:1].lower() + text[1:]
