"""The numbers of crossings of orders, products and the like: none comes twice, as ids are made of them."""

from collections.abc import Iterable

import orjson
import pytest
from strategies.layouts import FULL

from scoring.engine import EngineSettings
from scoring.rules import Rule, RuleSet
from scoring.rules.rule import ForEach
from streams.unit import Unit
from streams.unit_options import UnitOptions
from tests.unit.worker.fetched import CLICKS, CUSTOMERS, ORDERS, Fetched, event

NOW = 1_700_000_000_000
SECOND = 1000
NOTHING = {CLICKS: -1, ORDERS: -1, CUSTOMERS: -1}
WISHED = Rule(
    name="wished", sentence="Is wished for.", for_each=ForEach.PRODUCT, audience=True,
    enter="total(its_wishlist_added) > total(its_wishlist_removed)",
    exit="total(its_wishlist_added) <= total(its_wishlist_removed)",
)  # fmt: skip
KEPT = 3


def wishes() -> list[Fetched]:
    """Five products one after the other, two more than are known, each taken off again; and all of it once more."""
    said = [(name, product) for _ in "12" for product in "abcde" for name in ("Added to", "Removed from")]
    return [
        event(k, "ann", f"Product {name} Wishlist", NOW + k * SECOND, product_id=product)
        for k, (name, product) in enumerate(said)
    ]


def told(slices: Iterable[list[Fetched]]) -> list[tuple[str, str, str, int]]:
    """Of each record of the rule's its topic's kind, id, whether it entered, and number."""
    settings = EngineSettings(FULL, example_customers=1000, objects_kept=KEPT, max_action_age_ms=None)
    unit = Unit(0, UnitOptions(settings, RuleSet((WISHED,)), 600_000, True, 1000))
    unit.restore([], [])
    unit.ready(NOTHING)
    found = []
    for records in slices:
        unit.offer(CLICKS, records, records[-1].offset + 1)
        for source in NOTHING:
            unit.idle(source, 0, 0)
        while unit.pump(records[-1].timestamp):
            pass
        taken = unit.take()
        assert taken is not None
        for topic, _, value in taken.outputs:
            if value and (topic.startswith("actions-") or topic == "audiences"):
                record = orjson.loads(value)
                data = record["data"]
                found.append((record["type"], record["id"], data["crossing"], data["crossing_number"]))
    return found


def test_no_id_comes_twice_where_an_object_is_forgotten() -> None:
    """A product that gave way to others and comes again goes on with a number that it never had."""
    every = told([wishes()])
    assert len(every) == 2 * 20
    assert len({name for _, name, *_ in every}) == len(every)
    assert all((number % 2 == 1) == (crossing == "entered") for *_, crossing, number in every)


@pytest.mark.parametrize("length", [1, 3, 7])
def test_numbers_do_not_depend_on_slices(length: int) -> None:
    """Whatever is known by the end of a slice, a crossing has the number of its moment."""
    records = wishes()
    cut = [records[k : k + length] for k in range(0, len(records), length)]
    assert told(cut) == told([records])
