"""CloudEvent: the envelope of what is told, and the reasons in it."""

import math
import re
from typing import Any, Final
from urllib.parse import quote_from_bytes

import numpy as np
import numpy.typing as npt

__all__ = [
    "CONTENT_TYPE",
    "DIGITS",
    "SCHEMAS",
    "cloud_event",
    "headers_of",
    "is_event",
    "log_odds",
    "name_of",
    "quoted",
    "reason",
]

CONTENT_TYPE: Final = "content-type", b"application/cloudevents+json"
"""The header that says of a record's value that it is a whole event: 3.3.1 of
https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/kafka-protocol-binding.md.
"""
SCHEMAS: Final = "urn:recompra:"
"""Before the name of a JSON Schema: a `dataschema` is an absolute URI."""
_BEGINS: Final = b'{"specversion":'
DIGITS: Final = 9
"""Decimals of a contribution."""
_PLAIN: Final = re.compile(rb"[A-Za-z0-9_.~-]*").fullmatch
"""Texts that stay as they are when they are percent-encoded, as most do; to find that out so is quicker."""
_LEAST: Final = 1e-300
_MOST: Final = math.nextafter(1.0, 0.0)
"""Between these a probability has log-odds that are finite."""


def cloud_event(name: Any, kind: str, schema: str, subject: Any, time: Any, data: Any) -> dict[str, Any]:
    """Return a CloudEvent 1.0 in JSON's terms; `schema` is the name of its JSON Schema, such as `score.v1`."""
    return {
        "specversion": "1.0",
        "id": name,
        "source": "/recompra",
        "type": kind,
        "subject": subject,
        "time": time,
        "datacontenttype": "application/json",
        "dataschema": SCHEMAS + schema,
        "data": data,
    }


def is_event(value: bytes) -> bool:
    """Return whether a record's value is a CloudEvent, as ours begin."""
    return value.startswith(_BEGINS)


def headers_of(value: bytes | None) -> list[tuple[str, bytes]]:
    """Return the headers of a record with this value, for a client's `send`."""
    return [CONTENT_TYPE] if value is not None and is_event(value) else []


def name_of(customer: bytes, since_ms: int | None) -> str:
    """Return a customer as they stand in an event's id; who was forgotten at a time and came again is somebody else."""
    name = quoted(customer)
    return name if since_ms is None else f"{name}@{since_ms}"


def quoted(text: bytes) -> str:
    """Return a text as it stands in an event's id: percent-encoded."""
    return text.decode() if _PLAIN(text) else quote_from_bytes(text, safe="")


def reason(group: str, contribution: Any, change: Any) -> dict[str, Any]:
    """Return what one group of features adds to the log-odds, and by how much that changed."""
    return {"group": group, "contribution": contribution, "change": change}


def log_odds(score: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the log-odds of each probability (n,), finite ones."""
    inside = np.clip(score, _LEAST, _MOST)
    return np.asarray(np.log(inside) - np.log1p(-inside))
