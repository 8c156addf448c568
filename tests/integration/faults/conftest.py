"""One world for all faults of a kind: what is checked after each is everything since the beginning."""

from collections.abc import Iterator

import pytest

from tests.integration.faults.forks import Server
from tests.integration.faults.world import World


@pytest.fixture(scope="package")
def server() -> Iterator[Server | None]:
    """Forks workers and trainers, where the system can."""
    if not Server.possible():
        yield None
        return
    with Server() as made:
        yield made


@pytest.fixture(scope="package")
def world(kafka_available: None, server: Server | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world on the events' own time, in which a model learns; faults leave it whole for the next test."""
    with World(tmp_path_factory.mktemp("faults") / "kafka", server=server) as made:
        made.everyone()
        yield made


@pytest.fixture(scope="package")
def live_world(kafka_available: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world in which events are of now, and time goes on by itself."""
    with World(tmp_path_factory.mktemp("live") / "kafka", live=True, partitions=2) as made:
        made.everyone()
        yield made
