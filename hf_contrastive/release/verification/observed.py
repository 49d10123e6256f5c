"""The files that are there, each read once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hf_contrastive.release.plan import PlannedFile, is_document, is_model_file, is_text
from hf_contrastive.release.signatures import DOWNLOADS, OF_GIT, is_below

LARGEST_DOCUMENT = 64_000_000
"""Bytes; no document that a push writes comes near."""

_OF_DOWNLOADS = (".metadata", ".lock", ".incomplete", ".gitignore", "CACHEDIR.TAG")
_CHUNK = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedFile:
    """One file; ``content`` is at hand where it is a document, ``git_sha1`` where something names it as git does."""

    path: str
    source: Path
    sha256: str
    size: int
    git_sha1: str = ""
    content: bytes | None = field(default=None, repr=False)

    @property
    def planned(self) -> PlannedFile:
        """The same as a plan lists it."""
        return PlannedFile(path=self.path, sha256=self.sha256, size=self.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """All files by path, and what is there and is no file that can be read, with the reason."""

    files: Mapping[str, ObservedFile]
    strange: Mapping[str, str]

    @property
    def has_model(self) -> bool:
        """Whether any file of a model is here."""
        return any(map(is_model_file, self.files))

    def content(self, path: str) -> bytes | None:
        """Return what the document ``path`` holds, None where it is missing or :meth:`is_too_large`."""
        found = self.files.get(path)
        return found.content if found is not None else None

    def is_too_large(self, path: str) -> bool:
        """Whether ``path`` is there and larger than any document is."""
        found = self.files.get(path)
        return found is not None and found.size > LARGEST_DOCUMENT


def is_known(path: str) -> bool:
    """Whether ``path`` is none of the publication's and harmless: git's, the Hub's, or what a download writes down."""
    if is_below(path, [DOWNLOADS]):
        return path.endswith(_OF_DOWNLOADS) or (f"{DOWNLOADS}/trees/" in path and path.endswith(".json"))
    return is_below(path, OF_GIT)


def list_folder(folder: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """Return every file below ``folder`` by its path, and what is no file with the reason; links to files are files."""
    files: dict[str, Path] = {}
    strange: dict[str, str] = {}
    for root, folders, names in os.walk(folder):
        # a folder that is taken out is not walked into
        for name in [*folders, *names]:
            path = Path(root, name)
            relative = path.relative_to(folder).as_posix()
            if is_known(relative):
                if name in folders:
                    folders.remove(name)
            elif not is_text(relative):
                strange[relative] = "its name is no text"
            elif path.is_file():
                files[relative] = path
            elif path.is_symlink():
                strange[relative] = "a link to a folder, or to nothing"
            elif not path.is_dir():
                strange[relative] = "no regular file"
    return files, strange


def read_files(
    files: Mapping[str, Path],
    strange: Mapping[str, str],
    *,
    documents: Iterable[str] = (),
    named_by_git: Iterable[str] = (),
    on_progress: Callable[[int, int], None] | None = None,
) -> Observed:
    """Read every file once.

    Args:
        files: by path.
        strange: what is no file, with the reason.
        documents: paths whose content is needed, besides those that a push writes.
        named_by_git: paths whose name in git is needed, a second digest of all that is in them.
        on_progress: called with (bytes done, bytes in all).
    """
    wanted, git = set(documents), set(named_by_git)
    found: dict[str, ObservedFile] = {}
    odd = dict(strange)
    sizes: dict[str, int] = {}
    for path, source in files.items():
        try:
            sizes[path] = source.stat().st_size
        except OSError as error:
            odd[path] = _unread(error)
    done, total = 0, sum(sizes.values())
    for path, size in sorted(sizes.items()):
        keep = (path in wanted or is_document(path)) and size <= LARGEST_DOCUMENT
        try:
            found[path] = _read(path, files[path], keep, size if path in git else None)
        except OSError as error:
            odd[path] = _unread(error)
        done += size
        if on_progress is not None:
            on_progress(done, total)
    return Observed(files=found, strange=odd)


def _unread(error: OSError) -> str:
    return f"can not be read ({error.strerror})"


def _read(path: str, source: Path, keep: bool, git_size: int | None) -> ObservedFile:
    sha256 = hashlib.sha256()
    # a file that grows meanwhile gets another digest, which is as it should be
    sha1 = hashlib.sha1(b"blob %d\0" % git_size, usedforsecurity=False) if git_size is not None else None
    size, kept = 0, []
    with source.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            sha256.update(chunk)
            if sha1 is not None:
                sha1.update(chunk)
            size += len(chunk)
            if keep:
                kept.append(chunk)
    return ObservedFile(
        path=path,
        source=source,
        sha256=sha256.hexdigest(),
        size=size,
        git_sha1=sha1.hexdigest() if sha1 is not None else "",
        content=b"".join(kept) if keep else None,
    )
