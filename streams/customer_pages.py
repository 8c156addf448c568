"""Customer pages: what is held of one customer, for those who may see it."""

import hmac
import ipaddress
from collections.abc import Callable, Mapping
from email.message import Message
from http import HTTPStatus
from threading import Lock
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import orjson
from aiokafka.errors import KafkaError as AsyncKafkaError
from kafka.errors import KafkaError

from streams.connection import BrokerUnreachableError

__all__ = ["PREFIX", "Answer", "CustomerPages", "is_loopback"]

PREFIX: Final = "/customers/"
"""Where the pages are, each under the customer's id."""

_TEXT: Final = "text/plain; charset=utf-8"
_PRIVATE: Final = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
_LOCAL_NAMES: Final = frozenset({"localhost", "localhost.localdomain", "ip6-localhost"})


class Answer(NamedTuple):
    """What is answered to a request."""

    body: bytes
    kind: str = _TEXT
    status: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str] = {}


class CustomerPages:
    """Pages for whoever says the token; where there is none, for this machine alone.

    One is made at a time, as each reads a partition's state.

    Parameters
    ----------
    host
        The address that is listened on.
    token
        What a request must say in `Authorization: Bearer …`; None where none is set.
    held
        Gives what is held of a customer, None if nothing is.
    """

    def __init__(self, host: str, token: str | None, held: Callable[[str], dict[str, Any] | None]) -> None:
        self._local = is_loopback(host)
        self._token = None if token is None else token.encode()
        self._held = held
        self._one = Lock()

    def answer(self, path: str, headers: Message) -> Answer:
        """Answer a request for `/customers/ID`; nothing is looked up before it is known that it may be seen."""
        return self._refusal(headers) or self._page(unquote(path.removeprefix(PREFIX)))

    def _refusal(self, headers: Message) -> Answer | None:
        if self._token is not None:
            scheme, _, said = headers.get("Authorization", "").partition(" ")
            if hmac.compare_digest(said.strip().encode("utf-8", "replace"), self._token) and scheme.lower() == "bearer":
                return None
            asked = {"WWW-Authenticate": 'Bearer realm="recompra"', **_PRIVATE}
            return Answer(b"a token is needed: Authorization: Bearer TOKEN\n", _TEXT, HTTPStatus.UNAUTHORIZED, asked)
        # A page of somebody else's that a browser here has open may reach us under a name of its own.
        if self._local and is_loopback(_host(headers.get("Host", ""))):
            return None
        told = b"customers are shown on the loopback alone, unless RECOMPRA_WEB_TOKEN is set\n"
        return Answer(told, _TEXT, HTTPStatus.FORBIDDEN, _PRIVATE)

    def _page(self, customer: str) -> Answer:
        try:
            with self._one:
                held = self._held(customer)
        except (BrokerUnreachableError, KafkaError, AsyncKafkaError):
            return Answer(b"the broker does not answer\n", _TEXT, HTTPStatus.SERVICE_UNAVAILABLE, _PRIVATE)
        if held is None:
            return Answer(b"nothing is held of this customer\n", _TEXT, HTTPStatus.NOT_FOUND, _PRIVATE)
        page = orjson.dumps(held, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        return Answer(page, "application/json", HTTPStatus.OK, _PRIVATE)


def is_loopback(host: str) -> bool:
    """Whether an address or a name is this machine's own, to be reached from nowhere else."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() in _LOCAL_NAMES


def _host(said: str) -> str:
    """The host of a `Host` header, without port and brackets."""
    if said.startswith("["):
        return said[1:].partition("]")[0]
    return said.rpartition(":")[0] if ":" in said else said
