"""Customers who are one, dealt out over another number of partitions: they stay one, and what comes next counts."""

import json
from collections import defaultdict
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from property.test_transfers import RULES, SETTINGS, assert_all_is_there, played
from strategies.event_streams import HOUR_MS, START_MS
from strategies.floor_days import CUSTOMERS, begun, days
from strategies.shop_floor import Floor, Said

from scoring.erased import Erased
from scoring.kinds import Kind
from scoring.moved import Mover, Rows, customer_of, leaving, without_erased
from scoring.stored import ERASED, LINK, META
from streams.receipts import erased_on
from streams.unit_row import UNIT_KEY, begun_at

VIEW = {"event": "Product Viewed", "properties": {"product_id": "p1"}}
ROUNDS = st.lists(st.sampled_from((1, 2, 4, 5)), min_size=1, max_size=2)


def moved(floor: Floor, partitions: int) -> Floor:
    """What was written, dealt out over so many partitions, whose inputs are empty at first."""
    there = Floor(floor.rules, floor.settings, partitions=partitions)
    there.number = floor.number
    written = {partition: rows for partition, rows in floor.rows.items() if META in rows}
    mover = Mover(floor.settings.layout, [rows[META] for rows in written.values()])
    dealt: dict[int, Rows] = defaultdict(list)
    who = defaultdict(set)
    for partition, rows in written.items():
        home = home_of(floor, partition)
        assert not leaving(rows, home)
        for key, value in mover.rows(list(rows.items()), rows[META], home):
            customer = customer_of(key) or b""
            dealt[there.home(customer)].append((key, value))
            who[there.home(customer)].add(customer)
    for partition, key, value in mover.links(there.home):
        dealt[partition].append((key, value))
    for partition in range(partitions) if written else ():
        meta = mover.meta(sorted(who[partition]), SETTINGS.example_customers)
        own = [(META, meta), (UNIT_KEY, begun_at([0, 0, 0]))]
        rows = [*dealt[partition], *mover.names.items(), *mover.erased(), *own]
        assert len({key for key, _ in rows}) == len(rows)
        there.rows[partition] = dict(rows)
        there.crash(partition)
    return there


def home_of(floor: Floor, partition: int) -> Callable[[bytes], bool]:
    return lambda customer: floor.home(customer) == partition


def later(steps: list[Said | tuple[str, int, int]], since_ms: int) -> list[Said | tuple[str, int, int]]:
    """The same steps a while later, by other orders."""
    found: list[Said | tuple[str, int, int]] = []
    for step in steps:
        if not isinstance(step, Said):
            found.append(step)
            continue
        call = step.call
        if "order_id" in (properties := call.get("properties", {})):
            call = {**call, "properties": {**properties, "order_id": f"{since_ms}-{properties['order_id']}"}}
        found.append(step._replace(ms=step.ms + since_ms, call=call))
    return found


@settings(max_examples=40)
@given(days(), days(), ROUNDS)
def test_they_stay_one_and_all_counts(
    first: list[Said | tuple[str, int, int]], then: list[Said | tuple[str, int, int]], rounds: list[int]
) -> None:
    """Whoever was one is one, nobody else is, and of all that comes under any id nothing is lost or counts twice."""
    floor, said = played(first), [step for step in first if isinstance(step, Said)]
    for n, partitions in enumerate(rounds):
        roots = {customer: floor.root(customer.encode()) for customer in CUSTOMERS}
        floor = moved(floor, partitions)
        assert {customer: floor.root(customer.encode()) for customer in CUSTOMERS} == roots
        steps = [
            step if isinstance(step, Said) else (step[0], step[1] % partitions, step[2])
            for step in later(then, (n + 1) * 100 * HOUR_MS)
        ]
        begun(floor, steps)
        floor.settle()
        said += [step for step in steps if isinstance(step, Said)]
        assert_all_is_there(floor, said)


@pytest.mark.parametrize("partitions", [1, 2, 4, 5])
@pytest.mark.parametrize(("owner", "named"), [("c3", "c1"), ("c3", "c3"), ("c4", "c1"), ("c4", "c4")])
def test_whoever_is_forgotten_is_forgotten_wherever_they_are_now(partitions: int, owner: str, named: str) -> None:
    """A request under either id finds the other, though the partitions that it is about never asked each other."""
    floor = Floor(RULES, SETTINGS)
    floor.say(Said("c1", START_MS, VIEW))
    floor.say(Said(owner, START_MS + 1, {"type": "alias", "previousId": "c1"}, 2))
    floor.settle()
    floor = moved(floor, partitions)
    floor.say(Said("c1", START_MS + 2, VIEW))
    floor.settle()
    assert floor.row(owner.encode())["total"][Kind.PRODUCT_VIEWED] == 2
    floor.ask_to_forget(named, START_MS + 3)
    floor.settle()
    found = [(key, value) for rows in floor.rows.values() for key, value in rows.items()]
    assert not [key for key, value in found if b"c1" in key + value or owner.encode() in key + value]


@pytest.mark.parametrize("partitions", [1, 2, 4, 5])
def test_whose_it_was_first_it_stays(partitions: int) -> None:
    """A claim that came second is none after a move either, and whoever comes again under a former id is nobody's."""
    floor = Floor(RULES, SETTINGS)
    for n, customer in enumerate(("c0", "c1", "c2")):
        floor.say(Said(customer, START_MS + n, VIEW))
    for n, customer in enumerate(("c0", "c2")):
        floor.settle()
        floor.say(Said(customer, START_MS + 3 + n, {"type": "alias", "previousId": "c1"}, 2))
    floor.settle()
    assert [moved(floor, partitions).root(each) for each in (b"c1", b"c2")] == [b"c0", b"c2"]
    floor.ask_to_forget("c0", START_MS + 9)
    floor.settle()
    floor.say(Said("c1", START_MS + HOUR_MS, VIEW))
    floor.settle()
    floor = moved(floor, partitions)
    floor.say(Said("c1", START_MS + 2 * HOUR_MS, VIEW))
    floor.settle()
    assert [floor.row(each)["total"][Kind.PRODUCT_VIEWED] for each in (b"c1", b"c2")] == [2, 1]


def test_who_came_again_keeps_the_ids_of_since() -> None:
    """An erasure before all that an export holds takes nothing of it, whichever partition knows of it."""
    floor = Floor(RULES, SETTINGS)
    floor.say(Said("c3", START_MS, VIEW))
    floor.settle()
    floor.ask_to_forget("c3", START_MS + 1)
    floor.settle()
    floor.say(Said("c1", START_MS + HOUR_MS, VIEW))
    floor.say(Said("c3", START_MS + HOUR_MS + 1, {"type": "alias", "previousId": "c1"}, 2))
    floor.settle()
    told = [json.loads(value or b"") for some in floor.outputs.values() for on, _, value in some if on == "receipts"]
    erased = Erased(b"a secret of the privacy desk")
    erased.take(erased_on(told))
    known = [row for rows in floor.rows.values() for row in rows.items() if row[0][:1] == ERASED]
    assert LINK + b"c1" in floor.rows[1]
    for rows in floor.rows.values():
        kept = without_erased(list(rows.items()), erased, known)
        assert {key for key, _ in kept if key[:1] != ERASED} == {key for key in rows if key[:1] != ERASED}
    floor.ask_to_forget("c3", START_MS + 2 * HOUR_MS)
    before = {partition: list(rows.items()) for partition, rows in floor.rows.items()}
    floor.settle()
    told = [json.loads(value or b"") for some in floor.outputs.values() for on, _, value in some if on == "receipts"]
    erased.take(erased_on(told))
    left = [row for rows in before.values() for row in without_erased(rows, erased, known)]
    assert not [key for key, value in left if b"c3" in key + value]


def test_who_is_about_to_leave_is_known() -> None:
    """Between the commit that stores the link and the one that sends the history an export would lose it."""
    floor = Floor(RULES, SETTINGS)
    floor.say(Said("c1", START_MS, VIEW))
    floor.say(Said("c0", START_MS + 1, {"type": "alias", "previousId": "c1"}, 2))
    for partition, source in ((1, 0), (0, 2), (1, 3)):
        floor.move(partition, source)
        floor.commit(partition)
    assert leaving(floor.rows[1], home_of(floor, 1)) == 1
    floor.settle()
    assert leaving(floor.rows[1], home_of(floor, 1)) == 0
