"""What the shop's knowledge says of products, by hand."""

import zlib

import msgspec
import numpy as np
import pytest
from strategies.shop_known import Known, known_shop

from scoring.profile import DAY_MS, HOUR_MS, stable_hash
from scoring.shop.observations import Bought, Line, Observation, Offered
from scoring.shop.purchases import ERROR, Purchases
from scoring.shop.settings import ShopSettings
from scoring.shop.shop import Shop, StateRefused
from scoring.shop.snapshot import ShopSnapshot, SnapshotPartError, parts_of

START = 20_000 * DAY_MS


def bought(hours: float, customer: str, *products: str, order: str | None = None, **line: object) -> Bought:
    """A completed order, its id made from what it is unless one is given."""
    time_ms = START + int(hours * HOUR_MS)
    lines = tuple(Line(product, **line) for product in products)  # type: ignore[arg-type]
    return Bought(time_ms, f"m{time_ms}{customer}", order or f"{time_ms}{customer}", hash_of(customer), lines)


def offered(hours: float, product: str, price: float, category: str | None = None) -> Offered:
    """A product that somebody saw."""
    return Offered(START + int(hours * HOUR_MS), f"m{hours}", (Line(product, price, category),))


def hash_of(customer: str) -> int:
    """As the reader of the inputs gives it."""
    return stable_hash(customer.encode())


def learned(*events: Observation, settings: ShopSettings | None = None, shop: Shop | None = None) -> ShopSnapshot:
    """The newest snapshot after these events of one partition, once an hour without any has passed."""
    shop = shop or Shop(settings or ShopSettings(), ["p"])
    shop.take("p", len(events), [(event.time_ms, event) for event in sorted(events, key=lambda event: event.time_ms)])
    shop.take("p", len(events) + 1, [(shop.fronts["p"].newest_ms + 2 * shop.settings.every_ms + HOUR_MS, None)])
    *_, last = shop.complete()
    return ShopSnapshot(last.version, last.effective_ms, parts_of(last.figures))


def test_companions_come_by_how_often_they_were_bought_together() -> None:
    """The most frequent first, never the product itself, and none for what was bought alone."""
    shop = learned(
        bought(0, "ann", "tea", "cup"), bought(1, "bob", "tea", "cup", "spoon"), bought(2, "cyn", "tea", "cup"),
        bought(3, "dan", "hat"),
    )  # fmt: skip
    assert shop.companions("tea", 5) == ["cup", "spoon"]
    assert shop.companions("tea", 1) == ["cup"]
    assert shop.companions("hat", 5) == []
    assert shop.companions("unknown", 5) == []


def test_what_was_bought_lately_weighs_more() -> None:
    """After a half-life an order counts half: two of today outweigh three of two half-lives ago."""
    settings = ShopSettings(half_life_ms=10 * DAY_MS)
    old = [bought(hour, "ann", "tea", "milk") for hour in range(3)]
    new = [bought(20 * 24 + hour, "bob", "tea", "lemon") for hour in range(2)]
    shop = learned(*old, *new, settings=settings)
    assert shop.companions("tea", 2) == ["lemon", "milk"]
    assert shop.popularity("milk") == pytest.approx(0.75, rel=0.01)
    assert shop.best_sellers(3) == ["tea", "lemon", "milk"]


def test_orders_count_by_hour_and_weekday() -> None:
    """Shares in UTC, Monday first; those of lately weigh more, and a process that goes on from a state knows them."""
    settings = ShopSettings(half_life_ms=10 * DAY_MS)
    shop = Shop(settings, ["p"])
    learned(*(bought(hour / 60, f"c{hour}", "tea") for hour in range(3)), settings=settings, shop=shop)
    shop = Shop.from_bytes(settings, ["p"], shop.to_bytes())
    usual = learned(bought(20 * 24 + 9, "ann", "tea"), bought(20 * 24 + 9.5, "bob", "cup"), shop=shop).usual
    monday = (3 + START // DAY_MS) % 7
    assert {place for place, share in enumerate(usual) if share} == {0, 9, 24 + monday, 24 + (monday + 20) % 7}
    assert usual[9] == pytest.approx(2 / 2.75, rel=0.01)
    assert (sum(usual[:24]), sum(usual[24:])) == pytest.approx((1, 1))


def test_a_state_of_before_orders_were_counted_by_hour_is_gone_on_from() -> None:
    """It knows none yet."""
    shop = Shop(ShopSettings(), ["p"])
    learned(bought(3, "ann", "tea"), shop=shop)
    *others, knowledge = msgspec.msgpack.decode(shop.to_bytes())
    before = Shop.from_bytes(ShopSettings(), ["p"], msgspec.msgpack.encode([*others, knowledge[:-1]]))
    assert not before.knowledge.usual.any()
    assert before.knowledge.products == ["tea"]


def test_hours_that_are_none_are_refused() -> None:
    """As many as there are hours and weekdays, none below 0."""
    for usual in ([1.0], [-1.0] * 31, [float("nan")] * 31):
        with pytest.raises(SnapshotPartError, match="by hour and weekday"):
            known_shop(1, 0, {"tea": Known(1.0)}, usual)


def test_best_sellers_of_a_category() -> None:
    """A product is in the category that it was last seen in; what was never bought is no best seller."""
    shop = learned(
        bought(0, "ann", "tea", "cup", category="kitchen"), bought(1, "bob", "tea", category="kitchen"),
        offered(2, "cup", 3.0, "gifts"), offered(2, "vase", 9.0, "gifts"),
    )  # fmt: skip
    assert shop.best_sellers(9, "kitchen") == ["tea"]
    assert shop.best_sellers(9, "gifts") == ["cup"]
    assert shop.best_sellers(9, "none") == []
    assert shop.best_sellers(1) == ["tea"]
    assert shop.category("cup") == "gifts"
    assert shop.category_popularity("kitchen") == pytest.approx(2, rel=0.01)
    assert shop.category_popularity("gifts") == pytest.approx(1, rel=0.01)


def test_the_price_and_the_one_before() -> None:
    """The one before is the last that was another; a price that comes again changes nothing."""
    assert learned(offered(0, "tea", 5.0)).price("tea") == (5.0, None)
    assert learned(offered(0, "tea", 5.0), offered(3, "tea", 4.0), offered(9, "tea", 4.0)).price("tea") == (4.0, 5.0)
    assert learned(offered(0, "tea", 5.0), offered(0.1, "tea", 4.0), offered(0.2, "tea", 5.0)).price("tea") == (
        5.0,
        4.0,
    )
    assert learned(bought(0, "ann", "tea")).price("tea") is None
    assert learned(offered(0, "tea", 5.0)).price("unknown") is None


def test_the_usual_gap_is_the_median_of_those_of_all_customers() -> None:
    """Five gaps are needed; what is bought again within a day is no repetition."""

    def every(days: float, *customers: str) -> list[Bought]:
        return [bought(24 * days * i, customer, "tea") for customer in customers for i in range(3)]

    events = [*every(30, "ann", "bob"), *every(60, "cyn")]
    assert learned(*events).usual_gap_days("tea") == pytest.approx(30, rel=ERROR)
    assert learned(*events[:6]).usual_gap_days("tea") is None
    again = [bought(24 * 30 * i + 0.2, "ann", "tea") for i in range(3)]
    assert learned(*events, *again).usual_gap_days("tea") == pytest.approx(30, rel=ERROR)


def test_an_order_id_counts_once() -> None:
    """The same order under two message ids is one order, the earlier one."""
    shop = learned(bought(0, "ann", "tea", order="o1"), bought(5, "ann", "tea", order="o1"))
    assert shop.popularity("tea") == pytest.approx(1, rel=0.01)


def test_a_late_event_is_left_out_and_counted() -> None:
    """Older than the newest before it in its partition by more than the lateness: it adds nothing."""
    shop = Shop(ShopSettings(), ["p"])
    late = bought(0, "ann", "tea")
    shop.take("p", 2, [(START + 5 * HOUR_MS, bought(5, "bob", "cup")), (START, late)])
    assert shop.late == 1
    shop.take("p", 3, [(START + 50 * HOUR_MS, None)])
    [version] = shop.complete()
    assert version.figures.products == [b"cup"]


def test_a_boundary_waits_for_every_partition_that_is_not_quiet() -> None:
    """What one partition has passed another may still bring."""
    shop = Shop(ShopSettings(), ["a", "b"])
    shop.take("a", 2, [(START, bought(0, "ann", "tea")), (START + 9 * HOUR_MS, None)])
    assert list(shop.complete()) == []
    shop.take("b", 1, [(START + 1, bought(0.001, "bob", "tea"))])
    assert list(shop.complete()) == []
    [version] = shop.complete({"b"})
    assert version.figures.popularity.tolist() == [2.0]
    assert version.effective_ms == START + HOUR_MS


def test_a_customer_who_is_forgotten_is_in_no_later_gap() -> None:
    """What they bought before is nobody's: a later order is a first one."""
    shop = Shop(ShopSettings(), ["p", "d"])
    events = [bought(24 * 30 * i, name, "tea") for i in range(3) for name in ("ann", "bob", "cyn")]
    quiet = {"d"}
    for i, event in enumerate(sorted(events, key=lambda event: event.time_ms)):
        if i == 5:
            shop.forget("d", 1, [hash_of("ann"), hash_of("bob")])
        shop.take("p", i + 1, [(event.time_ms, event)])
        list(shop.complete(quiet))
    shop.take("p", 99, [(START + 999 * DAY_MS, None)])
    list(shop.complete(quiet))
    state = shop.to_bytes()
    assert int(shop.knowledge.purchases.gaps.sum()) == 2, (
        "both of cyn: the orders of the open interval are nobody's too"
    )
    shop.forget("d", 2, [hash_of(name) for name in ("ann", "bob", "cyn")])
    assert len(shop.knowledge.purchases.key) == 0
    assert len(shop.to_bytes()) < len(state)


def test_a_snapshot_of_many_products_comes_in_parts_below_a_megabyte() -> None:
    """Whatever the ids are; put together again it says the same."""
    names = [f"{i:07d}".ljust(250, "é")[:120] for i in range(9_000)]
    shop = Shop(ShopSettings(), ["p"])
    basket = 3
    events = [bought(i / 1e4, "ann", *names[i : i + basket], order=str(i)) for i in range(0, len(names), basket)]
    shop.take("p", 1, [(event.time_ms, event) for event in events])
    shop.take("p", 2, [(START + 9 * HOUR_MS, None)])
    [version] = shop.complete()
    parts = parts_of(version.figures)
    assert len(parts) > 1
    assert max(map(len, parts)) < 700_000
    snapshot = ShopSnapshot(1, version.effective_ms, parts)
    assert len(snapshot) == 9_000
    assert all(set(snapshot.companions(names[i], 9)) == {names[i + 1], names[i + 2]} for i in range(0, 9_000, 3))
    with pytest.raises(SnapshotPartError):
        ShopSnapshot(1, version.effective_ms, [*parts[:1], b"x"])


def test_of_too_many_purchases_those_of_some_customers_stay() -> None:
    """The sample is by customer: whoever is in it is in it with everything."""
    purchases = Purchases(100)
    purchases.grow(4)
    rng = np.random.default_rng(1)
    customers = rng.integers(0, 2**64, 200, np.uint64)
    for day in range(3):
        who = np.repeat(customers, 4)
        row = np.tile(np.arange(4), 200)
        purchases.add(
            who, row.astype(np.uint64) + np.uint64(7), row, np.full(800, day * 10 * DAY_MS), day * 10 * DAY_MS
        )
    there = set(purchases.customer.tolist())
    assert 50 < len(purchases.key) <= 100
    assert len(purchases.key) == 4 * len(there)
    assert there == {int(customer) for customer in customers if int(customer) <= purchases.limit}
    assert purchases.usual_days() == pytest.approx([10] * 4, rel=ERROR)


def test_a_state_of_other_steps_or_partitions_is_refused() -> None:
    """It says which, so that somebody can put it right."""
    shop = Shop(ShopSettings(), ["p"])
    shop.take("p", 1, [(START, bought(0, "ann", "tea"))])
    state = shop.to_bytes()
    with pytest.raises(StateRefused, match="3600000 ms"):
        Shop.from_bytes(ShopSettings(every_ms=DAY_MS), ["p"], state)
    with pytest.raises(StateRefused, match="not there: p"):
        Shop.from_bytes(ShopSettings(), ["q"], state)
    with pytest.raises(StateRefused, match="cannot be read"):
        Shop.from_bytes(ShopSettings(), ["p"], state[:-9])
    assert Shop.from_bytes(ShopSettings(companions=3), ["p", "q"], state).to_bytes() != state


def test_what_is_cheaper_than_when_it_was_seen_is_told_of_many_at_once() -> None:
    """By the products' numbers; not of one that is unknown, had one price only, or was seen at its price of now."""
    shop = known_shop(
        1,
        0,
        {
            "down": Known(1.0, price=8.0, price_before=10.0, since_ms=6, before_ms=7),
            "up": Known(1.0, price=12.0, price_before=10.0),
            "same": Known(1.0, price=10.0),
        },
    )
    numbers = np.array([[stable_hash(name) for name in (b"down", b"up", b"same", b"other")], [0] * 4], np.uint64)
    assert shop.are_cheaper(numbers, np.full((2, 4), 7)).tolist() == [[True, False, False, False], [False] * 4]
    assert not shop.are_cheaper(numbers, np.full((2, 4), 8)).any()
    assert not shop.are_cheaper(numbers, np.full((2, 4), 6)).any(), "at a price before the one before"
    assert shop.cheaper("down", 7) == (8.0, 10.0)
    assert not any(shop.cheaper(*told) for told in (("down", 8), ("down", 6), ("up", 1), ("same", 1), ("other", 1)))
    only_up = known_shop(2, 0, {"up": Known(1.0, price=12.0, price_before=10.0)})
    assert not only_up.are_cheaper(numbers, np.zeros((2, 4), np.int64)).any()


def test_a_view_is_at_the_price_before_as_long_as_that_is_told() -> None:
    """As long as anybody is told of it, one who viewed it saw that price; later it may have been either."""
    shop = learned(offered(0, "tea", 5.0), offered(3, "tea", 5.0), offered(3.1, "tea", 4.0), offered(9, "tea", 4.0))
    last_ms = START + 3 * HOUR_MS
    assert shop.cheaper("tea", last_ms) == (4.0, 5.0)
    assert shop.cheaper("tea", last_ms + 1) is None
    again = learned(
        offered(0, "tea", 4.0), offered(1.5, "tea", 5.0), offered(2.5, "tea", 5.0), offered(3.5, "tea", 4.0)
    )
    seen = [again.cheaper("tea", START + int(hours * HOUR_MS)) for hours in (0, 1.5, 2.5, 3.5)]
    assert seen == [None, (4.0, 5.0), (4.0, 5.0), None], "who saw it at 4 before it rose to 5 sees no lower price"


def test_a_price_that_comes_back_within_an_interval_is_lower_for_nobody() -> None:
    """When it left and when it came back is not known to the minute; a fall that lasts is told of all the same."""
    back = learned(offered(0, "tea", 4.0), offered(1.1, "tea", 4.0), offered(1.2, "tea", 5.0), offered(1.3, "tea", 4.0))
    assert back.price("tea") == (4.0, 5.0)
    assert not any(back.cheaper("tea", START + ms) for ms in range(0, 2 * HOUR_MS, HOUR_MS // 20))
    fell = learned(offered(0, "tea", 6.0), offered(1.1, "tea", 5.0), offered(1.2, "tea", 4.0))
    assert fell.cheaper("tea", START + int(1.1 * HOUR_MS)) == (4.0, 5.0)
    assert fell.cheaper("tea", START) is None


def test_a_state_and_a_version_of_before_prices_had_times_are_gone_on_from() -> None:
    """Nobody is told that anything became cheaper until a price was told again."""
    shop = Shop(ShopSettings(), ["p"])
    learned(offered(0, "tea", 5.0), shop=shop)
    *others, knowledge = msgspec.msgpack.decode(shop.to_bytes())
    knowledge[-2] = knowledge[-2][:-3]
    before = Shop.from_bytes(ShopSettings(), ["p"], msgspec.msgpack.encode([*others, knowledge]))
    before.take("p", 3, [(START + DAY_MS, offered(24, "tea", 4.0))])
    before.take("p", 4, [(START + 2 * DAY_MS, None)])
    *_, version = before.complete()
    most, columns, *names = msgspec.msgpack.decode(zlib.decompress(parts_of(version.figures)[0]))
    older = [zlib.compress(msgspec.msgpack.encode([most, columns[:-2], *names]))]
    for parts in (parts_of(version.figures), older):
        assert ShopSnapshot(2, 0, parts).price("tea") == (4.0, 5.0)
        assert ShopSnapshot(2, 0, parts).cheaper("tea", START) is None
