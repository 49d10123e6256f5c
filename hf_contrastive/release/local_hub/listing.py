"""Lists as the Hub sends them: page by page, and with the commits that last changed their items."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from hf_contrastive.release.local_hub.errors import InvalidRequestError
from hf_contrastive.release.local_hub.repositories import Repository
from hf_contrastive.release.local_hub.trees import Commit
from hf_contrastive.release.local_hub.wire import Request

_CURSOR = re.compile(r"([0-9a-f]{40})-([0-9]{1,9})")


def started(request: Request) -> tuple[str | None, int]:
    """Return the commit and the position at which a list goes on, or None and 0 for its start.

    Raises:
        InvalidRequestError: the cursor is not one that :func:`continued` made.
    """
    cursor = request.query.get("cursor", [""])[0]
    found = _CURSOR.fullmatch(cursor)
    if cursor and not found:
        msg = f"`cursor` must be one that the Hub gave, got {cursor[:80]!r}; start without one."
        raise InvalidRequestError(msg)
    return (found[1], int(found[2])) if found else (None, 0)


def continued(request: Request, commit: Commit, position: int, total: int) -> dict[str, str]:
    """Return the ``Link`` header by which a list goes on at ``position``, of the same commit, or no header."""
    if position >= total:
        return {}
    query = urlencode({**request.query, "cursor": f"{commit.id}-{position}"}, doseq=True)
    return {"Link": f'<{request.origin}{request.path}?{query}>; rel="next"'}


def listed(repository: Repository, commit: Commit, names: list[str], *, expand: bool) -> list[dict[str, Any]]:
    """Return the JSON by which the Hub lists files and folders; ``expand`` adds their last commits."""
    folders = commit.folders()
    items: list[dict[str, Any]] = [
        commit.files[name].facts(name)
        if name in commit.files
        else {"type": "directory", "oid": folders[name], "size": 0, "path": name}
        for name in names
    ]
    if expand:
        last = _last_commits(repository, commit, {item["path"]: item["oid"] for item in items})
        for item in items:
            changed = last[item["path"]]
            item["lastCommit"] = {"id": changed.id, "title": changed.title, "date": changed.created_at}
    return items


def _last_commits(repository: Repository, head: Commit, oids: Mapping[str, str]) -> dict[str, Commit]:
    """Return, for every path, the newest commit since which it has the id it has now."""
    last, open_paths = dict.fromkeys(oids, head), set(oids)
    for commit in repository.history(head):
        present = {path: entry.blob_id for path, entry in commit.files.items()} | commit.folders()
        open_paths = {path for path in open_paths if present.get(path) == oids[path]}
        if not open_paths:
            break
        last.update(dict.fromkeys(open_paths, commit))
    return last
