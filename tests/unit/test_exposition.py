"""Serving the metrics of a process."""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.request import urlopen

import click
import pytest
from prometheus_client import CollectorRegistry, Gauge

from streams.cli.exits import FAILURE, told
from streams.exposition import serve
from streams.figures import Figures
from streams.learning import learner_config
from streams.settings import Settings
from streams.shop.running import _Running
from streams.trainer.running import _Trainer


def shop(settings: Settings) -> None:
    asyncio.run(_Running(settings, print, print).run())


def trainer(settings: Settings) -> None:
    asyncio.run(_Trainer(settings, learner_config(settings), print, print, anew=False).run())


@pytest.mark.parametrize("start", [Figures, shop, trainer])
def test_a_web_address_that_is_taken_is_told_in_a_sentence(start: Callable[[Settings], Any]) -> None:
    """A second worker, trainer or shop at one port ends at its start, and says which setting to change."""
    registry = CollectorRegistry()
    Gauge("recompra_there", "It is.", registry=registry).set(1)
    server, address = serve(Settings(web_port=0), registry)
    try:
        with urlopen(f"{address}/metrics", timeout=30) as answer:
            assert b"recompra_there 1.0" in answer.read()
        with pytest.raises(click.ClickException, match="RECOMPRA_WEB_PORT") as failed, told():
            start(Settings(web_port=server.server_port))
        assert failed.value.exit_code == FAILURE
        assert f"the web address 127.0.0.1:{server.server_port} cannot be had" in failed.value.message
    finally:
        server.shutdown()
        server.server_close()
