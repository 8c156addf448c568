"""Output events: what the values of all outputs share.

Every field is required on the wire, constants included. Times are RFC 3339 in UTC with milliseconds
(`schemas.timestamp.from_ms`). Encode with `msgspec.json`.

References
----------
CloudEvents 1.0.2, JSON event format.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

__all__ = ["CloudEvent", "Count", "Crossing", "Positive", "Text", "Time", "Unit"]

Text = Annotated[str, Meta(min_length=1)]
Unit = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]
Time = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$")]
Crossing = Literal["entered", "left"]


class CloudEvent(Struct, kw_only=True, forbid_unknown_fields=True):
    """What all output values share; `subject` is the customer's id, `time` the event's time.

    `id` is a function of the input, so that whoever gets one twice can tell.
    """

    specversion: Literal["1.0"]
    id: Text
    source: Literal["/recompra"]
    subject: Text
    time: Time
    datacontenttype: Literal["application/json"]
