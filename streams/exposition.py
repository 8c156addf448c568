"""Exposition: the metrics of a process, served at the web address of its settings."""

from typing import Any

from prometheus_client import CollectorRegistry, start_http_server

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
        server, _ = start_http_server(port, host, registry)
    except OSError as error:
        raise WebAddressError(
            f"the web address {host}:{port} cannot be had ({error.strerror}); set web_host and web_port "
            "(RECOMPRA_WEB_HOST, RECOMPRA_WEB_PORT) to one that is free here; port 0 takes any"
        ) from None
    return server, f"http://{host}:{server.server_port}"
