"""Which version does the branch hold? Looked at before the gate, and held against the head before the commit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hf_contrastive.errors import HubError
from hf_contrastive.release.contents.suffixes import OTHER_WEIGHTS, PICKLES
from hf_contrastive.release.plan import is_document, is_replaced
from hf_contrastive.release.sending.faults import FAULTS
from hf_contrastive.release.sending.revisions import version_at, versions_in
from hf_contrastive.release.sending.target import Target
from hf_contrastive.release.versioning.published import PublishedVersion, explained, last_published
from model_cards.documents import evidence_json
from model_cards.errors import EvidenceError

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What looking at the branch gave: the version that it holds, None where there is none, or why it is not known.

    The version has no evidence where that can not be used, is gone, or where a model was put there by other means.
    """

    seen: PublishedVersion | None = None
    problem: str = ""


def look_at_published(repo_id: str, *, api: Any, revision: str | None = None) -> Looked:
    """Look which version the branch holds; a Hub that does not answer is no error here.

    The push itself tells that, after the gate has spoken, and refuses to replace a version that was not seen.

    Args:
        repo_id: ``user/name``.
        api: an HfApi.
        revision: the branch; default: main.
    """
    try:
        found = last_published(repo_id, revision, api=api)
    except EvidenceError:
        return _without_evidence(repo_id, api=api, revision=revision, told=True)
    except HubError as error:
        return Looked(problem=str(error))
    return Looked(seen=found) if found is not None else _without_evidence(repo_id, api=api, revision=revision)


def _without_evidence(repo_id: str, *, api: Any, revision: str | None, told: bool = False) -> Looked:
    """Look for a version whose evidence is gone, was changed, or that was never published with any.

    Args:
        repo_id: ``user/name``.
        api: an HfApi.
        revision: the branch.
        told: whether an evidence.json that can not be used lies there.
    """
    target = Target(api=api, repo_id=repo_id, revision=revision)
    try:
        info = target.info(revision, first=True)
        tags = versions_in(target.refs())
    except FAULTS as error:
        why = explained(error, repo_id, api, branch=target.branch)
        return Looked(problem=str(why)) if isinstance(why, HubError) else Looked()
    if not told and not tags and not _holds_model(info):
        return Looked()
    commit = str(info.sha)
    tag = version_at(tags, commit)
    name = f"{repo_id}@{tag or commit[:8]}"
    return Looked(seen=PublishedVersion(name=name, repo_id=repo_id, commit=commit, tag=tag))


def _holds_model(info: ModelInfo) -> bool:
    """Whether a revision holds files of a model, whoever put them there."""
    paths = [item.rfilename for item in info.siblings or []]
    return any(
        (is_replaced(path) and not is_document(path))
        or path.lower().endswith((*PICKLES, *OTHER_WEIGHTS, ".safetensors"))
        for path in paths
    )


def require_seen(head: ModelInfo, *, repo_id: str, looked: Looked) -> None:
    """Refuse to replace a version that nothing was compared with.

    Args:
        head: the revision that the commit would go onto.
        repo_id: of the push.
        looked: what was there before the gate.

    Raises:
        HubError: ``head`` holds another version.
    """
    seen = looked.seen
    holds_version = any(item.rfilename == evidence_json.filename for item in head.siblings or []) or _holds_model(head)
    if not holds_version or (seen is not None and seen.commit == head.sha):
        return
    if looked.problem:
        msg = (
            f"A version is published as {repo_id}, and it could not be looked at before "
            f"({looked.problem.rstrip('.')}), so that nothing was compared with it; nothing was changed. Push again, "
            "which compares."
        )
        raise HubError(msg)
    other = f"this one was compared with commit {seen.commit[:8]}" if seen is not None else "none was seen"
    msg = (
        f"Another version was published to {repo_id} meanwhile (commit {str(head.sha)[:8]}; {other}); nothing was "
        "changed. Push again, which compares again."
    )
    raise HubError(msg)
