"""Which Struct decodes which schema's values, and whether a payload is accepted by it."""

from typing import Any, Final

import msgspec
from msgspec import Struct

from schemas.checks import required
from schemas.events import Event
from schemas.internals import DeadLetter, Deletion, Progress, Rule
from schemas.names import kind_name
from schemas.outputs import (
    ActionEvent,
    AudienceEvent,
    ContentEvent,
    ExampleEvent,
    ModelEvent,
    ReceiptEvent,
    ScoreEvent,
    WatermarkEvent,
    WithheldEvent,
)
from schemas.refusal import DECODE_ERRORS, Refusal, from_validation_error, shown
from schemas.shop import ProductsEvent, ShopState
from schemas.timestamp import to_ms

__all__ = ["STRUCTS", "event_refused", "is_unknown", "refused"]

STRUCTS: Final[dict[str, tuple[type[Struct], ...]]] = {
    "segment-event.v1": (Event,),
    "score.v1": (ScoreEvent,),
    "action.v1": (ActionEvent,),
    "action-withheld.v1": (WithheldEvent,),
    "audience.v1": (AudienceEvent,),
    "content.v1": (ContentEvent,),
    "example.v1": (ExampleEvent, WatermarkEvent),
    "model.v1": (ModelEvent,),
    "products.v1": (ProductsEvent,),
    "shop-state.v1": (ShopState,),
    "dead-letter.v1": (DeadLetter,),
    "progress.v1": (Progress,),
    "deletion.v1": (Deletion,),
    "receipt.v1": (ReceiptEvent,),
    "rule.v1": (Rule,),
}
"""Structs by JSON Schema; where there are several, a value is of exactly one."""


def refused(schema: str, payload: bytes) -> Refusal | None:
    """Return why a payload is not a value of a schema, or None when it is; any bytes may be given.

    Decodes anew and reads the time, so it is for tools and tests; a worker does the same in its own way.

    Raises
    ------
    KeyError
        If no schema has that name.
    """
    refusals: list[Refusal] = []
    for struct in STRUCTS[schema]:
        try:
            value: Any = msgspec.json.decode(payload, type=struct)
        except DECODE_ERRORS as error:
            refusals.append(from_validation_error(error, payload))
            continue
        return event_refused(value) if isinstance(value, Event) else None
    # Of several kinds of value it is the one whose type fits that has more to say.
    return next((refusal for refusal in refusals if refusal.field != "type"), refusals[0])


def event_refused(event: Event) -> Refusal | None:
    """Return why a decoded call cannot be applied (its time, or a field it must have), or None."""
    try:
        to_ms(event.timestamp)
    except ValueError:
        remedy = "send ISO 8601 with an offset, such as 2024-05-01T09:30:00.000Z"
        return Refusal("timestamp", shown(event.timestamp), "is not a time", remedy, "time")
    return required(kind_name(event.type, event.event), event)


class _Called(Struct):
    type: str = "track"
    event: str | None = None


_called: Final = msgspec.json.Decoder(_Called).decode


def is_unknown(error: Exception, payload: bytes | None) -> bool:
    """Whether what does not decode as an `Event` is one of a name that nothing is known of, in JSON that is sound.

    Its other fields are whatever those who named it say; that they have names which others have, too, is chance.
    """
    if payload is None or not isinstance(error, msgspec.ValidationError):
        return False
    try:
        call = _called(payload)
    except DECODE_ERRORS:
        return False
    return bool(call.event if call.type == "track" else call.type) and kind_name(call.type, call.event) is None
