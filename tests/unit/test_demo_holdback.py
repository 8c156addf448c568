"""The demo's feed waits for those who read it, and every record is accounted for."""

import asyncio
import json

import msgspec
import pytest

from schemas.timestamp import from_ms
from streams.demo.history import DAY_MS
from streams.demo.holdback import MODEL_AHEAD_MS, WORKER_AHEAD_MS, HoldBack
from streams.demo.standing import Standing
from streams.demo.watched import Watched

START = 14_944 * DAY_MS
HORIZON = 30 * DAY_MS


def progress(partition: int, sequence: int, watermark_ms: int | None, **counts: int) -> bytes:
    names = ("applied", "duplicate", "late", "ignored", "dead_lettered")
    counters = {name: counts.get(name, 0) for name in names}
    record = {
        "partition": partition,
        "sequence": sequence,
        "watermark_ms": watermark_ms,
        "offsets": {},
        "runs": [],
        "ticks": [],
        "model_version": 0,
        "rules": [],
        "counters": {"read": sum(counters.values()), **counters},
    }
    return json.dumps(record).encode()


def model(version: int, effective_ms: int) -> bytes:
    data = {"version": version, "effective_time": from_ms(effective_ms), "warming_up": False}
    return json.dumps({"data": data}).encode()


def held(standing: Standing, watched: Watched) -> HoldBack:
    return HoldBack(standing, watched, START, HORIZON)


def test_the_watermark_is_the_slowest_partitions() -> None:
    """Until every partition has told its own there is none; then it is the least."""
    standing = Standing(2)
    standing.observe(progress(0, 1, START + 5))
    assert standing.watermark_ms == 0
    standing.observe(progress(1, 1, None))
    assert standing.watermark_ms == 0
    standing.observe(progress(1, 2, START + 3))
    assert standing.watermark_ms == START + 3


def test_outcomes_add_up_over_partitions() -> None:
    """The newest record of each partition counts, once, also when an older one is read again."""
    standing = Standing(2)
    standing.observe(progress(0, 2, START, applied=7, late=1))
    standing.observe(progress(0, 1, START, applied=4))
    standing.observe(progress(1, 1, START, applied=2, dead_lettered=3))
    assert standing.outcomes() == {
        "applied": 9, "duplicate": 0, "late": 1, "ignored": 0, "dead_lettered": 3
    }  # fmt: skip
    assert standing.read == 13
    with pytest.raises(msgspec.DecodeError):
        standing.observe(b"{}")


def test_a_partition_that_nothing_was_given_yet_does_not_hold_the_first_days() -> None:
    """Who bought on the first day may all be at home on one partition; the others tell no watermark then."""

    async def scenario() -> None:
        standing = Standing(2)
        held_back = held(standing, Watched())
        await held_back.may_go(START + DAY_MS)
        standing.observe(progress(0, 1, START + DAY_MS))
        await asyncio.wait_for(held_back.may_go(START + WORKER_AHEAD_MS), 1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(held_back.may_go(START + WORKER_AHEAD_MS + 1), 0.02)

    asyncio.run(scenario())


def test_the_feed_waits_for_the_slowest_partition() -> None:
    """The first records go at once; what lies further ahead than allowed waits until the partitions follow."""

    async def scenario() -> None:
        standing = Standing(1)
        holdback = held(standing, Watched())
        await holdback.may_go(START)
        going = asyncio.create_task(holdback.may_go(START + WORKER_AHEAD_MS + 10))
        for watermark_ms in (START, START + 9):
            standing.observe(progress(0, 1, watermark_ms))
            holdback.moved()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert not going.done()
            assert holdback.waiting_for == "the worker"
        standing.observe(progress(0, 2, START + 10))
        holdback.moved()
        await asyncio.wait_for(going, 10)

    asyncio.run(scenario())


def test_the_feed_waits_for_the_model_once_there_can_be_one() -> None:
    """Within the first horizon nothing resolves and no model is waited for; after it, one must be near."""

    async def scenario() -> None:
        standing, watched = Standing(1), Watched()
        standing.observe(progress(0, 1, START + 100 * DAY_MS))
        holdback = held(standing, watched)
        await holdback.may_go(START)
        await asyncio.wait_for(holdback.may_go(START + HORIZON), 10)
        later = START + HORIZON + MODEL_AHEAD_MS + 1
        going = asyncio.create_task(holdback.may_go(later))
        await asyncio.sleep(0)
        assert holdback.waiting_for == "the trainer"
        watched.observe("models", model(1, later - MODEL_AHEAD_MS - 1))
        holdback.moved()
        await asyncio.sleep(0)
        assert not going.done()
        watched.observe("models", model(2, later - MODEL_AHEAD_MS))
        holdback.moved()
        await asyncio.wait_for(going, 10)

    asyncio.run(scenario())


def test_quiet_ends_when_nothing_moves() -> None:
    """It waits as long as something moves now and then."""

    async def scenario() -> None:
        holdback = held(Standing(1), Watched())
        waiting = asyncio.create_task(holdback.quiet(1.0))
        for _ in range(10):
            await asyncio.sleep(0.02)
            holdback.moved()
        assert not waiting.done()
        await asyncio.wait_for(waiting, 10)

    asyncio.run(scenario())
