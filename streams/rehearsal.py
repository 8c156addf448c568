"""Rehearsal: a few made-up events through a unit, so that all compiled code is loaded before the group counts on us.

Loading it takes a second, and compiling it half a minute where nobody ran `streams.warm` before: too long for a
member that must answer, and no time of an event's.
"""

from dataclasses import replace
from typing import Final, NamedTuple

import orjson

from schemas.timestamp import from_ms
from streams.unit import Unit
from streams.unit_options import UnitOptions

__all__ = ["rehearse"]

_NOON: Final = 1_700_000_000_000
_STEPS: Final[tuple[tuple[int, str, dict[str, object]], ...]] = (
    (0, "Product Viewed", {"product_id": "p"}),
    (0, "Product Added", {"product_id": "p", "price": 1.0}),
    (1, "Order Completed", {"order_id": "o", "total": 1.0}),
)


class _Fetched(NamedTuple):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def rehearse(options: UnitOptions) -> None:
    """Decode, apply, let two days pass, make two customers one, take, restore; nothing of it stays."""
    options = replace(options, partition_of=None)  # those who are made up are at home here, however many partitions
    unit = Unit(0, options)
    unit.ready({})
    for day in range(2):
        for source, name, properties in _STEPS:
            unit.offer(source, [_record(day, name, properties)], day + 1)
        unit.idle(2, 0, 0)
        while unit.pump(_NOON):
            pass
    unit.offer(2, [_known()], 1)
    while unit.pump(_NOON):
        pass
    taken = unit.take()
    assert taken is not None
    again = Unit(0, options)
    again.restore([key for key, _ in taken.rows], [value for _, value in taken.rows])
    again.ready({})


def _known() -> _Fetched:
    """The customer turns out to have an account: two customers become one."""
    at = _NOON + 2 * 86_400_000
    value = {"messageId": "known", "timestamp": from_ms(at), "userId": "k", "type": "alias", "previousId": "c"}
    return _Fetched(0, at, b"k", orjson.dumps(value))


def _record(day: int, name: str, properties: dict[str, object]) -> _Fetched:
    at = _NOON + day * 86_400_000
    value = {
        "messageId": f"{name}-{day}",
        "timestamp": from_ms(at),
        "userId": "c",
        "event": name,
        "properties": properties,
    }
    return _Fetched(day, at, b"c", orjson.dumps(value))
