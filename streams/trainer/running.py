"""Running: everything of one trainer process, from its start to its orderly end."""

import asyncio
import logging
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from scoring.learner import Learner, LearnerConfig
from scoring.model import Snapshot, SnapshotRefused
from scoring.river_model import RiverError
from streams.cloud_event import headers_of
from streams.connection import aiokafka_options, unreachable
from streams.exposition import serve
from streams.learning import learner_config
from streams.outbox import INPUTS
from streams.patience import patiently
from streams.settings import Settings
from streams.topics import check_partitions
from streams.trainer.app import trainer_app, trainer_settings
from streams.trainer.binding import TrainerBinding
from streams.trainer.newest import inputs_filled, newest_model, newest_version
from streams.trainer.training import Training
from streams.trainer.wire import model_record
from streams.trainer_metrics import TrainerMetrics
from streams.transport import ended

__all__ = ["TrainerFailedError", "run_trainer"]

log = logging.getLogger(__name__)

_NEEDED: Final = ("examples", "models")
_LARGEST: Final = 8 * 1024 * 1024


class TrainerFailedError(RuntimeError):
    """The trainer cannot start or go on; the text says why and what to do."""


def run_trainer(
    settings: Settings, say: Callable[[str], None], ready: Callable[[str], None], *, anew: bool = False
) -> None:
    """Learn until SIGINT or SIGTERM.

    Parameters
    ----------
    say
        Told what a person should know.
    ready
        Told, once, where the metrics are, when the group has decided who reads.
    anew
        Learn all examples that are still there instead of going on from the newest version; its number is
        counted on from.

    Raises
    ------
    TrainerFailedError
        If the settings name no model that can be built, the newest version cannot be gone on from, or something
        else ends the trainer.
    UnfitTopicsError
        If topics are missing, or the inputs have another number of partitions than the settings say.
    BrokerUnreachableError
        If no broker answers at the start.
    """
    try:
        config = learner_config(settings)
    except ValueError as error:
        raise TrainerFailedError(str(error)) from None
    if config.model != "newton" and not config.allow_pickle:
        raise TrainerFailedError(
            f"model = {config.model!r}: a river model is kept as a pickle, by which the trainer goes on after a "
            "restart; set allow_pickled_models if only trusted programs write to the topic models"
        )
    check_partitions(settings, INPUTS, also=_NEEDED)
    asyncio.run(_Trainer(settings, config, say, ready, anew).run())


@dataclass(slots=True)
class _Trainer:
    settings: Settings
    config: LearnerConfig
    say: Callable[[str], None]
    ready: Callable[[str], None]
    anew: bool
    metrics: TrainerMetrics = field(default_factory=TrainerMetrics)
    producer: Any = None
    over: asyncio.Event = field(default_factory=asyncio.Event)
    failure: BaseException | None = None

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.over.set)
        server, address = serve(self.settings, self.metrics.registry)
        self.producer = AIOKafkaProducer(**aiokafka_options(self.settings), acks="all", max_request_size=_LARGEST)
        try:
            await self.producer.start()
        except (KafkaError, OSError) as error:
            await self.producer.stop()
            raise unreachable(self.settings, error) from None
        try:
            await self._serve(address)
        finally:
            await self.producer.stop()
            server.shutdown()
            server.server_close()
        if self.failure is not None:
            raise TrainerFailedError(str(self.failure) or repr(self.failure)) from self.failure

    async def _serve(self, address: str) -> None:
        binding = TrainerBinding(
            self._begin,
            self._publish,
            lambda: patiently("inputs", lambda: inputs_filled(self.settings)),
            self._failed,
            self.metrics.unreadable.inc,
            self.metrics.look,
        )
        app = trainer_app(trainer_settings(self.settings), binding)
        starting = asyncio.create_task(app.start())
        tasks = [
            starting,
            asyncio.create_task(self._say_ready(binding, address)),
            asyncio.create_task(self._watch(app)),
        ]
        for task in tasks:
            task.add_done_callback(self._task_ended)
        await self.over.wait()
        tasks[2].cancel()
        with suppress(TimeoutError):  # the broker may be gone for good: what was not published is learned again
            await asyncio.wait_for(_written(binding), 10)
        with suppress(TimeoutError):
            await asyncio.wait_for(app.stop(), 20)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _begin(self) -> tuple[Training, int]:
        """Go on from the newest version; with `anew`, only its number is taken over."""
        if self.anew:
            self.anew = False  # once: after a rebalance it goes on from what it published itself
            return self._from_the_beginning(await patiently("models", lambda: newest_version(self.settings)))
        try:
            newest = await patiently("models", lambda: newest_model(self.settings))
        except SnapshotRefused as error:
            raise TrainerFailedError(f"the newest version of the model cannot be gone on from: {error}") from None
        if newest is None:
            return self._from_the_beginning(0)
        try:
            learner = Learner.resume(newest, self.config)
        except SnapshotRefused as error:
            raise TrainerFailedError(
                f"version {newest.version} of the model cannot be gone on from: {error}; "
                "`recompra trainer --anew` learns anew from the examples that are still there"
            ) from None
        self.say(f"going on from version {newest.version}, {newest.examples_seen:,} examples")
        training = Training(learner, self.settings.snapshot_every_ms, newest)
        self.metrics.model(newest, training)
        return training, max(newest.resume_offset, 0)

    def _from_the_beginning(self, version: int) -> tuple[Training, int]:
        learner = Learner(self.config)
        learner.version = version
        self.say("learning from the beginning" + (f", counting on from version {version}" if version else ""))
        return Training(learner, self.settings.snapshot_every_ms), 0

    async def _publish(self, snapshot: Snapshot, training: Training) -> None:
        key, value = model_record(snapshot)
        try:
            await patiently(
                "models",
                lambda: self.producer.send_and_wait("models", value, key=key, partition=0, headers=headers_of(value)),
            )
        except MessageSizeTooLargeError:
            raise TrainerFailedError(
                f"version {snapshot.version} of the model takes {len(value):,} bytes, more than the broker takes; "
                "raise max.message.bytes of the topic models, or choose a smaller model"
            ) from None
        self.metrics.published.inc()
        self.metrics.model(snapshot, training)

    async def _say_ready(self, binding: TrainerBinding, address: str) -> None:
        await binding.ready.wait()
        self.ready(address)

    async def _watch(self, app: Any) -> None:
        self._failed(await ended(app))

    def _task_ended(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(error)

    def _failed(self, error: BaseException) -> None:
        if self.failure is None and not self.over.is_set():
            expected = isinstance(error, TrainerFailedError | RiverError)
            log.log(logging.INFO if expected else logging.ERROR, "the trainer ends: %s", error, exc_info=error)
            self.failure = error
        self.over.set()


async def _written(binding: TrainerBinding) -> None:
    """Publish and commit what was learned, and learn no more."""
    await binding.commit()
    await binding.suspend()
