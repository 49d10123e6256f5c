"""What a request asks of a Hub: the repository, the operation, the files of a commit."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import parse_qs, unquote

REPO_AREAS = frozenset({"models", "datasets", "spaces"})
HUB_AREAS = REPO_AREAS | {
    "buckets",
    "collections",
    "complete_multipart",
    "jobs",
    "kernels",
    "repos",
    "scheduled-jobs",
    "settings",
    "validate-yaml",
}
"""What stands behind ``/api/`` in the address of a Hub, whatever its host; mirrors put a path before it."""

REPO_VERBS = frozenset(
    {"branch", "commit", "discussions", "duplicate", "lfs-files", "paths-info", "preupload", "settings", "super-squash",
     "tag"}
)  # fmt: skip
_BATCH = ("info", "lfs", "objects", "batch")
_FIELDS = {
    "file": {"path", "content", "encoding"},
    "lfsFile": {"path", "algo", "oid", "size"},
    "deletedFile": {"path"},
    "deletedFolder": {"path"},
}


class UnreadableRequestError(ValueError):
    """The body is not what the Hub's clients send; what can not be read is not let through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubRequest:
    """One request.

    Attributes:
        method: in upper case.
        host: in lower case, with a port that is not the default one.
        segments: of the path, unquoted one by one.
        query: parameters with their values.
        address: path and query as sent.
        read: returns the body; called only where it decides.
    """

    method: str
    host: str
    segments: tuple[str, ...]
    query: Mapping[str, list[str]]
    address: str
    read: Callable[[], bytes]

    @classmethod
    def of(cls, method: str, host: str, address: str, read: Callable[[], bytes]) -> Self:
        """Take a request apart."""
        path, _, query = address.partition("?")
        return cls(
            method=method.upper(),
            host=host.lower(),
            segments=tuple(unquote(part) for part in path.removeprefix("/").split("/")),
            query=parse_qs(query, keep_blank_values=True),
            address=address,
            read=read,
        )

    @property
    def path(self) -> str:
        """The path without the query, which may hold a signature."""
        return self.address.partition("?")[0]

    @property
    def area(self) -> str:
        """What stands behind ``/api/``, or "" where the path is none of a Hub's API."""
        return next(iter(self._in_api()), "")

    @property
    def in_area(self) -> tuple[str, ...]:
        """The segments behind the area."""
        return self._in_api()[1:]

    def _in_api(self) -> tuple[str, ...]:
        for number, (first, second) in enumerate(zip(self.segments, self.segments[1:], strict=False)):
            if first == "api" and second in HUB_AREAS:
                return self.segments[number + 1 :]
        return ()

    @property
    def operation(self) -> tuple[str, str, tuple[str, ...]]:
        """Repository id, verb, and what follows; all empty where the area is none of repositories."""
        rest = self.in_area if self.area in REPO_AREAS else ()
        for length in (2, 1):
            if len(rest) > length and rest[length] in REPO_VERBS:
                return "/".join(rest[:length]), rest[length], rest[length + 1 :]
        return "", "", ()

    @property
    def lfs_batch(self) -> str | None:
        """Id of the model repository that Git LFS asks for; "" for one of another type; None for other requests."""
        if self.segments[-4:] != _BATCH or len(self.segments) < 5 or not self.segments[-5].endswith(".git"):
            return None
        if len(self.segments) < 6 or self.segments[:-6][-1:] in (("datasets",), ("spaces",)):
            return ""
        return f"{self.segments[-6]}/{self.segments[-5].removesuffix('.git')}"

    def form(self) -> dict[str, Any]:
        """Return the body, a JSON object.

        Raises:
            UnreadableRequestError: it is none.
        """
        return parsed_object(self.read() or b"{}")

    def listed(self, name: str) -> list[dict[str, Any]]:
        """Return the list of objects under ``name`` in the body.

        Raises:
            UnreadableRequestError: there is none.
        """
        items = self.form().get(name)
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            msg = f"its body has no list of objects `{name}`"
            raise UnreadableRequestError(msg)
        return items


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitOperation:
    """One line of a commit: a file with its SHA-256, or a deletion, whose path ends in ``/`` for a folder."""

    path: str
    sha256: str | None


def operations(body: bytes) -> Iterator[CommitOperation]:
    """Yield what a commit would do.

    A file sent within the commit is decoded and measured; for one sent by Git LFS or Xet its object id is its
    SHA-256. The header (title, description, parent) holds no files.

    Raises:
        UnreadableRequestError: a line is malformed, or its operation is not one whose content can be told.
    """
    for line in body.split(b"\n"):
        if not line.strip():
            continue
        item = parsed_object(line)
        key, value = item.get("key"), item.get("value")
        if set(item) != {"key", "value"} or not isinstance(key, str) or not isinstance(value, dict):
            msg = f"a line of the commit is not of `key` and `value` alone: {line[:60]!r}"
            raise UnreadableRequestError(msg)
        if key == "header":
            continue
        path = value.get("path")
        if key not in _FIELDS or not set(value) <= _FIELDS[key] or not isinstance(path, str):
            msg = f"the commit holds a {key} with {sorted(value)}, which is not one of {sorted(_FIELDS)}"
            raise UnreadableRequestError(msg)
        if key == "file":
            yield CommitOperation(path=path, sha256=hashlib.sha256(_content(value)).hexdigest())
        elif key == "lfsFile":
            if value.get("algo", "sha256") != "sha256":
                msg = f"{path} is named by a digest that is no SHA-256"
                raise UnreadableRequestError(msg)
            yield CommitOperation(path=path, sha256=str(value.get("oid")))
        else:
            folder = "/" if key == "deletedFolder" else ""
            yield CommitOperation(path=path.removesuffix(folder) + folder, sha256=None)


def _content(value: Mapping[str, Any]) -> bytes:
    content, encoding = value.get("content"), value.get("encoding", "utf-8")
    if isinstance(content, str) and encoding == "utf-8":
        return content.encode("utf-8", "surrogatepass")
    if not isinstance(content, str) or encoding != "base64":
        msg = f"the content of {value.get('path')} is neither base64 nor UTF-8"
        raise UnreadableRequestError(msg)
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError) as error:
        msg = f"the content of {value.get('path')} is no base64 ({error})"
        raise UnreadableRequestError(msg) from error


def parsed_object(text: bytes) -> dict[str, Any]:
    """Parse a JSON object that has each name once: of two values, the Hub might take the other one.

    Raises:
        UnreadableRequestError: it is none.
    """
    try:
        item = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        msg = f"its body is no JSON that can be read ({error})"
        raise UnreadableRequestError(msg) from error
    if isinstance(item, dict):
        return item
    msg = f"its body is a JSON {type(item).__name__} instead of an object"
    raise UnreadableRequestError(msg)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        msg = "a name stands twice in an object"
        raise ValueError(msg)
    return found
