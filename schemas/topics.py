"""Topics: what each is called, what is on it, and how the broker should keep it.

One YAML file a topic lies in `topics/`; a name with braces is a template, expanded for each rule or
each input.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal, cast

import yaml

__all__ = ["FOREVER", "TopicError", "TopicSpec", "expand", "load_topics", "parse_topic"]

Role = Literal["input", "output", "internal"]
Cleanup = Literal["delete", "compact"]
TimestampType = Literal["LogAppendTime", "CreateTime"]

FOREVER: Final = -1
"""`retention_ms` of a topic whose records are never deleted for their age."""

_UNITS: Final = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
_LEGAL: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,199}")
_PLACE: Final = re.compile(r"\{([a-z]+)\}")
_VALUE: Final = re.compile(r"[a-z][a-z0-9-]*\.v[1-9][0-9]*")


class TopicError(ValueError):
    """A topic's description is wrong; the text names the file, the field, the value and the remedy."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic, or a template of topics.

    Parameters
    ----------
    file
        Stem of the YAML file, which is also the folder of the examples.
    name
        Name on the broker, lower-kebab; `actions-{rule}` and `{input}-dlq` are templates.
    role
        `input` (others write it), `output` (others may read it) or `internal`.
    purpose
        What it is for, in a sentence.
    key, value
        What the key is, in words; the name of the value's JSON Schema, such as `score.v1`.
    partitions
        Count; None follows the number of partitions of the inputs, which is a setting.
    cleanup, retention_ms, timestamp_type
        The broker's `cleanup.policy`, `retention.ms` (-1: for ever), `message.timestamp.type`.
        Inputs have the broker's time of receipt.
    written_by, read_by
        Programs and people.
    each
        What a template is expanded for, when that is fixed.
    """

    file: str
    name: str
    role: Role
    purpose: str
    key: str
    value: str
    partitions: int | None
    cleanup: Cleanup
    retention_ms: int
    timestamp_type: TimestampType
    written_by: tuple[str, ...]
    read_by: tuple[str, ...]
    each: tuple[str, ...] = ()

    @property
    def template(self) -> bool:
        """Whether the name has a place to fill."""
        return "{" in self.name

    @property
    def configs(self) -> dict[str, str]:
        """The broker's settings of this topic, as the admin protocol takes them."""
        return {
            "cleanup.policy": self.cleanup,
            "retention.ms": str(self.retention_ms),
            "message.timestamp.type": self.timestamp_type,
        }


@cache
def load_topics() -> tuple[TopicSpec, ...]:
    """Return all topics, templates included: inputs, outputs, internal ones, each by name.

    Raises
    ------
    TopicError
        If a file is wrong or two have one name.
    """
    found = [
        parse_topic(entry.name.removesuffix(".yaml"), entry.read_text(encoding="utf-8"))
        for entry in (files("schemas") / "topics").iterdir()
        if entry.name.endswith(".yaml")
    ]
    found.sort(key=lambda spec: (_ROLES.index(spec.role), spec.name))
    _distinct(found)
    return tuple(found)


def expand(rules: Sequence[str], partitions: int) -> tuple[TopicSpec, ...]:
    """Return the concrete topics for these rules and this number of input partitions.

    Raises
    ------
    TopicError
        If `partitions` is below 1, a rule's name cannot stand in a topic's name, or two names are equal.
    """
    if partitions < 1:
        raise TopicError(f"partitions: {partitions} is below 1; give the number of partitions of the inputs")
    concrete: list[TopicSpec] = []
    for spec in load_topics():
        count = spec.partitions or partitions
        fills = (spec.each or tuple(rules)) if spec.template else ("",)
        for fill in fills:
            name = _PLACE.sub(fill, spec.name)
            if not _LEGAL.fullmatch(name):
                raise TopicError(f"rule {fill!r}: {name!r} cannot be a topic's name; use a-z, 0-9 and hyphens")
            concrete.append(replace(spec, name=name, partitions=count, each=()))
    _distinct(concrete)
    return tuple(concrete)


def parse_topic(file: str, text: str) -> TopicSpec:
    """Read one topic's YAML.

    Raises
    ------
    TopicError
        If it is not a mapping, a field is missing, unknown or wrong.
    """
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise TopicError(f"{file}.yaml: is not YAML: {error}") from None
    if not isinstance(raw, dict):
        raise TopicError(f"{file}.yaml: is not a mapping; write one `field: value` a line")
    _only_known(file, raw)
    name = _text(file, raw, "name", None)
    if not _LEGAL.fullmatch(_PLACE.sub("x", name)):
        raise _wrong(file, "name", name, "use lower-case letters, digits and hyphens, with {rule} or {input}")
    value = _text(file, raw, "value", None)
    if not _VALUE.fullmatch(value):
        raise _wrong(file, "value", value, "name a schema and its version, such as score.v1")
    return TopicSpec(
        file=file,
        name=name,
        role=cast(Role, _text(file, raw, "role", _ROLES)),
        purpose=_text(file, raw, "purpose", None),
        key=_text(file, raw, "key", None),
        value=value,
        partitions=_partitions(file, raw["partitions"]),
        cleanup=cast(Cleanup, _text(file, raw, "cleanup", ("delete", "compact"))),
        retention_ms=_retention(file, raw["retention"]),
        timestamp_type=cast(TimestampType, _text(file, raw, "timestamp", ("LogAppendTime", "CreateTime"))),
        written_by=_names(file, raw, "written_by"),
        read_by=_names(file, raw, "read_by"),
        each=_names(file, raw, "each") if "each" in raw else (),
    )


_ROLES: Final = ("input", "output", "internal")
_FIELDS: Final = (
    "name",
    "role",
    "purpose",
    "key",
    "value",
    "partitions",
    "cleanup",
    "retention",
    "timestamp",
    "written_by",
    "read_by",
)


def _only_known(file: str, raw: dict[Any, Any]) -> None:
    for field in _FIELDS:
        if field not in raw:
            raise TopicError(f"{file}.yaml: {field}: is required and absent; add it")
    for field in raw:
        if field not in (*_FIELDS, "each"):
            raise TopicError(f"{file}.yaml: {field}: is not a known field; known are {', '.join(_FIELDS)}, each")


def _text(file: str, raw: dict[Any, Any], field: str, among: Sequence[str] | None) -> str:
    value = raw[field]
    if not isinstance(value, str) or not value.strip():
        raise _wrong(file, field, value, "write a text")
    if among is not None and value not in among:
        raise _wrong(file, field, value, f"write one of {', '.join(among)}")
    return value.strip()


def _names(file: str, raw: dict[Any, Any], field: str) -> tuple[str, ...]:
    value = raw[field]
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise _wrong(file, field, value, "write a list of texts")
    return tuple(value)


def _partitions(file: str, value: object) -> int | None:
    if value == "inputs":
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _wrong(file, "partitions", value, "write a count of at least 1, or `inputs` for as many as they have")
    return value


def _retention(file: str, value: object) -> int:
    if value == "forever":
        return FOREVER
    match = re.fullmatch(r"([1-9][0-9]*)([mhd])", value) if isinstance(value, str) else None
    if match is None:
        raise _wrong(file, "retention", value, "write a time such as 90d, 12h or 30m, or `forever`")
    return int(match[1]) * _UNITS[match[2]]


def _wrong(file: str, field: str, value: object, remedy: str) -> TopicError:
    return TopicError(f"{file}.yaml: {field}: {str(value)[:80]!r} is not allowed; {remedy}")


def _distinct(specs: Iterable[TopicSpec]) -> None:
    seen: dict[str, str] = {}
    for spec in specs:
        if spec.name in seen:
            raise TopicError(f"two topics are named {spec.name} ({seen[spec.name]}.yaml and {spec.file}.yaml)")
        seen[spec.name] = spec.file
