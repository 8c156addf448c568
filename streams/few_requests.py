"""Few requests: a web server of threads that answers so many at once, and none for longer than a client keeps still."""

import sys
from http.server import ThreadingHTTPServer
from threading import BoundedSemaphore
from typing import Any, Final

__all__ = ["FewRequests"]

_AT_ONCE: Final = 64
_SILENCE_S: Final = 10.0


class FewRequests(ThreadingHTTPServer):
    """A web server; connections beyond the limit are closed unread.

    Without one, whoever opens some thousand connections stops the process: as many threads wake each other up for the
    interpreter's lock, and a worker among them loses its partitions.
    """

    # A second program on the same port must be refused, not share it.
    allow_reuse_port = False
    request_queue_size = _AT_ONCE

    def __init__(self, *arguments: Any) -> None:
        self._free = BoundedSemaphore(_AT_ONCE)
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, if there is one left."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        request.settimeout(_SILENCE_S)
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread could be started
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and give the thread back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that went away, or kept still, in the middle."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)
