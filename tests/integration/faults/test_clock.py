"""A worker whose wall clock jumps."""

import time
from pathlib import Path

import pytest

from tests.integration.faults.programs import Program
from tests.integration.faults.schedules import write_at_once
from tests.integration.faults.world import World

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

HOUR_MS = 3_600_000


def test_a_clock_that_jumps(live_world: World, tmp_path: Path) -> None:
    """Two hours ahead, a day back, a year ahead and right again: nothing is late, all is counted once."""
    world, off = live_world, tmp_path / "off"
    off.write_text("0")
    worker = world.start("worker", "clock", str(off))
    for jump_ms in (2 * HOUR_MS, -24 * HOUR_MS, 365 * 24 * HOUR_MS, 0):
        with world.load(200):
            world.next_score(world.ends())
            write_at_once(off, str(jump_ms))
            world.next_score(world.ends())
        world.drained()
        if jump_ms > 0:  # quiet: time goes on by the clock
            reached_s = time.time() + min(jump_ms, 40 * 24 * HOUR_MS) / 1000
            world.until(lambda least=reached_s: _watermark_s(world, worker) >= least)  # type: ignore[misc]
        world.produce(100)
    world.checked()
    world.stop(worker)


def _watermark_s(world: World, worker: Program) -> float:
    """How far the partition that is behind has come; 0 while none has told."""
    return min(world.metrics(worker, "recompra_watermark_seconds").values(), default=0.0)
