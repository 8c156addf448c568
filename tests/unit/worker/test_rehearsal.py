"""The rehearsal of a start, which must end well whatever the settings are."""

import pytest
from strategies.layouts import FULL

from scoring.engine import EngineSettings
from scoring.rules import shipped
from streams.rehearsal import rehearse
from streams.unit_options import UnitOptions


@pytest.mark.parametrize("homes", [{b"c": 0, b"k": 0}, {b"c": 0, b"k": 1}, {b"c": 1, b"k": 0}, {b"c": 1, b"k": 2}])
def test_it_is_of_customers_who_are_at_home(homes: dict[bytes, int]) -> None:
    """With whatever number of partitions, and wherever the ids that are made up would be then."""
    rehearse(UnitOptions(EngineSettings(FULL), shipped(), 600_000, False, 1000, partition_of=homes.__getitem__))
