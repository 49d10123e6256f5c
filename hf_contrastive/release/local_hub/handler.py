"""A thread per connection on 127.0.0.1: from the socket to a route and back."""

from __future__ import annotations

import contextlib
import logging
import socket
import sys
import threading
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedReader
from typing import Any, cast

from hf_contrastive.release.local_hub import discussions, history_pages, pages, reads, release_pages, uploads, writes
from hf_contrastive.release.local_hub.errors import (
    ForbiddenError,
    LocalHubError,
    NotFoundError,
    RequestError,
    StorageError,
)
from hf_contrastive.release.local_hub.state import HubState
from hf_contrastive.release.local_hub.wire import Body, Request, Response, Route, parse_query

logger = logging.getLogger(__name__)
HOSTS = ("127.0.0.1", "localhost")
_TABLES = (
    uploads.ROUTES,
    discussions.ROUTES,
    reads.ROUTES,
    writes.ROUTES,
    history_pages.ROUTES,
    release_pages.ROUTES,
    pages.ROUTES,
)
_CLOSING_SECONDS = 10.0


class HubServer(ThreadingHTTPServer):
    """The listening socket and the connections it accepted."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, state: HubState, port: int) -> None:
        """Listen on ``port`` of 127.0.0.1.

        Raises:
            LocalHubError: the port can not be used.
        """
        self.state = state
        self._connections: set[socket.socket] = set()
        self._changed = threading.Condition()
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except (OSError, OverflowError) as error:
            msg = f"Port {port} of 127.0.0.1 can not be used ({error}); choose another one, or 0 for any that is free."
            raise LocalHubError(msg) from error

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a connection in a thread of its own, and remember it until it ends."""
        with self._changed:
            self._connections.add(request)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer all requests of one connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._changed:
                self._connections.discard(request)
                self._changed.notify_all()

    def server_close(self) -> None:
        """Stop listening, end the connections that clients keep open, and let running requests finish."""
        super().server_close()
        with self._changed:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RD)
            self._changed.wait_for(lambda: not self._connections, timeout=_CLOSING_SECONDS)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log a defect; a connection that broke is none."""
        if not isinstance(sys.exc_info()[1], OSError):
            logger.exception("The local Hub failed on a request from %s.", client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "hf-contrastive-local-hub"
    disable_nagle_algorithm = True
    timeout = 120

    def _handle(self) -> None:
        state = cast("HubServer", self.server).state
        body: Body | None = None
        try:
            body = Body(cast("BufferedReader", self.rfile), self.headers)
            response = _answer(state, self._request(body))
        except RequestError as error:
            wants_page = "text/html" in self.headers.get("Accept", "") and not self.path.startswith("/api/")
            response = pages.error_page(error) if wants_page else Response.error(error)
        except (ConnectionError, TimeoutError):
            raise
        except OSError as error:
            msg = f"The local Hub could not read its folder ({error.strerror or error}); check it, then try again."
            response = Response.error(StorageError(msg))
        if body is None or not self._drained(body):
            self.close_connection = True
        self._send(response)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815  (names of the base class)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the name of the base class)
        logger.debug(format, *args)

    def _request(self, body: Body) -> Request:
        host = self.headers.get("Host", "")
        if host.rpartition(":")[0] not in HOSTS and host not in HOSTS:
            # a page on another host could otherwise reach this server through a name of its own
            msg = f"The local Hub answers to {' and '.join(HOSTS)} only, not to {ascii(host)[:80]}."
            raise ForbiddenError(msg)
        path, _, query = self.path.partition("?")
        return Request(self.command, path, parse_query(query), self.headers, body, f"http://{host}")

    def _drained(self, body: Body) -> bool:
        """Read what a refused request still sends, so that the client gets to read the answer."""
        try:
            for _ in body.chunks():
                pass
        except RequestError:
            return False
        return True

    def _send(self, response: Response) -> None:
        with ExitStack() as stack:
            # opened before the first header, so that a file that is gone is not announced
            file = stack.enter_context(response.file.open("rb")) if response.file else None
            self.send_response(response.status)
            for name, value in response.headers.items():
                self.send_header(name, value)
            left = response.length if file else len(response.body)
            self.send_header("Content-Length", str(left))
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            if self.command == "HEAD":
                return
            if file is None:
                self.wfile.write(response.body)
                return
            if left:
                self.connection.sendfile(file, response.start, left)


def _answer(state: HubState, request: Request) -> Response:
    """Return what the first matching route says, after the check of the token that it asks for."""
    found = _find(request)
    if found is None:
        msg = f"The local Hub has no {request.method} {ascii(request.path)[1:-1][:200]}."
        raise NotFoundError(msg)
    route, arguments = found
    if route.access == "open":
        state.role(request)
    elif route.access != "signed":
        state.require(request, route.access)
    return route.answer(state, request, **arguments)


def _find(request: Request) -> tuple[Route, dict[str, str]] | None:
    for table in _TABLES:
        if found := table.find(request.method, request.path):
            return found
    return None
