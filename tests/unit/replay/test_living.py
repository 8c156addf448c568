"""Living through a partition by itself: what it says of customers who have an id on another."""

from dataclasses import replace

import pytest

from scoring.profile import FAR
from streams.living import live_through
from streams.unit import Unit
from tests.unit.replay.test_following import OPTIONS
from tests.unit.replay.test_starting import NOTHING, Past
from tests.unit.worker.fetched import event
from tests.unit.worker.test_forgetting import NOW, alias


@pytest.mark.parametrize("home_of_visitors", [0, 1])
def test_who_has_an_id_elsewhere_is_told_of(home_of_visitors: int, caplog: pytest.LogCaptureFixture) -> None:
    """Two visitors of another partition turn out to be customers of this one: a warning counts them."""

    def partition_of(customer: bytes) -> int:
        return home_of_visitors if customer.startswith(b"visitor") else 0

    clicks = [event(0, "anna", "Product Viewed", NOW, product_id="p")]
    aliases = [alias(n, who, f"visitor-{who}", NOW + n * 60_000) for n, who in enumerate(("anna", "bob", "anna"))]
    unit = Unit(0, replace(OPTIONS, partition_of=partition_of))
    unit.ready(NOTHING)
    live_through(unit, Past([clicks, [], aliases], (0, 0, 0), 50), FAR)
    assert ("partition 0: its customers came under 2 ids of other partitions" in caplog.text) == (home_of_visitors == 1)
    assert bool(caplog.records) == (home_of_visitors == 1)
