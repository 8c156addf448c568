"""A site that shows each visitor what `content` says: `python examples/content_site.py [broker] [port]`.

It holds the topic as key and value: the whole of it once, then what changes. Ask it for a customer:

    curl http://127.0.0.1:8080/c-1042
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote

from kafka import KafkaConsumer, TopicPartition

FOR_STRANGERS: dict[str, Any] = {"segment": "unknown", "categories": [], "products": [], "coupon": False}
"""What somebody sees of whom nothing was decided yet."""


class ContentStore:
    """The latest decision by customer; a deleted customer's record is null and is forgotten."""

    def __init__(self, broker: str) -> None:
        self.by_customer: dict[str, dict[str, Any]] = {}
        self._consumer = KafkaConsumer(bootstrap_servers=broker, isolation_level="read_committed")
        parts = self._consumer.partitions_for_topic("content") or ()
        self._partitions = [TopicPartition("content", number) for number in parts]
        self._consumer.assign(self._partitions)
        self._consumer.seek_to_beginning(*self._partitions)

    def catch_up(self) -> None:
        """Read what is there now."""
        ends = self._consumer.end_offsets(self._partitions)
        while any(self._consumer.position(partition) < end for partition, end in ends.items()):
            self.poll()

    def poll(self) -> None:
        """Take in what has changed, waiting for up to a quarter of a second."""
        for records in self._consumer.poll(timeout_ms=250).values():
            for record in records:
                customer = record.key.decode()
                if record.value is None:
                    self.by_customer.pop(customer, None)
                else:
                    self.by_customer[customer] = json.loads(record.value)["data"]

    def get(self, customer: str) -> dict[str, Any]:
        """What to show a customer."""
        return self.by_customer.get(customer, FOR_STRANGERS)

    def follow(self) -> None:
        """Take in changes for ever."""
        while True:
            self.poll()


def site(store: ContentStore, port: int) -> ThreadingHTTPServer:
    """A server that answers `/CUSTOMER` with what to show."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(store.get(unquote(self.path[1:]))).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing of who came: a path names a customer."""

    return ThreadingHTTPServer(("127.0.0.1", port), Answers)


def main(broker: str = "127.0.0.1:9092", port: str = "8080") -> None:
    """Hold the topic, and serve it."""
    store = ContentStore(broker)
    store.catch_up()
    Thread(target=store.follow, daemon=True).start()
    with site(store, int(port)) as server:
        print(f"{len(store.by_customer)} customers; http://127.0.0.1:{server.server_port}/CUSTOMER", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
