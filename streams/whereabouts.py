"""Whereabouts: country, region and city, read off what an event says of where its customer is."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from schemas.events import Event
from scoring.kinds import Kind
from scoring.where import Where

__all__ = ["SAYING_WHERE", "where_of"]

SAYING_WHERE: Final = frozenset({Kind.IDENTIFY, Kind.PLACE_ENTERED})
"""Kinds that say where a customer is."""
_LONGEST = 80


class _Context(msgspec.Struct):
    location: Any = None


_context = msgspec.json.Decoder(_Context).decode


def where_of(event: Event) -> Where | None:
    """Return where an event of one of the kinds `SAYING_WHERE` says that its customer is; None where it does not.

    What it says itself comes first, then the address among the traits, then where the device is.
    """
    return next((where for where in _told(event) if any(where)), None)


def _told(event: Event) -> Iterator[Where]:
    said = event.properties
    if said is not None:
        yield Where(_name(said.country), _name(said.region), _name(said.city))
    yield _address((event.traits or {}).get("address"))
    try:
        yield _address(_context(event.context).location if len(event.context) else None)
    except msgspec.DecodeError:  # something else than an object
        return


def _address(said: Any) -> Where:
    if not isinstance(said, dict):
        return Where()
    return Where(_name(said.get("country")), _name(said.get("region") or said.get("state")), _name(said.get("city")))


def _name(said: Any) -> str:
    """The name as it is compared; one that is longer than any is none, and so is one that UTF-8 cannot write."""
    name = said.strip().casefold() if isinstance(said, str) else ""
    return name if len(name) <= _LONGEST and not any(0xD800 <= ord(letter) < 0xE000 for letter in name) else ""
