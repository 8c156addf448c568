"""Somebody who was forgotten, came again and was forgotten again: no request is done a second time after a move."""

from typing import Any

from scoring.erased import Erased
from scoring.moved import Mover, erased_rows
from scoring.stored import META
from streams.receipts import erased_on
from streams.unit import Unit
from tests.unit.worker.fetched import CLICKS
from tests.unit.worker.test_forgetting import (
    DAY,
    DELETIONS,
    NOW,
    SECRET,
    WHO,
    asked,
    kept,
    read,
    started,
    taken,
    told,
    view,
)

REQUESTS = asked(0), asked(1, request="r-2", ms=NOW + 3 * DAY)


def lived() -> tuple[list[Any], dict[bytes, bytes]]:
    """The receipts of both requests, and what is stored."""
    unit = started()
    receipts: list[Any] = []
    rows: dict[bytes, bytes] = {}
    for request, ms in zip(REQUESTS, (NOW, NOW + 2 * DAY), strict=True):
        read(unit, CLICKS, view(request.offset, ms=ms))
        read(unit, DELETIONS, request)
        found = taken(unit)
        receipts += told(found, "receipts")
        kept(rows, found)
    return receipts, rows


def stays(unit: Unit) -> None:
    """Who comes again is not forgotten for requests that are read again."""
    read(unit, CLICKS, view(2, ms=NOW + 4 * DAY))
    read(unit, DELETIONS, *REQUESTS)
    assert unit.engine.profiles.find(WHO.encode()) >= 0
    assert unit.engine.counts.duplicate == len(REQUESTS)
    assert told(taken(unit), "receipts") == []


def test_after_a_reset() -> None:
    """Who was forgotten is known by receipts alone then."""
    erased = Erased(SECRET)
    erased.take(erased_on(lived()[0], 0))
    stays(started(erased_rows(erased.known)))


def test_after_a_move_to_other_partitions() -> None:
    """Of partitions that each know of another request both are remembered."""
    receipts, rows = lived()
    both = erased_on(receipts, 0)
    halves = [erased_on([receipt], 0) for receipt in receipts]
    unit = started()
    mover = Mover(unit.engine.profiles.layout, [rows[META], rows[META]])
    for half in reversed(halves):
        mover.rows(erased_rows(half), rows[META], lambda _: True)
    assert both.keys() == {key[1:] for key, _ in mover.erased()}
    stays(started(mover.erased()))
