"""Pull requests of a repository: a head of their own, what was said about it, and the merge.

A pull request is one file, ``pulls/<number>.json``; its head can be read and committed to as ``refs/pr/<number>``.
"""

from __future__ import annotations

import secrets
from typing import Any

from hf_contrastive.release.local_hub.errors import ConflictError, InvalidRequestError, NotFoundError
from hf_contrastive.release.local_hub.payload import Payload
from hf_contrastive.release.local_hub.repositories import Repository, now
from hf_contrastive.release.local_hub.trees import Commit, Copy, Delete, Operation

OPEN = frozenset({"draft", "open"})
_MAX_TITLE = 200


class PullRequests:
    """The pull requests of one repository."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def all(self) -> list[dict[str, Any]]:
        """Return every pull request, the newest first."""
        return [self.read(number) for number in sorted(self._repository.pull_numbers(), reverse=True)]

    def read(self, number: int) -> dict[str, Any]:
        """Return a pull request's record.

        Raises:
            NotFoundError: there is none by this number.
        """
        record = self._repository.read_pull(number)
        if record is None:
            msg = f"{self._repository.type} {self._repository.id!r} has no pull request {number}."
            raise NotFoundError(msg)
        made = record["merge_commit"]
        # a server that died in a merge had named its commit; the branch says whether it came to be
        if record["status"] in OPEN and made and self._is_in(made, record["base"]):
            record["status"] = "merged"
        return record

    def open(self, *, author: str, title: str, description: str) -> dict[str, Any]:
        """Open a draft without commits against main, and return its record.

        Raises:
            InvalidRequestError: the title is unusable.
        """
        with self._repository.lock:
            start = self._repository.head("main")
            record = self._new(start, base="main", author=author, title=title, description=description)
            self._repository.write_pull(record)
        return record

    def open_with(
        self, payload: Payload, *, base: str, author: str, title: str, description: str
    ) -> tuple[dict[str, Any], Commit]:
        """Open a pull request against the branch ``base`` with its first commit, and return both.

        Raises:
            InvalidRequestError: ``base`` is no branch, the title is unusable, or an operation is impossible.
            RevisionNotFoundError: there is no such branch or parent.
        """
        repository = self._repository
        with repository.lock:
            head = repository.head(base)
            start = repository.commit_at(payload.parent) if payload.parent else head
            record = self._new(start, base=base, author=author, title=title, description=description)
            record["status"] = "open"
            commit = self._add(record, start, payload, author)
        return record, commit

    def add(self, number: int, payload: Payload, *, author: str) -> Commit:
        """Add a commit to an open pull request.

        Raises:
            ConflictError: it is closed or merged.
            InvalidRequestError: an operation is impossible.
            NotFoundError: there is none by this number.
            StaleParentError: ``payload.parent`` is not its head.
        """
        repository = self._repository
        with repository.lock:
            record = self._opened(number)
            head = repository.commit_at(record["head"])
            repository.require_parent(payload.parent, head.id, f"refs/pr/{number}")
            return self._add(record, head, payload, author)

    def say(self, number: int, author: str, text: str) -> dict[str, Any]:
        """Add a comment and return its event."""
        with self._repository.lock:
            record = self.read(number)
            event = _tell(record, author, "comment", text=text)
            self._repository.write_pull(record)
        return event

    def rename(self, number: int, author: str, title: str) -> dict[str, Any]:
        """Change the title and return the event."""
        title = _checked_title(title)
        with self._repository.lock:
            record = self.read(number)
            event = _tell(record, author, "title-change", **{"from": record["title"], "to": title})
            record["title"] = title
            self._repository.write_pull(record)
        return event

    def set_status(self, number: int, author: str, status: str, comment: str = "") -> dict[str, Any]:
        """Open or close a pull request and return the event.

        Raises:
            ConflictError: it is merged.
            InvalidRequestError: ``status`` is neither ``"open"`` nor ``"closed"``.
        """
        if status not in {"open", "closed"}:
            msg = f"The status of a pull request can be set to 'open' or 'closed', got {status[:40]!r}."
            raise InvalidRequestError(msg)
        with self._repository.lock:
            record = self.read(number)
            if record["status"] == "merged":
                msg = f"Pull request {number} is merged; open another one."
                raise ConflictError(msg)
            if comment:
                _tell(record, author, "comment", text=comment)
            event = _tell(record, author, "status-change", status=status)
            record["status"] = status
            self._repository.write_pull(record)
        return event

    def conflicts(self, record: dict[str, Any]) -> list[str]:
        """Return the files that both an open pull request and its base changed, each in its own way."""
        if record["status"] not in OPEN:
            return []
        repository = self._repository
        old = repository.commit_at(record["base_commit"]).files
        new, ours = repository.commit_at(record["head"]).files, repository.head(record["base"]).files
        changed = {path for path in {*old, *new} if old.get(path) != new.get(path)}
        return sorted(path for path in changed if ours.get(path) not in (old.get(path), new.get(path)))

    def merge(self, number: int, author: str, comment: str = "") -> Commit:
        """Bring what a pull request changed to its base as one commit.

        Raises:
            ConflictError: it is closed or merged, or the base changed the same files.
        """
        repository = self._repository
        with repository.lock:
            record = self._opened(number)
            conflicts = self.conflicts(record)
            if conflicts:
                msg = (
                    f"Pull request {number} can not be merged: {record['base']!r} has changed the same files since, "
                    f"such as {conflicts[0]!r}. Make it again from the branch's head."
                )
                raise ConflictError(msg)
            old, new = (repository.commit_at(record[name]).files for name in ("base_commit", "head"))
            ours = repository.head(record["base"]).files
            operations: list[Operation] = [Delete(path) for path in old if path not in new and path in ours]
            operations += [Copy(path, path, new) for path in new if old.get(path) != new[path]]

            def announce(commit: Commit) -> None:
                record["merge_commit"] = commit.id
                repository.write_pull(record)

            commit = repository.commit(
                record["base"],
                operations,
                title=f"{record['title']} (#{number})",
                message=comment or record["description"],
                author=author,
                announce=announce,
            )
            if comment:
                _tell(record, author, "comment", text=comment)
            _tell(record, author, "status-change", status="merged")
            record["status"] = "merged"
            repository.write_pull(record)
        return commit

    def _new(self, start: Commit, *, base: str, author: str, title: str, description: str) -> dict[str, Any]:
        record: dict[str, Any] = {
            "number": max(self._repository.pull_numbers(), default=0) + 1,
            "title": _checked_title(title),
            "description": description,
            "author": author,
            "created_at": now(),
            "status": "draft",
            "base": base.removeprefix("refs/heads/"),
            "base_commit": start.id,
            "head": start.id,
            "merge_commit": None,
            "events": [],
        }
        _tell(record, author, "comment", text=description)
        return record

    def _add(self, record: dict[str, Any], head: Commit, payload: Payload, author: str) -> Commit:
        commit = self._repository.add_commit(
            head, payload.operations, title=payload.title, message=payload.message, author=author
        )
        record["head"] = commit.id
        _tell(record, author, "commit", subject=commit.title, oid=commit.id)
        self._repository.write_pull(record)
        return commit

    def _opened(self, number: int) -> dict[str, Any]:
        record = self.read(number)
        if record["status"] not in OPEN:
            msg = f"Pull request {number} is {record['status']}; open it again, or open another one."
            raise ConflictError(msg)
        return record

    def _is_in(self, commit_id: str, branch: str) -> bool:
        return any(commit.id == commit_id for commit in self._repository.history(self._repository.head(branch)))


def _checked_title(title: str) -> str:
    title = title.strip()
    if not title or len(title) > _MAX_TITLE:
        msg = f"The title of a pull request has 1 to {_MAX_TITLE} characters, got {len(title)}; choose another one."
        raise InvalidRequestError(msg)
    return title


def _tell(record: dict[str, Any], author: str, kind: str, **data: str) -> dict[str, Any]:
    """Add an event to a record, by the Hub's forms, and return it."""
    event_id, time = secrets.token_hex(12), now()
    content: dict[str, Any] = data
    if kind == "comment":
        latest = {"raw": data["text"], "html": "", "updatedAt": time, "author": {"name": author}}
        content = {"edited": False, "hidden": False, "latest": latest, "history": [], "numEdits": 0}
    event = {"id": event_id, "type": kind, "createdAt": time, "author": {"name": author}, "data": content}
    record["events"].append(event)
    return event
