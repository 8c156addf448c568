"""Models that come late, twice or out of order, and two trainers by mistake."""

import pytest

from tests.integration.faults.world import World

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.xdist_group("faults")]


def test_a_second_trainer_waits_for_the_first(world: World) -> None:
    """Two trainers by mistake publish each version once; when the first is killed the second goes on."""
    world.running("worker", 1)
    (first,) = world.running("trainer", 1)
    newest_before, told_before = world.versions(), len(world.ledger.models)
    second = world.start("trainer", wait=False)
    for trainer in (first, second):
        versions = world.versions()
        with world.load(1000):
            world.until(lambda before=versions: world.versions() >= before + 2)  # type: ignore[misc]
        if trainer is first:
            newest = world.versions()
            assert len(world.ledger.models) - told_before == newest - newest_before
            world.kill(first)
    world.checked()
    world.ledger.check_versions()


def test_models_late_twice_and_out_of_order(world: World) -> None:
    """Old versions that are published again, backwards, change nothing: the newest stays in force."""
    (worker,) = world.running("worker", 1)
    world.running("trainer", 1)
    with world.load(1000):
        world.until(lambda: world.versions() >= 3)
    world.checked()
    in_force = world.metrics(worker, "recompra_model_version")
    for key, value in [*reversed(world.ledger.models), *world.ledger.models[:2]]:
        world.producer.send("models", value, key=key)
    world.producer.flush(30)
    world.produce(400)
    world.checked()
    world.ledger.check_versions()
    after = world.metrics(worker, "recompra_model_version")
    assert all(after[partition] >= version > 0 for partition, version in in_force.items())
    world.stop(worker)
    world.running("worker", 1)  # which reads them all, as they now lie on the topic
    world.produce(400)
    world.checked()
