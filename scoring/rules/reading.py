"""Reading: YAML files to rules, each mistake named with file, line, rule, field, value and remedy."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

import yaml

from scoring.rules.carry import Carry
from scoring.rules.measures import measure_ms
from scoring.rules.rule import LONGEST_MS, MARK, MARKS, ActionClass, Coupon, ForEach, Rule, RuleError
from scoring.rules.words import NEVER, nearest

__all__ = ["Overrides", "duration_ms", "examine_rules", "read_rules"]

Given = float | str | list[float]
"""A parameter as it may be given: a number, a duration, or the numbers of `marks`."""

Overrides = Mapping[str, Mapping[str, Given]]
"""By rule name, then by parameter: values from the settings in place of the file's defaults."""

_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_TOO_LONG = "is longer than 100 years"
_MOST_WHOLE = 2**31 - 1
"""Of a version or a priority; records and the tables of consumers hold no more than 64 bits."""
_MOST_NUMBER = 2.0**53
"""Of a parameter, as of a number in a predicate: beyond it a float no longer holds each whole number."""
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters, which terminals obey, and halves of characters, for which UTF-8 has no bytes."""
_TRUTHS = {"true": True, "yes": True, "false": False, "no": False}
_FIELDS = (
    "name",
    "version",
    "sentence",
    "parameters",
    "enter",
    "exit",
    "for_each",
    "action_class",
    "cooldown",
    "expires_after",
    "priority",
    "gain",
    "carries",
    "audience",
    "coupon",
    "paused",
    "countries",
    "regions",
    "cities",
    "traits",
)
_READ_BY_LINES = ("parameters", "marks", "for_each", "countries", "regions", "cities")
_NEEDED = ("name", "sentence", "enter")

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)


def read_rules(text: str, file: str, overrides: Overrides | None = None) -> list[Rule]:
    """The rules of one file, one a YAML document, in their order.

    `file` is only named in errors. `overrides` may name rules of other files.

    Raises
    ------
    RuleError
        At the first mistake.
    """
    rules, errors = examine_rules(text, file, overrides)
    if errors:
        raise errors[0]
    return rules


def examine_rules(text: str, file: str, overrides: Overrides | None = None) -> tuple[list[Rule], list[RuleError]]:
    """The rules of one file that can be used, and the mistakes in the others, all that can be told at once."""
    try:
        documents = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError as error:
        return [], [_not_yaml(text, file, error)]
    except RecursionError:
        reason, remedy = "is nested too deep", "write lists on one line, and nothing within them"
        return [], [RuleError("?", "file", file, reason, remedy).at(file, 1)]
    rules: list[Rule] = []
    errors: list[RuleError] = []
    written = [node for node in documents if not _is_empty(node)]
    for node in written:
        try:
            document = _Document(node, file)
        except RuleError as error:
            errors.append(error)
            continue
        rule = document.rule(overrides or {})
        errors += document.errors
        rules += [] if rule is None else [rule]
    if not written:
        errors.append(RuleError("?", "file", file, "holds no rule", "write a rule, or remove the file").at(file, 1))
    return rules, errors


def _not_yaml(text: str, file: str, error: yaml.YAMLError) -> RuleError:
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        reason, remedy = f"not YAML (the character {error.character:#x})", "remove it; rules are plain text"
        return RuleError("?", "file", file, reason, remedy).at(file, line)
    mark = getattr(error, "problem_mark", None)
    reason = f"not YAML ({getattr(error, 'problem', None) or 'unreadable'})"
    error_line = mark.line + 1 if mark is not None else 1
    return RuleError("?", "file", file, reason, "check indentation and quotes").at(file, error_line)


def duration_ms(text: str) -> int:
    """Milliseconds of a duration such as `90s`, `30m`, `1.5h`, `7d` or `2w`.

    Raises
    ------
    ValueError
        If it is none.
    OverflowError
        If it is longer than 100 years.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(text)
    ms = float(match[1]) * _UNITS_MS[match[2]]
    if ms > LONGEST_MS:
        raise OverflowError(text)
    return round(ms)


def _is_empty(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and not node.value


def _shown(node: yaml.Node) -> str:
    """What is written there, of a list or mapping only that it is one."""
    if isinstance(node, yaml.ScalarNode):
        return str(node.value)
    return "[…]" if isinstance(node, yaml.SequenceNode) else "{…}"


def _texts(node: yaml.Node) -> list[str]:
    """What a list holds; nothing where it is none, or where something in it is no single value."""
    parts = node.value if isinstance(node, yaml.SequenceNode) else []
    return [str(part.value).strip() for part in parts] if all(isinstance(p, yaml.ScalarNode) for p in parts) else []


def _name_in(node: yaml.Node) -> str:
    """The name that a rule has by its first field of that name; `?` where there is none."""
    fields = node.value if isinstance(node, yaml.MappingNode) else []
    names = (value.value for key, value in fields if key.value == "name" and isinstance(value, yaml.ScalarNode))
    return str(next(names, "")).strip() or "?"


@dataclass(frozen=True, slots=True)
class _Entry:
    node: yaml.Node
    line: int


class _Document:
    """One YAML mapping with the line of each of its fields, and the mistakes that were found in it.

    Raises
    ------
    RuleError
        If it is no mapping, or has no name that can be read.
    """

    def __init__(self, node: yaml.Node, file: str) -> None:
        self.file, self.name, self.first = file, _name_in(node), node.start_mark.line + 1
        self.entries: dict[str, _Entry] = {}
        self.errors: list[RuleError] = []
        self.entries = self.mapping(node, "rule")
        self.name = self.text("name") or "?"

    def rule(self, overrides: Overrides) -> Rule | None:
        """The checked rule; None where there are mistakes, each of which is then in `errors`."""
        for field in self.entries:
            if field not in _FIELDS:
                self.errors.append(
                    self.error(field, field, "unknown field", f"nearest known: {nearest(field, _FIELDS)!r}")
                )
        for field in _NEEDED:
            if field not in self.entries:
                self.errors.append(self.error(field, "", "missing", f"add '{field}: …'"))
        fields = {name: self.noting(read) for name, read in self.readers(overrides).items()}
        if self.errors:
            self.errors += [
                error for field in ("enter", "exit", "carries") for error in self.line_errors(field, fields)
            ]
            return None
        try:
            return Rule(name=self.name, **fields)  # type: ignore[arg-type]
        except RuleError as error:
            self.errors.append(self.placed(error))
            if error.field == "enter":
                self.errors += self.line_errors("exit", fields)
            return None

    def readers(self, overrides: Overrides) -> dict[str, Callable[[], object]]:
        """How each field of a rule is read."""
        return {
            "parameters": lambda: self.parameters(overrides.get(self.name, {})),
            "marks": lambda: self.marks(overrides.get(self.name, {})),
            "version": lambda: self.whole("version", 1),
            "sentence": lambda: self.text("sentence") or "",
            "enter": lambda: self.text("enter") or "",
            "exit": lambda: self.text("exit"),
            "for_each": lambda: self.choice("for_each", ForEach, ForEach.NONE),
            "action_class": lambda: self.choice("action_class", ActionClass, ActionClass.MARKETING),
            "cooldown_ms": lambda: self.duration("cooldown") or 0,
            "expires_after_ms": lambda: self.duration("expires_after"),
            "priority": lambda: self.whole("priority", 50),
            "gain": lambda: self.number("gain", 1.0),
            "carries": self.carries,
            "audience": lambda: self.truth("audience"),
            "coupon": lambda: self.choice("coupon", Coupon, Coupon.NEVER),
            "paused": lambda: self.truth("paused"),
            "countries": lambda: self.names("countries"),
            "regions": lambda: self.names("regions"),
            "cities": lambda: self.names("cities"),
            "traits": self.traits,
        }

    def noting(self, read: Callable[[], T]) -> T | None:
        """What is read, or None with the mistake noted."""
        try:
            return read()
        except RuleError as error:
            self.errors.append(error)
            return None

    def line_errors(self, field: str, fields: Mapping[str, Any]) -> list[RuleError]:
        """What is wrong with `enter`, `exit` or `carries` by itself, where other things are wrong too."""
        read = {name: fields[name] for name in _READ_BY_LINES}
        if not fields[field] or None in read.values():
            return []
        alone = {"enter": f"revenue > {MARK}" if fields["marks"] else NEVER, "carries": fields[field]}
        try:
            Rule(name="x", sentence="x", **(alone if field == "carries" else {"enter": fields[field]}), **read)
        except RuleError as error:
            if error.field == ("carries" if field == "carries" else "enter"):
                error.rule, error.field = self.name, field
                return [self.placed(error)]
        return []

    def placed(self, error: RuleError) -> RuleError:
        return error.at(self.file, self.line(error.field))

    def error(self, field: str, value: object, reason: str, remedy: str, line: int | None = None) -> RuleError:
        error = RuleError(self.name, field, value, reason, remedy)
        return error.at(self.file, self.line(field) if line is None else line)

    def line(self, field: str) -> int:
        entry = self.entries.get(field) or self.entries.get(field.split(".", maxsplit=1)[0])
        return entry.line if entry else self.first

    def mapping(self, node: yaml.Node, what: str) -> dict[str, _Entry]:
        if not isinstance(node, yaml.MappingNode):
            line = node.start_mark.line + 1
            raise self.error(what, _shown(node), "not a mapping", "write 'field: value' lines", line)
        entries: dict[str, _Entry] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise self.error(what, _shown(key), "a field's name must be plain text", "write 'field: value'", line)
            if key.value in entries:
                raise self.error(key.value, key.value, "stands twice", "remove one of the two", line)
            entries[key.value] = _Entry(value, line)
        return entries

    def text(self, field: str) -> str | None:
        """The scalar as it is written: YAML's own types would turn `1:30` and `no` into other things."""
        entry = self.entries.get(field)
        if entry is None:
            return None
        if not isinstance(entry.node, yaml.ScalarNode):
            raise self.error(field, _shown(entry.node), "must be a single value", f"write '{field}: value' on one line")
        return self.writable(field, str(entry.node.value).strip())

    def writable(self, field: str, text: str) -> str:
        """The text, if records and terminals can hold it."""
        if _UNWRITABLE.search(text):
            raise self.error(
                field, text, "holds a control character, or half of a character", "remove it; rules are plain text"
            )
        return text

    def read(self, field: str, convert: Callable[[str], T], reason: str, remedy: str) -> T | None:
        text = self.text(field)
        if text is None:
            return None
        try:
            return convert(text)
        except (ValueError, KeyError):
            raise self.error(field, text, reason, remedy) from None
        except OverflowError:
            raise self.error(field, text, _TOO_LONG, remedy) from None

    def whole(self, field: str, default: int) -> int:
        number = self.read(field, int, "not a whole number", "write a whole number, as 1")
        if number is not None and abs(number) > _MOST_WHOLE:
            raise self.error(field, number, "is too large", f"write a whole number up to {_MOST_WHOLE}")
        return default if number is None else number

    def number(self, field: str, default: float) -> float:
        number = self.read(field, float, "not a number", "write a number, as 1.5")
        return default if number is None else number

    def duration(self, field: str) -> int | None:
        remedy = "write a number and one of s, m, h, d, w, as 7d"
        return self.read(field, duration_ms, "not a duration", remedy)

    def truth(self, field: str) -> bool:
        answer = self.read(field, _TRUTHS.__getitem__, "neither true nor false", "write true or false")
        return bool(answer)

    def choice(self, field: str, kind: type[E], default: E) -> E:
        remedy = f"write one of {', '.join(kind)}"
        answer = self.read(field, kind, "not known here", remedy)
        return default if answer is None else answer

    def names(self, field: str) -> tuple[str, ...]:
        """A list of names, none where the field is not there."""
        entry = self.entries.get(field)
        if entry is None:
            return ()
        names = tuple(self.writable(field, name) for name in _texts(entry.node))
        if not names or not all(names):
            raise self.error(field, _shown(entry.node), "is no list of names", "write it as [Berlin]")
        return names

    def traits(self) -> dict[str, tuple[str, ...]]:
        """Lists of values by trait, none where the field is not there."""
        entry = self.entries.get("traits")
        if entry is None:
            return {}
        remedy = "write lists of values by trait, as {plan: [pro, business]}"
        if not isinstance(entry.node, yaml.MappingNode):
            raise self.error("traits", _shown(entry.node), "is no mapping", remedy)
        found = {}
        for name, item in self.mapping(entry.node, "traits").items():
            values = tuple(self.writable("traits", value) for value in _texts(item.node))
            if not values or not all(values):
                raise self.error("traits", name, "has no list of values", remedy, item.line)
            if not self.writable("traits", name).strip():
                raise self.error("traits", name, "is no name of a trait", remedy, item.line)
            found[name] = values
        return found

    def carries(self) -> tuple[str, ...]:
        entry = self.entries.get("carries")
        if entry is None:
            return ()
        remedy = f"write a list of {', '.join(Carry)} and of values, as [reasons, cart]"
        if not isinstance(entry.node, yaml.SequenceNode):
            raise self.error("carries", _shown(entry.node), "not a list", remedy)
        items = entry.node.value
        if not all(isinstance(item, yaml.ScalarNode) for item in items):
            raise self.error("carries", ", ".join(map(_shown, items)), "holds something unknown", remedy)
        return tuple(item.value for item in items)

    def marks(self, overrides: Mapping[str, Given]) -> tuple[float, ...]:
        """The numbers of the one parameter that is a list, none where there is no such."""
        entry = self.entries.get("parameters")
        item = None if entry is None else self.mapping(entry.node, "parameters").get(MARKS)
        if item is None:
            return ()
        given = overrides.get(MARKS, _texts(item.node) or _shown(item.node))
        try:
            numbers = tuple(float(mark) for mark in given) if isinstance(given, list) else ()
        except (ValueError, OverflowError):
            numbers = ()
        if not numbers or not all(map(math.isfinite, numbers)):
            remedy = "write increasing numbers, as [500, 1000]"
            raise self.error(f"parameters.{MARKS}", given, "is no list of numbers", remedy, item.line)
        return numbers

    def parameters(self, overrides: Mapping[str, Given]) -> dict[str, float]:
        entry = self.entries.get("parameters")
        written = {} if entry is None else self.mapping(entry.node, "parameters")
        values = {
            name: self.parameter(name, _shown(item.node), item.line) for name, item in written.items() if name != MARKS
        }
        for name, given in overrides.items():
            if name == MARKS and MARKS in written:
                continue
            if name not in values:
                known = ", ".join(values) or "none"
                raise self.error(f"parameters.{name}", given, "the rule has no such parameter", f"declared: {known}")
            values[name] = self.parameter(name, given, None)
        return values

    def parameter(self, name: str, given: Any, line: int | None) -> float:
        """A number, or a duration in the unit in which the predicates read the parameter."""
        field = f"parameters.{name}"
        try:
            number = float(given)
        except (TypeError, ValueError):
            return self.span(field, name, str(given), line)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise self.error(field, given, "not a number", "write a number, the unit is that of the predicate", line)
        if abs(number) > _MOST_NUMBER:
            raise self.error(field, given, "is too large", "write a number below 9e15", line)
        return number

    def span(self, field: str, name: str, text: str, line: int | None) -> float:
        try:
            ms = duration_ms(text)
        except ValueError:
            remedy = "write a number, the unit is that of the predicate, or a duration, as 2h"
            raise self.error(field, text, "neither a number nor a duration", remedy, line) from None
        except OverflowError:
            raise self.error(field, text, _TOO_LONG, "write a duration, as 2h", line) from None
        predicates = [predicate for part in ("enter", "exit") if (predicate := self.text(part)) is not None]
        measure = measure_ms(name, predicates)
        if measure is None:
            raise self.error(field, text, "the predicates do not read it as one unit of time", "write a number", line)
        return ms / measure
