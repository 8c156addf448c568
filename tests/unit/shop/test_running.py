"""Running the shop's knowledge: which partitions are not waited for, and when somebody is forgotten."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaTimeoutError

from schemas.internals import Deletion
from schemas.timestamp import from_ms
from scoring.profile import DAY_MS, HOUR_MS, stable_hash
from scoring.shop.observations import Bought, Line
from scoring.shop.settings import ShopSettings
from scoring.shop.shop import Shop
from streams.settings import Settings
from streams.shop.running import _Running
from streams.shop.wire import state_records, version_records

CLICKS, ORDERS, DELETIONS = (TopicPartition(name, 0) for name in ("clickstream", "orders", "deletions"))


class Consumer:
    """A consumer whose broker knows where all partitions end, until one of them has no leader any more."""

    def __init__(self, **at: int) -> None:
        self.leaderless: Callable[[], Any] | None = None
        self.at = at

    async def end_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        """Where they end; of one that has no leader, whatever aiokafka does."""
        if self.leaderless is not None:
            await self.leaderless()
        return dict.fromkeys(places, 5)

    async def position(self, place: TopicPartition) -> int:
        """How far it is read."""
        return self.at[place.topic]

    def assign(self, places: list[TopicPartition]) -> None:
        """Take them."""

    def seek(self, place: TopicPartition, offset: int) -> None:
        """Go there."""


async def for_ever() -> None:
    """No answer comes."""
    await asyncio.Event().wait()


async def given_up() -> None:
    """It was asked for as long as aiokafka does."""
    raise KafkaTimeoutError


@pytest.mark.parametrize("leaderless", [for_ever, given_up])
def test_who_does_not_know_the_ends_waits_for_every_partition(
    leaderless: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A partition that was read to its end may hold more by the time the broker does not tell any more."""
    monkeypatch.setattr("streams.shop.running._ANSWER_S", 0.05, raising=False)

    async def scenario() -> None:
        running = _Running(Settings(), lambda _: None, lambda _: None)
        running.consumer = Consumer(clickstream=3, orders=5)
        running.shop = Shop(ShopSettings(), ["clickstream-0", "orders-0"])
        running.shop.fronts["clickstream-0"].next = 3
        running.shop.fronts["orders-0"].next = 4  # behind it is what ends a transaction
        running.heard_s = {CLICKS: -1e9, ORDERS: -1e9}

        async def look() -> set[str]:
            running.looked_s = 0.0
            await asyncio.wait_for(running._look(), 5)
            return running._quiet()

        assert await look() == {"orders-0"}
        running.consumer.leaderless = leaderless
        assert await look() == set()
        running.consumer.leaderless = None
        assert await look() == {"orders-0"}, "it is known again"

    asyncio.run(scenario())


class _Record(NamedTuple):
    offset: int
    value: bytes


def test_what_comes_from_a_backlog_is_of_somebody_forgotten_too() -> None:
    """A request is done again once the inputs are read that were there with it; until then it counts as not read."""
    ann = stable_hash(b"ann")
    start = 20_000 * DAY_MS

    def bought(shop: Shop, n: int) -> None:
        order = Bought(start + n * HOUR_MS, f"m{n}", f"o{n}", ann, (Line(f"p{n}", 1.0, None),))
        shop.take("orders-0", n + 1, [(order.time_ms, order)])
        list(shop.complete({"clickstream-0", "deletions-0"}))

    async def scenario() -> None:
        running = _Running(Settings(), lambda _: None, lambda _: None)
        running.consumer = consumer = Consumer(clickstream=5, orders=0, deletions=5)
        shop = running.shop = Shop(ShopSettings(), ["clickstream-0", "orders-0", "deletions-0"])
        running.heard_s = {CLICKS: 0.0, ORDERS: 0.0, DELETIONS: 0.0}

        async def step() -> None:
            running.looked_s = -1e9
            await running._look()
            running._forget_again()

        request = Deletion("r", "ann", from_ms(start), None)
        running._take(DELETIONS, [_Record(4, msgspec.json.encode(request))])
        await step()
        for n in range(4):
            bought(shop, n)
        consumer.at["orders"] = 4
        await step()
        assert (len(shop.knowledge.purchases.key), shop.fronts["deletions-0"].next) == (2, 0)
        bought(shop, 4)
        consumer.at["orders"] = 5
        await step()
        assert (len(shop.knowledge.purchases.key), shop.fronts["deletions-0"].next) == (0, 5)
        for n in (5, 6, 7):
            bought(shop, n)
        await step()
        assert len(shop.knowledge.purchases.key) == 1, "the first that came after the request"

    asyncio.run(scenario())


def told(running: _Running) -> dict[str, float]:
    """The figures that tell of the newest version."""
    names = (
        "newest_shop_version",
        "newest_shop_effective_seconds",
        "shop_products",
        "shop_purchases",
        "shop_age_seconds",
    )
    return {name: running.metrics.registry.get_sample_value(f"recompra_{name}") or 0.0 for name in names}


@pytest.mark.parametrize("kept", [True, False])
def test_after_a_start_the_figures_are_of_what_is_gone_on_from(kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shop that sells nothing more tells its newest version all the same; one that begins again has no age yet."""
    start = 20_000 * DAY_MS
    shop = Shop(ShopSettings(), ["clickstream-0", "orders-0", "deletions-0"])
    for n in range(4):
        order = Bought(start + n * HOUR_MS, f"m{n}", f"o{n}", n, (Line(f"p{n}", 1.0, None),))
        shop.take("orders-0", n + 1, [(order.time_ms, order)])
    *_, newest = shop.complete({"clickstream-0", "deletions-0"})
    records = {"products": version_records(newest), "shop-state": state_records(1, shop.to_bytes(), 0) if kept else []}

    async def values(_: Settings, topic: str) -> dict[bytes, bytes]:
        return {key: value for key, value in records[topic] if value is not None}

    async def scenario() -> None:
        monkeypatch.setattr("streams.shop.running.newest_values", values)
        monkeypatch.setattr("streams.shop.running.partitions_of", lambda *_: [CLICKS, ORDERS, DELETIONS])
        monkeypatch.setattr(_Running, "_send", lambda *_: asyncio.sleep(0))
        running = _Running(Settings(), lambda _: None, lambda _: None)
        running.consumer = Consumer()
        await running._begin()
        running.shop.fronts["orders-0"].newest_ms = start + 3 * HOUR_MS
        running.metrics.look(running.shop, {})
        assert list(told(running).values()) == (
            [2.0, (start + 2 * HOUR_MS) / 1000, 2.0, 2.0, 3600.0] if kept else [2.0, 0.0, 0.0, 0.0, 0.0]
        )

    asyncio.run(scenario())


def test_it_ends_when_told_to_though_the_broker_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for an answer, as the last copy of the state does, has some time for it, and is then given up."""
    monkeypatch.setattr("streams.shop.running._END_S", 0.05)

    async def scenario() -> None:
        running = _Running(Settings(), lambda _: None, lambda _: None)
        running.over.set()
        working = asyncio.create_task(for_ever())
        await asyncio.wait_for(running._until_over(working), 5)
        assert working.cancelled()
        with pytest.raises(KafkaTimeoutError):
            await running._until_over(asyncio.create_task(given_up()))

    asyncio.run(scenario())
