"""Somebody who is forgotten is so on all partitions, whatever of them is under way between those."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies.engines import SETTINGS
from strategies.event_streams import START_MS
from strategies.floor_days import CUSTOMERS, begun, days
from strategies.shop_floor import Floor, Said, home

from schemas.timestamp import from_ms
from scoring.erased import Erased, KeyMismatchError
from scoring.exchange import Exchange
from scoring.forgetting import Forgetting
from scoring.gates.channel import Channel, Purpose
from scoring.kinds import Kind
from scoring.rules import shipped
from streams.deletions import Deletions
from streams.operating.answers import Answers
from streams.receipts import erased_on

RULES = shipped(only=["browse-abandoned", "first-order"])
VIEW = {"event": "Product Viewed", "properties": {"product_id": "p1"}}
LATER_MS = START_MS + 1_000 * 3_600_000


def written(floor: Floor) -> dict[bytes | None, bytes | None]:
    return {key: value for some in floor.outputs.values() for topic, key, value in some if topic == "receipts"}


def receipts(floor: Floor) -> list[Any]:
    return [orjson.loads(value or b"")["data"] for value in written(floor).values()]


def answers(told: dict[bytes | None, bytes | None], who: str, ms: int) -> Answers:
    """What whoever asked for somebody at a time is told."""
    made = Answers(f"request-{ms}", home(who.encode()), hashed(who))
    for key, value in told.items():
        made.take(key, value)
    return made


def hashed(customer: str) -> str:
    return Erased(b"a secret of the privacy desk").hash(customer.encode()).hex()


def assert_gone(floor: Floor, who: str) -> None:
    """Nothing that is stored names anybody whom a receipt names, and each partition of theirs wrote one."""
    told = [one for one in receipts(floor) if not one["another"]]
    named = {hash_ for one in told for hash_ in (one["customer"], *one["others"])}
    assert hashed(who) in named
    gone = [each for each in CUSTOMERS if hashed(each) in named]
    stored = floor.stored()
    for each in gone:
        assert floor.row(each.encode()) is None, each
        assert each.encode() not in stored, each
        assert each.encode() not in floor.units[home(each.encode())].engine.links.owner, each
    answered = {one["partition"] for one in receipts(floor)}
    assert {home(each.encode()) for each in gone} | {p for one in told for p in one["partitions"]} <= answered


@settings(max_examples=15)
@given(
    days(),
    st.sampled_from(CUSTOMERS),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4), st.none() | st.integers(0, 12)), max_size=6),
)
def test_nobody_comes_back(
    steps: list[Said | tuple[str, int, int]], who: str, order: list[tuple[int, int, int | None]]
) -> None:
    """With histories asked for, under way, or sent twice; whatever is done first; with crashes amid rows."""
    floor = begun(Floor(RULES, SETTINGS), steps)
    floor.ask_to_forget(who, LATER_MS)
    for partition, source, rows in order:
        floor.move(partition, source)
        floor.commit(partition, written=rows)
    floor.settle()
    assert_gone(floor, who)
    told = written(floor)
    every = answers(told, who, LATER_MS)
    assert every.complete
    assert len(every.found) == len(told), "whoever waits for what is passed on has every receipt"


def give_under_way() -> Floor:
    """c1 is c0's, and its history is sent; c0 is forgotten before it comes."""
    floor = Floor(RULES, SETTINGS)
    floor.say(Said("c1", START_MS, VIEW))
    floor.say(Said("c0", START_MS + 1, {"type": "alias", "previousId": "c1"}, 2))
    former, owner = home(b"c1"), home(b"c0")
    for partition, source in ((former, 0), (owner, 2), (former, 3)):
        floor.move(partition, source)
        floor.commit(partition)
    floor.commit(former)
    floor.say(Said("c1", START_MS + 2, VIEW))
    floor.move(former, 0)
    floor.commit(former)
    assert len(floor.logs[3, owner]) == 2, "the history and a later event"
    floor.ask_to_forget("c0", START_MS + 1000)
    floor.move(owner, 4)
    floor.settle()
    return floor


def ask_under_way() -> Floor:
    """c0 asks for c1, who is forgotten before it is heard."""
    floor = Floor(RULES, SETTINGS)
    floor.say(Said("c1", START_MS, VIEW))
    floor.say(Said("c0", START_MS + 1, {"type": "alias", "previousId": "c1"}, 2))
    floor.move(home(b"c0"), 2)
    floor.commit(home(b"c0"))
    floor.ask_to_forget("c1", START_MS + 1000)
    floor.move(home(b"c1"), 4)
    floor.settle()
    return floor


def assert_both_are_gone(floor: Floor) -> None:
    assert_gone(floor, "c0")
    assert_gone(floor, "c1")
    assert {one["partition"] for one in receipts(floor)} == {home(b"c0"), home(b"c1")}


@pytest.mark.parametrize("under_way", [give_under_way, ask_under_way])
def test_what_is_under_way_brings_nobody_back(under_way: Callable[[], Floor]) -> None:
    """Both are gone, on both partitions."""
    assert_both_are_gone(under_way())


@pytest.mark.parametrize(
    ("under_way", "part", "mistake"),
    [
        (give_under_way, Forgetting, ("voids", lambda *_: False)),
        (ask_under_way, Exchange, ("_too_late", lambda *_: [])),
        (give_under_way, Deletions, ("do_elsewhere", lambda *_: None)),
    ],
    ids=["it is taken in", "nobody answers", "what is passed on is not done"],
)
def test_a_mistake_is_found(
    under_way: Callable[[], Floor], part: type, mistake: tuple[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each part of it is needed."""
    monkeypatch.setattr(part, *mistake)
    with pytest.raises(AssertionError):
        assert_both_are_gone(under_way())


def joined() -> Floor:
    """A customer and a visitor of another partition, who are one by now."""
    floor = Floor(RULES, SETTINGS)
    floor.say(Said("c1", START_MS, VIEW))
    floor.say(Said("c0", START_MS + 1, {"type": "alias", "previousId": "c1"}, 2))
    floor.settle()
    return floor


@pytest.mark.parametrize("named", ["c0", "c1"])
def test_each_partition_writes_a_receipt(named: str) -> None:
    """Asked by either id, both go; who comes later under them begins with nothing, and as two.

    Whoever waits for the receipts is told which one is missing, as long as it is.
    """
    floor = joined()
    floor.ask_to_forget(named, START_MS + 1000)
    floor.settle()
    assert_gone(floor, named)
    told = written(floor)
    other = "c1" if named == "c0" else "c0"
    own = {key: value for key, value in told.items() if hashed(other) not in str(key)}
    assert (len(own), len(told)) == (1, 2)
    assert answers(own, named, START_MS + 1000).missing == {home(other.encode()): [hashed(other)]}
    assert not answers(own, other, START_MS + 1000).found
    assert answers(told, named, START_MS + 1000).complete
    assert {(one["customer"], one["partition"], *one["partitions"]) for one in receipts(floor)} == {
        (hashed("c0"), home(b"c0"), home(b"c1")),
        (hashed("c1"), home(b"c1"), home(b"c0")),
    }
    for number, each in enumerate(("c0", "c1")):
        floor.say(Said(each, START_MS + 5000 + number, VIEW))
    floor.settle()
    assert [floor.row(each)["total"][Kind.PRODUCT_VIEWED] for each in (b"c0", b"c1")] == [1, 1]
    floor.say(Said("c0", START_MS + 9000, {"type": "alias", "previousId": "c1"}, 2))
    floor.settle()
    assert floor.row(b"c0")["total"][Kind.PRODUCT_VIEWED] == 2
    assert floor.row(b"c1") is None


def test_who_only_claimed_an_id_does_not_take_its_owner_along() -> None:
    """c1 is c0's; c2 says so, too, and is forgotten: c0 and c1 stay, and a receipt says so."""
    floor = joined()
    floor.say(Said("c2", START_MS + 10, {"type": "alias", "previousId": "c1"}, 2))
    floor.settle()
    floor.ask_to_forget("c2", START_MS + 1000)
    floor.settle()
    assert floor.row(b"c0")["total"][Kind.PRODUCT_VIEWED] == 1
    assert floor.row(b"c2") is None
    assert [(one["customer"], one["another"]) for one in receipts(floor) if one["partition"] == home(b"c1")] == [
        (hashed("c1"), True)
    ]


def test_a_request_with_the_id_of_an_earlier_one_does_not_replace_its_receipt() -> None:
    """c1 was e1, and is forgotten; it is c0's by now, which is forgotten under the same id: e1 stays known as such."""
    floor = Floor(RULES, SETTINGS)
    for n, customer in enumerate(("e1", "c1")):
        floor.say(Said(customer, START_MS + n, VIEW))
    floor.say(Said("c1", START_MS + 2, {"type": "alias", "previousId": "e1"}, 2))
    floor.ask_to_forget("c1", START_MS + 1000, "the-same")
    floor.settle()
    floor.say(Said("c1", START_MS + 2000, VIEW))
    floor.say(Said("c0", START_MS + 2001, {"type": "alias", "previousId": "c1"}, 2))
    floor.settle()
    floor.ask_to_forget("c0", START_MS + 3000, "the-same")
    floor.settle()
    told = written(floor)
    assert {key for key in told if hashed("c1") in str(key)} == {
        f"the-same/{hashed('c1')}".encode(),
        f"the-same/{hashed('c1')}@{START_MS + 3000}".encode(),
    }
    since = erased_on([orjson.loads(value or b"") for value in told.values()])
    assert {who: since[bytes.fromhex(hashed(who))].at_ms - START_MS for who in ("e1", "c1", "c0")} == {
        "e1": 1000, "c1": 3000, "c0": 3000,
    }  # fmt: skip
    waiting = Answers("the-same", home(b"c0"), hashed("c0"))
    for key, value in told.items():
        waiting.take(key, value)
    assert waiting.complete
    assert [one["data"]["received_at"] for one in waiting.found] == [from_ms(START_MS + 3000)] * 2


def test_a_later_request_that_was_received_earlier_is_not_overtaken() -> None:
    """c0 was c1, of whom a request is done already; an older one of c0 is under way to c1 while an event comes back."""
    floor = Floor(RULES, SETTINGS)
    floor.ask_to_forget("c1", START_MS + 2000)
    floor.move(home(b"c1"), 4)
    floor.say(Said("c1", START_MS + 3000, VIEW))
    floor.say(Said("c0", START_MS + 3001, {"type": "alias", "previousId": "c1"}, 2))
    floor.settle()
    floor.say(Said("c1", START_MS + 4000, VIEW))
    floor.ask_to_forget("c0", START_MS + 1000)
    floor.move(home(b"c0"), 4)
    floor.commit(home(b"c0"))
    floor.move(home(b"c1"), 0)
    floor.settle()
    assert floor.row(b"c0") is None
    assert floor.row(b"c1") is None
    assert {one["received_at"] for one in receipts(floor) if one["customer"] == hashed("c0")} == {
        from_ms(START_MS + ms) for ms in (1000, 2000)
    }


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize("owner", ["c4", "c3"])
@pytest.mark.parametrize("crashes", [False, True])
def test_a_refusal_outlives_an_erasure_whoever_it_is_who_comes_again(owner: str, *, seen: bool, crashes: bool) -> None:
    """Also where an id comes again only as the former one of another customer, on the same partition or elsewhere."""
    floor = Floor(RULES, SETTINGS)
    no = {"type": "track", "event": "Unsubscribed", "properties": {"channel": "all"}}
    floor.say(Said("c1", START_MS, no, 2))
    floor.settle()
    floor.ask_to_forget("c1", START_MS + 1)
    floor.settle()
    if seen:
        floor.say(Said("c1", LATER_MS, VIEW))
        floor.settle()
    floor.say(Said(owner, LATER_MS + 1, {"type": "alias", "previousId": "c1"}, 2))
    if crashes:
        floor.move(home(owner.encode()), 2)
        floor.commit(home(owner.encode()))
        floor.move(1, 3)
        floor.commit(1)
        floor.crash(1)
    floor.settle()
    unit = floor.units[home(owner.encode())]
    side = unit.engine.sides.find(unit.engine.profiles.find(owner.encode()))
    said = {2 * channel + Purpose.MARKETING: (START_MS + 1, False) for channel in Channel}
    assert side is not None
    assert side.standing.consent == said


@pytest.mark.parametrize("owner", ["c4", "c3"])
@pytest.mark.parametrize("named", ["c1", "its owner"])
@pytest.mark.parametrize("back", [False, True])
def test_a_refusal_holds_for_all_ids_of_whoever_is_forgotten(owner: str, named: str, *, back: bool) -> None:
    """Whichever partition had it, and whichever was asked first; after a reset, by the receipts alone, too."""
    floor = Floor(RULES, SETTINGS)
    no = {"type": "track", "event": "Unsubscribed", "properties": {"channel": "all"}}
    floor.say(Said("c1", START_MS, VIEW))
    floor.say(Said(owner, START_MS + 1, {"type": "alias", "previousId": "c1"}, 2))
    floor.settle()
    floor.say(Said(owner, START_MS + 2, no, 2))
    floor.settle()
    floor.ask_to_forget("c1" if named == "c1" else owner, START_MS + 3)
    if back:  # whom the other partition does not know of yet
        floor.move(1, 4)
        floor.commit(1)
        floor.say(Said("c1", LATER_MS, VIEW))
        floor.move(1, 0)
        floor.commit(1)
    floor.settle()
    for customer in ("c1", owner):
        floor.say(Said(customer, LATER_MS + 1, VIEW))
    for partition in range(3):
        floor.settle()
        floor.crash(partition)
    for customer in ("c1", owner):
        unit = floor.units[home(customer.encode())]
        side = unit.engine.sides.find(unit.engine.profiles.find(customer.encode()))
        assert side is not None
        assert not any(side.standing.consent[2 * channel + Purpose.MARKETING][1] for channel in Channel)
        assert len(side.standing.consent) == len(Channel)
    told = [{"time": each["received_at"], "id": str(n), "data": each} for n, each in enumerate(receipts(floor))]
    for some in (told, [{**each, "id": str(-n)} for n, each in enumerate(told)]):
        assert all(each.refused for each in erased_on(some).values())


def test_a_worker_without_the_key_stops() -> None:
    """A request that another partition passes on is not lost: it says what to set, and the request is read again."""
    floor = joined()
    former = home(b"c1")
    floor.ask_to_forget("c0", START_MS + 1000)
    floor.move(home(b"c0"), 4)
    floor.commit(home(b"c0"))
    floor.options = replace(floor.options, erasure_key=b"")
    floor.crash(former)
    with pytest.raises(KeyMismatchError, match="RECOMPRA_ERASURE_KEY"):
        floor.move(former, 3)
    floor.options = replace(floor.options, erasure_key=b"a secret of the privacy desk")
    floor.crash(former)
    floor.settle()
    assert_both_are_gone(floor)
