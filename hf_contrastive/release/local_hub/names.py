"""Names that come from outside: repository ids, paths, revisions, object ids.

Everything that becomes part of a file name passes through this module. Paths inside a repository never
do, since a tree is a JSON object, but clients write them to their disks, so the same care is taken.
"""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import quote

from hf_contrastive.release.local_hub.errors import InvalidNameError

RepoType = Literal["model", "dataset"]

_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_REF_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\\ud800-\udfff]")
_RESERVED_SEGMENTS = frozenset({"", ".", ".."})
# huggingface_hub refuses both as well: the first is git's own, the second its download metadata
_RESERVED_FOLDERS = frozenset({".git", ".cache"})
# first parts of the Hub's own addresses
_RESERVED_NAMES = frozenset({"api", "datasets", "models", "spaces", "lfs", "resolve"})
_MAX_PATH_BYTES = 4096
_MAX_SEGMENT_BYTES = 255


def repo_folder_name(repo_id: str) -> str:
    """Return the folder name of ``repo_id``: ``namespace--name``, or ``name`` for ids without a namespace.

    The mapping is one-to-one because ``--`` is not allowed inside an id.

    Raises:
        InvalidNameError: the id is not ``name`` or ``namespace/name`` by the Hub's rules.
    """
    parts = repo_id.split("/")
    if (
        len(parts) > 2
        or not all(_NAME.fullmatch(part) for part in parts)
        or "--" in repo_id
        or ".." in repo_id
        or repo_id.endswith((".git", ".ipynb"))
        or parts[0] in _RESERVED_NAMES
    ):
        msg = (
            f"{_shown(repo_id)} is no repository id; allowed is 'name' or 'namespace/name' of at most 96 letters, "
            f"digits, '-', '_' and '.' each, without '--', '..' or a final '.git', and not {sorted(_RESERVED_NAMES)}."
        )
        raise InvalidNameError(msg)
    return "--".join(parts)


def check_path(path: str) -> str:
    """Return ``path``, a file's or folder's path inside a repository.

    Raises:
        InvalidNameError: it is empty, absolute, leaves the repository or would on some operating system,
            or lies in a folder that clients keep for themselves.
    """
    segments = path.split("/")
    if (
        any(segment in _RESERVED_SEGMENTS or segment.lower() in _RESERVED_FOLDERS for segment in segments)
        or "\\" in path
        or _CONTROL.search(path)
        or re.match(r"[A-Za-z]:", path)
    ):
        msg = (
            f"{_shown(path)} is no path inside a repository; allowed are relative paths with '/' between their "
            "parts, without '.', '..', '.git', '.cache', backslashes, drive letters or control characters."
        )
        raise InvalidNameError(msg)
    if len(path.encode()) > _MAX_PATH_BYTES or any(len(part.encode()) > _MAX_SEGMENT_BYTES for part in segments):
        msg = (
            f"The path {_shown(path)} is too long; allowed are {_MAX_SEGMENT_BYTES} bytes for each part and "
            f"{_MAX_PATH_BYTES} in all."
        )
        raise InvalidNameError(msg)
    return path


def ref_file_name(ref: str) -> str:
    """Return the file name of a branch or tag: its URL-quoted name, so that ``a/b`` needs no folder.

    Raises:
        InvalidNameError: git would refuse the name, it looks like a commit id, or it starts with ``refs/``.
    """
    name = quote(ref, safe="") if not _REF_FORBIDDEN.search(ref) else ""
    segments = ref.split("/")
    if (
        not name
        or len(name) > 200
        or any(part in _RESERVED_SEGMENTS or part.startswith(".") or part.endswith(".lock") for part in segments)
        or ref.startswith(("-", "refs/"))
        or ".." in ref
        or "@{" in ref
        or ref.endswith(".")
        or ref in {"@", "HEAD"}
        or is_commit(ref)
    ):
        msg = (
            f"{_shown(ref)} is no name for a branch or tag; allowed are git's rules, at most 200 bytes, "
            "no 'refs/' at the start, and nothing that reads as a commit id."
        )
        raise InvalidNameError(msg)
    return name


def check_oid(oid: object) -> str:
    """Return ``oid``, the SHA-256 of an object as 64 lower-case hexadecimal digits.

    Raises:
        InvalidNameError: it is anything else.
    """
    if not isinstance(oid, str) or not _SHA256.fullmatch(oid):
        msg = f"{_shown(oid)} is no object id; allowed is a SHA-256 as 64 lower-case hexadecimal digits."
        raise InvalidNameError(msg)
    return oid


def is_commit(text: str) -> bool:
    """Return whether ``text`` has the form of a full commit id."""
    return _COMMIT.fullmatch(text) is not None


def _shown(value: object) -> str:
    """Return ``value`` quoted, with control characters escaped and cut to a line."""
    text = ascii(value)
    return text if len(text) <= 120 else text[:117] + "..."
