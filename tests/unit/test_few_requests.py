"""Web servers that somebody opens many connections to."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry

from streams import few_requests
from streams.exposition import serve
from streams.front import Front
from streams.settings import Settings


@pytest.fixture(params=["part", "front"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    if request.param == "front":
        with Front("127.0.0.1", 0) as front:
            yield int(front.address.rpartition(":")[2])
        return
    server, _ = serve(Settings(web_port=0), CollectorRegistry())
    yield server.server_port
    server.shutdown()
    server.server_close()


def opened(stack: ExitStack, port: int, number: int) -> list[socket.socket]:
    some = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 10)) for _ in range(number)]
    for each in some:
        each.sendall(b"GET /metrics HTTP/1.1\r\n")
    return some


def answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def eventually(port: int) -> bool:
    give_up = time.monotonic() + 20
    while not answers(port) and time.monotonic() < give_up:
        time.sleep(0.02)
    return answers(port)


def test_connections_beyond_the_limit_are_closed_and_it_goes_on(port: int, capfd: pytest.CaptureFixture[str]) -> None:
    """Those within it are waited for; once they have gone away, others are answered, and nothing is said of it."""
    with ExitStack() as stack:
        opened(stack, port, few_requests._AT_ONCE)
        assert not answers(port)
    assert eventually(port)
    assert capfd.readouterr().err == ""


def test_who_keeps_still_is_let_go(
    port: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """However many connections are left open, others are answered a while later."""
    monkeypatch.setattr(few_requests, "_SILENCE_S", 0.2)
    with ExitStack() as stack:
        opened(stack, port, few_requests._AT_ONCE)
        assert eventually(port)
    assert capfd.readouterr().err == ""
