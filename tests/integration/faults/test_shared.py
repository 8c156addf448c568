"""Workers that join and leave."""

import pytest

from tests.integration.faults.world import World

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.xdist_group("faults")]


def test_workers_come_and_go(world: World) -> None:
    """Two join, one ends on SIGTERM with code 0, one is killed: each partition goes on with those who are left."""
    (first,) = world.running("worker", 1)
    second, third = (world.start("worker", wait=False) for _ in range(2))
    with world.load():
        world.until(lambda: second.ready and third.ready)
        world.goes_on()
        world.stop(first)
        world.goes_on()
        world.kill(second)
        world.goes_on()
    world.checked()
    assert third.returncode is None
