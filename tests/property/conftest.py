"""Thousands of engines that live for an example each."""

from collections.abc import Iterator

import pytest
from strategies.rooms import room_when_written


@pytest.fixture(scope="session", autouse=True)
def cheap_room() -> Iterator[None]:
    """What no engine writes to is not cleared."""
    with room_when_written():
        yield
