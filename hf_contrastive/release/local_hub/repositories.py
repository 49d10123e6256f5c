"""One repository: its commits, its branches and tags, and the rule that a head moves all at once."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from hf_contrastive.release.local_hub.errors import (
    ConflictError,
    EntryNotFoundError,
    ForbiddenError,
    InvalidNameError,
    InvalidRequestError,
    RevisionNotFoundError,
    StaleParentError,
)
from hf_contrastive.release.local_hub.names import RepoType, is_commit, ref_file_name
from hf_contrastive.release.local_hub.objects import ObjectStore, full_disk_is_answered, synchronise_folder
from hf_contrastive.release.local_hub.trees import Commit, Entry, Operation, apply

_SHORT_COMMIT = re.compile(r"[0-9a-f]{7,39}")
_PULL_REQUEST = re.compile(r"refs/pr/([1-9][0-9]{0,8})")
_KINDS = {"branch": "branches", "tag": "tags"}


def now() -> str:
    """Return the time as the Hub writes it: UTC, milliseconds, ``Z``."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def number_of(revision: str) -> int | None:
    """Return the number of the pull request that ``refs/pr/<number>`` names, or None."""
    found = _PULL_REQUEST.fullmatch(revision)
    return int(found[1]) if found else None


class Repository:
    """One repository: its commits, branches and tags."""

    def __init__(self, folder: Path, facts: dict[str, Any], objects: ObjectStore, lock: threading.RLock) -> None:
        self.folder, self.objects, self._facts, self.lock = folder, objects, facts, lock
        self.id: str = facts["id"]
        self.type: RepoType = facts["type"]
        self.created_at: str = facts["created_at"]

    @property
    def private(self) -> bool:
        """Whether only the token's holder can see it."""
        return bool(self._facts["private"])

    @property
    def gated(self) -> str | bool:
        """Whether its files need a token: ``"auto"``, ``"manual"`` or False."""
        return str(self._facts["gated"]) if self._facts.get("gated") else False

    def change(self, **settings: str | bool) -> None:
        """Change ``private`` or ``gated``."""
        with self.lock:
            self._facts = {**self._facts, **settings}
            self.objects.write_json(self.folder / "repo.json", self._facts)

    def refs(self, kind: str) -> dict[str, str]:
        """Return the commit id of every ``"branch"`` or ``"tag"``, by name."""
        found = {}
        for path in sorted((self.folder / _KINDS[kind]).iterdir()):
            record = json.loads(path.read_text("utf-8"))
            found[record.get("name", path.name)] = record["commit"]
        return found

    def commit_at(self, revision: str) -> Commit:
        """Return the commit of a branch, tag, pull request (``refs/pr/1``), full or short (≥ 7 digits) commit id.

        Raises:
            RevisionNotFoundError: there is none.
        """
        pull = self.read_pull(number_of(revision))
        if pull is not None:
            return self._load(pull["head"])
        short = revision.removeprefix("refs/heads/").removeprefix("refs/tags/")
        if not is_commit(revision):
            kinds = ("tag",) if revision.startswith("refs/tags/") else ("branch", "tag")
            for kind in kinds:
                head = self._read_ref(kind, short)
                if head is not None:
                    return self._load(head)
        matches = []
        if is_commit(revision):
            matches = [revision] if (self.folder / "commits" / f"{revision}.json").is_file() else []
        elif _SHORT_COMMIT.fullmatch(revision):
            matches = [path.stem for path in (self.folder / "commits").glob(f"{revision}*.json")]
        if len(matches) != 1:
            msg = f"{self.type} {self.id!r} has no revision {revision!r}; list its branches and tags with refs."
            raise RevisionNotFoundError(msg)
        return self._load(matches[0])

    def history(self, commit: Commit) -> Iterator[Commit]:
        """Yield ``commit`` and its ancestors, the newest first."""
        current: Commit | None = commit
        while current is not None:
            yield current
            current = self._load(current.parent) if current.parent else None

    def entry(self, commit: Commit, path: str) -> Entry:
        """Return the file at ``path``.

        Raises:
            EntryNotFoundError: there is none in ``commit``.
        """
        if path not in commit.files:
            msg = f"{self.type} {self.id!r} has no file {path!r} at {commit.id}."
            error = EntryNotFoundError(msg)
            error.commit = commit.id
            raise error
        return commit.files[path]

    def commit(
        self,
        branch: str,
        operations: Iterable[Operation],
        *,
        title: str,
        author: str,
        message: str = "",
        parent: str | None = None,
        announce: Callable[[Commit], None] | None = None,
    ) -> Commit:
        """Add one commit to ``branch``: all of it or nothing.

        Args:
            branch: an existing branch.
            operations: what changes, in this order.
            title: first line of the message.
            author: a user's name.
            message: the rest.
            parent: the head that the writer saw.
            announce: called with the commit before the branch moves to it.

        Raises:
            InvalidRequestError: ``branch`` is a tag or a commit, or an operation is impossible.
            RevisionNotFoundError: there is no such branch.
            StaleParentError: ``parent`` is not the head; nothing was changed.
        """
        branch = branch.removeprefix("refs/heads/")
        with self.lock:
            head = self.head(branch)
            self.require_parent(parent, head.id, branch)
            commit = self.add_commit(head, operations, title=title, message=message, author=author)
            if announce is not None:
                announce(commit)
            self._write_ref("branch", branch, commit.id)
        return commit

    def head(self, branch: str) -> Commit:
        """Return the head of a branch.

        Raises:
            InvalidRequestError: ``branch`` is a tag or a commit.
            RevisionNotFoundError: there is no such revision.
        """
        branch = branch.removeprefix("refs/heads/")
        head_id = self._read_ref("branch", branch)
        if head_id is None:
            # raises where there is no such revision at all
            self.commit_at(branch)
            msg = f"{branch!r} is not a branch, and only a branch can take a commit; name one, such as 'main'."
            raise InvalidRequestError(msg)
        return self._load(head_id)

    def require_parent(self, parent: str | None, head_id: str, name: str) -> None:
        """Raise :class:`StaleParentError` unless ``parent``, where one is named, is the head of ``name``."""
        if parent is not None and parent != head_id:
            msg = (
                f"The head of {name!r} is {head_id}, not the expected parent {parent}: a commit has happened "
                "since. Read the new head, then commit again."
            )
            raise StaleParentError(msg)

    def add_commit(
        self, parent: Commit, operations: Iterable[Operation], *, title: str, author: str, message: str = ""
    ) -> Commit:
        """Store a commit on top of ``parent`` that no branch leads to yet.

        Raises:
            InvalidRequestError: an operation is impossible.
        """
        files = apply(parent.files, operations, self.objects)
        commit = Commit.new(files, parent=parent.id, title=title, message=message, author=author, created_at=now())
        self._store(commit)
        return commit

    def squash(self, branch: str, *, title: str, author: str) -> Commit:
        """Make ``branch`` one commit without a parent that holds the files of its head.

        Raises:
            InvalidRequestError: ``branch`` is a tag or a commit.
            RevisionNotFoundError: there is no such branch.
        """
        branch = branch.removeprefix("refs/heads/")
        with self.lock:
            files = self.head(branch).files
            commit = Commit.new(files, parent=None, title=title, message="", author=author, created_at=now())
            self._store(commit)
            self._write_ref("branch", branch, commit.id)
        return commit

    def pull_numbers(self) -> list[int]:
        """Return the numbers of all pull requests, in no order."""
        return [int(path.stem) for path in (self.folder / "pulls").glob("*.json")]

    def read_pull(self, number: int | None) -> dict[str, Any] | None:
        """Return the record of a pull request (see ``pulls``), or None if there is none."""
        try:
            text = (self.folder / "pulls" / f"{number}.json").read_text("utf-8")
        except FileNotFoundError:
            return None
        record: dict[str, Any] = json.loads(text)
        return record

    def write_pull(self, record: dict[str, Any]) -> None:
        """Store the record of a pull request; its head moves with it."""
        folder = self.folder / "pulls"
        if not folder.is_dir():
            with full_disk_is_answered():
                folder.mkdir()
                synchronise_folder(self.folder)
        self.objects.write_json(folder / f"{record['number']}.json", record)

    def create_ref(self, kind: str, name: str, revision: str, *, message: str = "") -> None:
        """Create a ``"branch"`` or ``"tag"`` at ``revision``.

        Raises:
            ConflictError: it exists.
            InvalidNameError: git would refuse the name.
            RevisionNotFoundError: there is no such revision.
        """
        ref_file_name(name)
        with self.lock:
            commit = self.commit_at(revision)
            if self._read_ref(kind, name) is not None:
                msg = f"{kind.capitalize()} {name!r} already exists for {self.type} {self.id!r}."
                raise ConflictError(msg)
            self._write_ref(kind, name, commit.id, message=message)

    def delete_ref(self, kind: str, name: str) -> None:
        """Delete a ``"branch"`` or ``"tag"``; its commits stay.

        Raises:
            ForbiddenError: it is the branch ``main``.
            RevisionNotFoundError: there is none by this name.
        """
        if (kind, name) == ("branch", "main"):
            msg = "The branch 'main' can not be deleted."
            raise ForbiddenError(msg)
        with self.lock:
            if self._read_ref(kind, name) is None:
                msg = f"{self.type} {self.id!r} has no {kind} {name!r}."
                raise RevisionNotFoundError(msg)
            with full_disk_is_answered():
                (self.folder / _KINDS[kind] / ref_file_name(name)).unlink()
                synchronise_folder(self.folder / _KINDS[kind])

    def _read_ref(self, kind: str, name: str) -> str | None:
        try:
            path = self.folder / _KINDS[kind] / ref_file_name(name)
            return str(json.loads(path.read_text("utf-8"))["commit"])
        except (FileNotFoundError, InvalidNameError):
            return None

    def _write_ref(self, kind: str, name: str, commit_id: str, *, message: str = "") -> None:
        record = {"name": name, "commit": commit_id, "message": message}
        self.objects.write_json(self.folder / _KINDS[kind] / ref_file_name(name), record)

    def _store(self, commit: Commit) -> None:
        self.objects.write_json(self.folder / "commits" / f"{commit.id}.json", commit.to_json())

    def _load(self, commit_id: str) -> Commit:
        return _read_commit(self.folder / "commits" / f"{commit_id}.json")


@lru_cache(maxsize=256)
def _read_commit(path: Path) -> Commit:
    # safe to keep: a commit's file is named by its content and never changes
    return Commit.from_json(json.loads(path.read_text("utf-8")))
