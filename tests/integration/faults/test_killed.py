"""Workers, trainer and broker killed under load: afterwards all is counted once and told once."""

import asyncio
import time

import pytest

from streams.trainer.newest import inputs_filled
from tests.integration.faults.world import World

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.xdist_group("faults")]


def test_a_killed_worker_is_followed_by_the_next(world: World) -> None:
    """Kill -9 twice under load: the next worker goes on, and nothing is lost or told twice."""
    (worker,) = world.running("worker", 1)
    for _ in range(2):
        with world.load():
            world.next_score(world.ends())
            world.kill(worker)
            worker = world.start("worker")
            world.next_score(world.ends())
    world.checked()


def test_one_record_a_partition_after_a_restart(world: World) -> None:
    """A worker ends, one record comes on each partition, the next worker finds them all, and no more."""
    (worker,) = world.running("worker", 1)
    world.drained()
    world.stop(worker)
    partitions = range(world.settings.partitions)
    for made in world.one_a_partition():
        world.send(made)
    world.producer.flush(30)
    before = {partition: world.counted(partition) for partition in partitions}
    world.running("worker", 1)
    world.checked()
    assert {partition: world.counted(partition) - before[partition] for partition in partitions} == dict.fromkeys(
        partitions, 1
    )


def test_a_killed_broker_comes_back_and_all_goes_on(world: World) -> None:
    """Kill -9 of the broker under load, two seconds of nobody, and its return: worker and trainer live through it."""
    (worker,) = world.running("worker", 1)
    (trainer,) = world.running("trainer", 1)
    with world.load():
        world.next_score(world.ends())
        world.broker.kill()
        time.sleep(2)
        world.broker.start()
        world.next_score(world.ends())
    world.checked()
    assert worker.returncode is None, worker.last_lines()
    assert trainer.returncode is None, trainer.last_lines()


def test_a_killed_trainer_goes_on_as_if_nothing_had_been(world: World) -> None:
    """Kill -9 of the trainer, twice: its versions are consecutive and the same as one that never died makes."""
    world.running("worker", 1)
    for _ in range(2):
        (trainer,) = world.running("trainer", 1)
        versions = world.versions()
        with world.load(1000):
            world.until(lambda before=versions: world.versions() >= before + 2)  # type: ignore[misc]
        world.kill(trainer)
    world.produce(2200)  # for one more version: a record is 20 s, a version 12 h
    world.running("trainer", 1)
    world.checked()
    made = world.learned_again()
    world.until(lambda: len(world.published()) >= len(made))  # the last trainer reads, and may not be there yet
    world.ledger.check_versions()
    assert made == world.published()[: len(made)]


def test_a_trainer_knows_which_partitions_hold_input(world: World) -> None:
    """It waits for what these tell before it learns; Apache Kafka tells of a topic only when asked for it."""
    world.drained()
    assert asyncio.run(inputs_filled(world.settings)) == frozenset(range(world.settings.partitions))
