"""Running the shop's knowledge: which partitions are not waited for."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaTimeoutError

from scoring.shop.settings import ShopSettings
from scoring.shop.shop import Shop
from streams.settings import Settings
from streams.shop.running import _Running

CLICKS, ORDERS = TopicPartition("clickstream", 0), TopicPartition("orders", 0)


class Consumer:
    """A consumer whose broker knows where both partitions end, until one of them has no leader any more."""

    def __init__(self) -> None:
        self.leaderless: Callable[[], Any] | None = None

    async def end_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        """Where they end; of one that has no leader, whatever aiokafka does."""
        if self.leaderless is not None:
            await self.leaderless()
        return dict.fromkeys(places, 5)


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
        running.consumer = Consumer()
        running.shop = Shop(ShopSettings(), ["clickstream-0", "orders-0"])
        running.shop.fronts["clickstream-0"].next = 3
        running.shop.fronts["orders-0"].next = 5
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
