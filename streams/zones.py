"""Zones: how far a local clock is from UTC, from the IANA database."""

from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

__all__ = ["offset_ms", "zone_of"]

_HOUR_MS = 3_600_000


@lru_cache(maxsize=2048)
def zone_of(name: str) -> ZoneInfo | None:
    """Return the zone of that name, None if there is none; whatever the name is."""
    try:
        return ZoneInfo(name) if 0 < len(name) <= 64 else None
    except (KeyError, ValueError, OSError):
        return None


def offset_ms(zone: str, time_ms: int) -> int:
    """Return the offset from UTC at a time, to the hour's beginning; 0 for a zone that does not exist."""
    return _offset_ms(zone, time_ms // _HOUR_MS)


@lru_cache(maxsize=65_536)
def _offset_ms(zone: str, hour: int) -> int:
    found = zone_of(zone)
    if found is None:
        return 0
    try:
        offset = datetime.fromtimestamp(hour * 3600, UTC).astimezone(found).utcoffset()
    except (OverflowError, ValueError, OSError):  # a time that no calendar has
        return 0
    return 0 if offset is None else int(offset.total_seconds() * 1000)
