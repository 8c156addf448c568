"""Whereabouts: country, region and city, and traits, read off what an event says of its customer."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

import msgspec

from schemas.events import Event
from scoring.kinds import Kind
from scoring.where import Where

__all__ = ["SAYING_WHERE", "traits_of", "where_of"]

SAYING_WHERE: Final = frozenset({Kind.IDENTIFY, Kind.PLACE_ENTERED})
"""Kinds that say where a customer is."""
_LONGEST = 80
_MOST = 64


class _Context(msgspec.Struct):
    location: Any = None


_context = msgspec.json.Decoder(_Context).decode


def where_of(event: Event) -> Where | None:
    """Return where an event of one of the kinds `SAYING_WHERE` says that its customer is; None where it does not.

    What it says itself comes first, then the address among the traits, then where the device is.
    """
    return next((where for where in _told(event) if any(where)), None)


def traits_of(event: Event) -> dict[str, str]:
    """Return what an Identify says of its customer, as it is compared: texts, numbers and truths, the first 64."""
    said = ((name, _plain(value)) for name, value in islice((event.traits or {}).items(), _MOST))
    return {name: value for name, value in said if value}


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return str(int(value))
    return str(value) if isinstance(value, float) else _name(value)


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
