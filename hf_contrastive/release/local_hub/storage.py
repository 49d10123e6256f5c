"""Repositories in a folder: commits as JSON, branches and tags as small files, one lock for every change.

::

    DIR/hub.json, lock
    DIR/objects/ab/cdef…                         file contents by SHA-256, shared by all repositories
    DIR/incoming/                                what is not complete yet; emptied at start
    DIR/repos/models/namespace--name/repo.json
                                     commits/<id>.json
                                     branches/<quoted name>, tags/<quoted name>
                                     pulls/<number>.json

A commit writes its objects first, then its JSON, and last replaces the branch's file: whenever the process
dies, the branch is the old head or the complete new commit.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hf_contrastive.release.local_hub.errors import ConflictError, LocalHubError, RepoNotFoundError
from hf_contrastive.release.local_hub.names import RepoType, repo_folder_name
from hf_contrastive.release.local_hub.objects import (
    GIT_ATTRIBUTES,
    ObjectStore,
    full_disk_is_answered,
    synchronise_folder,
)
from hf_contrastive.release.local_hub.repositories import Repository, now
from hf_contrastive.release.local_hub.trees import Add, Commit, apply

_FORMAT = 1


class Storage:
    """All repositories of one folder. Safe between threads; one process at a time (see ``server``)."""

    def __init__(self, folder: Path) -> None:
        """Open ``folder``, which is made if it is missing.

        Raises:
            LocalHubError: another version of this program wrote it, or it can not be read.
        """
        self._lock = threading.RLock()
        marker = folder / "hub.json"
        try:
            self._repos = folder / "repos"
            self._repos.mkdir(parents=True, exist_ok=True)
            found = json.loads(marker.read_text("utf-8"))["format"] if marker.exists() else None
            if found not in (None, _FORMAT):
                msg = f"{folder} holds a local Hub of format {found}, this version reads {_FORMAT}; use a new folder."
                raise LocalHubError(msg)
            self.objects = ObjectStore(folder)
            if found is None:
                self.objects.write_json(marker, {"format": _FORMAT})
        except (OSError, ValueError, KeyError, TypeError) as error:
            if isinstance(error, LocalHubError):
                raise
            msg = f"{folder} can not be used as a local Hub ({error}); name a folder that can be written."
            raise LocalHubError(msg) from error

    def repository(self, repo_type: RepoType, repo_id: str) -> Repository:
        """Return an existing repository.

        Raises:
            InvalidNameError: ``repo_id`` is not allowed.
            RepoNotFoundError: there is none by this name.
        """
        folder = self._folder(repo_type, repo_id)
        try:
            facts = json.loads((folder / "repo.json").read_text("utf-8"))
        except FileNotFoundError:
            msg = f"There is no {repo_type} {repo_id!r} on this Hub; create it first, or check its type."
            raise RepoNotFoundError(msg) from None
        return self._opened(folder, facts)

    def repositories(self, repo_type: RepoType) -> Iterator[Repository]:
        """Yield every repository of a type, by name."""
        for path in sorted((self._repos / f"{repo_type}s").glob("*/repo.json")):
            yield self._opened(path.parent, json.loads(path.read_text("utf-8")))

    def create(self, repo_type: RepoType, repo_id: str, *, author: str, private: bool = False) -> Repository:
        """Create a repository whose first commit holds ``.gitattributes``, as the Hub does.

        Raises:
            ConflictError: there is one by this name.
            InvalidNameError: ``repo_id`` is not allowed.
            StorageError: the disk refused.
        """
        folder = self._folder(repo_type, repo_id)
        created_at = now()
        facts = {"id": repo_id, "type": repo_type, "private": private, "created_at": created_at}
        oid, _ = self.objects.put([GIT_ATTRIBUTES.encode()])
        commit = Commit.new(
            apply({}, [Add(".gitattributes", oid)], self.objects),
            parent=None,
            title="initial commit",
            message="",
            author=author,
            created_at=created_at,
        )
        temporary = self.objects.temporary_path()
        with self._lock:
            if folder.exists():
                msg = f"You already created this {repo_type} repo: {repo_id}."
                raise ConflictError(msg)
            with full_disk_is_answered():
                for name in ("commits", "branches", "tags"):
                    (temporary / name).mkdir(parents=True)
                folder.parent.mkdir(exist_ok=True)
            self.objects.write_json(temporary / "repo.json", facts)
            self.objects.write_json(temporary / "commits" / f"{commit.id}.json", commit.to_json())
            self.objects.write_json(temporary / "branches" / "main", {"commit": commit.id})
            with full_disk_is_answered():
                temporary.rename(folder)
                synchronise_folder(folder.parent)
        return self._opened(folder, facts)

    def move(self, repository: Repository, repo_id: str) -> None:
        """Give a repository another id; nothing answers to the old one any more.

        Raises:
            ConflictError: there is one by this id.
            InvalidNameError: ``repo_id`` is not allowed.
            StorageError: the disk refused.
        """
        folder = self._folder(repository.type, repo_id)
        with self._lock, full_disk_is_answered():
            if folder.exists():
                msg = f"There is a {repository.type} repo {repo_id} already; choose another name."
                raise ConflictError(msg)
            repository.folder.rename(folder)
            synchronise_folder(folder.parent)

    def delete(self, repository: Repository) -> None:
        """Remove a repository; its objects stay, since others may share them."""
        trash = self.objects.temporary_path()
        with self._lock, full_disk_is_answered():
            repository.folder.rename(trash)
        shutil.rmtree(trash, ignore_errors=True)

    def _opened(self, folder: Path, facts: dict[str, Any]) -> Repository:
        # the folder's name is the id, so that one rename moves a repository
        facts["id"] = folder.name.replace("--", "/")
        return Repository(folder, facts, self.objects, self._lock)

    def _folder(self, repo_type: RepoType, repo_id: str) -> Path:
        return self._repos / f"{repo_type}s" / repo_folder_name(repo_id)
