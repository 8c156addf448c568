"""One web address for a whole instance."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, start_http_server
from prometheus_client.parser import text_string_to_metric_families

from schemas.topics import expand
from streams.front import Front, FrontError, Page, html
from streams.joined_metrics import fetched, joined

TOPICS = expand(["win-back"], 4)


def registry(applied: int) -> CollectorRegistry:
    made = CollectorRegistry()
    Counter("recompra_events", 'Events, by "outcome".', ["outcome"], registry=made).labels('ap"pl\\ied').inc(applied)
    Gauge("recompra_lag", "Records behind.", registry=made).set(3)
    Histogram("recompra_seconds", "Time.", buckets=(0.1, 1), registry=made).observe(0.5)
    return made


def text(applied: int) -> str:
    return generate_latest(registry(applied)).decode()


def samples(exposition: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(exposition.decode())
        for sample in family.samples
    }


@contextmanager
def served(applied: int) -> Iterator[str]:
    server, thread = start_http_server(0, "127.0.0.1", registry(applied))
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_same_family_of_two_parts_stands_once() -> None:
    """Each sample keeps its value and gains its part; a family has one TYPE line, as the format demands."""
    exposition = joined({"worker": text(5), "trainer": text(7)})
    found = samples(exposition)
    assert found["recompra_events_total", (("outcome", 'ap"pl\\ied'), ("part", "worker"))] == 5
    assert found["recompra_events_total", (("outcome", 'ap"pl\\ied'), ("part", "trainer"))] == 7
    assert found["recompra_seconds_bucket", (("le", "1.0"), ("part", "worker"))] == 1
    types = [line for line in exposition.decode().splitlines() if line.startswith("# TYPE")]
    assert len(types) == len(set(types))
    assert sum("recompra_events_total counter" in line for line in types) == 1


@pytest.mark.parametrize("lost", [None, "no exposition {"])
def test_a_part_that_does_not_answer_is_told(lost: str | None) -> None:
    """Its absence is a figure, and the others' metrics are there all the same."""
    found = samples(joined({"worker": text(5), "trainer": lost}))
    assert found["recompra_part_up", (("part", "worker"),)] == 1
    assert found["recompra_part_up", (("part", "trainer"),)] == 0
    assert found["recompra_lag", (("part", "worker"),)] == 3


def test_metrics_come_from_the_parts_at_the_moment_of_asking() -> None:
    """The front fetches each part when it is scraped; one that has gone meanwhile is down."""
    with Front("127.0.0.1", 0) as front:
        with served(11) as address:
            front.parts = {"worker": address, "trainer": "http://127.0.0.1:9"}
            with urlopen(f"{front.address}/metrics") as answer:
                assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
                found = samples(answer.read())
        assert found["recompra_events_total", (("outcome", 'ap"pl\\ied'), ("part", "worker"))] == 11
        assert found["recompra_part_up", (("part", "trainer"),)] == 0
        with urlopen(f"{front.address}/metrics") as answer:
            assert samples(answer.read())["recompra_part_up", (("part", "worker"),)] == 0


def test_the_page_says_what_is_there_and_escapes_it() -> None:
    """Broker, parts and topics are on it; markup in a purpose stays text."""
    odd = replace(TOPICS[0], purpose="<script>alert(1)</script>")
    text = html(Page("127.0.0.1:1", "in memory <only>", (odd, *TOPICS[1:])), ["worker", "trainer"])
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "in memory &lt;only&gt;" in text
    assert "worker, trainer" in text
    assert all(f"<code>{topic.name}</code>" in text for topic in TOPICS)
    assert "starting" in html(None, [])


def test_other_paths_are_not_found_and_head_has_no_body() -> None:
    """404 names what there is; HEAD answers as GET without the body."""
    with Front("127.0.0.1", 0) as front:
        with pytest.raises(HTTPError) as error:
            urlopen(f"{front.address}/../etc/passwd")
        assert error.value.code == 404
        assert b"/metrics" in error.value.read()
        error.value.close()
        with urlopen(Request(f"{front.address}/", method="HEAD")) as answer:
            assert answer.read() == b""
            assert int(answer.headers["Content-Length"]) > 100


def test_a_taken_port_is_an_error_that_names_the_option() -> None:
    """Two instances cannot share a web address, and the second one says what to do."""
    with Front("127.0.0.1", 0) as front:
        port = int(front.address.rsplit(":", 1)[1])
        with pytest.raises(FrontError, match="--web-port"):
            Front("127.0.0.1", port)


def test_nobody_there_is_none() -> None:
    """A part that cannot be reached has no text."""
    assert fetched("http://127.0.0.1:9") is None


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_it_can_only_be_read(method: str) -> None:
    """Nothing is taken, whatever a request would change."""
    with Front("127.0.0.1", 0) as front:
        with pytest.raises(HTTPError) as told:
            urlopen(Request(f"{front.address}/customers/anna", data=b"{}", method=method))
        assert told.value.code == 501
        told.value.close()
