"""Segment: calls as they are, one JSON object a line."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from schemas.accepted import event_refused
from schemas.adapters.canonical import BadLine, Canonical, Outcome
from schemas.adapters.fields import FieldError
from schemas.adapters.objects import json_object
from schemas.adapters.options import Format
from schemas.events import Event, customer_id
from schemas.names import kind_name, topic_name
from schemas.refusal import DECODE_ERRORS, Refusal, from_validation_error
from schemas.timestamp import to_ms

__all__ = ["SEGMENT"]

_DECODER: Final = msgspec.json.Decoder(Event)
_IDS: Final = ("userId", "anonymousId", "previousId")


def read(lines: Iterable[str], options: Mapping[str, str]) -> Iterator[Outcome]:
    """Yield each call unchanged, checked as a worker would check it."""
    for line_number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield _call(line, first=line_number == 1)
        except FieldError as error:
            yield BadLine(line_number, error.refusal)


def _call(line: str, *, first: bool) -> Canonical:
    value = json_object(line, first=first)
    payload = line.lstrip("\ufeff").encode()
    try:
        event = _DECODER.decode(payload)
    except DECODE_ERRORS as error:
        raise FieldError(from_validation_error(error, payload)) from None
    refusal = event_refused(event)
    if refusal is not None:
        raise FieldError(refusal)
    for field in _IDS:
        # Whole numbers past 64 bits come out of the parser as floats and would go in as another id.
        if isinstance(value.get(field), float):
            raise FieldError(Refusal(field, str(value[field]), "is too large a number", "send it as text", "range"))
    topic = topic_name(kind_name(event.type, event.event))
    return Canonical(topic, customer_id(event) or "", to_ms(event.timestamp), value)


SEGMENT: Final = Format(
    name="segment",
    description="Segment calls (track, page, identify, alias) as NDJSON, one call a line",
    reader=read,
)
