"""The body of a commit: one JSON object a line, with files as base64, read without holding a file in memory."""

from __future__ import annotations

import base64
import binascii
import json
import mmap
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hf_contrastive.release.local_hub.errors import InvalidRequestError
from hf_contrastive.release.local_hub.names import check_oid, check_path
from hf_contrastive.release.local_hub.objects import CHUNK_BYTES, Chunk, ObjectStore, full_disk_is_answered
from hf_contrastive.release.local_hub.repositories import Repository
from hf_contrastive.release.local_hub.trees import Add, Copy, Delete, DeleteFolder, Operation

# inside a JSON string a quote is always escaped, so this finds only the key itself
_CONTENT = re.compile(rb'"content"\s*:\s*"([A-Za-z0-9+/]*={0,2})"')
_MAX_LINE_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Payload:
    """What a commit asks for: its message, the head it was made for, and its operations in order."""

    title: str
    message: str
    parent: str | None
    operations: tuple[Operation, ...]


def read_payload(chunks: Iterable[Chunk], repository: Repository, branch: str) -> Payload:
    """Spool ``chunks`` to disk, store the files they carry, and return what is to be done.

    Args:
        chunks: the body.
        repository: the one to commit to; its tree is not changed.
        branch: where a ``copyFile`` without ``srcRevision`` looks.

    Raises:
        InvalidNameError: a path or object id is not allowed.
        InvalidRequestError: a line is malformed, an operation is unknown, or an LFS object is not there.
    """
    objects = repository.objects
    spool = objects.temporary_path()
    try:
        with full_disk_is_answered(), spool.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)
        header: dict[str, Any] | None = None
        operations = []
        for key, value, content in _items(spool):
            if header is None:
                header = value if key == "header" else None
                if header is None:
                    msg = f"The first line of a commit must be its header, got {key!r}."
                    raise InvalidRequestError(msg)
            else:
                operations.append(_operation(key, value, content, objects, repository, branch))
    finally:
        spool.unlink(missing_ok=True)
    if header is None:
        msg = "The commit is empty; its first line must be its header."
        raise InvalidRequestError(msg)
    parent = header.get("parentCommit")
    if not isinstance(parent, str | None):
        msg = f"`parentCommit` must be a commit id, got {type(parent).__name__}."
        raise InvalidRequestError(msg)
    return Payload(
        _text(header, "summary"), _text(header, "description", default=""), parent or None, tuple(operations)
    )


def _operation(
    key: str,
    value: dict[str, Any],
    content: Iterator[bytes] | None,
    objects: ObjectStore,
    repository: Repository,
    branch: str,
) -> Operation:
    if key == "deletedFolder":
        # clients mark a folder by a final slash
        return DeleteFolder(check_path(_text(value, "path").removesuffix("/")))
    path = check_path(_text(value, "path"))
    if key == "deletedFile":
        return Delete(path)
    if key == "copyFile":
        origin = repository.commit_at(_text(value, "srcRevision", default=branch))
        return Copy(path, _text(value, "srcPath"), origin.files)
    if key == "lfsFile":
        if value.get("algo", "sha256") != "sha256":
            msg = f"`algo` of {path!r} must be 'sha256', got {value['algo']!r}."
            raise InvalidRequestError(msg)
        oid = check_oid(value.get("oid"))
        stored, size = objects.size(oid), value.get("size")
        if stored is None or size not in (None, stored):
            msg = (
                f"The LFS file {path!r} points to object {oid} of {'any' if size is None else size} bytes, but "
                f"{'it was never uploaded' if stored is None else f'that has {stored}'}; upload it, then commit."
            )
            raise InvalidRequestError(msg)
        return Add(path, oid)
    if key == "file":
        if content is None:
            encoding, text = value.get("encoding", "utf-8"), _text(value, "content", default="")
            content = _decoded([text.encode()], path) if encoding == "base64" else iter([text.encode()])
        return Add(path, objects.put(content)[0])
    msg = (
        f"The operation {key!r} is not known; allowed are file, lfsFile, deletedFile, deletedFolder and copyFile, "
        "after one header."
    )
    raise InvalidRequestError(msg)


def _items(spool: Path) -> Iterator[tuple[str, dict[str, Any], Iterator[bytes] | None]]:
    """Yield key, value and, for a file in base64, its bytes, which must be used before the next item."""
    if spool.stat().st_size == 0:
        return
    with spool.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        start = released = 0
        while start < len(view):
            end = view.find(b"\n", start)
            end = len(view) if end < 0 else end
            found = _CONTENT.search(view, start, end)
            # the base64 is cut out, so that only the rest of the line is parsed
            first, last = found.span(1) if found else (end, end)
            if first - start + end - last > _MAX_LINE_BYTES:
                msg = f"A line of the commit has more than {_MAX_LINE_BYTES} bytes besides the content of its file."
                raise InvalidRequestError(msg)
            line = view[start:first] + view[last:end]
            if line.strip():
                key, value = _parsed(line)
                if found and not (key == "file" and value.get("encoding") == "base64"):
                    key, value, found = *_parsed(view[start:end]), None
                yield key, value, _decoded(_slices(view, first, last), str(value.get("path"))) if found else None
            start = end + 1
            done = end - end % mmap.PAGESIZE
            if done - released > CHUNK_BYTES and hasattr(view, "madvise"):
                # read pages would count as this process's memory until all is done
                view.madvise(mmap.MADV_DONTNEED, released, done - released)
                released = done


def _parsed(line: bytes) -> tuple[str, dict[str, Any]]:
    try:
        item = json.loads(line)
    except (ValueError, RecursionError):
        item = None
    if isinstance(item, dict) and isinstance(item.get("key"), str) and isinstance(item.get("value"), dict):
        return item["key"], item["value"]
    msg = f"Each line of a commit must be an object with `key` and `value`, got {line[:80]!r}."
    raise InvalidRequestError(msg)


def _slices(view: mmap.mmap, start: int, end: int) -> Iterator[bytes]:
    for position in range(start, end, CHUNK_BYTES):
        yield view[position : min(position + CHUNK_BYTES, end)]


def _decoded(parts: Iterable[bytes], path: str) -> Iterator[bytes]:
    """Yield base64 ``parts`` decoded; each but the last must have a length divisible by 4."""
    try:
        for part in parts:
            yield base64.b64decode(part, validate=True)
    except binascii.Error as error:
        msg = f"The content of {path!r} is no base64: {error}."
        raise InvalidRequestError(msg) from error


def _text(value: dict[str, Any], name: str, *, default: str | None = None) -> str:
    text = value.get(name, default)
    if not isinstance(text, str):
        msg = f"`{name}` must be a string, got {type(text).__name__}."
        raise InvalidRequestError(msg)
    return text
