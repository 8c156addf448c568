"""What the shop's knowledge says of a real shop's orders, beside a plain count of all of them."""

import gzip
from collections import defaultdict
from functools import cache
from itertools import takewhile
from statistics import median_low
from typing import NamedTuple

import numpy as np
import pytest

from schemas.adapters import ADAPTERS
from schemas.adapters.canonical import Canonical
from scoring.profile import DAY_MS, stable_hash
from scoring.shop.observations import Bought, Line
from scoring.shop.purchases import ERROR, LEAST_GAPS, LONGEST_MS
from scoring.shop.settings import ShopSettings
from scoring.shop.shop import Shop
from scoring.shop.snapshot import ShopSnapshot, parts_of
from streams.demo.source import DATA

DAYS = 90
SETTINGS = ShopSettings(every_ms=DAY_MS, companions=20)


class Counted(NamedTuple):
    """Plain counts: decayed pairs and orders, all gaps, and all prices in order, by product."""

    products: list[str]
    pairs: np.ndarray
    orders: np.ndarray
    gaps: dict[str, list[float]]
    prices: dict[str, list[float]]


@cache
def orders() -> list[Bought]:
    """Each order of the first days, in the order of event time and message id."""
    with gzip.open(DATA, "rt", encoding="utf-8") as lines:  # in the order of time: the rest need not be read
        told = (event for event in ADAPTERS["online-retail"](lines, options={}) if isinstance(event, Canonical))
        completed = (event for event in told if event.value["event"] == "Order Completed")
        first = next(completed)
        until = first.time_ms + DAYS * DAY_MS
        found = [_bought(event) for event in (first, *takewhile(lambda event: event.time_ms < until, completed))]
    return sorted(found, key=lambda order: (order.time_ms, order.message))


def _bought(event: Canonical) -> Bought:
    said = event.value["properties"]
    lines = [(str(line.get("product_id") or ""), line.get("price")) for line in said.get("products", ())]
    kept = tuple(Line(product, price) for product, price in lines if product)
    return Bought(event.time_ms, event.value["messageId"], str(said["order_id"]), stable_hash(event.key.encode()), kept)


@cache
def known(settings: ShopSettings) -> ShopSnapshot:
    """The last snapshot."""
    shop = Shop(settings, ["p"])
    last = None
    for i, order in enumerate(orders()):
        shop.take("p", i + 1, [(order.time_ms, order)])
        for version in shop.complete():
            last = version
    assert last is not None
    return ShopSnapshot(last.version, last.effective_ms, parts_of(last.figures))


@cache
def counted(until_ms: int) -> Counted:
    """Everything up to then, in as much memory as it takes."""
    counts = [order for order in orders() if order.time_ms < until_ms]
    products = sorted({line.product for order in counts for line in order.lines})
    row = {product: i for i, product in enumerate(products)}
    pairs, bought = np.zeros((len(products), len(products))), np.zeros(len(products))
    when: defaultdict[tuple[int, str], int] = defaultdict(int)
    gaps: defaultdict[str, list[float]] = defaultdict(list)
    prices: defaultdict[str, list[float]] = defaultdict(list)
    for order in counts:
        boundary = (order.time_ms // DAY_MS + 1) * DAY_MS
        weight = 2.0 ** ((boundary - until_ms) / SETTINGS.half_life_ms)
        rows = sorted({row[line.product] for line in order.lines})
        pairs[np.ix_(rows, rows)] += weight
        bought[rows] += weight
        for product in {line.product for line in order.lines}:
            before = when.get((order.customer or 0, product))
            if before is not None and DAY_MS <= order.time_ms - before < LONGEST_MS:
                gaps[product].append((order.time_ms - before) / DAY_MS)
            when[order.customer or 0, product] = order.time_ms
        for line in sorted(order.lines, key=lambda line: line.price or 0):
            if line.price:
                prices[line.product].append(line.price)
    np.fill_diagonal(pairs, 0)
    return Counted(products, pairs, bought, gaps, prices)


def overlap(snapshot: ShopSnapshot, exact: Counted, most_bought: int) -> float:
    """Mean share of the 20 most frequent companions that are told, over the products bought most; ties count."""
    shares = []
    for i in np.argsort(-exact.orders)[:most_bought].tolist():
        least = np.sort(exact.pairs[i])[-20]
        true = {exact.products[j] for j in np.flatnonzero(exact.pairs[i] >= least * (1 - 1e-5)).tolist()}
        shares.append(len(true & set(snapshot.companions(exact.products[i], 20))) / 20)
    return float(np.mean(shares))


@pytest.mark.slow
def test_with_room_it_says_what_a_plain_count_says() -> None:
    """Popularity and last prices the same, usual gaps within the bin, and the top 20 companions nearly all."""
    snapshot = known(SETTINGS)
    exact = counted(snapshot.effective_ms)
    assert len(exact.products) > 2_000
    told = [snapshot.popularity(product) for product in exact.products]
    np.testing.assert_allclose(told, exact.orders, rtol=1e-5)
    assert snapshot.best_sellers(1)[0] == exact.products[int(exact.orders.argmax())]
    ratios = [
        usual / median_low(exact.gaps[product])
        for product in exact.products
        if (usual := snapshot.usual_gap_days(product)) is not None
    ]
    assert len(ratios) > 300
    assert min(ratios) > 1 / (1 + ERROR) - 1e-6
    assert max(ratios) < 1 + ERROR + 1e-6
    for product, prices in exact.prices.items():
        others = [price for price in prices if price != prices[-1]]
        assert snapshot.price(product) == (prices[-1], others[-1] if others else None)
    few = [product for product in exact.products if len(exact.gaps[product]) < LEAST_GAPS]
    assert all(snapshot.usual_gap_days(product) is None for product in few)
    assert overlap(snapshot, exact, 1_000) > 0.97
    print(f"companions {overlap(snapshot, exact, 1_000):.3f}, gaps {np.quantile(ratios, [0, 0.5, 1])}")


@pytest.mark.slow
def test_with_less_room_the_frequent_companions_stay() -> None:
    """Half of the pairs still tells most of the companions of the products bought most, and less room less."""
    exact = counted(known(SETTINGS).effective_ms)
    held = int((exact.pairs > 0).sum())
    shares = [overlap(known(_with_room(held // part)), exact, 300) for part in (2, 8)]
    print(f"{held:,} pairs; half {shares[0]:.3f}, an eighth {shares[1]:.3f}")
    assert shares[0] > 0.75
    assert 0.3 < shares[1] < shares[0]


def _with_room(pairs: int) -> ShopSettings:
    return ShopSettings(every_ms=DAY_MS, companions=20, pairs=pairs)
