"""What a commit holds, and the operations that turn one tree into the next."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hf_contrastive.release.local_hub.errors import EntryNotFoundError, InvalidRequestError
from hf_contrastive.release.local_hub.names import check_path
from hf_contrastive.release.local_hub.objects import ObjectStore, blob_id, is_large, pointer


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file of a tree.

    Attributes:
        sha256: content address in the object store.
        size: bytes.
        blob_id: git's id; for an LFS file that of its pointer, as on the Hub.
        lfs: whether it is a Git LFS file.
    """

    sha256: str
    size: int
    blob_id: str
    lfs: bool

    @classmethod
    def of(cls, path: str, sha256: str, objects: ObjectStore) -> Entry:
        """Return the entry of the stored object ``sha256`` at ``path``.

        Whether it is an LFS file follows from the path and the size alone, so a repository reads the same
        whichever way its bytes came.

        Raises:
            InvalidRequestError: the object is not stored.
        """
        size = objects.size(sha256)
        if size is None:
            msg = (
                f"The LFS file {path!r} points to object {sha256}, which was never uploaded; "
                "upload it, then commit again."
            )
            raise InvalidRequestError(msg)
        lfs = is_large(path, size)
        git_id = blob_id(pointer(sha256, size)) if lfs else objects.blob_id(sha256)
        return cls(sha256=sha256, size=size, blob_id=git_id, lfs=lfs)

    def facts(self, path: str) -> dict[str, Any]:
        """Return the JSON by which the Hub lists this file in a tree."""
        listed: dict[str, Any] = {"type": "file", "oid": self.blob_id, "size": self.size, "path": path}
        if self.lfs:
            size = len(pointer(self.sha256, self.size))
            listed["lfs"] = {"oid": self.sha256, "size": self.size, "pointerSize": size}
        return listed


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One commit: the whole tree, not a difference. ``id`` is the SHA-1 of the rest as canonical JSON."""

    id: str
    parent: str | None
    title: str
    message: str
    author: str
    created_at: str
    files: Mapping[str, Entry]

    @classmethod
    def new(
        cls, files: Mapping[str, Entry], *, parent: str | None, title: str, message: str, author: str, created_at: str
    ) -> Commit:
        """Return a commit of ``files`` with its id computed."""
        record = {
            "parent": parent,
            "title": title,
            "message": message,
            "author": author,
            "created_at": created_at,
            "files": {path: asdict(entry) for path, entry in files.items()},
        }
        text = json.dumps(record, sort_keys=True, separators=(",", ":"))
        commit_id = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        return cls.from_json({"id": commit_id, **record})

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Commit:
        """Return the commit that :meth:`to_json` wrote."""
        files = {path: Entry(**entry) for path, entry in sorted(value["files"].items())}
        return cls(**{**value, "files": files})

    def to_json(self) -> dict[str, Any]:
        """Return the commit as it is stored."""
        return asdict(self)

    def folders(self) -> dict[str, str]:
        """Return every folder of the tree with an id that changes when anything below it does."""
        below: dict[str, list[str]] = {}
        for path, entry in self.files.items():
            for folder in parents(path):
                below.setdefault(folder, []).append(f"{path} {entry.blob_id}")
        return {
            folder: hashlib.sha1("\n".join(lines).encode(), usedforsecurity=False).hexdigest()
            for folder, lines in sorted(below.items())
        }


@dataclass(frozen=True, slots=True)
class Add:
    """Put the stored object ``sha256`` at ``path``."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove one file."""

    path: str


@dataclass(frozen=True, slots=True)
class DeleteFolder:
    """Remove everything below a folder."""

    path: str


@dataclass(frozen=True, slots=True)
class Copy:
    """Put at ``path`` what stands at ``source`` in the commit ``files`` came from."""

    path: str
    source: str
    files: Mapping[str, Entry]


Operation = Add | Delete | DeleteFolder | Copy


def parents(path: str) -> list[str]:
    """Return the folders that hold ``path``, the outermost first."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[: depth + 1]) for depth in range(len(parts))]


def apply(files: Mapping[str, Entry], operations: Iterable[Operation], objects: ObjectStore) -> dict[str, Entry]:
    """Return the tree after ``operations``, in their order.

    Raises:
        EntryNotFoundError: something to delete or copy is not there.
        InvalidNameError: a path that is not allowed.
        InvalidRequestError: an object was never uploaded, or a path would be both a file and a folder.
    """
    tree = dict(files)
    for operation in operations:
        path = check_path(operation.path)
        match operation:
            case Add(sha256=sha256):
                tree[path] = Entry.of(path, sha256, objects)
            case Copy(source=source, files=origin):
                if source not in origin:
                    msg = f"{source!r} can not be copied: a file with this name doesn't exist at that revision."
                    raise EntryNotFoundError(msg)
                tree[path] = Entry.of(path, origin[source].sha256, objects)
            case Delete():
                if tree.pop(path, None) is None:
                    msg = f"{path!r} can not be deleted: A file with this name doesn't exist."
                    raise EntryNotFoundError(msg)
            case DeleteFolder():
                below = [name for name in tree if name.startswith(f"{path}/")]
                if not below:
                    msg = f"{path!r} can not be deleted: A folder with this name doesn't exist."
                    raise EntryNotFoundError(msg)
                for name in below:
                    del tree[name]
    clashes = sorted({folder for path in tree for folder in parents(path)} & tree.keys())
    if clashes:
        msg = f"{clashes[0]!r} would be both a file and a folder; delete the one before adding the other."
        raise InvalidRequestError(msg)
    return tree
