"""The shop's knowledge is a function of the records, in whatever pieces, order and process they are read."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies.shop_events import (
    PARTITIONS,
    QUIET_AT_END,
    SMALL,
    WIDE,
    Log,
    Piece,
    Told,
    logs,
    read,
    readings,
    shuffled,
)

from scoring.shop.companions import Companions
from scoring.shop.interval import Interval
from scoring.shop.settings import ShopSettings
from scoring.shop.shop import Shop

BOUNDS = st.sampled_from([SMALL, WIDE])


def whole(bounds: ShopSettings, log: dict[str, Log]) -> tuple[Told, Shop]:
    """What is told when each partition is read at once, one after the other."""
    shop, told = Shop(bounds, PARTITIONS), Told()
    read(shop, log, [Piece(name, len(records)) for name, records in log.items() if records], told)
    told.complete(shop, QUIET_AT_END)
    return told, shop


def assert_same_however_read(ordered: dict[str, Log], bounds: ShopSettings, data: st.DataObject) -> None:
    """The records in order, and shuffled within the lateness, doubled and read in pieces, tell the same."""
    expected, _ = whole(bounds, ordered)
    log = data.draw(shuffled(ordered, bounds.lateness_ms))
    shop, told = Shop(bounds, PARTITIONS), Told()
    read(shop, log, data.draw(readings(log)), told)
    told.complete(shop, QUIET_AT_END)
    assert told.versions == expected.versions
    assert shop.late == 0


@settings(max_examples=40, deadline=None)
@given(ordered=logs(), bounds=BOUNDS, data=st.data())
def test_pieces_order_and_repeats_change_nothing(
    ordered: dict[str, Log], bounds: ShopSettings, data: st.DataObject
) -> None:
    """Snapshots are the same to the byte in any cut and order within the lateness, though records come twice."""
    assert_same_however_read(ordered, bounds, data)


@settings(max_examples=40, deadline=None)
@given(log=logs(), bounds=BOUNDS, data=st.data())
def test_a_new_process_goes_on_as_if_nothing_had_been(
    log: dict[str, Log], bounds: ShopSettings, data: st.DataObject
) -> None:
    """From any copy of the state, older than what was published since, the same versions follow, to the byte."""
    expected, _ = whole(bounds, log)
    pieces = data.draw(readings(log))
    copied = data.draw(st.integers(0, len(pieces)))
    died = data.draw(st.integers(copied, len(pieces)))
    first, told = Shop(bounds, PARTITIONS), Told()
    read(first, log, pieces[:copied], told)
    state = first.to_bytes()
    read(first, log, pieces[copied:died], told)
    second = Shop.from_bytes(bounds, PARTITIONS, state)
    assert second.to_bytes() == state
    read(second, log, pieces[copied:], told)
    told.complete(second, QUIET_AT_END)
    assert told.versions == expected.versions


@settings(max_examples=40, deadline=None)
@given(log=logs(), bounds=BOUNDS)
def test_bounds_hold(log: dict[str, Log], bounds: ShopSettings) -> None:
    """However many products, pairs and purchases there are, no more than the settings say are kept."""
    _, shop = whole(bounds, log)
    knowledge = shop.knowledge
    assert len(knowledge.products) <= bounds.products
    assert len(knowledge.companions.code) <= bounds.pairs
    assert len(knowledge.purchases.key) <= bounds.purchases
    assert len(knowledge.categories) <= bounds.categories
    assert knowledge.companions.top.shape == (len(knowledge.products), bounds.companions)


@settings(max_examples=40, deadline=None)
@given(
    baskets=st.lists(st.sets(st.integers(0, 30), min_size=2, max_size=6), min_size=1, max_size=60),
    room=st.integers(40, 400),
)
def test_a_pair_is_counted_within_its_error(baskets: list[set[int]], room: int) -> None:
    """A count is never too high, and too low by at most the error, which is at most the product's pairs / (c + 1)."""
    exact: defaultdict[int, Counter[int]] = defaultdict(Counter)
    companions = Companions(room, 3)
    companions.grow(31)
    for basket in baskets:
        companions.add([np.array(sorted(basket))], 1.0)
        for product in basket:
            exact[product].update(basket - {product})
    counted = {(int(code >> 32), int(code & 0xFFFFFFFF)): weight for code, weight in
               zip(companions.code, companions.weight, strict=True)}  # fmt: skip
    for product, others in exact.items():
        error = float(companions.error[product])
        assert error <= sum(others.values()) / 2
        for other, true in others.items():
            assert true - error <= counted.get((product, other), 0.0) <= true
    if room >= 31 * 30:
        assert not companions.error.any()


class Forgetful(Interval, array_like=True):
    """Lets the price that came last be the last one, as a plain dict would."""

    def add(self, seen: object, orders: int, products: int) -> None:
        """Take an observation, and its price as the last one."""
        super().add(seen, orders, products)  # type: ignore[arg-type]
        for line in seen.lines:  # type: ignore[attr-defined]
            if line.price is not None:
                self.facts[line.product].prices = [((0, ""), line.price)]


def test_a_process_that_takes_prices_as_they_come_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison above can fail: it tells a price by arrival from one by event time."""
    monkeypatch.setattr("scoring.shop.shop.Interval", Forgetful)

    @settings(max_examples=60, deadline=None, database=None)
    @given(ordered=logs(), data=st.data())
    def compared(ordered: dict[str, Log], data: st.DataObject) -> None:
        assert_same_however_read(ordered, WIDE, data)

    with pytest.raises(AssertionError):
        compared()
