"""What is published already: the evidence of a repository at a revision, of a folder of reports, or of a file."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalTokenNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from audits.records import Record, near_names
from hf_contrastive.errors import ContrastiveError, HubError
from hf_contrastive.release.hub import hub_api
from hf_contrastive.release.names import NAMED_REPO
from hf_contrastive.release.traffic import bounded_silence
from model_cards.documents import evidence_json
from model_cards.evidence import Evidence

_VERSION = re.compile(r"v(\d+)")
_SHOWN = 12
# huggingface_hub's errors derive from those of its HTTP client, whose module name differs between versions
FAILURES: tuple[type[Exception], ...] = (
    *(kind for kind in HfHubHTTPError.__mro__ if issubclass(kind, Exception) and kind.__name__ == "HTTPError"),
    HfHubHTTPError,
    HFValidationError,
    LocalTokenNotFoundError,
    OSError,
)
"""What a Hub that refuses, or can not be reached, raises."""


class NotPublishedError(ContrastiveError, ValueError):
    """There is no such repository, revision, folder or file, or it holds no evidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedEvidence(Record):
    """An evidence and where it was read.

    ``name`` is how people call it (``user/model@v1``, or a path as it was given). ``repo_id``, ``commit`` and ``tag``
    are those of the Hub, "" where it was read from a folder or no version is tagged there.
    """

    evidence: Evidence
    name: str
    repo_id: str = ""
    commit: str = ""
    tag: str = ""


@bounded_silence()
def read_published(repo_id: str, revision: str | None = None, *, api: Any = None) -> PublishedEvidence:
    """Read the evidence that stands in a repository of the Hub, with its digests recomputed.

    Args:
        repo_id: ``user/name``.
        revision: tag, branch or commit; default: the head of main, which is what is loaded by whoever names none.
        api: an HfApi; default: the Hub that HF_ENDPOINT names, as who is logged in.

    Raises:
        NotPublishedError: there is no such repository or revision (those there are stand in the message), or it holds
            no evidence.json.
        EvidenceError: the evidence was changed after it was written, or is of another shape.
        HubError: the Hub refused or could not be reached.
    """
    api = api or hub_api()
    at = f" at {revision}" if revision else ""
    try:
        commit = str(api.model_info(repo_id, revision=revision).sha)
        tags = version_tags(repo_id, api=api)
        with tempfile.TemporaryDirectory() as folder:
            # of the commit, not of the name: a branch may move between two requests
            path = api.hf_hub_download(repo_id, evidence_json.filename, revision=commit, cache_dir=folder)
            content = Path(path).read_bytes()
    except RevisionNotFoundError as error:
        raise NotPublishedError(no_revision(repo_id, revision, api)) from error
    except EntryNotFoundError as error:
        msg = (
            f"{repo_id}{at} holds no {evidence_json.filename}: it was not published with evidence. Name a version that "
            "was, or a folder of reports."
        )
        raise NotPublishedError(msg) from error
    except FAILURES as error:
        raise explained(error, repo_id, api) from error
    tag = next((name for name, target in reversed(tags) if target == commit), "")
    if revision is not None and (revision, commit) in tags:
        tag = revision
    named = f"{repo_id}@{tag or revision or commit[:8]}"
    # bytes that are no UTF-8 are found by the digests
    evidence = evidence_json.parse(content.decode("utf-8", "replace"), named)
    return PublishedEvidence(evidence=evidence, name=named, repo_id=repo_id, commit=commit, tag=tag)


def last_published(repo_id: str, revision: str | None = None, *, api: Any = None) -> PublishedEvidence | None:
    """Return what a new push to this repository replaces, or None where nothing is published with evidence.

    Args:
        repo_id: ``user/name``.
        revision: the branch that is pushed to; default: main.
        api: see :func:`read_published`.

    Raises:
        EvidenceError: the published evidence was changed after it was written, or is of another shape.
        HubError: the Hub refused or could not be reached.
    """
    try:
        return read_published(repo_id, revision, api=api)
    except NotPublishedError:
        return None


def version_tags(repo_id: str, *, api: Any) -> tuple[tuple[str, str], ...]:
    """Return (tag, commit) of each version v1, v2, … by number; its errors are those of ``api``."""
    found = [
        (int(match[1]), tag.name, tag.target_commit)
        for tag in api.list_repo_refs(repo_id).tags
        if (match := _VERSION.fullmatch(tag.name))
    ]
    return tuple((name, commit) for _, name, commit in sorted(found))


def read_named(told: str | Path, *, api: Any = None) -> PublishedEvidence:
    """Read the evidence that a person names: a folder of reports, an evidence.json, or ``REPO[@REVISION]``.

    A path that exists goes before a repository of that name.

    Raises:
        NotPublishedError: it is none of these, or holds no evidence.
        EvidenceError: see :func:`read_published`.
        HubError: see :func:`read_published`.
    """
    name = str(told)
    path = Path(told).expanduser()
    if path.is_dir():
        path = next((item for item in _in_folder(path) if item.is_file()), path)
        if path.is_dir():
            msg = (
                f"The folder `{name}` holds no {evidence_json.filename}; name a folder of reports, as a push or "
                "`hf-contrastive audit --out` writes it."
            )
            raise NotPublishedError(msg)
    if path.is_file():
        evidence = evidence_json.read_evidence(path)
        return PublishedEvidence(evidence=evidence, name=name)
    if not NAMED_REPO.fullmatch(name) or path.suffix == ".json":
        msg = (
            f"`{name}` is no folder, no file and no repository; name a folder of reports, an "
            f"{evidence_json.filename}, or a repository as in `user/model@v1`."
        )
        raise NotPublishedError(msg)
    repo_id, _, revision = name.partition("@")
    return read_published(repo_id, revision or None, api=api)


def _in_folder(folder: Path) -> tuple[Path, Path]:
    return folder / evidence_json.filename, folder / "report" / evidence_json.filename


def no_revision(repo_id: str, revision: str | None, api: Any) -> str:
    """Return what a user is told who names a revision that is not there, with those that are."""
    known = _names(repo_id, api)
    near = near_names([str(revision)], known)
    return f"{repo_id} has no revision `{revision}`{near}; it has {_listed(known)}. Name one of these, or a commit."


def _names(repo_id: str, api: Any) -> tuple[str, ...]:
    """Return the names of the repository's tags and branches, versions last to first."""
    try:
        refs = api.list_repo_refs(repo_id)
        versions = [name for name, _ in reversed(version_tags(repo_id, api=api))]
    except FAILURES:
        return ()
    others = [item.name for item in (*refs.tags, *refs.branches) if item.name not in versions]
    return (*versions, *others)


def _listed(names: Iterable[str]) -> str:
    known = tuple(names)
    more = f" and {len(known) - _SHOWN:,} more" if len(known) > _SHOWN else ""
    return (", ".join(known[:_SHOWN]) + more) or "none that can be listed"


def explained(error: Exception, repo_id: str, api: Any) -> ContrastiveError:
    """Return what a user is told of one of :data:`FAILURES` that reading ``repo_id`` has met."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    first = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(". ")
    if isinstance(error, GatedRepoError) or status == 403:
        return HubError(
            f"The Hub at {api.endpoint} does not let this account read the files of {repo_id} ({first}). Ask for "
            "access, or set HF_TOKEN to a token that may read it."
        )
    if isinstance(error, HFValidationError):
        return NotPublishedError(f"`{repo_id}` is no repository id ({first}); name one as in `user/model@v1`.")
    if isinstance(error, RepositoryNotFoundError) or status == 404:
        return NotPublishedError(
            f"There is no model {repo_id} on the Hub at {api.endpoint} that this account may see. Check the name, and "
            "HF_TOKEN where it is private."
        )
    if isinstance(error, LocalTokenNotFoundError) or status == 401:
        return HubError(
            f"The Hub at {api.endpoint} asks who you are before {repo_id} can be read. Log in with `hf auth login`, or "
            "set HF_TOKEN."
        )
    if status is not None:
        return HubError(
            f"The Hub at {api.endpoint} did not give {repo_id} (status {status}: {first}). Try again later."
        )
    return HubError(
        f"The Hub at {api.endpoint} can not be reached ({first}), so that what is published as {repo_id} is not "
        "known. Check the network or HF_ENDPOINT, or name a folder instead."
    )
