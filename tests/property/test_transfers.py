"""Customers of several partitions who are one: nothing is lost, nothing counts twice, whatever goes wrong."""

from collections import Counter
from collections.abc import Sequence
from itertools import islice

import pytest
from hypothesis import Phase, given, settings
from msgspec import structs
from msgspec.json import decode
from strategies.engines import SETTINGS
from strategies.event_streams import HOUR_MS, START_MS
from strategies.floor_days import CUSTOMERS, begun, days
from strategies.shop_floor import Floor, Said, home

from schemas.internals import Progress
from scoring import engine as engine_module
from scoring.exchange import Exchange
from scoring.kinds import Kind
from scoring.rules import shipped
from scoring.transfer import Forward, Give
from streams.outbox import Output
from streams.replay.following import Follower
from streams.replay.knowledge import Knowledge
from streams.ruling.snapshots import Used
from streams.unit import Unit

RULES = shipped(only=["account-created", "browse-abandoned", "first-order", "high-propensity", "order-confirmed"])


def played(steps: list[Said | tuple[str, int, int]]) -> Floor:
    """The floor after all of it, when nothing is under way any more."""
    floor = begun(Floor(RULES, SETTINGS), steps)
    floor.settle()
    return floor


def assert_counted_once(floor: Floor, steps: list[Said | tuple[str, int, int]]) -> None:
    """Whoever a customer is in the end has what all who they were did, once each; former ids have nothing."""
    said = [step for step in steps if isinstance(step, Said)]
    assert_all_is_there(floor, said)
    counts = [unit.engine.counts for unit in floor.units]
    assert sum(each.total() for each in counts) == len(said)
    assert sum(each.applied for each in counts) == len(said)


def assert_all_is_there(floor: Floor, said: list[Said]) -> None:
    """Whoever a customer is in the end has what all who they were did, once each; former ids have nothing."""
    roots = {customer: floor.root(customer.encode()) for customer in CUSTOMERS}
    orders, views, revenue, everything = Counter(), Counter(), Counter(), Counter()
    for one in said:
        who, event = roots[one.customer], one.call.get("event")
        orders[who] += event == "Order Completed"
        views[who] += event == "Product Viewed"
        everything[who] += 1
        if event == "Order Completed":
            revenue[who] += one.call["properties"]["revenue"]
    for customer, who in roots.items():
        row = floor.row(customer.encode())
        if who != customer.encode():
            links = floor.units[floor.home(customer.encode())].engine.links
            assert row is None or links.last(customer.encode())[0] == who, f"{customer} is {who!r} and has a row"
            continue
        found = (0, 0, 0, 0.0)
        if row is not None:
            total = row["total"]
            found = (
                int(total[Kind.ORDER_COMPLETED]),
                int(total[Kind.PRODUCT_VIEWED]),
                int(total[-1]),
                float(row["revenue"]),
            )
        assert found == (orders[who], views[who], everything[who], revenue[who]), customer


@settings(max_examples=50)
@given(days())
def test_counted_once_whatever_comes_between(steps: list[Said | tuple[str, int, int]]) -> None:
    """Aliases across partitions in chains and circles, at once or repeated, commits that are cut short, restarts."""
    assert_counted_once(played(steps), steps)


@settings(max_examples=15)
@given(days())
def test_each_partition_is_told_again_as_it_was(steps: list[Said | tuple[str, int, int]]) -> None:
    """Led by what `progress` says, a unit takes in what it took in, and tells the same, to the byte."""
    floor = played([step for step in steps if isinstance(step, Said) or step[0] != "half"])
    known = Knowledge(RULES, Used([], []))
    for partition, lived in floor.outputs.items():
        logs = {source: iter(floor.logs[source, partition]) for source in range(4)}
        unit = Unit(partition, floor.options)
        unit.ready({})
        follower = Follower(unit, known, lambda source, count, logs=logs: list(islice(logs[source], count)))
        commits = [decode(value or b"", type=Progress) for topic, _, value in lived if topic == "progress"]
        told = [one for progress in commits for one in follower.follow(progress).outputs]
        assert by_topic(told) == by_topic(lived)


def by_topic(outputs: Sequence[Output]) -> dict[str, list[Output]]:
    """What was told on each topic; how `progress` cuts its runs, and what one who begins again sends again, is not."""
    return {
        topic: [one for one in outputs if one[0] == topic]
        for topic in {one[0] for one in outputs} - {"progress", "transfers"}
    }


class Lost(Exchange):
    """What leaves is sent without what is known of it."""

    def pack_one(self, former: bytes, row: int) -> None:
        """Know of nothing."""
        self._state.drop(row)
        super().pack_one(former, row)


class Round(Exchange):
    """Circles are left as they are."""

    def arrive(self, sent: Give | Forward) -> tuple[int, bytes, list[bytes]]:
        """Go by the links alone."""
        return super().arrive(structs.replace(sent, via=[]))


@pytest.mark.parametrize("kind", [Lost, Round])
def test_a_mistake_is_found(kind: type[Exchange], monkeypatch: pytest.MonkeyPatch) -> None:
    """A history that stays behind, and customers who are passed on for ever."""
    monkeypatch.setattr(engine_module, "Exchange", kind)

    @settings(max_examples=600, database=None, phases=[Phase.generate])
    @given(days())
    def broken(steps: list[Said | tuple[str, int, int]]) -> None:
        assert_counted_once(played(steps), steps)

    with pytest.raises((AssertionError, ExceptionGroup)):
        broken()


def test_a_circle_over_partitions_and_within_one_ends() -> None:
    """Two of the circle are at home together: what is passed on comes to rest, and all of it counts once."""
    floor = Floor(RULES, SETTINGS)
    links = [("c1", "c4"), ("c0", "c1"), ("c3", "c0"), ("c4", "c3")]
    said = [
        Said(who, START_MS + n, {"type": "alias", "previousId": former}, 2) for n, (who, former) in enumerate(links)
    ]
    for one in said:
        floor.say(one)
    floor.settle()
    assert_counted_once(floor, said)
    assert sum(floor.root(customer.encode()) == customer.encode() for customer in CUSTOMERS) == 3


@pytest.mark.parametrize("named", ["c0", "c1"])
def test_whoever_is_forgotten_is_forgotten_where_they_went(named: str) -> None:
    """A request under either id removes what is on both partitions; what is told next begins from nothing."""
    view = {"event": "Product Viewed", "properties": {"product_id": "p1"}}
    floor = Floor(RULES, SETTINGS)
    floor.say(Said("c1", START_MS, view))
    floor.say(Said("c0", START_MS + 1, {"type": "alias", "previousId": "c1"}, 2))
    floor.settle()
    assert floor.row(b"c0")["total"][Kind.PRODUCT_VIEWED] == 1
    floor.ask_to_forget(named, START_MS + 2)
    floor.settle()
    assert not [key for rows in floor.rows.values() for key in rows if b"c0" in key or b"c1" in key]
    for customer in ("c0", "c1"):
        floor.say(Said(customer, START_MS + HOUR_MS, view))
    floor.settle()
    assert [floor.row(each)["total"][Kind.PRODUCT_VIEWED] for each in (b"c0", b"c1")] == [1, 1]


@pytest.mark.parametrize("under_way", ["a history", "an event"])
def test_what_is_under_way_brings_nobody_back(under_way: str) -> None:
    """Whoever is forgotten while their history, or a later event, is between two partitions stays forgotten."""
    view = {"event": "Product Viewed", "properties": {"product_id": "p1"}}
    floor = Floor(RULES, SETTINGS)
    floor.say(Said("c1", START_MS, view))
    floor.say(Said("c0", START_MS + 1, {"type": "alias", "previousId": "c1"}, 2))
    owner, former = home(b"c0"), home(b"c1")
    if under_way == "an event":
        floor.settle()
        floor.say(Said("c1", START_MS + 2, view))
    floor.move(owner, 2)
    floor.commit(owner)
    for _ in range(2):
        floor.move(former, 0)
        floor.move(former, 3)
        floor.commit(former)
    assert floor.read[3, owner] < len(floor.logs[3, owner])
    floor.ask_to_forget("c0", START_MS + 3)
    floor.move(owner, 4)
    floor.settle()
    assert not [key for rows in floor.rows.values() for key in rows if b"c0" in key or b"c1" in key]
    floor.say(Said("c0", START_MS + HOUR_MS, view))
    floor.settle()
    assert floor.row(b"c0")["total"][Kind.PRODUCT_VIEWED] == 1


def test_nobody_else_is_forgotten() -> None:
    """An id that was another's first stays theirs: who claimed it later is forgotten, and the other is not."""
    view = {"event": "Product Viewed", "properties": {"product_id": "p1"}}
    floor = Floor(RULES, SETTINGS)
    for n, customer in enumerate(("c0", "c1", "c2")):
        floor.say(Said(customer, START_MS + n, view))
    floor.settle()
    for n, customer in enumerate(("c2", "c0")):
        floor.say(Said(customer, START_MS + 3 + n, {"type": "alias", "previousId": "c1"}, 2))
        floor.settle()
    floor.ask_to_forget("c0", START_MS + 9)
    floor.settle()
    assert floor.row(b"c0") is None
    assert floor.root(b"c1") == b"c2"
    assert floor.row(b"c2")["total"][Kind.PRODUCT_VIEWED] == 2
    floor.ask_to_forget("c1", START_MS + 10)
    floor.settle()
    assert floor.row(b"c2") is None


def test_whoever_is_forgotten_before_they_leave_does_not() -> None:
    """A history that was asked for and is not sent yet is not sent, and no link to whoever asked stays behind."""
    view = {"event": "Product Viewed", "properties": {"product_id": "p1"}}
    for commits in (0, 1):
        floor = Floor(RULES, SETTINGS)
        floor.say(Said("c1", START_MS, view))
        floor.say(Said("c0", START_MS + 1, {"type": "alias", "previousId": "c1"}, 2))
        owner, former = home(b"c0"), home(b"c1")
        for partition, source in ((owner, 2), (former, 0)):
            floor.move(partition, source)
            floor.commit(partition)
        floor.move(former, 3)
        for _ in range(commits):
            floor.commit(former)
        floor.ask_to_forget("c1", START_MS + 2)
        floor.move(former, 4)
        floor.say(Said("c1", START_MS + HOUR_MS, view))
        floor.move(former, 0)
        floor.commit(former)
        assert not floor.units[former].engine.links.owner
        assert not [value for topic, _, value in floor.outputs[former] if topic == "transfers" and b"give" in value]
        floor.crash(former)
        floor.settle()
        assert floor.row(b"c1")["total"][Kind.PRODUCT_VIEWED] == 1


@pytest.mark.parametrize("known", [True, False])
def test_what_is_to_be_sent_outlives_a_crash(known: bool) -> None:
    """Also of an id of which nothing is known, and in the same order whoever asked first: a replay sends it, too."""
    told = []
    for crashes in (False, True):
        floor = Floor(RULES, SETTINGS)
        for former in ("d1", "c1"):
            if known:
                floor.say(Said(former, START_MS, {"event": "Product Viewed", "properties": {"product_id": "p1"}}))
            floor.say(Said("c0", START_MS + 1, {"type": "alias", "previousId": former}, 2))
        floor.move(home(b"c1"), 0)
        floor.move(home(b"c0"), 2)
        floor.commit(home(b"c0"))
        floor.move(home(b"c1"), 3)
        floor.commit(home(b"c1"))
        if crashes:
            rows = floor.rows[home(b"c1")]
            floor.rows[home(b"c1")] = dict(reversed(rows.items()))  # as a compacted changelog may have them
            floor.crash(home(b"c1"))
        floor.settle()
        told.append([one for one in floor.outputs[home(b"c1")] if one[0] == "transfers"])
    assert told[0] == told[1]
    assert len(told[0]) == 2


def test_what_is_not_sent_twice_is_what_was_stored() -> None:
    """A crash after the outputs and before the rows sends the history again: it is taken once, and so are events."""
    view = {"event": "Product Viewed", "properties": {"product_id": "p1"}}
    floor = Floor(RULES, SETTINGS)
    said = [Said("c1", START_MS, view), Said("c0", START_MS + 1, {"type": "alias", "previousId": "c1"}, 2)]
    for one in said:
        floor.say(one)
    for partition in (home(b"c1"), home(b"c0")):
        for source in range(3):
            floor.move(partition, source)
        floor.commit(partition)
    former = home(b"c1")
    floor.move(former, 3)
    floor.commit(former)
    said += [Said("c1", START_MS + 2 + n, view) for n in range(3)]
    for one in said[2:]:
        floor.say(one)
    floor.move(former, 0)
    floor.commit(former, outputs_only=True)
    sent = len(floor.logs[3, home(b"c0")])
    floor.settle()
    assert len(floor.logs[3, home(b"c0")]) == 2 * sent == 8
    assert_counted_once(floor, said)
    assert floor.row(b"c0")["total"][Kind.PRODUCT_VIEWED] == 4
    assert not floor.units[former].engine.profiles.index
