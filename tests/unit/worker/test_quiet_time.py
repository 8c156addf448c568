"""Quiet time: what is known of how far it may come, by the records that came."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from streams.quiet_time import QuietTime

HOUR = 3_600_000
SKEW = 600_000
NOW = 500_000 * HOUR
LIVE = (NOW, NOW)


def noted(live: tuple[int, int] | None, watermark_ms: int, before_ms: int, *records: tuple[int, int]) -> Any:
    """What is known after records, each with its time and its receipt, of which the watermark came that far."""
    engine: Any = SimpleNamespace(clock=SimpleNamespace(watermark_ms=watermark_ms, seen_ms=np.array([watermark_ms])))
    quiet = QuietTime(engine, 60_000, 45 * 24 * HOUR, lambda _: None, lambda *_: None)
    quiet.live = live
    time_ms, received_ms = map(np.array, zip(*records, strict=True))
    run: Any = SimpleNamespace(events=SimpleNamespace(time_ms=time_ms, received_ms=received_ms))
    quiet.note(run, SKEW, before_ms)
    return quiet.live


@pytest.mark.parametrize(
    ("live", "watermark_ms", "before_ms", "records", "known"),
    [
        pytest.param(None, NOW, NOW - HOUR, [(NOW, NOW + 1)], (NOW, NOW + 1), id="live"),
        pytest.param(LIVE, NOW, NOW, [(NOW - HOUR, NOW + HOUR)], LIVE, id="old, and moved nothing"),
        pytest.param(None, NOW - HOUR, NOW - 2 * HOUR, [(NOW - HOUR, NOW)], None, id="a load"),
        pytest.param(LIVE, NOW + 3 * HOUR, NOW, [(NOW + 3 * HOUR, NOW + 10 * HOUR)], LIVE, id="after a downtime"),
        pytest.param(None, NOW + 3 * HOUR, NOW - 1, [(NOW, NOW + 5), (NOW + 3 * HOUR, NOW + 10 * HOUR)], (NOW, NOW + 5),
                     id="the same in one run"),
        pytest.param((NOW - 24 * HOUR, NOW), NOW - 20 * HOUR, NOW - 24 * HOUR, [(NOW - 20 * HOUR, NOW + HOUR)], None,
                     id="a load that goes on faster than the time"),
        pytest.param(None, NOW + 2, NOW - 1, [(NOW - HOUR, NOW), (NOW + 2, NOW + 3)], (NOW + 2, NOW + 3),
                     id="a live one moved it last"),
    ],
)  # fmt: skip
def test_what_the_time_goes_on_from(
    live: tuple[int, int] | None,
    watermark_ms: int,
    before_ms: int,
    records: list[tuple[int, int]],
    known: tuple[int, int] | None,
) -> None:
    """From the newest live record, unless an older one came further than the time would have by its receipt."""
    assert noted(live, watermark_ms, before_ms, *records) == known
