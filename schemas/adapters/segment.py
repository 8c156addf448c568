"""Segment: calls as they are, one JSON object a line."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct, structs

from schemas.accepted import event_refused, is_unknown
from schemas.adapters.canonical import BadLine, Canonical, Outcome, Skipped
from schemas.adapters.fields import FieldError
from schemas.adapters.objects import json_object
from schemas.adapters.options import Format
from schemas.events import Event, Product, Properties, customer_id
from schemas.names import kind_name, topic_name
from schemas.refusal import DECODE_ERRORS, Refusal, from_validation_error
from schemas.timestamp import to_ms

__all__ = ["SEGMENT"]

_DECODER: Final = msgspec.json.Decoder(Event)


def _ids(struct: type[Struct]) -> tuple[str, ...]:
    """The fields that hold text or a whole number."""
    return tuple(each.encode_name for each in structs.fields(struct) if each.type == str | int | None)


_IDS: Final = _ids(Event)
_IDS_WITHIN: Final = _ids(Properties)
_IDS_OF_PRODUCTS: Final = _ids(Product)


def read(lines: Iterable[str], options: Mapping[str, str]) -> Iterator[Outcome]:
    """Yield each call unchanged, checked for its time and for what a call of its kind must say."""
    for line_number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield _call(line_number, line)
        except FieldError as error:
            yield BadLine(line_number, error.refusal)


def _call(line_number: int, line: str) -> Canonical | Skipped:
    value = json_object(line, first=line_number == 1)
    payload = line.lstrip("\ufeff").encode()
    try:
        event = _DECODER.decode(payload)
    except DECODE_ERRORS as error:
        if is_unknown(error, payload):
            return Skipped(line_number, "an event of an unknown name says things of other types")
        raise FieldError(from_validation_error(error, payload)) from None
    refusal = event_refused(event)
    if refusal is not None:
        raise FieldError(refusal)
    _check_ids(value, _IDS, "")
    said = value.get("properties") or {}
    _check_ids(said, _IDS_WITHIN, "properties.")
    for i, product in enumerate(said.get("products") or ()):
        _check_ids(product, _IDS_OF_PRODUCTS, f"properties.products[{i}].")
    topic = topic_name(kind_name(event.type, event.event))
    return Canonical(topic, customer_id(event) or "", to_ms(event.timestamp), value)


def _check_ids(said: Mapping[str, Any], fields: Iterable[str], path: str) -> None:
    """Whole numbers past 64 bits come out of the parser as floats and would go in as another id."""
    for field in fields:
        if isinstance(said.get(field), float):
            remedy = "send it as text"
            raise FieldError(Refusal(f"{path}{field}", str(said[field]), "is too large a number", remedy, "range"))


SEGMENT: Final = Format(
    name="segment",
    description="Segment calls (track, page, identify, alias) as NDJSON, one call a line",
    reader=read,
)
