"""Content-addressed files on disk: written under a temporary name, synchronised, then renamed."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, BinaryIO

from hf_contrastive.release.local_hub.errors import InvalidRequestError, StorageError
from hf_contrastive.release.local_hub.names import check_oid
from hf_contrastive.release.local_hub.writing import WriteBehind

CHUNK_BYTES = 1 << 20
Chunk = bytes | memoryview
LFS_THRESHOLD_BYTES = 10_000_000
# a new repository on the Hub tracks these patterns in its .gitattributes
_LFS_WORDS = (
    "*.7z *.arrow *.avro *.bin *.bz2 *.ckpt *.ftz *.gz *.h5 *.joblib *.lfs.* *.mlmodel *.model *.msgpack *.npy "
    "*.npz *.onnx *.ot *.parquet *.pb *.pickle *.pkl *.pt *.pth *.rar *.safetensors *.tar.* *.tar *.tflite *.tgz "
    "*.wasm *.xz *.zip *.zst *tfevents*"
)
_LFS_PATTERNS = tuple(_LFS_WORDS.split())
GIT_ATTRIBUTES = "".join(f"{pattern} filter=lfs diff=lfs merge=lfs -text\n" for pattern in _LFS_PATTERNS)


def is_large(path: str, size: int) -> bool:
    """Return whether a file of ``size`` bytes at ``path`` is kept as a Git LFS file.

    Empty files never are, files above 10 MB always, others by the patterns of ``.gitattributes``.
    """
    name = path.rpartition("/")[2]
    return size > LFS_THRESHOLD_BYTES or (size > 0 and any(fnmatchcase(name, p) for p in _LFS_PATTERNS))


def pointer(oid: str, size: int) -> bytes:
    """Return the text that git stores in place of an LFS file."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n".encode()


def blob_id(content: bytes) -> str:
    """Return git's id of a blob: SHA-1 over ``blob <size>`` + NUL + content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def synchronise_folder(folder: Path) -> None:
    """Make renames in ``folder`` survive a power cut, where the system can."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def full_disk_is_answered() -> Iterator[None]:
    """Turn the file system's errors into an answer; a broken connection stays what it is."""
    try:
        yield
    except (ConnectionError, TimeoutError):
        raise
    except OSError as error:
        msg = (
            f"The local Hub could not write to its folder ({error.strerror or error}); nothing was changed. "
            "Free some space or check the folder's permissions, then try again."
        )
        raise StorageError(msg) from error


def chunks_of(file: BinaryIO) -> Iterator[bytes]:
    """Yield ``file`` from its position to its end, at most 1 MiB at a time."""
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


class ObjectStore:
    """Files by their SHA-256 below ``objects/``; ``incoming/`` holds what is not complete yet.

    An object is there completely or not at all, also after the process was killed: it is renamed into place
    only once its bytes are on disk.
    """

    def __init__(self, folder: Path) -> None:
        self._objects = folder / "objects"
        self._incoming = folder / "incoming"
        # nothing here is complete, and a running server holds the folder's lock
        shutil.rmtree(self._incoming, ignore_errors=True)
        for path in (self._objects, self._incoming):
            path.mkdir(parents=True, exist_ok=True)

    def temporary_path(self) -> Path:
        """Return a new path on the same file system that nothing else uses."""
        return self._incoming / secrets.token_hex(16)

    def path(self, oid: str) -> Path:
        """Return where the object ``oid`` is or would be stored.

        Raises:
            InvalidNameError: ``oid`` is no SHA-256.
        """
        check_oid(oid)
        return self._objects / oid[:2] / oid[2:]

    def size(self, oid: str) -> int | None:
        """Return the object's size in bytes, or None if it is not stored."""
        try:
            return self.path(oid).stat().st_size
        except FileNotFoundError:
            return None

    def put(self, chunks: Iterable[Chunk], *, oid: str | None = None, size: int | None = None) -> tuple[str, int]:
        """Store ``chunks`` and return the SHA-256 and the size in bytes.

        Args:
            chunks: the content; each piece is used before the next is asked for.
            oid: the SHA-256 that the content must have.
            size: the number of bytes that the content must have.

        Raises:
            InvalidRequestError: the content is not what ``oid`` and ``size`` announce; nothing is stored.
            StorageError: the disk refused.
        """
        digest, written, temporary = hashlib.sha256(), 0, self.temporary_path()
        try:
            with full_disk_is_answered(), temporary.open("wb") as file, WriteBehind(file) as out:
                for chunk in chunks:
                    digest.update(chunk)
                    written += len(chunk)
                    if size is not None and written > size:
                        break
                    out.write(chunk)
                found = digest.hexdigest()
                if self.size(found) == written and oid in (None, found) and size in (None, written):
                    return found, written
                out.finish()
            self.adopt(temporary, found, written, announced=(oid, size))
        finally:
            temporary.unlink(missing_ok=True)
        return found, written

    def adopt(
        self, temporary: Path, found: str, written: int, *, announced: tuple[str | None, int | None] = (None, None)
    ) -> None:
        """Rename ``temporary``, whose bytes are on disk, to the place of its SHA-256 ``found``.

        Raises:
            InvalidRequestError: ``found`` and ``written`` are not what was ``announced``; the file is removed.
            StorageError: the disk refused.
        """
        oid, size = announced
        if (oid is not None and found != oid) or (size is not None and written != size):
            temporary.unlink(missing_ok=True)
            msg = (
                f"The upload does not have the content that was announced: {written} bytes with SHA-256 "
                f"{found}, announced {size} bytes with {oid}. Upload it again."
            )
            raise InvalidRequestError(msg)
        with full_disk_is_answered():
            final = self.path(found)
            if not final.parent.is_dir():
                final.parent.mkdir(exist_ok=True)
                synchronise_folder(self._objects)
            temporary.replace(final)
            synchronise_folder(final.parent)

    def blob_id(self, oid: str) -> str:
        """Return git's blob id of a stored object's content."""
        digest = hashlib.sha1(b"blob %d\0" % (self.size(oid) or 0), usedforsecurity=False)
        with self.path(oid).open("rb") as file:
            for chunk in chunks_of(file):
                digest.update(chunk)
        return digest.hexdigest()

    def write_json(self, path: Path, value: Any) -> None:
        """Write ``value`` to ``path`` so that a reader sees the old file or the whole new one.

        Raises:
            StorageError: the disk refused.
        """
        temporary = self.temporary_path()
        try:
            with full_disk_is_answered():
                with temporary.open("w", encoding="utf-8") as file:
                    json.dump(value, file, ensure_ascii=False, sort_keys=True)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(path)
                synchronise_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
