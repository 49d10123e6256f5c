"""Which version does the branch hold? Looked at before the gate, and held against the head before the commit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from huggingface_hub.errors import RevisionNotFoundError

from hf_contrastive.errors import HubError
from hf_contrastive.release.faults import Patience, is_unreachable, passes
from hf_contrastive.release.plan import is_document, is_replaced
from hf_contrastive.release.published import FAILURES, NotPublishedError, explained, last_published, version_tags
from hf_contrastive.release.traffic import bounded_silence
from model_cards.documents import evidence_json
from model_cards.errors import EvidenceError
from model_cards.evidence import Evidence

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo

_T = TypeVar("_T")
# what other libraries keep weights in; what this one does is known to the plan
_WEIGHTS = (".bin", ".h5", ".msgpack", ".onnx", ".pt", ".pth", ".safetensors")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The version that is published, as it was seen before the gate.

    ``evidence`` is None where it can not be read, is gone, or where a model was put there by other means.
    """

    repo_id: str
    commit: str
    tag: str
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What looking at the branch gave: the version that it holds, None where there is none, or why it is not known."""

    seen: Seen | None = None
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
        found = patiently(lambda: last_published(repo_id, revision, api=api))
    except EvidenceError:
        return _without_evidence(repo_id, api=api, revision=revision, told=True)
    except HubError as error:
        return Looked(problem=str(error))
    except NotPublishedError:
        return Looked()
    if found is None:
        return _without_evidence(repo_id, api=api, revision=revision)
    return Looked(seen=Seen(repo_id=repo_id, commit=found.commit, tag=found.tag, evidence=found.evidence))


def patiently(call: Callable[[], _T]) -> _T:
    """Repeat what reads the Hub while its faults pass; where nobody listens, that is told at once.

    Raises:
        HubError: it does not pass.
    """
    patience = Patience()
    while True:
        try:
            with bounded_silence():
                return call()
        except HubError as error:
            faults = list(_causes(error))
            fault = next((item for item in faults if passes(item)), None)
            if fault is None or any(map(is_unreachable, faults)) or not patience.allows(fault):
                raise


def _causes(error: BaseException) -> Iterator[Exception]:
    cause = error.__cause__
    while isinstance(cause, Exception):
        yield cause
        cause = cause.__cause__


def _without_evidence(repo_id: str, *, api: Any, revision: str | None, told: bool = False) -> Looked:
    """Look for a version whose evidence is gone, was changed, or that was never published with any.

    Args:
        repo_id: ``user/name``.
        api: an HfApi.
        revision: the branch.
        told: whether an evidence.json that can not be used lies there.
    """
    try:
        info = patiently(lambda: _answer(repo_id, api, lambda: api.model_info(repo_id, revision=revision)))
        tags = patiently(lambda: _answer(repo_id, api, lambda: version_tags(repo_id, api=api)))
    except NotPublishedError:
        return Looked()
    except HubError as error:
        return Looked(problem=str(error))
    if not told and not tags and not _holds_model(info):
        return Looked()
    tag = next((name for name, target in reversed(tags) if target == info.sha), "")
    return Looked(seen=Seen(repo_id=repo_id, commit=str(info.sha), tag=tag))


def _answer(repo_id: str, api: Any, call: Callable[[], _T]) -> _T:
    try:
        return call()
    except RevisionNotFoundError as error:
        msg = f"{repo_id} has no such branch."
        raise NotPublishedError(msg) from error
    except FAILURES as error:
        raise explained(error, repo_id, api) from error


def _holds_model(info: ModelInfo) -> bool:
    """Whether a revision holds files of a model, whoever put them there."""
    paths = [item.rfilename for item in info.siblings or []]
    return any((is_replaced(path) and not is_document(path)) or path.endswith(_WEIGHTS) for path in paths)


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
