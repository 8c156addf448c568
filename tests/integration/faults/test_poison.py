"""Records that the program itself fails on."""

import orjson
import pytest

from schemas.timestamp import from_ms
from streams.tailing import tail
from tests.integration.faults.shop import Made
from tests.integration.faults.world import World

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.xdist_group("faults")]


def test_a_record_that_the_kernel_fails_on(world: World) -> None:
    """It is found by halves and dead-lettered, and everything else of its slice is counted once."""
    for worker in world.running("worker", 1):
        world.stop(worker)
    said = {"type": "track", "event": "Product Viewed", "userId": "c1", "properties": {"product_id": "poison"}}
    world.produce(150)
    for number in range(2):
        value = {"messageId": f"poison-{number}", "timestamp": from_ms(world.shop.now_ms), **said}
        world.send(Made("clickstream", b"c1", orjson.dumps(value)))
        world.produce(150)
    worker = world.start("worker", "poison", wait=False)
    world.checked()
    letters = [
        orjson.loads(r.value or b"{}") for r in tail(world.settings, "clickstream-dlq", "beginning", follow=False)
    ]
    assert len([letter for letter in letters if letter["code"] == "poison"]) == 2
    world.stop(worker)
