"""What cannot be written: outputs that are too large, and disks that are full."""

import resource

import pytest

from tests.integration.faults.shop import Made
from tests.integration.faults.world import World

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.xdist_group("disks")]


def test_an_output_that_the_broker_refuses_for_its_size(world: World) -> None:
    """The worker says so on standard error and in its metrics, loses nothing, and goes on once it is accepted."""
    (worker,) = world.running("worker", 1)
    world.drained()
    world.configure("scores", max_message_bytes="200")
    failed = world.metric(worker, "recompra_commits_failed_total")

    def refused() -> bool:
        world.produce(50)  # again and again: the broker takes what it is told a moment later
        return worker.said("MessageSizeTooLargeError")

    world.until(refused)
    world.until(lambda: world.metric(worker, "recompra_commits_failed_total") > failed)
    assert world.lag()
    world.configure("scores", max_message_bytes="1048588")
    world.checked()
    assert worker.returncode is None


def test_a_record_that_is_small_only_while_compressed(world: World) -> None:
    """Three megabytes that fit on the topic compressed are set aside or applied, and hold nobody up."""
    world.running("worker", 1)
    world.send_compressed(Made("clickstream", b"c1", b'{"messageId":"' + b"x" * 3_000_000))
    world.produce(200)
    world.checked()


def test_a_worker_that_can_write_no_file(world: World) -> None:
    """Where no byte can be written to any file, a worker works as ever: what it must keep is on the broker."""
    for worker in world.running("worker", 1):
        world.stop(worker)
    worker = world.start("worker", "no-files")
    with world.load():
        world.next_score(world.ends())
    world.checked()
    world.stop(worker)


def test_the_broker_s_disk_is_full(world: World) -> None:
    """The broker ends when it can write no more; with room again it comes back, and nothing is missing."""
    (worker,) = world.running("worker", 1)
    with world.load():
        world.next_score(world.ends())
        resource.prlimit(world.broker.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        world.until(lambda: not world.broker.running)
        world.broker.kill()
        world.broker.start()
        world.next_score(world.ends())
    world.checked()
    assert worker.returncode is None
