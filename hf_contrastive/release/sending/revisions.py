"""Tags and branches of a repository: which versions there are, and what is told of a name that is not there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from huggingface_hub.hf_api import GitRefs

from audits.records import near_names
from hf_contrastive.release.sending.faults import FAULTS
from hf_contrastive.release.sending.traffic import bounded_silence

VERSION_TAG = re.compile(r"v(\d+)")
_SHOWN = 12


def versions_in(refs: GitRefs) -> tuple[tuple[str, str], ...]:
    """Return (tag, commit) of each version v1, v2, …, by number."""
    found = [
        (int(match[1]), tag.name, str(tag.target_commit))
        for tag in refs.tags
        if (match := VERSION_TAG.fullmatch(tag.name))
    ]
    return tuple((name, commit) for _, name, commit in sorted(found))


def version_at(versions: Iterable[tuple[str, str]], commit: object) -> str:
    """Return the highest version whose tag points to ``commit``, "" where there is none."""
    return next((name for name, target in reversed(tuple(versions)) if target == commit), "")


def next_tag(refs: GitRefs) -> str:
    """Return the version after the highest that is there."""
    versions = versions_in(refs)
    return f"v{int(versions[-1][0][1:]) + 1}" if versions else "v1"


def missing_revision(repo_id: str, revision: str | None, api: Any) -> str:
    """Return that there is no such tag, branch or commit, with those that are; a clause to go on with."""
    refs = _refs(repo_id, api)
    known: list[str] = []
    if refs is not None:
        known = [name for name, _ in reversed(versions_in(refs))]
        known += [item.name for item in (*refs.tags, *refs.branches) if item.name not in known]
    near = near_names([str(revision)], known)
    return f"{repo_id} has no revision `{revision}`{near}; it has {_listed(known)}"


def missing_branch(repo_id: str, branch: str | None, api: Any) -> str:
    """Return that there is no such branch, with those that are, as a clause to go on with; "" where it is listed."""
    refs = _refs(repo_id, api)
    known = [item.name for item in refs.branches] if refs is not None else []
    if branch in known:
        return ""
    near = near_names([str(branch)], known)
    return f"{repo_id} has no branch `{branch}`{near}; its branches are {_listed(known)}"


def _refs(repo_id: str, api: Any) -> GitRefs | None:
    try:
        with bounded_silence():
            refs: GitRefs = api.list_repo_refs(repo_id)
            return refs
    except FAULTS:
        return None


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return (", ".join(names[:_SHOWN]) + more) or "none that can be listed"
