"""One HTTP request and its answer: bodies are streamed, files are sent from disk, routes are a table."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from io import BufferedReader
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, unquote

from hf_contrastive.release.local_hub.errors import InvalidRequestError, RequestError
from hf_contrastive.release.local_hub.objects import CHUNK_BYTES

_MAX_JSON_BYTES = 16 << 20
_MAX_LINE_BYTES = 8 << 10
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_LENGTH = re.compile(r"[0-9]{1,18}")


class Body:
    """A request's body, read once and in order, by Content-Length or by chunks."""

    def __init__(self, source: BufferedReader, headers: Message) -> None:
        """Prepare to read.

        Raises:
            InvalidRequestError: the length is malformed, or announced in two ways.
        """
        self._source = source
        coding, length = headers.get("Transfer-Encoding"), headers.get_all("Content-Length", [])
        self._chunked = coding is not None
        readable = not length or (len(length) == 1 and _LENGTH.fullmatch(length[0].strip()) is not None)
        if not readable or (coding is not None and (length or coding.strip().lower() != "chunked")):
            msg = (
                f"The body's length is not clear: Transfer-Encoding {coding!r}, Content-Length {length!r}; "
                "allowed is one number, or 'chunked'."
            )
            raise InvalidRequestError(msg)
        self._left = int(length[0]) if length else 0
        self.finished = not self._chunked and self._left == 0

    def chunks(self) -> Iterator[memoryview]:
        """Yield what is left, at most 1 MiB at a time; each piece is overwritten by the next.

        Raises:
            ConnectionError: the client went away before the end.
            InvalidRequestError: the chunks are malformed.
        """
        # one buffer for all: memory that is asked for anew costs as much time as the copy itself
        buffer = memoryview(bytearray(min(self._left, CHUNK_BYTES) if not self._chunked else CHUNK_BYTES))
        while not self.finished:
            if self._chunked and self._left == 0:
                self._left = self._next_chunk_size()
                if self._left == 0:
                    while self._line():
                        pass
                    self.finished = True
                    return
            count = self._source.readinto(buffer[: min(self._left, CHUNK_BYTES)])
            if not count:
                msg = "The client closed the connection in the middle of a body."
                raise ConnectionError(msg)
            self._left -= count
            if self._left == 0:
                if self._chunked:
                    self._line()
                else:
                    self.finished = True
            yield buffer[:count]

    def json(self) -> dict[str, Any]:
        """Return the body as a JSON object; an empty body is an empty object.

        Raises:
            InvalidRequestError: it is no JSON object, or has more than 16 MiB.
        """
        text = self.read()
        try:
            value = json.loads(text) if text else {}
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            msg = f"The body is no JSON object: {text[:80]!r}; send one in UTF-8."
            raise InvalidRequestError(msg)
        return value

    def objects(self, name: str) -> list[dict[str, Any]]:
        """Return the list of objects under ``name`` in a JSON body.

        Raises:
            InvalidRequestError: there is no such list.
        """
        items = self.json().get(name)
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            msg = f"`{name}` must be a list of objects, got {type(items).__name__}."
            raise InvalidRequestError(msg)
        return items

    def read(self) -> bytes:
        """Return the body in one piece.

        Raises:
            InvalidRequestError: it has more than 16 MiB.
        """
        parts, total = [], 0
        for chunk in self.chunks():
            total += len(chunk)
            if total > _MAX_JSON_BYTES:
                msg = f"The body has more than {_MAX_JSON_BYTES} bytes, the most that is read for such a request."
                raise InvalidRequestError(msg)
            parts.append(bytes(chunk))
        return b"".join(parts)

    def _next_chunk_size(self) -> int:
        text = self._line().split(b";")[0].strip()
        if not re.fullmatch(rb"[0-9a-fA-F]{1,15}", text):
            msg = f"Malformed chunk size {text[:40]!r}; allowed is a hexadecimal number."
            raise InvalidRequestError(msg)
        return int(text, 16)

    def _line(self) -> bytes:
        line = self._source.readline(_MAX_LINE_BYTES)
        if not line.endswith(b"\n"):
            msg = "The client closed the connection in the middle of a body."
            raise ConnectionError(msg)
        return line.rstrip(b"\r\n")


@dataclass(frozen=True, slots=True)
class Request:
    """A request as a route sees it. ``path`` is still URL-quoted; ``origin`` is ``http://host:port``."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Message
    body: Body
    origin: str

    def number(self, name: str, default: int, *, most: int) -> int:
        """Return the whole number that the query gives as ``name``, at most ``most``.

        Raises:
            InvalidRequestError: it is no whole number.
        """
        text = self.query.get(name, [str(default)])[0]
        if not text.isascii() or not text.isdigit():
            msg = f"`{name}` must be a whole number, got {text[:40]!r}."
            raise InvalidRequestError(msg)
        return min(int(text[:18]), most)

    def flag(self, name: str) -> bool:
        """Return whether the query sets ``name``."""
        return self.query.get(name, [""])[0].lower() in {"1", "true"}


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: ``body`` is sent as it is; a ``file`` is sent from ``start`` for ``length`` bytes."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    file: Path | None = None
    start: int = 0
    length: int = 0

    @classmethod
    def json(cls, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        """Return ``value`` as JSON."""
        content = {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
        return cls(status, content, json.dumps(value).encode())

    @classmethod
    def error(cls, error: RequestError) -> Response:
        """Return what the Hub answers: the message in the body and, on one ASCII line, in a header."""
        message = str(error)
        line = re.sub(r"[^\x20-\x7e]", "?", message)[:1000]
        headers = {"X-Error-Message": line}
        if error.code:
            headers["X-Error-Code"] = error.code
        if error.commit:
            headers["X-Repo-Commit"] = error.commit
        return cls.json({"error": message}, error.status, headers)

    @classmethod
    def of_file(cls, request: Request, path: Path, size: int, headers: Mapping[str, str]) -> Response:
        """Return a file of ``size`` bytes, or the one byte range of it that ``request`` asks for."""
        # nothing that is stored may run as a page of this origin
        safe = {
            "Content-Type": "application/octet-stream",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Accept-Ranges": "bytes",
            **headers,
        }
        wanted = _RANGE.fullmatch(request.headers.get("Range", "").replace(" ", ""))
        condition = request.headers.get("If-Range")
        if wanted is None or wanted[0] == "bytes=-" or (condition and condition != headers.get("ETag")):
            return cls(HTTPStatus.OK, safe, file=path, length=size)
        first, last = wanted.groups()
        start = int(first) if first else max(size - int(last), 0)
        end = min(int(last), size - 1) if first and last else size - 1
        if start > end:
            error = f"The range {wanted[0]!r} lies outside the file, which has {size} bytes."
            outside = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
            return cls.json({"error": error}, outside, {"Content-Range": f"bytes */{size}"})
        safe["Content-Range"] = f"bytes {start}-{end}/{size}"
        return cls(HTTPStatus.PARTIAL_CONTENT, safe, file=path, start=start, length=end - start + 1)


Access = Literal["open", "signed", "read", "write"]


@dataclass(frozen=True, slots=True)
class Route:
    """One kind of request.

    Attributes:
        methods: HTTP methods.
        pattern: of the URL-quoted path; its named groups are unquoted and passed on as keywords.
        answer: called with the hub's state, the request and the groups.
        access: ``open`` to everyone (a token that is sent must be right), ``signed`` by the URL itself, or by a
            token to ``read`` or ``write``.
    """

    methods: frozenset[str]
    pattern: re.Pattern[str]
    answer: Callable[..., Response]
    access: Access


class Routes:
    """A table of routes, filled by decorators and searched in order."""

    def __init__(self) -> None:
        self.table: list[Route] = []

    def __call__(
        self, methods: str, pattern: str, access: Access = "open"
    ) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
        """Register a function for ``methods`` (by spaces) and paths that match ``pattern`` entirely.

        In a pattern, ``{type}`` stands for ``models`` or ``datasets``, ``{repo}`` for an id of one or two parts,
        ``{rev}`` and other names for one part, ``{path...}`` for the rest.
        """
        special = {"type": "(?P<type>models|datasets)", "repo": "(?P<repo>[^/]+(?:/[^/]+)?)"}
        special |= {"prefix": "(?P<prefix>datasets/)?"}

        def group(match: re.Match[str]) -> str:
            name = match[1]
            return special.get(name) or (f"(?P<{name[:-3]}>.+)" if name.endswith("...") else f"(?P<{name}>[^/]+)")

        compiled = re.compile(re.sub(r"\{([a-z_.]+)\}", group, pattern))

        def register(function: Callable[..., Response]) -> Callable[..., Response]:
            self.table.append(Route(frozenset(methods.split()), compiled, function, access))
            return function

        return register

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """Return the first route for a request and its arguments, or None."""
        for route in self.table:
            if method in route.methods and (match := route.pattern.fullmatch(path)):
                return route, {name: unquote(value) for name, value in match.groupdict("").items()}
        return None


def parse_query(text: str) -> dict[str, list[str]]:
    """Return a query or form; ``name[]`` counts as ``name``."""
    try:
        pairs = parse_qs(text, keep_blank_values=True, max_num_fields=10_000)
    except ValueError as error:
        msg = f"The query can not be read: {error}."
        raise InvalidRequestError(msg) from error
    return {name.removesuffix("[]"): values for name, values in pairs.items()}
