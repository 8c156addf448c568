"""The synthetic clicks and deeds know the past only."""

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.demo.clicks import Clicks, clickstream
from streams.demo.deed_messages import deed_messages
from streams.demo.history import DAY_MS, History, Order, history_of
from streams.demo.letters import CHECKOUT_MS
from streams.demo.messages import click_messages
from streams.demo.plan import deeds_around

DAYS = 35
START = 14_944 * DAY_MS


def shop(seed: int) -> list[Order]:
    rng = random.Random(seed)
    return [
        Order(
            str(rng.randrange(12_000, 12_060)),
            START + rng.randrange(DAYS * DAY_MS),
            tuple((f"P{rng.randrange(30)}", "MUG", rng.randrange(1, 9) / 2) for _ in range(rng.randrange(1, 4))),
            f"N{number}",
            rng.randrange(100, 90_000) / 100,
        )
        for number in range(240)
    ]


def draw(orders: list[Order], seed: int = 1) -> tuple[History, Clicks]:
    history = history_of(orders)
    return history, clickstream(history, seed, START, START + DAYS * DAY_MS)


def before(orders: list[Order], cut_ms: int) -> list[bytes]:
    history, clicks = draw(orders)
    done = deeds_around(history, 1, START, START + DAYS * DAY_MS)
    # What is ticked at a checkout is part of the order that is complete a second later.
    deeds = [m.value for m in deed_messages(history, done, {}) if m.time_ms < cut_ms - CHECKOUT_MS]
    return [m.value for m in click_messages(history, clicks) if m.time_ms < cut_ms] + deeds


def shuffled(orders: list[Order], cut_ms: int, seed: int) -> list[Order]:
    """Deal the orders from the cut on to other people, times and baskets; drop some, add newcomers."""
    rng = random.Random(seed)
    past = [order for order in orders if order.time_ms < cut_ms]
    future = [order for order in orders if order.time_ms >= cut_ms]
    who = rng.sample([order.customer for order in future], len(future))
    when = rng.sample([order.time_ms for order in future], len(future))
    dealt = [Order(w, t, order.products, order.id, order.worth) for w, t, order in zip(who, when, future, strict=True)]
    newcomers = [Order(f"new-{i}", cut_ms + i, (("NEW", "LAMP", 3.0),)) for i in range(rng.randrange(4))]
    both = past + dealt[: rng.randrange(len(dealt) + 1)] + newcomers
    rng.shuffle(both)
    return both


@settings(max_examples=15, deadline=None)
@given(cut=st.integers(0, DAYS * DAY_MS), seed=st.integers(0, 9), deal=st.integers(0, 10_000))
def test_future_orders_leave_no_trace_in_what_is_done_before_them(cut: int, seed: int, deal: int) -> None:
    """Shuffle, drop or invent orders after any moment: every click and deed before it stays the same to the byte."""
    orders = shop(seed)
    cut_ms = START + cut
    assert before(shuffled(orders, cut_ms, deal), cut_ms) == before(orders, cut_ms)


def test_that_test_sees_clicks_that_know_the_future() -> None:
    """A clickstream that did read the future, here moved back by three days, would fail the test above."""
    orders = shop(3)
    cut_ms = START + 18 * DAY_MS

    def prescient(orders: list[Order]) -> list[bytes]:
        early = [replace(order, time_ms=order.time_ms - 3 * DAY_MS) for order in orders]
        return before(early, cut_ms)

    assert prescient(shuffled(orders, cut_ms, 1)) != prescient(orders)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**40))
def test_a_customers_clicks_do_not_depend_on_anybody_else(seed: int) -> None:
    """When and how often a customer visits is decided by that customer's own orders."""
    orders = shop(5)
    someone = orders[0].customer

    def visits(orders: list[Order]) -> list[int]:
        history, clicks = draw(orders, seed)
        own = ~clicks.prospect & (clicks.who == history.customers.index(someone)) & (clicks.slot == 0)
        return list(clicks.time_ms[own])

    alone = [order for order in orders if order.customer == someone]
    assert visits(alone) == visits(orders)


@pytest.mark.parametrize("seed", [1, 2])
def test_products_are_shown_at_what_was_sold_before(seed: int) -> None:
    """Each product looked at had been sold, by the shop, on an earlier day."""
    history, clicks = draw(shop(4), seed)
    shown = clicks.line >= 0
    assert shown.sum() > 100
    assert np.all(history.line_time_ms[clicks.line[shown]] // DAY_MS < clicks.day[shown])


def test_customers_click_only_after_their_first_order() -> None:
    """Before the first order nothing tells that a customer will ever be one."""
    history, clicks = draw(shop(6))
    first = np.full(len(history.customers), np.iinfo(np.int64).max)
    np.minimum.at(first, history.order_customer, history.order_time_ms)
    own = ~clicks.prospect
    assert own.sum() > 100
    assert np.all(clicks.time_ms[own] > first[clicks.who[own]])
