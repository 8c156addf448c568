"""Processes that stop for longer than their session and wake again."""

import time

import pytest

from tests.integration.faults.world import World

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.xdist_group("faults")]


def test_a_broker_that_stalls(world: World) -> None:
    """SIGSTOP of the broker for three sessions under load: when it wakes, the same worker goes on."""
    (worker,) = world.running("worker", 1)
    with world.load():
        world.next_score(world.ends())
        world.broker.pause()
        time.sleep(3 * world.settings.session_timeout_s)
        world.broker.resume()
        world.next_score(world.ends())
    world.checked()
    assert worker.returncode is None


def test_a_worker_asleep_past_its_session_writes_nothing_when_it_wakes(world: World) -> None:
    """SIGSTOP of one of two: the other takes its partitions over, and what the sleeper held never shows."""
    sleeper, other = world.running("worker", 2)
    with world.load():
        world.next_score(world.ends())
        sleeper.pause()
        world.goes_on()
        sleeper.resume()
        world.next_score(world.ends())
    world.checked()
    assert (sleeper.returncode, other.returncode) == (None, None)
    with world.load():
        world.goes_on()
    world.checked()
