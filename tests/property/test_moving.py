"""Moving: rows of two partitions dealt out onto one are the same customers, and go on as they would have."""

from collections import Counter

import msgspec
import numpy as np
from hypothesis import given, settings
from strategies.engines import ALL_GIVE_EXAMPLES, RULES, SHOPS, SNAPSHOT, Told, feed, held, let_pass
from strategies.event_streams import CUSTOMERS, DAY_MS, START_MS, streams

from scoring.engine import Engine
from scoring.kinds import Kind
from scoring.moved import Mover, customer_of
from scoring.packed import packed, unpacked
from scoring.profile import Layout
from scoring.rules import RuleSet
from scoring.side import Side
from scoring.stored import META, PROFILE, SIDE, Meta
from scoring.twin import Event

LAYOUT: Layout = ALL_GIVE_EXAMPLES.layout


def engine_of(rules: RuleSet = RULES) -> Engine:
    engine = Engine(ALL_GIVE_EXAMPLES, rules)
    engine.versions.swap(SNAPSHOT)
    for shop in SHOPS:
        engine.versions.swap_shop(shop)
    return engine


def moved(*sources: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """The rows of all on one partition."""
    mover = Mover(LAYOUT, [source[META] for source in sources])
    rows = [row for source in sources for row in mover.rows(list(source.items()), source[META], lambda _: True)]
    who = {customer for key, _ in rows if (customer := customer_of(key)) is not None}
    return {**dict(rows), **mover.names, META: mover.meta(sorted(who), ALL_GIVE_EXAMPLES.example_customers)}


def profiles(rows: dict[bytes, bytes]) -> dict[bytes, tuple[bytes, frozenset[str]]]:
    """Of each customer the stored row without offsets, and the names of the lists that they are in."""
    slots = msgspec.msgpack.decode(rows[META], type=Meta).slots
    found = {}
    for key, value in rows.items():
        if key[:1] == PROFILE:
            row = np.zeros(1, LAYOUT.dtype())
            row.view(np.uint8)[: len(value)] = np.frombuffer(value, np.uint8)
            bits = int(row["inside"][0])
            row["applied"], row["inside"] = -1, 0
            found[key] = row.tobytes(), frozenset(name for bit, name in enumerate(slots) if bits >> bit & 1)
    return found


def trials(rows: dict[bytes, bytes]) -> Counter[tuple[str, int]]:
    """What is counted of the holdout, by rule and place."""
    arms = msgspec.msgpack.decode(rows[META], type=Meta).trials
    return Counter({(rule, place): n for rule, counts in arms.items() for place, n in enumerate(counts) if n})


def loaded(rows: dict[bytes, bytes]) -> Engine:
    engine = engine_of()
    engine.load(list(rows), list(rows.values()))
    engine.restored()
    engine.catch_up()
    return engine


@settings(max_examples=30)
@given(streams(least=8, most=40))
def test_two_partitions_on_one(events: list[Event]) -> None:
    """Every customer's row is as it was, in the same lists, and time alone then does the same to it."""
    parts = (CUSTOMERS[:2], CUSTOMERS[2:])
    orders = (RULES, RuleSet(tuple(reversed(RULES.rules))))  # the same list has another bit on the other partition
    until = max(event.time_ms for event in events) // DAY_MS * DAY_MS + 2 * DAY_MS
    engines = [engine_of(rules) for rules in orders]
    for engine, customers in zip(engines, parts, strict=True):
        if own := [event for event in events if event.customer in customers]:
            feed(engine, own)
        let_pass(engine, until, Told())
    sources = [held(engine) for engine in engines]
    there = moved(*sources)
    assert profiles(there) == {**profiles(sources[0]), **profiles(sources[1])}
    assert {key for key in there if key != META} == {key for source in sources for key in source if key != META}

    assert trials(there) == trials(sources[0]) + trials(sources[1])

    apart, together = Told(), Told()
    for engine in engines:
        let_pass(engine, until + 40 * DAY_MS, apart)
    one = loaded(there)
    let_pass(one, until + 40 * DAY_MS, together)
    assert sorted(map(repr, together.actions)) == sorted(map(repr, apart.actions))
    assert sorted(map(repr, together.scores)) == sorted(map(repr, apart.scores))
    assert sorted(map(repr, together.examples)) == sorted(map(repr, apart.examples))
    after = {**profiles(held(engines[0])), **profiles(held(engines[1]))}
    assert profiles(held(one)) == after


def test_what_is_read_again_after_a_move_counts_once() -> None:
    """Offsets begin anew: a new record counts, a repeated message and a repeated order do not."""
    order = Event(CUSTOMERS[0], START_MS, Kind.ORDER_COMPLETED, 1, 40, 7, 1, 0, 12.5, 1.0, 1.0, -1, 0.0)
    engine = engine_of()
    feed(engine, [order])
    one = loaded(moved(held(engine)))
    feed(one, [order._replace(offset=0), order._replace(offset=1, message=8)])
    row = one.profiles.rows[one.profiles.find(CUSTOMERS[0])]
    assert row["ring_n"] == 1
    assert one.counts.duplicate == 2


def test_whose_row_it_is() -> None:
    """Rows of a customer say whose; those of a partition are nobody's."""
    assert [customer_of(key) for key in (b"canna", b"sanna", b"e" + bytes(8) + b"anna")] == [b"anna"] * 3
    assert [customer_of(key) for key in (META, b"u", b"p" + bytes(8))] == [None] * 3


def test_a_side_record_forgets_where_it_read() -> None:
    """An order that was counted stays counted, whatever record brings it again."""
    side = Side(applied=[5, 6, 7], orders={11: (1, 5)})
    engine = engine_of()
    feed(engine, [Event(CUSTOMERS[0], START_MS, Kind.ORDER_COMPLETED, 1, 40, 7, 1, 0, 12.5, 1.0, 1.0, -1, 0.0)])
    rows = {**held(engine), SIDE + CUSTOMERS[0]: packed(side)}
    found = unpacked(moved(rows)[SIDE + CUSTOMERS[0]])
    assert found.applied == [-1, -1, -1]
    assert found.remember_order(11, 1, 5, 10) is False
