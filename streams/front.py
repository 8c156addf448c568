"""The front: one web address for a whole instance, with the metrics of all parts and a page about them."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from threading import Thread
from typing import Any, Self

from schemas.topics import TopicSpec
from streams.customer_pages import PREFIX, Answer, CustomerPages
from streams.few_requests import FewRequests
from streams.joined_metrics import fetched, joined

__all__ = ["Front", "FrontError", "Page", "html"]

_EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"
_HTML = "text/html; charset=utf-8"


class FrontError(RuntimeError):
    """The web address cannot be had, with the reason and what to do."""


@dataclass(frozen=True, slots=True)
class Page:
    """What the front page says: the broker, where it keeps its data, and the topics.

    `customers` has the pages of customers, for those who may see them.
    """

    broker: str
    kept: str
    topics: tuple[TopicSpec, ...]
    customers: CustomerPages | None = None


class Front:
    """A small web server in threads of its own; use as a context manager.

    Parameters
    ----------
    host, port
        Where it listens; port 0 takes a free one.

    Attributes
    ----------
    parts
        Address of each part's own metrics, by name, `http://host:port`; may be set at any time.
    page
        What the page says; None while it starts.

    Raises
    ------
    FrontError
        If the address is taken or is not ours.
    """

    def __init__(self, host: str, port: int) -> None:
        self.parts: Mapping[str, str] = {}
        self.page: Page | None = None
        try:
            self._server = FewRequests((host, port), _handler(self))
        except OSError as error:
            raise FrontError(
                f"the web address {host}:{port} cannot be had ({error.strerror}); give another --web-port"
            ) from None
        self.address = f"http://{host}:{self._server.server_address[1]}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)

    def metrics(self) -> bytes:
        """Return the metrics of all parts, asked at the same time."""
        with ThreadPoolExecutor(max(1, len(self.parts))) as pool:
            return joined(dict(zip(self.parts, pool.map(fetched, self.parts.values()), strict=True)))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def html(page: Page | None, parts: Iterable[str]) -> str:
    """Return the page as HTML, even while there is nothing to say yet; what comes from outside is escaped."""
    if page is None:
        return _document("<p>starting</p>")
    rows = "".join(
        f"<tr><td><code>{escape(topic.name)}</code><td>{topic.role}<td>{escape(topic.purpose)}" for topic in page.topics
    )
    return _document(
        f"<p>Kafka broker: <code>{escape(page.broker)}</code> ({escape(page.kept)})."
        f" Parts: {escape(', '.join(parts))}. Metrics, in Prometheus' format:"
        ' <a href="/metrics">/metrics</a>.</p>'
        "<p>Send shop events to the input topics, keyed by customer id; read scores and actions from the"
        " outputs. What is held of a customer is at <code>/customers/ID</code>:</p>"
        f"<pre>recompra load FILE --broker {escape(page.broker)}\n"
        f"recompra tail scores --broker {escape(page.broker)}</pre>"
        f"<table><tr><th>topic<th>role<th>what it is for{rows}</table>"
    )


def _document(body: str) -> str:
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>recompra</title>'
        "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
        "td,th{text-align:left;padding:.2rem 1rem .2rem 0;vertical-align:top}"
        "pre{background:#8881;padding:.7rem}</style>"
        f"<h1>recompra</h1>{body}</html>"
    )


def _handler(front: Front) -> type[BaseHTTPRequestHandler]:
    answers: dict[str, Callable[[], Answer]] = {
        "/": lambda: Answer(html(front.page, front.parts).encode(), _HTML),
        "/metrics": lambda: Answer(front.metrics(), _EXPOSITION),
    }
    unknown = Answer(b"there are /, /metrics and /customers/ID\n", status=HTTPStatus.NOT_FOUND)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = self._answer(self.path.partition("?")[0])
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.kind)
            self.send_header("Content-Length", str(len(answer.body)))
            self.send_header("X-Content-Type-Options", "nosniff")
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        do_HEAD = do_GET  # noqa: N815

        def _answer(self, path: str) -> Answer:
            if path.startswith(PREFIX) and front.page is not None and front.page.customers is not None:
                return front.page.customers.answer(path, self.headers)
            make = answers.get(path)
            return unknown if make is None else make()

        def log_message(self, *_args: Any) -> None:
            """Say nothing: scrapes come every few seconds, and a path may hold a customer's id."""

    return Handler
