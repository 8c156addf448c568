"""App: the worker as a Faust app, an agent over each topic that it reads and a table of profiles."""

from typing import Any

import faust
from faust.app.base import BootStrategy

from streams.binding import Binding
from streams.changelog import source_topics
from streams.settings import Settings
from streams.table import NAME, ProfileTable, tables_for
from streams.transport import transport_for

__all__ = ["faust_app"]


class _Boot(BootStrategy):
    """Without Faust's producer, as each partition has its own, and without its web server."""

    enable_kafka_producer = False
    enable_web = False


def faust_app(settings: Settings, binding: Binding) -> faust.App:
    """Return the app; a message of its agents is a fetched slice, which the binding takes.

    Faust is at least once here: exactly once is the protocol's own, and Faust's would send record by record.
    """
    transport = transport_for(binding, settings)

    class App(faust.App):
        BootStrategy = _Boot

        def _new_transport(self) -> Any:
            return transport(self.conf.broker_consumer, self)

        def _new_consumer(self) -> Any:
            binding.consumer = super()._new_consumer()  # type: ignore[assignment]  # the transport's is ours
            return binding.consumer

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
        topic_partitions=settings.partitions,
        broker_commit_interval=settings.commit_interval_s,
        broker_session_timeout=settings.session_timeout_s,
        broker_request_timeout=max(settings.session_timeout_s + 10, 90.0),
        stream_buffer_maxsize=64,
        stream_wait_empty=False,
        processing_guarantee="at_least_once",
        TableManager=tables_for(binding),
        stream_recovery_delay=0.0,
    )
    table = ProfileTable(
        app,
        name=NAME,
        partitions=settings.partitions,
        use_partitioner=True,
        key_type=bytes,
        value_type=bytes,
    )
    table.owner = binding
    app.tables.add(table)
    for name in source_topics(settings):
        topic = app.topic(name, key_type=None, value_type=None, key_serializer="raw", value_serializer="raw")
        app.agent(topic, name=f"score_{name}")(_agent(binding))
    return app


def _agent(binding: Binding) -> Any:
    async def score(stream: Any) -> None:
        async for event in stream.events():
            await binding.take(event.message)

    return score
