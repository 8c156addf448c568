"""Hostile input: bad and odd records, each with what must become of it, for tests of whatever reads them."""

from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal, NamedTuple, cast

import orjson
import yaml

from schemas.timestamp import to_ms

__all__ = ["Case", "Expected", "hostile_cases"]

Expected = Literal["applied", "ignored", "duplicate", "late", "dead-lettered"]

_RECEIVED: Final = "2024-05-01T09:30:05Z"
_BASE: Final = {"timestamp": "2024-05-01T09:30:00Z", "userId": "u", "type": "page"}


class Case(NamedTuple):
    """One record and its fate.

    `field` and `code` are the refusal's where it is dead-lettered; `after` names the case that must have
    been applied before. Late and duplicate are decided by the state: to a decoder such a record is good.
    """

    name: str
    topic: str
    key: bytes | None
    payload: bytes | None
    received_ms: int
    outcome: Expected
    field: str | None
    code: str | None
    after: str | None


@cache
def hostile_cases() -> tuple[Case, ...]:
    """Return all cases, in the order in which they may be sent to one customer's partition."""
    text = (files("schemas") / "examples" / "hostile.yaml").read_text(encoding="utf-8")
    return tuple(_case(raw) for raw in yaml.safe_load(text))


def _case(raw: dict[str, Any]) -> Case:
    key = raw.get("key", "u")
    return Case(
        name=raw["name"],
        topic=raw.get("topic", "clickstream"),
        key=None if key is None else _part(key),
        payload=_payload(raw),
        received_ms=to_ms(raw.get("received", _RECEIVED)),
        outcome=cast("Expected", raw["outcome"]),
        field=raw.get("field"),
        code=raw.get("code"),
        after=raw.get("after"),
    )


def _payload(raw: dict[str, Any]) -> bytes | None:
    if "raw" in raw:
        return None if raw["raw"] is None else cast("str", raw["raw"]).encode()
    if "hex" in raw:
        return bytes.fromhex(raw["hex"])
    if "parts" in raw:
        return b"".join(_part(part) for part in raw["parts"])
    value = {"messageId": f"hostile-{raw['name']}", **_BASE, **raw.get("with", {})}
    for field in raw.get("without", ()):
        del value[field]
    return orjson.dumps(value)


def _part(part: str | dict[str, Any]) -> bytes:
    if isinstance(part, str):
        return part.encode()
    if "hex" in part:
        return bytes.fromhex(part["hex"])
    return cast("str", part["repeat"]).encode() * cast("int", part["times"])
