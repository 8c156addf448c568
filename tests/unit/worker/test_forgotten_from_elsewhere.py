"""A request to forget somebody that was written to another partition than that of the id, as by another partitioner."""

import msgspec
from strategies.layouts import FULL

from scoring.engine import EngineSettings
from scoring.kinds import Source
from scoring.transfer import Forget
from streams.outbox import TRANSFERS
from streams.unit import Unit
from streams.unit_options import UnitOptions
from tests.unit.worker.fetched import Fetched
from tests.unit.worker.test_forgetting import DAY, DELETIONS, NOW, RULES, SECRET, WHO, asked, lived, read, taken, told


def unit(partition: int) -> Unit:
    """One of two, of which the second has all customers."""
    settings = EngineSettings(FULL, example_customers=1000)
    options = UnitOptions(settings, RULES, 600_000, False, 1000, erasure_key=SECRET, partition_of=lambda _: 1)
    made = Unit(partition, options)
    made.ready({})
    return made


def test_it_is_passed_on_and_both_say_what_they_removed() -> None:
    """Where it was read nothing is held; its own partition removes the customer, and has a receipt of its own."""
    home, other = unit(1), unit(0)
    lived(home)
    taken(home)
    read(other, DELETIONS, asked(0))
    found = taken(other)
    [receipt] = told(found, "receipts")
    assert receipt["data"]["removed"]["profile"] is False
    assert receipt["data"]["partitions"] == [1]
    [(key, value)] = [(key, value) for topic, key, value in found.outputs if topic == TRANSFERS]
    assert isinstance(msgspec.msgpack.decode(value or b"", type=Forget), Forget)

    read(home, int(Source.TRANSFERS), Fetched(0, NOW + DAY, key or b"", value or b""))
    assert home.engine.profiles.find(WHO.encode()) == -1
    [receipt] = told(taken(home), "receipts")
    assert (receipt["data"]["removed"]["profile"], receipt["data"]["partition"]) == (True, 1)
