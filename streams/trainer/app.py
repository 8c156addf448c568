"""App: the trainer as a Faust app, one agent over the one partition of `examples`."""

from typing import Any, cast

import faust
from faust.app.base import BootStrategy

from streams.settings import Settings
from streams.trainer.binding import EXAMPLES, TrainerBinding
from streams.transport import SliceConsumer, transport_for

__all__ = ["trainer_app", "trainer_settings"]


class _Boot(BootStrategy):
    """Without Faust's producer, as versions are sent by our own, and without its web server."""

    enable_kafka_producer = False
    enable_web = False


def trainer_settings(settings: Settings) -> Settings:
    """The settings under the trainer's own id, which is its group: of several only one has the partition."""
    return settings.model_copy(update={"app_id": f"{settings.app_id}-trainer"})


def trainer_app(settings: Settings, binding: TrainerBinding) -> faust.App:
    """Return the app under `trainer_settings`; a message of its agent is a fetched slice."""
    guided = transport_for(binding, settings)

    class Consumer(guided.Consumer):  # type: ignore[name-defined]
        async def perform_seek(self) -> None:
            """Go on where the newest version ends, whatever the group committed."""
            await binding.assigned(frozenset(self.assignment()))

    guided.Consumer = Consumer

    class App(faust.App):
        BootStrategy = _Boot

        def _new_transport(self) -> Any:
            return guided(self.conf.broker_consumer, self)

        def _new_consumer(self) -> SliceConsumer:
            consumer = cast(SliceConsumer, super()._new_consumer())
            binding.consumer = consumer
            return consumer

        def _create_directories(self) -> None:
            """Nothing is kept on disk."""

    app = App(
        settings.app_id,
        broker=f"kafka://{settings.broker.split(',')[0].strip()}",  # the transport connects by itself
        store="memory://",
        datadir=settings.app_id,  # never made; to ask for a temporary directory would fail on a full disk
        autodiscover=False,
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=1,
        broker_commit_interval=settings.commit_interval_s,
        broker_session_timeout=settings.session_timeout_s,
        broker_request_timeout=max(settings.session_timeout_s + 10, 90.0),
        stream_buffer_maxsize=4,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        processing_guarantee="at_least_once",
    )
    topic = app.topic(EXAMPLES, key_type=None, value_type=None, key_serializer="raw", value_serializer="raw")

    @app.agent(topic, name="learn")
    async def learn(stream: Any) -> None:
        async for event in stream.events():
            await binding.take(event.message)

    return app
