"""One commit on the Hub: the plan and nothing but the plan, then a tag."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import CommitInfo, CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError
from huggingface_hub.utils._validators import validate_repo_id

from audits.policy import Decision
from audits.records import Record
from hf_contrastive.errors import HubError
from hf_contrastive.release.plan import PushPlan

# huggingface_hub's errors derive from those of its HTTP client, whose module name differs between versions
_REFUSALS: tuple[type[Exception], ...] = (
    *(kind for kind in HfHubHTTPError.__mro__ if issubclass(kind, Exception) and kind.__name__ == "HTTPError"),
    HfHubHTTPError,
    LocalTokenNotFoundError,
    ConnectionError,
    ValueError,
)
_KEPT_ON_HUB = (".gitattributes",)
_VERSION_TAG = re.compile(r"v(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class PushReceipt(Record):
    """Proof of a push: the commit, its tag, and the digests of what was published."""

    repo_id: str
    commit: str
    tag: str
    url: str
    plan_digest: str
    evidence_digest: str
    decision: Decision
    message: str = ""

    def commit_info(self) -> CommitInfo:
        """Return what ``Trainer.push_to_hub`` returns."""
        return CommitInfo(commit_url=self.url, commit_message=self.message, commit_description="", oid=self.commit)


def push_plan(
    plan: PushPlan,
    sources: Mapping[str, Path | bytes],
    *,
    api: HfApi,
    commit_message: str,
    revision: str | None = None,
    private: bool | None = None,
    decision: Decision = "pass",
) -> PushReceipt:
    """Publish the plan in one commit on the current head, then tag it v1, v2, ….

    Files of the repository that are not in the plan are deleted by the same commit, so that no weights of
    an earlier version stay beside the new ones. A concurrent commit makes this one fail, unchanged.

    Args:
        plan: passed the gate.
        sources: content of each planned file.
        api: with endpoint and token.
        commit_message: of the commit.
        revision: branch; default: main.
        private: make a new repository private.
        decision: recorded in the receipt.

    Raises:
        HubError: the Hub refused or could not be reached; main is the old head or the complete new commit.
    """
    try:
        validate_repo_id(plan.repo_id)
        repo_id = api.create_repo(plan.repo_id, private=private, exist_ok=True).repo_id
        head = api.model_info(repo_id, revision=revision)
        present = {item.rfilename for item in head.siblings or []}
        additions = [_addition(item.path, sources[item.path]) for item in plan.files]
        stale = sorted(present - {item.path for item in plan.files} - set(_KEPT_ON_HUB))
        commit = api.create_commit(
            repo_id,
            operations=[*additions, *(CommitOperationDelete(path) for path in stale)],
            commit_message=commit_message,
            commit_description=f"evidence {plan.evidence_digest}\nplan {plan.digest}",
            parent_commit=head.sha,
            revision=revision,
        )
        tag = _next_tag(api, repo_id)
        api.create_tag(repo_id, tag=tag, revision=commit.oid, tag_message=f"evidence {plan.evidence_digest}")
    except _REFUSALS as error:
        raise HubError(_explain(error, plan.repo_id, api)) from error
    return PushReceipt(
        repo_id=repo_id,
        commit=commit.oid,
        tag=tag,
        url=commit.commit_url,
        plan_digest=plan.digest,
        evidence_digest=plan.evidence_digest,
        decision=decision,
        message=commit_message,
    )


def _addition(path: str, source: Path | bytes) -> CommitOperationAdd:
    return CommitOperationAdd(path_in_repo=path, path_or_fileobj=source)


def _next_tag(api: HfApi, repo_id: str) -> str:
    names = [tag.name for tag in api.list_repo_refs(repo_id).tags]
    numbers = [int(match.group(1)) for name in names if (match := _VERSION_TAG.fullmatch(name))]
    return f"v{max(numbers, default=0) + 1}"


def _explain(error: Exception, repo_id: str, api: HfApi) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if isinstance(error, LocalTokenNotFoundError) or status == 401:
        return (
            f"The Hub at {api.endpoint} asks who you are before {repo_id} can be written: no valid token was sent. "
            "Log in with `hf auth login` or set HF_TOKEN to a token with write permission."
        )
    if status == 403:
        return f"The token may not write {repo_id} at {api.endpoint} ({first}). Use one with write permission for it."
    if status == 412:
        return f"Somebody committed to {repo_id} meanwhile; nothing was changed. Push again."
    if status is None and not isinstance(error, ValueError):
        return (
            f"The Hub at {api.endpoint} can not be reached ({first}); nothing was published. Check the network or "
            "HF_ENDPOINT, or rehearse with `hf-contrastive hub serve DIR`."
        )
    return f"The Hub at {api.endpoint} refused the push to {repo_id}: {first}"


def hub_api(*, token: str | None = None, endpoint: str | None = None) -> Any:
    """Return an HfApi that says who calls."""
    return HfApi(endpoint=endpoint, token=token, library_name="hf-contrastive")
