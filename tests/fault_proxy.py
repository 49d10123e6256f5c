"""A proxy before a Hub that knows each request of a push and does to one, or to all from one on, what networks do."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

PATTERNS = (
    (r"^/api/models/[^/]+/[^/]+/commit/[^/]+", "/api/models/{repo}/commit/{branch}"),
    (r"^/api/models/[^/]+/[^/]+/commits/[^/]+", "/api/models/{repo}/commits/{branch}"),
    (r"^/api/models/[^/]+/[^/]+/preupload/[^/]+", "/api/models/{repo}/preupload/{branch}"),
    (r"^/api/models/[^/]+/[^/]+/tag/[^/]+", "/api/models/{repo}/tag/{commit}"),
    (r"^/api/models/[^/]+/[^/]+/revision/[^/]+", "/api/models/{repo}/revision/{commit}"),
    (r"^/api/models/[^/]+/[^/]+/refs$", "/api/models/{repo}/refs"),
    (r"^/api/models/[^/]+/[^/]+$", "/api/models/{repo}"),
    (r"^/[^/]+/[^/]+\.git/", "/{repo}.git/"),
    (r"^/lfs/[0-9a-f]+", "/lfs/{oid}"),
)


class Hangs(Exception):  # noqa: N818  (no error: the connection is kept open without a word)
    """Nothing more is said on this connection until the proxy closes."""


@dataclass(slots=True)
class Asked:
    """One request, with what is left to read of its body."""

    number: int
    method: str
    path: str
    head: bytes
    client: socket.socket
    rest: bytes
    proxy: FaultProxy

    @property
    def pattern(self) -> str:
        path = self.path.partition("?")[0]
        for pattern, name in PATTERNS:
            if re.search(pattern, path):
                return re.sub(pattern, name, path)
        return path

    def header(self, name: str) -> str:
        match = re.search(rf"^{name}:\s*(.*?)\r$", self.head.decode("latin-1"), re.IGNORECASE | re.MULTILINE)
        return match[1] if match else ""

    def body(self) -> bytes:
        """Read the rest of the request."""
        if "chunked" in self.header("transfer-encoding").lower():
            while not self.rest.endswith(b"0\r\n\r\n"):
                self.rest += self._more()
        else:
            while len(self.rest) < int(self.header("content-length") or 0):
                self.rest += self._more()
        return self.rest

    def _more(self) -> bytes:
        chunk = self.client.recv(1 << 16)
        if not chunk:
            raise ConnectionError("the client is gone")
        return chunk

    def forward(self, *, share: float = 1.0) -> bytes:
        """Send the request to the Hub, or only the first part of its body, and return the whole answer."""
        body = self.body()
        with socket.create_connection(self.proxy.target, timeout=20) as hub:
            hub.sendall(re.sub(rb"\r\nConnection:[^\r]*", b"", self.head[:-4], flags=re.IGNORECASE))
            hub.sendall(b"\r\nConnection: close\r\n\r\n")
            hub.sendall(body[: int(len(body) * share)])
            if share < 1:
                hub.shutdown(socket.SHUT_RDWR)
                return b""
            parts = []
            while chunk := hub.recv(1 << 16):
                parts.append(chunk)
            return b"".join(parts)

    def reset(self) -> None:
        """End the connection by RST, as if nobody had ever been there."""
        with contextlib.suppress(OSError):
            self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.client.close()

    def answer(self, status: str, body: bytes = b"", *headers: str) -> None:
        """Send an answer that the Hub did not give."""
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
        self.client.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


Act = Callable[[Asked], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done to a request; ``lasting`` faults do it to every later one as well."""

    name: str
    act: Act
    lasting: bool = False


@dataclass(slots=True)
class FaultProxy:
    """Listens on a port of its own and passes everything on to ``endpoint``, but for one fault.

    Attributes:
        endpoint: of the Hub.
        fault: what is done, None for nothing.
        at: the request that it is done to: method, pattern, and which of those, from 0; None for the first of all.
        meddle: called by faults in which somebody else acts on the Hub.
        watch: called before (False) and after (True) a request went to the Hub, with its number.
    """

    endpoint: str
    fault: Fault | None = None
    at: tuple[str, str, int] | None = None
    meddle: Callable[[], None] = lambda: None
    watch: Callable[[int, bool], None] = lambda number, done: None
    asked: list[tuple[str, str]] = field(default_factory=list)
    begun: bool = False
    strayed: list[bytes] = field(default_factory=list)
    _listener: socket.socket = field(init=False)
    _open: list[socket.socket] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _closed: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, args=(self._listener, self._serve), daemon=True).start()

    _address: str = ""

    @property
    def address(self) -> str:
        """The endpoint for clients."""
        return self._address

    @property
    def target(self) -> tuple[str, int]:
        """Host and port of the Hub."""
        parts = urlsplit(self.endpoint)
        return str(parts.hostname), int(parts.port or 80)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening and end every connection."""
        self._closed.set()
        self.down()
        with self._lock:
            for client in self._open:
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)
                client.close()

    def down(self) -> None:
        """Refuse connections from now on."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def elsewhere(self) -> str:
        """Return the address of another server that answers everything with a page to log in."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=8)
        threading.Thread(target=self._accept, args=(listener, self._login_page), daemon=True).start()
        self._open.append(listener)
        return f"http://localhost:{listener.getsockname()[1]}/login"

    def _accept(self, listener: socket.socket, serve: Callable[[socket.socket], None]) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open.append(client)
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            received = b""
            while b"\r\n\r\n" not in received:
                chunk = client.recv(1 << 16)
                if not chunk:
                    return
                received += chunk
            head, _, rest = received.partition(b"\r\n\r\n")
            method, path, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
            with self._lock:
                number = len(self.asked)
                asked = Asked(number, method, path, head + b"\r\n\r\n", client, rest, self)
                meant = self._is_meant(method, asked.pattern)
                self.asked.append((method, asked.pattern))
            if self.fault is not None and meant:
                self.fault.act(asked)
            else:
                self.watch(number, False)
                answer = asked.forward()
                self.watch(number, True)
                client.sendall(answer)
        except Hangs:
            self._closed.wait()
        except OSError:
            return
        finally:
            client.close()

    def _is_meant(self, method: str, pattern: str) -> bool:
        if self.begun:
            return self.fault is not None and self.fault.lasting
        wanted = self.at or (method, pattern, 0)
        self.begun = (method, pattern, self.asked.count((method, pattern))) == wanted
        return self.begun

    def _login_page(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            client.settimeout(0.5)
            self.strayed.append(client.recv(1 << 16))
            page = b"<html><body>Please log in.</body></html>"
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n")
            client.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(page), page))


def _answers(status: str, body: bytes = b"", *headers: str, first: bool = False) -> Act:
    """Answer ``status`` instead of the Hub; ``first`` lets it do what was asked before."""

    def act(asked: Asked) -> None:
        if first:
            asked.forward()
        else:
            asked.body()
        asked.answer(status, body, *headers)

    return act


def _reset(asked: Asked) -> None:
    asked.reset()


def _lost(asked: Asked) -> None:
    asked.forward()
    asked.reset()


def _down(asked: Asked) -> None:
    asked.proxy.down()
    asked.reset()


def _lost_and_down(asked: Asked) -> None:
    asked.forward()
    _down(asked)


def _hangs(asked: Asked) -> None:
    asked.body()
    raise Hangs


def _works_and_hangs(asked: Asked) -> None:
    asked.forward()
    raise Hangs


def _half_upload(asked: Asked) -> None:
    asked.forward(share=0.5)
    asked.client.close()


def _half_answer(asked: Asked) -> None:
    answer = asked.forward()
    head = answer.index(b"\r\n\r\n") + 4
    asked.client.sendall(answer[: head + (len(answer) - head) // 2])
    asked.client.close()


def _trickles(asked: Asked) -> None:
    answer = asked.forward()
    for start in range(0, len(answer), max(1, len(answer) // 25)):
        asked.client.sendall(answer[start : start + max(1, len(answer) // 25)])
        time.sleep(0.004)


def _somebody_else(asked: Asked) -> None:
    asked.proxy.meddle()
    asked.client.sendall(asked.forward())


def _somebody_on_top(asked: Asked) -> None:
    """The answer is lost, and before the client asks again somebody commits on top."""
    asked.forward()
    asked.proxy.meddle()
    asked.reset()


def _redirects(asked: Asked) -> None:
    asked.body()
    asked.answer("307 Temporary Redirect", b"", f"Location: {asked.proxy.elsewhere()}")


_JSON = "Content-Type: application/json"
_HTML = "Content-Type: text/html"
_PAGE = b"<html>\n<body>\n<h1>502 Bad Gateway</h1>\n</body></html>"
_INVENTED = json.dumps(
    {
        "success": True,
        "commitOid": "f" * 40,
        "commitUrl": "http://127.0.0.1/local/m/commit/" + "f" * 40,
        "url": "http://127.0.0.1/local/m",
        "files": [],
        "objects": [],
    }
).encode()
_REVISION = b'{"error": "Invalid rev id"}'

FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault("connection refused from here on", _down),
        Fault("reset before it is read", _reset),
        Fault("reset, always from here on", _reset, lasting=True),
        Fault("answer lost", _lost),
        Fault("answer lost, always from here on", _lost, lasting=True),
        Fault("answer lost, then connection refused", _lost_and_down),
        Fault("500", _answers("500 Internal Server Error", b'{"error": "internal"}', _JSON)),
        Fault("503", _answers("503 Service Unavailable")),
        Fault("503, always from here on", _answers("503 Service Unavailable"), lasting=True),
        Fault("503 with Retry-After", _answers("503 Service Unavailable", b"", "Retry-After: 7")),
        Fault("429", _answers("429 Too Many Requests", b"", 'RateLimit: "api";r=0;t=5')),
        Fault("429, wait an hour", _answers("429 Too Many Requests", b"", "Retry-After: 3600"), lasting=True),
        Fault("502 with a page", _answers("502 Bad Gateway", _PAGE, _HTML)),
        Fault("502 instead of the answer", _answers("502 Bad Gateway", _PAGE, _HTML, first=True)),
        Fault("504 instead of the answer, always", _answers("504 Gateway Timeout", first=True), lasting=True),
        Fault("408", _answers("408 Request Timeout")),
        Fault("no answer", _hangs),
        Fault("done, but no answer", _works_and_hangs),
        Fault("half of the request arrives", _half_upload),
        Fault("half of the answer arrives", _half_answer),
        Fault("answer trickles", _trickles),
        Fault("401", _answers("401 Unauthorized", b'{"error": "Invalid credentials"}', _JSON), lasting=True),
        Fault("403", _answers("403 Forbidden", b'{"error": "no rights"}', _JSON), lasting=True),
        Fault("403 once", _answers("403 Forbidden", b'{"error": "no rights"}', _JSON)),
        Fault("409", _answers("409 Conflict", b'{"error": "conflict"}', _JSON)),
        Fault("412", _answers("412 Precondition Failed", b'{"error": "stale"}', _JSON)),
        Fault("412 though it was done", _answers("412 Precondition Failed", b'{"error": "stale"}', _JSON, first=True)),
        Fault("404 revision", _answers("404 Not Found", _REVISION, _JSON, "X-Error-Code: RevisionNotFound")),
        Fault("404 repository", _answers("404 Not Found", b"", "X-Error-Code: RepoNotFound"), lasting=True),
        Fault("somebody commits first", _somebody_else),
        Fault("answer lost, somebody commits on top", _somebody_on_top),
        Fault("200 with other JSON", _answers("200 OK", b'{"unexpected": true}', _JSON)),
        Fault("200 with a list", _answers("200 OK", b"[]", _JSON)),
        Fault("200 with no JSON, done", _answers("200 OK", b"not json", _JSON, first=True)),
        Fault("200 with an invented commit", _answers("200 OK", _INVENTED, _JSON)),
        Fault("redirect to a page to log in", _redirects),
        Fault("redirect to a page to log in, always", _redirects, lasting=True),
    )
}
"""Every fault, by name."""
