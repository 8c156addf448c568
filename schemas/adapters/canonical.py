"""Canonical events: what every adapter yields, whatever the format it reads."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Protocol

import orjson

from schemas.names import kind_name, topic_name
from schemas.refusal import Refusal
from schemas.timestamp import from_ms

__all__ = ["Adapter", "BadLine", "Canonical", "Customer", "Outcome", "Skipped", "call", "track"]


@dataclass(frozen=True, slots=True)
class Canonical:
    """One event, ready to be sent.

    Parameters
    ----------
    topic
        `clickstream`, `orders` or `customers`.
    key
        Customer id.
    time_ms
        Event time, milliseconds since the epoch.
    value
        A Segment call, ready for JSON; its `messageId` depends on the content alone, so that a file
        loaded twice is counted once.
    line_number
        Of the line that it begins in, from 1, where that is not the one that was read last; else 0. Events are equal
        wherever they stand.
    """

    topic: str
    key: str
    time_ms: int
    value: dict[str, Any]
    line_number: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that cannot be read; the rest goes on. Lines count from 1."""

    line_number: int
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Skipped:
    """A line that is in order but of no use here, such as an order of nobody known."""

    line_number: int
    why: str


Outcome = Canonical | BadLine | Skipped


class Adapter(Protocol):
    """Reads one format; see `schemas.adapters.ADAPTERS`.

    `options` documents what may be given, by name. Calling it raises `OptionError` at once for an option
    that is unknown or wrong; lines are then read lazily, with memory for a bounded number of open orders.
    """

    @property
    def description(self) -> str:
        """One sentence for the command's help."""
        ...

    @property
    def options(self) -> Mapping[str, str]:
        """What may be given, by name."""
        ...

    def __call__(self, lines: Iterable[str], *, options: Mapping[str, str]) -> Iterator[Outcome]:
        """Yield what each line holds."""
        ...


@dataclass(frozen=True, slots=True)
class Customer:
    """Whose event it is: a known user, or a visitor known by a cookie or device only."""

    user_id: str | None = None
    anonymous_id: str | None = None

    @property
    def key(self) -> str:
        """The record's key: the user's id, else the visitor's."""
        return self.user_id or self.anonymous_id or ""


def track(
    event: str,
    customer: Customer,
    time_ms: int,
    properties: Mapping[str, Any],
    message_id: str | None = None,
) -> Canonical:
    """Return a `track` call; properties that are None are left out."""
    body = {"event": event, "properties": {k: v for k, v in properties.items() if v is not None}}
    return call("track", customer, time_ms, body, message_id)


def call(
    kind: str, customer: Customer, time_ms: int, body: Mapping[str, Any], message_id: str | None = None
) -> Canonical:
    """Return a Segment call of any type; without `message_id` the id is a hash of the content."""
    value: dict[str, Any] = {"type": kind, "timestamp": from_ms(time_ms)}
    if customer.user_id:
        value["userId"] = customer.user_id
    if customer.anonymous_id:
        value["anonymousId"] = customer.anonymous_id
    value.update(body)
    value["messageId"] = message_id or content_id(value)
    topic = topic_name(kind_name(kind, value.get("event")))
    return Canonical(topic, customer.key, time_ms, value)


def content_id(value: Mapping[str, Any]) -> str:
    """Return 32 hexadecimal digits that depend on the content alone, not on process or order of keys."""
    return blake2b(orjson.dumps(value, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()
