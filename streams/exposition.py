"""Exposition: the metrics of a process, served at the web address of its settings."""

import socket
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from streams.few_requests import FewRequests
from streams.settings import Settings

__all__ = ["WebAddressError", "serve"]


class WebAddressError(RuntimeError):
    """The web address cannot be had, with the reason and what to do."""


def serve(settings: Settings, registry: CollectorRegistry) -> tuple[Any, str]:
    """Serve the metrics in a thread; return the server, to be shut down and closed, and its address.

    Raises
    ------
    WebAddressError
        If the address is taken or is not ours.
    """
    host, port = settings.web_host, settings.web_port
    try:
        kind: type[_Server] = type("_Server", (_Server,), {"address_family": _family(host, port)})
        server = make_server(host, port, make_wsgi_app(registry), kind, _Silent)
    except OSError as error:
        raise WebAddressError(
            f"the web address {host}:{port} cannot be had ({error.strerror}); set web_host and web_port "
            "(RECOMPRA_WEB_HOST, RECOMPRA_WEB_PORT) to one that is free here; port 0 takes any"
        ) from None
    Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://{host}:{server.server_port}"


class _Server(FewRequests, WSGIServer):
    pass


class _Silent(WSGIRequestHandler):
    def log_message(self, *_args: Any) -> None:
        """Say nothing: scrapes come every few seconds."""


def _family(host: str, port: int) -> socket.AddressFamily:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
