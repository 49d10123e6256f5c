"""What is published already: the evidence of a repository at a revision, of a folder of reports, or of a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HFValidationError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from audits.records import Record
from hf_contrastive.errors import ContrastiveError, HubError
from hf_contrastive.release.contents.names import NAMED_REPO
from hf_contrastive.release.sending.faults import (
    FAULTS,
    first_line,
    is_login_refused,
    is_lost,
    is_unreadable,
    root_of,
    status,
)
from hf_contrastive.release.sending.hub import hub_api
from hf_contrastive.release.sending.revisions import missing_branch, missing_revision, version_at, versions_in
from hf_contrastive.release.sending.target import Target
from model_cards.documents import evidence_json
from model_cards.evidence import Evidence


class NotPublishedError(ContrastiveError, ValueError):
    """There is no such repository, revision, folder or file, or it holds no evidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedVersion(Record):
    """What is published, and where: a version whose evidence is None where it can not be used, or there is none.

    ``name`` is how people call it (``user/model@v1``, or a path as it was given). ``repo_id``, ``commit`` and ``tag``
    are those of the Hub, "" where it was read from a folder or no version is tagged there.
    """

    name: str
    repo_id: str = ""
    commit: str = ""
    tag: str = ""
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedEvidence(PublishedVersion):
    """A version with its evidence."""

    evidence: Evidence


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
    target = Target(api=api or hub_api(), repo_id=repo_id, revision=revision)
    try:
        info = target.info(revision, first=True)
        tags = versions_in(target.refs())
        # of the commit, not of the name: a branch may move between two requests
        content = target.file(info, evidence_json.filename)
    except EntryNotFoundError as error:
        at = f" at {revision}" if revision else ""
        msg = (
            f"{repo_id}{at} holds no {evidence_json.filename}: it was not published with evidence. Name a version that "
            "was, or a folder of reports."
        )
        raise NotPublishedError(msg) from error
    except FAULTS as error:
        raise explained(error, repo_id, target.api, revision=revision) from error
    commit = str(info.sha)
    tag = version_at(tags, commit)
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


def explained(
    error: Exception, repo_id: str, api: Any, *, revision: str | None = None, branch: str | None = None
) -> ContrastiveError:
    """Return what a user is told of one of ``FAULTS`` that reading ``repo_id`` has met.

    Args:
        error: what was raised.
        repo_id: of the repository.
        api: with the endpoint.
        revision: the tag, branch or commit that was asked for.
        branch: the branch that was asked for, where nothing but one will do.
    """
    root, answered, first = root_of(error), status(error), first_line(error)
    if isinstance(root, RevisionNotFoundError) and branch and (told := missing_branch(repo_id, branch, api)):
        return NotPublishedError(f"{told}. Name one of these.")
    if isinstance(root, RevisionNotFoundError) and revision:
        return NotPublishedError(f"{missing_revision(repo_id, revision, api)}. Name one of these, or a commit.")
    if isinstance(root, GatedRepoError) or answered == 403:
        return HubError(
            f"The Hub at {api.endpoint} does not let this account read the files of {repo_id} ({first}). Ask for "
            "access, or set HF_TOKEN to a token that may read it."
        )
    if isinstance(root, HFValidationError):
        return NotPublishedError(f"`{repo_id}` is no repository id ({first}); name one as in `user/model@v1`.")
    if isinstance(root, RepositoryNotFoundError) or (answered == 404 and not isinstance(root, RevisionNotFoundError)):
        return NotPublishedError(
            f"There is no model {repo_id} on the Hub at {api.endpoint} that this account may see. Check the name, and "
            "HF_TOKEN where it is private."
        )
    if is_login_refused(error):
        return HubError(
            f"The Hub at {api.endpoint} asks who you are before {repo_id} can be read. Log in with `hf auth login`, or "
            "set HF_TOKEN."
        )
    if answered is not None:
        return HubError(
            f"The Hub at {api.endpoint} did not give {repo_id} (status {answered}: {first}). Try again later."
        )
    unknown = f"so that what is published as {repo_id} is not known"
    if is_lost(root):
        return HubError(
            f"The Hub at {api.endpoint} can not be reached ({first}), {unknown}. Check the network or HF_ENDPOINT, or "
            "name a folder instead."
        )
    if isinstance(root, OSError) and not is_unreadable(root):
        return HubError(
            f"Files of {repo_id} can not be kept on this machine ({first}). Make room, or set HF_HOME to a folder that "
            "can be written, and try again."
        )
    return HubError(
        f"What answers at {api.endpoint} is no Hub, or something between ({first}), {unknown}. Check HF_ENDPOINT and "
        "the network's proxy, or name a folder instead."
    )
