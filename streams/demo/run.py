"""The run: orders and the life around them go in at one end; whoever subscribes to the other sees what came of them."""

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas.topics import TopicSpec
from streams.connection import aiokafka_options
from streams.demo.feed import feed
from streams.demo.holdback import HoldBack
from streams.demo.messages import Message
from streams.demo.plan import Plan
from streams.demo.progress import Progress
from streams.demo.standing import Standing
from streams.demo.watched import Watched
from streams.report.gathered import Gathering
from streams.settings import Settings
from streams.slices import deliver_slices

__all__ = ["DemoStalledError", "Run"]

_STALLED_S = 120.0
_QUIET_S, _LAST_S = 1.5, 15.0
"""After the last record is accounted for: the outputs are complete when nothing came for so long, or after this."""


class DemoStalledError(RuntimeError):
    """Nothing moved for two minutes, with what was waited for."""


class Run:
    """One run against a broker on which worker and trainer are ready.

    Parameters
    ----------
    settings
        In which `broker` is that broker.
    topics
        All topics; the outputs among them are read, and the orders.
    plan
        What to produce.
    check
        Called twice a second; raises when a part has ended.
    show
        Called four times a second and at the end, after `progress` and `watched` were brought up to date.
    gathering
        Takes in what reports are made from: what is produced, and the outputs.

    Attributes
    ----------
    progress, watched, standing
        What is known so far.
    """

    def __init__(
        self,
        settings: Settings,
        topics: Iterable[TopicSpec],
        plan: Plan,
        *,
        check: Callable[[], None],
        show: Callable[[], None],
        progress: Progress,
        watched: Watched,
        gathering: Gathering,
    ) -> None:
        self.settings = settings
        self.plan = plan
        self.progress = progress
        self.watched = watched
        self._gathering = gathering
        self.standing = Standing(settings.partitions)
        self._topics = [topic for topic in topics if _is_read(topic)]
        self._check = check
        self._show = show
        self._holdback = HoldBack(self.standing, watched, plan.start_ms, settings.horizon_ms)
        self._moved_s = self._began_s = 0.0

    async def run(self) -> None:
        """Produce everything, and return once every record is accounted for and the outputs are quiet.

        Raises
        ------
        DemoStalledError
            If nothing moves for two minutes.
        """
        self._began_s = self._moved_s = time.monotonic()
        options = aiokafka_options(self.settings)
        producer = AIOKafkaProducer(**options, max_request_size=2**22, max_batch_size=2**18)
        consumer = AIOKafkaConsumer(
            **options, auto_offset_reset="earliest", enable_auto_commit=False, group_id=None, check_crcs=False
        )
        await producer.start()
        try:
            await consumer.start()
            try:
                await self._through(producer, consumer)
            finally:
                await consumer.stop()
        finally:
            await producer.stop()

    async def _through(self, producer: Any, consumer: Any) -> None:
        consumer.assign([TopicPartition(topic.name, n) for topic in self._topics for n in range(topic.partitions or 1)])
        deliver_slices(consumer)
        tasks = [
            asyncio.create_task(self._subscribe(consumer)),
            asyncio.create_task(self._display()),
            asyncio.create_task(self._produce(producer)),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # the first two end only by an error
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self._refresh()

    async def _produce(self, producer: Any) -> None:
        self.progress.phase = "scoring"
        await feed(
            producer,
            self.plan.messages(),
            self.settings.partitions,
            may_go=self._holdback.may_go,
            produced=self._produced,
        )
        self.progress.phase = "the last records"
        await self._holdback.until(
            lambda: self.standing.read >= self.progress.produced, "the worker to account for all records"
        )
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_S):
                await self._holdback.quiet(_QUIET_S)
        self.progress.phase = "done"

    def _produced(self, until_ms: int, chunk: list[Message]) -> None:
        for message in chunk:
            self._gathering.take(message.topic, message.value)
        synthetic = sum(message.synthetic for message in chunk)
        self.progress.orders += len(chunk) - synthetic
        self.progress.synthetic += synthetic
        self.progress.now_ms = min(until_ms, self.plan.end_ms)
        self._moved_s = time.monotonic()

    async def _subscribe(self, consumer: Any) -> None:
        while True:
            fetched = await consumer.getmany(timeout_ms=200)
            for place, slices in fetched.items():
                self._take(place.topic, slices)
            if fetched:
                self._moved_s = time.monotonic()
                self._holdback.moved()

    def _take(self, topic: str, slices: Iterable[Any]) -> None:
        for piece in slices:
            for record in piece.records:
                if topic == "progress":
                    with suppress(msgspec.DecodeError):
                        self.standing.observe(record.value)
                else:
                    self.watched.observe(topic, record.value)
                    if topic != "orders" and record.value is not None:  # those are taken as they are produced
                        self._gathering.take(topic, record.value)

    async def _display(self) -> None:
        while True:
            self._refresh()
            self._check()
            if time.monotonic() - self._moved_s > _STALLED_S:
                raise DemoStalledError(
                    f"nothing moved for {_STALLED_S:.0f} s while waiting for {self._holdback.waiting_for}"
                )
            await asyncio.sleep(0.25)

    def _refresh(self) -> None:
        now_s = time.monotonic()
        progress = self.progress
        progress.applied = self.standing.read
        progress.customers = len(self.watched.movers)
        progress.watermark_ms = self.standing.watermark_ms
        progress.elapsed_s = now_s - self._began_s
        progress.rate.add(now_s, self.standing.read)
        self._show()


def _is_read(topic: TopicSpec) -> bool:
    """Outputs, the orders (to see who bought) and the progress."""
    return topic.role == "output" or topic.name in ("orders", "progress")
