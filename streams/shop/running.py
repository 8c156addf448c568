"""Running: everything of one process that computes the shop's knowledge, from its start to its orderly end."""

import asyncio
import logging
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from scoring.shop.shop import Shop, StateRefused, Version
from streams.cloud_event import headers_of
from streams.connection import aiokafka_options, unreachable
from streams.exposition import serve
from streams.limits import Limits
from streams.patience import patiently
from streams.settings import Settings
from streams.shop.kept import newest_values, partitions_of, parts_by_version
from streams.shop.metrics import ShopMetrics
from streams.shop.reading import Reading, customers_to_forget
from streams.shop.wire import newest_state, part_key, state_records, version_records
from streams.topics import check_partitions

__all__ = ["ShopFailedError", "run_shop"]

log = logging.getLogger(__name__)

_INPUTS: Final = ("clickstream", "orders")
_DELETIONS: Final = "deletions"
_WRITTEN: Final = ("products", "shop-state")
_CROWDED: Final = 100_000
"""Open observations beyond which partitions wait that are ahead in event time of the one that is waited for."""
_AT_ONCE: Final = 4_000
"""Records taken at once."""
_LOOK_EVERY_S: Final = 1.0
_ANSWER_S: Final = 2.0
"""Longest wait for where the partitions end: nothing is read meanwhile, and aiokafka would ask for 40 s."""
_LARGEST: Final = 2 * 1024 * 1024
_END_S: Final = 30.0
"""Longest that an end waits for what is under way and for a last copy of the state."""


class ShopFailedError(RuntimeError):
    """The process cannot start or go on; the text says why and what to do."""


def run_shop(settings: Settings, say: Callable[[str], None], ready: Callable[[str], None]) -> None:
    """Compute and publish the shop's knowledge until SIGINT or SIGTERM.

    Parameters
    ----------
    say
        Told what a person should know.
    ready
        Told, once, where the metrics are, when reading begins.

    Raises
    ------
    ShopFailedError
        If the state that was kept cannot be gone on from, or the broker fails it.
    UnfitTopicsError
        If topics are missing, or the inputs have another number of partitions than the settings say.
    BrokerUnreachableError
        If no broker answers at the start.
    """
    check_partitions(settings, (*_INPUTS, _DELETIONS), also=_WRITTEN)
    asyncio.run(_Running(settings, say, ready).run())


@dataclass(slots=True)
class _Request:
    """Customers to forget, as a partition of `deletions` says up to an offset, and where the inputs ended then."""

    partition: str
    after: int
    customers: list[int]
    ends: dict[TopicPartition, int] | None = None


@dataclass(slots=True)
class _Running:
    settings: Settings
    say: Callable[[str], None]
    ready: Callable[[str], None]
    metrics: ShopMetrics = field(default_factory=ShopMetrics)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    consumer: Any = None
    producer: Any = None
    shop: Shop = field(init=False)
    reading: Reading = field(init=False)
    published: dict[int, int] = field(default_factory=dict)
    """Parts by version, of those on the topic."""
    saved: int = 0
    saved_at_s: float = 0.0
    sizes: dict[int, int] = field(default_factory=dict)
    """Parts of the last copy of the state, by its place."""
    heard_s: dict[TopicPartition, float] = field(default_factory=dict)
    ends: dict[TopicPartition, int] = field(default_factory=dict)
    at: dict[TopicPartition, int] = field(default_factory=dict)
    """How far they are read; past what no record is of, too, as the end of a transaction."""
    requests: list[_Request] = field(default_factory=list)
    """Those that are done, and to be done again once what was there when they came is read."""
    looked_s: float = 0.0

    async def run(self) -> None:
        settings = self.settings
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.over.set)
        self.reading = Reading(settings.allowed_skew_ms, self.metrics.refused.inc, Limits.of(settings))
        server, address = serve(settings, self.metrics.registry)
        options = aiokafka_options(settings)
        self.consumer = AIOKafkaConsumer(
            **options,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_max_bytes=settings.fetch_max_bytes,
            max_partition_fetch_bytes=settings.fetch_partition_bytes,
            fetch_max_wait_ms=settings.fetch_max_wait_ms,
        )
        self.producer = AIOKafkaProducer(**options, acks="all", max_request_size=_LARGEST)
        try:
            try:
                await self.consumer.start()
                await self.producer.start()
            except (KafkaError, OSError) as error:
                raise unreachable(settings, error) from None
            try:
                await self._until_over(asyncio.create_task(self._work(address)))
            except KafkaError as error:
                raise ShopFailedError(f"the broker fails it: {error!r}; start it again, it goes on") from error
        finally:
            for client in (self.consumer, self.producer):
                with suppress(asyncio.CancelledError):  # what aiokafka raises where it waits for a broker that is gone
                    await client.stop()
            server.shutdown()
            server.server_close()

    async def _until_over(self, working: asyncio.Task[None]) -> None:
        """Wait until it has ended by itself, or is told to end and has had the time for a last copy of the state."""
        told = asyncio.create_task(self.over.wait())
        await asyncio.wait((working, told), return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        await asyncio.wait((working,), timeout=_END_S)
        if not working.done():  # a broker that is gone is waited for without end: what was read since is read again
            log.warning("the broker did not answer in time; the next start goes on from the last copy of the state")
            working.cancel()
        try:
            await working
        except asyncio.CancelledError:
            if not self.over.is_set():
                raise ShopFailedError("a request to the broker was given up; start it again, it goes on") from None

    async def _work(self, address: str) -> None:
        await self._begin()
        self.ready(address)
        while not self.over.is_set():
            await self._step()
        await self._save()

    # ---- where to go on

    async def _begin(self) -> None:
        places = partitions_of(self.settings, (*_INPUTS, _DELETIONS))
        names = [_name(place) for place in places]
        self.published = parts_by_version(await self._kept("products"))
        states = await self._kept("shop-state")
        for key in states:
            copy = int(key.split(b"/")[0])
            self.sizes[copy] = self.sizes.get(copy, 0) + 1
        kept = newest_state(states)
        if kept is None:
            self.shop = Shop(self.settings.shop, names, max(self.published, default=0))
            self.say("beginning with what the inputs still hold")
            await self._save()  # versions are counted on from here, whatever happens before the next copy
        else:
            self.saved, state = kept
            try:
                self.shop = Shop.from_bytes(self.settings.shop, names, state)
            except StateRefused as error:
                raise ShopFailedError(
                    f"the state on shop-state cannot be gone on from: {error}; set the settings back, or delete the "
                    "records of shop-state to begin with what the inputs still hold"
                ) from None
            self.saved_at_s = time.monotonic()
            self.say(f"going on from version {self.shop.version}")
        self.metrics.known(self.shop)
        self.consumer.assign(places)
        for place in places:
            self.consumer.seek(place, self.shop.fronts[_name(place)].next)
        self.heard_s = dict.fromkeys(places, time.monotonic())

    async def _kept(self, topic: str) -> dict[bytes, bytes]:
        return await patiently(topic, partial(newest_values, self.settings, topic))

    # ---- what is read

    async def _step(self) -> None:
        """Read some, close what is complete, and publish it."""
        fetched = await self.consumer.getmany(timeout_ms=200, max_records=_AT_ONCE)
        for place, records in fetched.items():
            self._take(place, records)
        await self._look()
        self._forget_again()
        quiet = self._quiet()
        for version in self.shop.complete(quiet):
            self.metrics.known(self.shop)
            await self._publish(version)
            await asyncio.sleep(0)
        if time.monotonic() - self.saved_at_s > self.settings.shop_state_every_s:
            await self._save()
        self._hold_back(quiet)

    def _take(self, place: TopicPartition, records: Sequence[Any]) -> None:
        self.heard_s[place] = time.monotonic()
        name, after = _name(place), records[-1].offset + 1
        if place.topic == _DELETIONS:
            customers = customers_to_forget(records, self.metrics.refused.inc)
            self.shop.forget(name, self.shop.fronts[name].next, customers)
            self.requests.append(_Request(name, after, customers))
        else:
            self.shop.take(name, after, self.reading(records))
        self.metrics.read.labels(place.topic).inc(len(records))

    def _forget_again(self) -> None:
        """Do the requests once more of which all is read that the inputs held when they came, and count them as read.

        An input may be far behind: what it held of the customer would stay. Whoever dies meanwhile reads them again.
        """
        while self.requests:
            request = self.requests[0]
            if request.ends is None or any(self.at.get(place, 0) < end for place, end in request.ends.items()):
                return
            self.shop.forget(request.partition, request.after, request.customers)
            self.requests.pop(0)

    def _quiet(self) -> set[str]:
        """Partitions that are read to their end and brought nothing for a while, and those never waited for."""
        since = time.monotonic() - self.settings.shop_quiet_s
        return {
            _name(place)
            for place, heard in self.heard_s.items()
            if place.topic == _DELETIONS
            or (heard < since and place in self.ends and self.at[place] >= self.ends[place])
        }

    def _hold_back(self, quiet: set[str]) -> None:
        """Where much is open already, let those wait that are ahead of the partition that is waited for."""
        crowded = self.shop.open_observations > _CROWDED
        furthest = self.shop.least_ms(quiet) + self.settings.shop.lateness_ms + self.settings.shop.every_ms
        paused = self.consumer.paused()
        for place in self.heard_s:
            ahead = crowded and self.shop.fronts[_name(place)].newest_ms > furthest
            if ahead and place not in paused:
                self.consumer.pause(place)
            elif not ahead and place in paused:
                self.consumer.resume(place)
                self.heard_s[place] = time.monotonic()

    async def _look(self) -> None:
        """Ask, at most once a second, where the partitions end; without an answer for all of them, none is known."""
        if time.monotonic() - self.looked_s < _LOOK_EVERY_S:
            return
        try:
            self.ends, self.at = await asyncio.wait_for(self._places(), _ANSWER_S)
        except (KafkaError, TimeoutError) as error:
            if self.ends:
                log.warning("the broker does not say where the inputs end (%r): no partition counts as read", error)
            # Of old ends, that of a partition without a leader would say that there is nothing more to come.
            self.ends = {}
        self.looked_s = time.monotonic()
        lag: Counter[str] = Counter()
        for place, end in self.ends.items():
            lag[place.topic] += max(end - self.at[place], 0)
        for request in self.requests if self.ends else ():
            if request.ends is None:
                request.ends = {place: end for place, end in self.ends.items() if place.topic != _DELETIONS}
        self.metrics.look(self.shop, lag)

    async def _places(self) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
        """Where the partitions end, and how far they are read."""
        ends = await self.consumer.end_offsets(list(self.heard_s))
        return ends, {place: await self.consumer.position(place) for place in ends}

    # ---- what is written

    async def _publish(self, version: Version) -> None:
        """Send a version unless it is there already, and delete what is old."""
        if version.version <= max(self.published, default=0):
            return
        records = version_records(version)
        await self._send("products", records)
        self.published[version.version] = len(records)
        self.metrics.published.inc()
        for old in [known for known in self.published if known <= version.version - self.settings.shop_versions_kept]:
            await self._send("products", [(part_key(old, part), None) for part in range(self.published.pop(old))])

    async def _save(self) -> None:
        """Write a copy of the state, in the place of the one before the last."""
        self.saved += 1
        place = self.saved % 2
        records = state_records(self.saved, self.shop.to_bytes(), self.sizes.get(place, 0))
        await self._send("shop-state", records)
        self.sizes[place] = sum(value is not None for _, value in records)
        self.saved_at_s = time.monotonic()

    async def _send(self, topic: str, records: Sequence[tuple[bytes, bytes | None]]) -> None:
        for key, value in records:
            headers = headers_of(value)
            await patiently(
                topic, partial(self.producer.send_and_wait, topic, value, key=key, partition=0, headers=headers)
            )


def _name(place: TopicPartition) -> str:
    return f"{place.topic}-{place.partition}"
