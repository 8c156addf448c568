"""Quiet hours: until when a message waits that would reach somebody in their night."""

__all__ = ["quiet_until"]

_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000


def quiet_until(time_ms: int, offset_ms: int, from_hour: int, until_hour: int) -> int | None:
    """When the quiet hours end that `time_ms` lies in, as UTC ms; None outside of them.

    `offset_ms` is that of the local clock from UTC. The hours may reach over midnight; equal hours: never quiet.
    """
    local = time_ms + offset_ms
    midnight = local // _DAY_MS * _DAY_MS
    since_midnight = local - midnight
    start, end = from_hour * _HOUR_MS, until_hour * _HOUR_MS
    if start < end:
        quiet = start <= since_midnight < end
    else:
        quiet = start != end and (since_midnight >= start or since_midnight < end)
    if not quiet:
        return None
    ends = midnight + end if since_midnight < end else midnight + _DAY_MS + end
    return ends - offset_ms
