"""Worker: everything of one scoring process, from its start to its orderly end."""

import asyncio
import logging
import signal
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from aiokafka.errors import KafkaError
from faust.app.base import App

from scoring.erased import KeyMismatchError
from scoring.layout_number import LayoutMismatchError
from scoring.layout_stamps import stamps
from scoring.model import Snapshot
from scoring.rules import RuleSet
from scoring.shop.snapshot import ShopSnapshot
from streams.acknowledged import AcknowledgedClient
from streams.app import faust_app
from streams.binding import Binding, TopicChangedError
from streams.changelog import changelog_mark, source_topics
from streams.clock import now_ms
from streams.commit import BrokerClient, Taken
from streams.connection import unreachable
from streams.engine_settings import checked_rules, engine_settings
from streams.erasing import erasure_key
from streams.figures import Figures, Timed
from streams.fingerprint import fingerprint
from streams.garbage import collect_by_the_clock, keep
from streams.group import Group
from streams.limits import Limits
from streams.live_rules import LiveRules, Timeline
from streams.loading import partition_of
from streams.models import Models
from streams.rehearsal import rehearse
from streams.rights import NotAllowedError
from streams.settings import Settings
from streams.shop.snapshots import ShopSnapshots
from streams.snapshots import Identity, LocalSnapshots
from streams.suspects import Suspects
from streams.topics import check, found, wanted
from streams.transactions import TransactionalClient, have_transactions
from streams.transport import ended
from streams.unit import StateLostError, Unit
from streams.unit_options import UnitOptions

__all__ = ["TopicsMissingError", "TransactionsMissingError", "WorkerFailedError", "run_worker"]

log = logging.getLogger(__name__)

_COMMITTED_S, _STOPPED_S, _KEEP_S = 30.0, 20.0, 15.0
"""Longest that a worker's end waits for its last commits, for Faust and for its last snapshots."""
_MENDED_OUTSIDE = (LayoutMismatchError, KeyMismatchError, NotAllowedError, TopicChangedError, StateLostError)
"""What settings or topics are to blame for, and no line of the program: told without a traceback."""


class TopicsMissingError(RuntimeError):
    """Topics that the worker needs are not on the broker, or have other partitions."""


class TransactionsMissingError(RuntimeError):
    """Exactly once is asked for, and the broker has no transactions."""


class WorkerFailedError(RuntimeError):
    """The worker cannot go on; the cause is what happened."""


def run_worker(settings: Settings, say: Callable[[str], None], ready: Callable[[str], None]) -> None:
    """Score until SIGINT or SIGTERM, then commit and leave the group.

    Parameters
    ----------
    say
        Told what a person should know at the start.
    ready
        Told, once, where the metrics are, when every partition that is ours is being read.

    Raises
    ------
    TopicsMissingError, TransactionsMissingError
        Before anything is read.
    BrokerUnreachableError
        If no broker answers at the start.
    WorkerFailedError
        If the state cannot be restored, or something else ends the worker.
    SettingsError, RuleError
        If settings and rules do not fit.
    """
    rules = checked_rules(settings)
    _check_topics(settings, rules)
    if settings.erasure_key is None:
        say("erasure_key is not set: requests on `deletions` to forget somebody wait")
    options = unit_options(settings, rules)
    rehearse(options)
    asyncio.run(_Worker(settings, options, say, ready).run())


def unit_options(settings: Settings, rules: RuleSet) -> UnitOptions:
    """Return what all units of a worker share, from the settings."""
    return UnitOptions(
        engine=engine_settings(settings, rules),
        rules=rules,
        allowed_skew_ms=settings.allowed_skew_ms,
        own_clock=settings.clock == "events",
        slice_records=settings.slice_records,
        limits=Limits.of(settings),
        partition_of=partial(partition_of, partitions=settings.partitions),
        erasure_key=erasure_key(settings),
        fingerprint=fingerprint(settings),
    )


def _check_topics(settings: Settings, rules: RuleSet) -> None:
    specs = wanted(settings, rules.names)
    there = found(settings, [spec.name for spec in specs])
    wrong = [d for d in check(specs, there) if d.what in ("topic", "partitions")]
    missing = [d.topic for d in wrong if d.what == "topic"]
    if missing:
        raise TopicsMissingError(
            f"topics are missing on {settings.broker}; run `recompra topics create --broker {settings.broker}` "
            f"to make them: {', '.join(missing)}"
        )
    if wrong:
        told = "; ".join(f"{d.topic} has {d.found} partitions, not {d.wanted}: {d.remedy}" for d in wrong)
        raise TopicsMissingError(told)


@dataclass(slots=True)
class _Worker:
    settings: Settings
    options: UnitOptions
    say: Callable[[str], None]
    ready: Callable[[str], None]
    figures: Figures = field(init=False)
    models: Models = field(init=False)
    rules: LiveRules = field(init=False)
    shop: ShopSnapshots = field(init=False)
    suspects: defaultdict[int, Suspects] = field(init=False, default_factory=lambda: defaultdict(Suspects))
    binding: Binding = field(init=False)
    client: Timed | None = field(init=False, default=None)
    over: asyncio.Event = field(init=False)
    failure: BaseException | None = field(init=False, default=None)
    tasks: list[asyncio.Task[Any]] = field(init=False, default_factory=list)

    async def run(self) -> None:
        settings = self.settings
        self.over = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.over.set)
        self.figures = Figures(settings)
        transactional = await self._transactional()
        self.figures.metrics.exactly_once.set(transactional)
        self.figures.snapshots = self._snapshots(transactional)
        metrics = self.figures.metrics
        self.models = Models(settings, self._found, lambda _: metrics.models_refused.inc())
        self.rules = LiveRules(settings, self.options.rules, self._changed, lambda _: metrics.rules_refused.inc())
        self.shop = ShopSnapshots(settings, self._learned, lambda _: metrics.shop_refused.inc())
        make = TransactionalClient if transactional else AcknowledgedClient

        def client(group: Group) -> BrokerClient:
            self.client = self.figures.timed(make(settings, group))
            return cast(BrokerClient, self.client)

        self.binding = Binding(
            client,
            self._unit,
            now_ms,
            self._written,
            self._failed,
            self.figures.snapshots,
            source_topics(settings),
        )
        try:
            await self.models.start()
            await self.rules.start()
            await self.shop.start()
        except (KafkaError, OSError) as error:
            raise unreachable(settings, error) from None
        await self._serve(faust_app(settings, self.binding))

    def _unit(self, partition: int) -> Unit:
        if partition >= self.settings.partitions:
            raise TopicChangedError(
                f"an input has a partition {partition}, and the setting partitions is {self.settings.partitions}: some "
                "were added while we ran, and customers are on others than their state now; `recompra topics check` "
                "tells which topic, and docs/data-engineers.md how a state is brought to another number of partitions"
            )
        suspects = self.suspects[partition]
        return Unit(
            partition, self.options, self.models.in_order(), self.rules.timeline, suspects, self.shop.in_order()
        )

    async def _transactional(self) -> bool:
        if self.settings.exactly_once == "off":
            return False
        if await have_transactions(self.settings):
            return True
        if self.settings.exactly_once == "on":
            raise TransactionsMissingError(
                f"exactly_once is on, and the broker at {self.settings.broker} has no transactions; set it to auto "
                "or off for at least once, with ids by which repeats are told"
            )
        self.say("the broker has no transactions: outputs may be repeated after a crash, with the same ids")
        return False

    def _snapshots(self, transactional: bool) -> LocalSnapshots | None:
        settings = self.settings
        if settings.state_dir is None:
            return None
        if not transactional:
            self.say(
                "state_dir is not used: without transactions nobody can say which state the changelog holds, so that "
                "no snapshots are taken"
            )
            return None
        layout = self.options.engine.layout
        return LocalSnapshots(
            settings.state_dir,
            Identity(settings.app_id, settings.partitions, layout.fingerprint(), stamps(layout)),
            settings.snapshot_interval.total_seconds(),
            lambda: changelog_mark(settings),
            now_ms,
            self.figures.metrics,
        )

    async def _keep(self) -> None:
        """Leave snapshots of the state as it is, others having the partitions already."""
        snapshots = self.figures.snapshots
        if snapshots is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.binding.protocol.keep_all(), _KEEP_S)
            await snapshots.close()

    async def _serve(self, app: App) -> None:
        self.tasks = [
            asyncio.create_task(collect_by_the_clock()),
            asyncio.create_task(self.models.follow()),
            asyncio.create_task(self.rules.follow()),
            asyncio.create_task(self.shop.follow()),
            asyncio.create_task(self.binding.pump_for_ever()),
            asyncio.create_task(self._say_ready()),
            asyncio.create_task(self._watch(app)),
            asyncio.create_task(self.figures.keep(self.binding)),
            asyncio.create_task(self.figures.keep_retention(self.binding)),
        ]
        for task in self.tasks:
            task.add_done_callback(self._task_ended)
        starting = asyncio.create_task(app.start())
        starting.add_done_callback(self._task_ended)
        await self.over.wait()
        await self._stop(app, starting)
        if self.failure is not None:
            raise WorkerFailedError(str(self.failure) or repr(self.failure)) from self.failure

    async def _stop(self, app: App, starting: asyncio.Task[Any]) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.binding.close(), _COMMITTED_S)
        with suppress(TimeoutError):
            await asyncio.wait_for(app.stop(), _STOPPED_S)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await self._keep()
        await self.binding.released()
        if self.client is not None:
            await self.client.close()
        await self.models.stop()
        await self.rules.stop()
        await self.shop.stop()
        self.figures.close()

    async def _say_ready(self) -> None:
        await self.binding.ready.wait()
        keep()
        self.ready(self.figures.address)

    async def _watch(self, app: App) -> None:
        self._failed(await ended(app))

    def _task_ended(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(error)

    def _failed(self, error: BaseException) -> None:
        if self.failure is None and not self.over.is_set():
            log.error("the worker ends: %s", error, exc_info=None if isinstance(error, _MENDED_OUTSIDE) else error)
            self.failure = error
        self.over.set()

    def _found(self, snapshot: Snapshot) -> None:
        if self.client is not None:
            for unit in self.binding.protocol.held():
                unit.swap_model(snapshot)

    def _learned(self, snapshot: ShopSnapshot) -> None:
        if self.client is not None:
            for unit in self.binding.protocol.held():
                unit.swap_shop(snapshot)

    def _changed(self, timeline: Timeline) -> None:
        if self.client is not None:
            for unit in self.binding.protocol.held():
                unit.plan_rules(timeline)

    def _written(self, partition: int, taken: Taken) -> None:
        self.figures.written(self.binding, partition, taken)
