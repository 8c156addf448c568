"""A request to forget somebody: what goes, what stays, and what is read again afterwards."""

from collections.abc import Iterable
from typing import Any

import orjson
import pytest
from strategies.layouts import FULL

from schemas.accepted import refused
from schemas.timestamp import from_ms
from scoring.engine import EngineSettings
from scoring.erased import Erased, KeyMismatchError, Removed
from scoring.kinds import Source
from scoring.rules import Rule, RuleSet, shipped
from streams.commit import Taken
from streams.unit import Unit
from streams.unit_options import UnitOptions
from tests.unit.worker.fetched import CLICKS, CUSTOMERS, ORDERS, Fetched, event

NOW = 1_700_000_000_000
DAY = 86_400_000
DELETIONS = int(Source.DELETIONS)
NOTHING = {CLICKS: -1, ORDERS: -1, CUSTOMERS: -1}
LOOKING = Rule(
    name="looking", sentence="Looked at something lately.", enter="hours_since(product_viewed) < 2", audience=True
)
RULES = RuleSet((*shipped().rules, LOOKING))
WHO = "customer-who-goes"
SECRET = b"a secret of the privacy desk"


def started(rows: Iterable[tuple[bytes, bytes]] = (), key: bytes = SECRET) -> Unit:
    settings = EngineSettings(FULL, example_customers=1000)
    unit = Unit(0, UnitOptions(settings, RULES, 600_000, False, 1000, erasure_key=key))
    pairs = list(rows)
    unit.restore([name for name, _ in pairs], [value for _, value in pairs])
    unit.ready(NOTHING)
    return unit


def read(unit: Unit, source: int, *records: Fetched) -> None:
    unit.offer(source, list(records), records[-1].offset + 1)
    for each in (CLICKS, ORDERS, CUSTOMERS):
        unit.idle(each, 0, 0)
    for _ in range(10_000):
        if not unit.pump(records[-1].timestamp):
            return
    raise AssertionError("it never comes to rest")


def asked(offset: int, customer: str = WHO, request: str = "r-1", ms: int = NOW + DAY) -> Fetched:
    value = {"request_id": request, "customer_id": customer, "requested_at": from_ms(ms)}
    return Fetched(offset, ms, customer.encode(), orjson.dumps(value))


def view(offset: int, customer: str = WHO, ms: int = NOW, **more: Any) -> Fetched:
    return event(offset, customer, "Product Viewed", ms, product_id="p-1", **more)


def alias(offset: int, customer: str, former: str, ms: int) -> Fetched:
    value = {"messageId": f"a{offset}", "type": "alias", "userId": customer, "previousId": former,
             "timestamp": from_ms(ms)}  # fmt: skip
    return Fetched(offset, ms + 1000, customer.encode(), orjson.dumps(value))


def lived(unit: Unit) -> None:
    """The customer looks, puts into the cart, buys, refuses and comes under another id; somebody else looks, too."""
    read(unit, CLICKS, view(0, "visitor-of-them"), view(1), view(2, "other"))
    read(unit, CLICKS, event(3, WHO, "Product Added", NOW + 1000, product_id="p-1", price=2.0, quantity=1))
    read(unit, ORDERS, event(0, WHO, "Order Completed", NOW + 2000, order_id="o-1", total=20.0))
    read(unit, CUSTOMERS, event(0, WHO, "Consent Denied", NOW + 3000, channel="email"))
    read(unit, CUSTOMERS, alias(1, WHO, "visitor-of-them", NOW + 4000))
    read(unit, CLICKS, view(4, ms=NOW + 60_000 + DAY // 2))


def taken(unit: Unit) -> Taken:
    found = unit.take()
    assert found is not None
    return found


def kept(rows: dict[bytes, bytes], found: Taken) -> dict[bytes, bytes]:
    for key, value in found.rows:
        rows.pop(key, None)
        if value is not None:
            rows[key] = value
    return rows


def told(found: Taken, topic: str) -> list[Any]:
    return [orjson.loads(value) for name, _, value in found.outputs if name == topic and value is not None]


def test_nothing_is_left_and_the_receipt_says_what_went() -> None:
    """Rows, links and examples of both ids are deleted, scores and content too; the audience is told."""
    unit = started()
    lived(unit)
    rows = kept({}, taken(unit))
    assert any(WHO.encode() in key for key in rows)
    before = len(rows)
    read(unit, DELETIONS, asked(0))
    found = taken(unit)
    rows = kept(rows, found)
    everything = b"\n".join([*rows, *rows.values()])
    assert WHO.encode() not in everything
    assert b"visitor-of-them" not in everything
    assert b"cother" in rows
    assert len(rows) < before
    assert unit.status().customers == 1
    assert found.erased
    deleted = {(topic, key) for topic, key, value in found.outputs if value is None}
    both = (WHO.encode(), b"visitor-of-them")
    assert deleted == {(topic, key) for topic in ("scores", "content") for key in both}
    (left,) = [one for one in told(found, "audiences") if one["time"] == from_ms(NOW + DAY)]
    assert left["data"]["audience"] == "looking"
    assert (left["data"]["crossing"], left["data"]["crossing_number"]) == ("left", 4), "in, out, in before"
    assert not [topic for topic, _, value in found.outputs if topic.startswith("actions") and WHO in str(value)]
    receipt = next(value for topic, _, value in found.outputs if topic == "receipts")
    assert refused("receipt.v1", receipt or b"") is None
    assert WHO.encode() not in (receipt or b"")
    data = orjson.loads(receipt or b"")["data"]
    assert (data["request_id"], data["partition"], data["received_at"]) == ("r-1", 0, from_ms(NOW + DAY))
    assert data["offsets"] == {"clickstream": 5, "orders": 1, "customers": 2}
    removed = data["removed"]
    assert (removed["profile"], removed["record"], removed["links"], removed["audiences"]) == (True, True, 1, 1)
    assert data["refused"]
    assert data["customer"] == unit.engine.erased.hash(WHO.encode()).hex()
    assert data["others"] == [unit.engine.erased.hash(b"visitor-of-them").hex()]
    assert {"where": "clickstream", "days": 90, "what": "records as they came"} in data["remains"]


def test_later_events_start_from_nothing_but_the_refusal() -> None:
    """Who comes again has no history, and may not be written to until a yes."""
    unit = started()
    lived(unit)
    read(unit, DELETIONS, asked(0))
    read(unit, CLICKS, view(5, ms=NOW + 2 * DAY))
    row = unit.engine.profiles.find(WHO.encode())
    assert unit.engine.profiles.rows["total"][row].sum() == started_with_one_view()
    side = unit.engine.sides.find(row)
    assert side is not None
    assert not side.orders
    assert {granted for _, granted in side.standing.consent.values()} == {False}
    again = started(kept({}, taken(unit)).items())
    read(again, CUSTOMERS, event(2, WHO, "Consent Granted", NOW + 3 * DAY, channel="email"))
    side = again.engine.sides.find(again.engine.profiles.find(WHO.encode()))
    assert side is not None
    assert [granted for _, granted in side.standing.consent.values()].count(True) >= 1


def started_with_one_view() -> int:
    unit = started()
    read(unit, CLICKS, view(0))
    return int(unit.engine.profiles.rows["total"][0].sum())


def test_what_was_received_before_the_request_is_skipped() -> None:
    """A backlog, also of who came again meanwhile, and what is read again: it is ignored, and nothing comes back."""
    unit = started()
    lived(unit)
    read(unit, DELETIONS, asked(0))
    ignored = unit.engine.counts.ignored
    read(unit, ORDERS, event(1, WHO, "Order Completed", NOW + 5000, order_id="o-2", total=9.0))
    assert unit.engine.profiles.find(WHO.encode()) < 0
    read(unit, CLICKS, view(5, ms=NOW + 2 * DAY))
    read(unit, ORDERS, event(2, WHO, "Order Completed", NOW + 6000, order_id="o-3", total=9.0))
    read(unit, CUSTOMERS, alias(2, "other", "visitor-of-them", NOW + 7000))
    assert unit.engine.counts.ignored == ignored + 2
    side = unit.engine.sides.find(unit.engine.profiles.find(WHO.encode()))
    assert side is None or not side.orders
    assert not unit.engine.links.owner
    rows = kept({}, taken(unit))
    again = started(rows.items())
    read(again, ORDERS, event(3, WHO, "Order Completed", NOW + 8000, order_id="o-4", total=9.0))
    side = again.engine.sides.find(again.engine.profiles.find(WHO.encode()))
    assert side is None or not side.orders


def test_a_backlog_is_skipped_whoever_they_turned_out_to_be() -> None:
    """Who came again is another by now, who is another again: what was received before the request is ignored still."""
    unit = started()
    read(unit, CLICKS, view(0))
    read(unit, DELETIONS, asked(0))
    read(unit, CLICKS, *(view(i, who, ms=NOW + 2 * DAY) for i, who in enumerate((WHO, "second", "third"), 1)))
    read(unit, CUSTOMERS, alias(0, "second", WHO, NOW + 2 * DAY), alias(1, "third", "second", NOW + 2 * DAY))
    ignored = unit.engine.counts.ignored
    for each in (unit, started(kept({}, taken(unit)).items())):
        read(each, ORDERS, event(0, WHO, "Order Completed", NOW + 5000, order_id="o-1", total=9.0))
        assert each.engine.counts.ignored == ignored + 1


def test_a_restore_does_not_change_what_a_receipt_says() -> None:
    """The other ids stand in it in an order of their own, not in that in which they became one."""
    unit = started()
    for i, who in enumerate(("b", "a", "d", "c")):
        read(unit, CUSTOMERS, alias(2 * i, WHO, who, NOW + i))
    rows = kept({}, taken(unit))
    said = []
    for each in (unit, started(rows.items()), started(reversed(rows.items()))):
        read(each, DELETIONS, asked(0))
        said.append(told(taken(each), "receipts"))
    assert said[0] == said[1] == said[2]
    assert len(said[0][0]["data"]["others"]) == 4


def test_a_record_that_waited_is_not_given_to_the_row_that_was_left() -> None:
    """An event that was looked up before its customer was forgotten finds no row afterwards."""
    unit = started()
    lived(unit)
    unit.offer(CLICKS, [view(5, ms=NOW + DAY - 5000), view(6, ms=NOW + DAY + 5000)], 7)
    read(unit, DELETIONS, asked(0))
    row = unit.engine.profiles.find(WHO.encode())
    assert unit.engine.profiles.rows["total"][row].sum() == started_with_one_view()
    assert unit.engine.profiles.keys.count(WHO.encode()) == 1


def test_a_request_is_done_once() -> None:
    """Another record of the same request does nothing; another request has a receipt of its own."""
    unit = started()
    lived(unit)
    read(unit, DELETIONS, asked(0), asked(1))
    found = taken(unit)
    assert len(told(found, "receipts")) == 1
    assert unit.engine.counts.duplicate == 1
    read(unit, CLICKS, view(5, ms=NOW + 2 * DAY))
    again = started(kept({}, found).items())
    read(again, DELETIONS, asked(2))
    assert again.engine.counts.duplicate == 2
    read(again, DELETIONS, asked(3, request="r-2", ms=NOW + 3 * DAY))
    (receipt,) = told(taken(again), "receipts")
    assert not receipt["data"]["removed"]["profile"]
    assert receipt["data"]["refused"], "what was remembered stays"


@pytest.mark.parametrize("written", range(0, 24, 2))
def test_half_a_commit_leaves_nothing_behind(written: int) -> None:
    """Without transactions some rows may be written and the offsets not: once all is read again, all is gone."""
    unit = started()
    lived(unit)
    rows = kept({}, taken(unit))
    read(unit, DELETIONS, asked(0))
    read(unit, CLICKS, view(5, ms=NOW + 2 * DAY))
    found = taken(unit)
    steady = kept(dict(rows), found)
    half = kept(dict(rows), found._replace(rows=found.rows[:written]))
    again = started(half.items())
    assert written >= len(found.rows) or unit._next[DELETIONS] == 1
    read(again, DELETIONS, asked(0))
    read(again, CLICKS, view(5, ms=NOW + 2 * DAY))
    ended = kept(half, taken(again))
    assert {key: value for key, value in ended.items() if key not in (b"u", b"m")} == {
        key: value for key, value in steady.items() if key not in (b"u", b"m")
    }


@pytest.mark.parametrize("there", [True, False])
def test_a_request_waits_for_what_half_a_commit_applied(there: bool) -> None:
    """Without transactions a crash may leave two added up, and the link not: it is read again before the request is.

    Unless the broker has that record no more.
    """
    unit = started()
    read(unit, CLICKS, view(0, "visitor-of-them"), view(1))
    rows = kept({}, taken(unit))
    said = alias(0, WHO, "visitor-of-them", NOW + 4000)
    read(unit, CUSTOMERS, said)
    found = taken(unit)
    link = next(i for i, (key, _) in enumerate(found.rows) if key[:1] == b"l")
    again = started(kept(rows, found._replace(rows=found.rows[:link])).items())
    again.offer(DELETIONS, [asked(0, "visitor-of-them")], 1)
    again.pump(NOW)
    if there:
        read(again, CUSTOMERS, said)
    else:
        again.idle(CUSTOMERS, 1, 1)
        again.pump(NOW)
    (receipt,) = told(taken(again), "receipts")
    assert receipt["data"]["removed"]["links"] == there
    assert (again.engine.profiles.find(WHO.encode()) < 0) == there


@pytest.mark.parametrize(
    ("record", "field"),
    [
        (Fetched(0, NOW, WHO.encode(), b"{}"), "request_id"),
        (Fetched(0, NOW, b"other", asked(0).value), "key"),
        (Fetched(0, NOW, WHO.encode(), None), "$"),
        (asked(0, "x" * 300), "customer_id"),
    ],
)
def test_a_bad_request_is_set_aside(record: Fetched, field: str) -> None:
    """It goes to the dead letters of its topic with the reason, and is counted."""
    unit = started()
    read(unit, DELETIONS, record)
    (letter,) = told(taken(unit), "deletions-dlq")
    assert (letter["field"], letter["topic"]) == (field, "deletions")
    assert refused("dead-letter.v1", orjson.dumps(letter)) is None
    assert unit.engine.counts.dead_lettered == 1


def test_without_a_key_requests_wait_and_another_key_is_refused() -> None:
    """Nobody could be recognised by hashes of another key, so that a worker that has one stops."""
    unit = started()
    lived(unit)
    read(unit, DELETIONS, asked(0))
    rows = kept({}, taken(unit))
    assert not started(key=b"").wants(DELETIONS)
    for key in (b"another secret altogether", b""):
        with pytest.raises(KeyMismatchError, match="RECOMPRA_ERASURE_KEY"):
            started(rows.items(), key)


def test_a_copy_holds_what_the_changelog_does() -> None:
    """A local snapshot taken after an erasure has the hash, and nothing of the customer."""
    unit = started()
    lived(unit)
    taken(unit)
    read(unit, DELETIONS, asked(0))
    assert unit.copy() is None
    rows = kept({}, taken(unit))
    copy = unit.copy()
    assert copy is not None
    found = {key: value for keys, values in copy.pieces() for key, value in zip(keys, values, strict=True)}
    assert WHO.encode() not in b"\n".join([*found, *found.values()])
    assert [key for key in found if key[:1] == b"x"] == [key for key in rows if key[:1] == b"x"] != []


def test_state_is_read_in_whatever_pieces() -> None:
    """Wherever what is read of the changelog is cut: who was forgotten and came again has one row, with all of it."""
    unit = started()
    lived(unit)
    written = taken(unit).rows
    before = len(written)
    read(unit, DELETIONS, asked(0))
    read(unit, CLICKS, view(5, ms=NOW + DAY + 5000))
    written += taken(unit).rows
    for cut in range(before, len(written)):
        engine = started().engine
        for rows in (written[:before], written[before:cut], written[cut:]):
            kinds = [row for row in rows if row[0] != b"u"]
            engine.load([key for key, _ in kinds], [value for _, value in kinds])
        engine.restored()
        row = engine.profiles.find(WHO.encode())
        assert engine.profiles.rows["total"][row].sum() == started_with_one_view()
        assert engine.sides.find(row) is not None, cut
        assert len(engine.sides) == len(unit.engine.sides), cut
        assert len(engine.pending.copied()) == len(unit.engine.pending.copied()), cut


def test_a_request_that_came_by_two_ways_is_restored_as_both() -> None:
    """As a record and from another partition: whatever older rows of it the changelog still has."""
    erased, again = Erased(b"secret"), Erased(b"secret")
    for place in ((4, 1), (3, 4)):
        erased.add(b"c", 5, [0, 0, 0], refused=None)
        erased.note(b"c", "r1", place, Removed())
        for name, value in erased.changes():
            again.load(name, value)
    assert again.copied() == erased.copied()
    assert [(each.source, each.offset) for each in again.known[again.hash(b"c")].requests] == [(4, 1), (3, 4)]


def test_who_comes_again_has_other_ids() -> None:
    """Crossings are numbered anew; a consumer that knows the ids from before must not take them for repeats.

    Nor is who comes again after another request, which was received before the first and done after it.
    """
    unit = started()
    read(unit, CLICKS, view(0))
    before = {each["id"] for each in told(taken(unit), "audiences")}
    read(unit, DELETIONS, asked(0))
    read(unit, CLICKS, view(1, ms=NOW + 2 * DAY))
    first, again = told(taken(unit), "audiences")
    assert first["id"].startswith("audience/looking/2/")
    assert again["id"] == f"audience/looking/1/{WHO}@{NOW + DAY}"
    assert before == {f"audience/looking/1/{WHO}"}
    read(unit, DELETIONS, asked(1, request="r-2", ms=NOW + DAY - 1000))
    read(unit, CLICKS, view(2, ms=NOW + 2 * DAY))
    assert told(taken(unit), "audiences")[-1]["id"] == f"audience/looking/1/{WHO}@{NOW + DAY + 1}"
