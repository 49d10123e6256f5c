"""Uploads in parts: each part goes to its place in one file, which becomes an object when it is whole."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from hf_contrastive.release.local_hub.errors import InvalidRequestError, NotFoundError
from hf_contrastive.release.local_hub.objects import Chunk, ObjectStore, full_disk_is_answered
from hf_contrastive.release.local_hub.writing import WriteBehind

MULTIPART_BYTES = 512 << 20
"""Larger objects are asked for in parts of this size, so that a lost connection costs one part."""


def part_count(size: int) -> int:
    """Return how many parts an object of ``size`` bytes has."""
    return -(-size // MULTIPART_BYTES)


def _opened(path: Path) -> BinaryIO:
    """Return a file open for writing at any position; what it holds stays."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o644), "wb")


@dataclass(slots=True)
class _Upload:
    """One upload under way.

    Attributes:
        path: where the parts lie; never in the place of an object.
        digest: SHA-256 of the parts 1 to ``hashed``, as long as they arrive in order.
        hashed: number of parts in ``digest``.
        done: numbers of the parts that are complete.
    """

    path: Path
    digest: Any
    hashed: int = 0
    done: set[int] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)


class PartialUploads:
    """The uploads in parts that are under way. A restart forgets them; clients then start again."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._open: dict[str, _Upload] = {}
        self._lock = threading.Lock()

    def write(self, upload_id: str, number: int, size: int, chunks: Iterable[Chunk]) -> None:
        """Store part ``number`` (from 1) of an object of ``size`` bytes; a part that is sent again replaces the first.

        Raises:
            InvalidRequestError: there is no such part, or it does not have its length; it can be sent again.
            StorageError: the disk refused.
        """
        if not 1 <= number <= part_count(size):
            msg = f"There is no part {number}; an object of {size} bytes has {part_count(size)}."
            raise InvalidRequestError(msg)
        start = (number - 1) * MULTIPART_BYTES
        length = min(MULTIPART_BYTES, size - start)
        with self._lock:
            upload = self._open.get(upload_id)
            if upload is None:
                upload = self._open[upload_id] = _Upload(self._objects.temporary_path(), hashlib.sha256())
        with upload.lock:
            # the hash of the whole comes for free while parts arrive in order
            in_order = upload.hashed == number - 1
            digest = upload.digest.copy() if in_order else None
            if number <= upload.hashed:
                upload.hashed, upload.digest = 0, hashlib.sha256()
            upload.done.discard(number)
            written = 0
            with full_disk_is_answered(), _opened(upload.path) as file, WriteBehind(file) as out:
                file.seek(start)
                for chunk in chunks:
                    written += len(chunk)
                    if written > length:
                        break
                    out.write(chunk)
                    if digest is not None:
                        digest.update(chunk)
            if written != length:
                msg = f"Part {number} must have {length} bytes, not {written}; send it again."
                raise InvalidRequestError(msg)
            upload.done.add(number)
            if digest is not None:
                upload.digest, upload.hashed = digest, number

    def complete(self, upload_id: str, oid: str, size: int) -> None:
        """Make an object of the parts; nothing is stored if it is not what ``oid`` and ``size`` announce.

        Raises:
            InvalidRequestError: a part is missing, or the content is another one.
            NotFoundError: no part has arrived since the server started.
            StorageError: the disk refused.
        """
        if self._objects.size(oid) == size:
            # the client asks again because it lost the answer
            return
        with self._lock:
            upload = self._open.get(upload_id)
        if upload is None:
            msg = f"No part of object {oid} has arrived; upload it again."
            raise NotFoundError(msg)
        with upload.lock:
            missing = [number for number in range(1, part_count(size) + 1) if number not in upload.done]
            if missing:
                msg = f"Object {oid} lacks part {missing[0]} ({len(missing)} in all); send it, then complete it."
                raise InvalidRequestError(msg)
            with full_disk_is_answered(), upload.path.open("r+b") as file:
                whole = upload.digest
                if upload.hashed != part_count(size):
                    whole = hashlib.file_digest(file, "sha256")
                os.fsync(file.fileno())
            with self._lock:
                self._open.pop(upload_id, None)
            self._objects.adopt(upload.path, whole.hexdigest(), size, announced=(oid, size))
