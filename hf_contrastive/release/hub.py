"""One commit on the Hub: the plan and nothing but the plan, then a tag."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import CommitInfo, CommitOperationAdd, CommitOperationDelete, GitCommitInfo, HfApi
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError, RevisionNotFoundError
from huggingface_hub.utils._validators import validate_repo_id

from audits.policy import Decision
from audits.records import Record
from hf_contrastive.errors import HubError
from hf_contrastive.release.plan import PlannedFile, PushPlan, is_replaced

# huggingface_hub's errors derive from those of its HTTP client, whose module name differs between versions
_REFUSALS: tuple[type[Exception], ...] = (
    *(kind for kind in HfHubHTTPError.__mro__ if issubclass(kind, Exception) and kind.__name__ == "HTTPError"),
    HfHubHTTPError,
    LocalTokenNotFoundError,
    ConnectionError,
    ValueError,
)
_VERSION_TAG = re.compile(r"v(\d+)")
_TAG_ATTEMPTS = 5
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PushReceipt(Record):
    """Proof of a push: the commit, its tag, and the digests of what was published.

    ``history_head`` names the line of the history that records this push, "" where none could be written.
    """

    repo_id: str
    commit: str
    tag: str
    url: str
    plan_digest: str
    evidence_digest: str
    decision: Decision
    message: str = ""
    history_head: str = ""

    def commit_info(self) -> CommitInfo:
        """Return what ``Trainer.push_to_hub`` returns."""
        return CommitInfo(
            commit_url=self.url,
            commit_message=self.message,
            commit_description="",
            oid=self.commit,
            # without it, only URLs of the Hub that HF_ENDPOINT names are understood
            _endpoint=self.url.partition(f"/{self.repo_id}/commit/")[0] or None,
        )


def push_plan(
    plan: PushPlan,
    sources: Mapping[str, Path | bytes],
    *,
    api: HfApi,
    commit_message: str,
    revision: str | None = None,
    private: bool | None = None,
    decision: Decision = "pass",
    history_head: str = "",
) -> PushReceipt:
    """Publish the plan in one commit on the current head, then tag it v1, v2, ….

    The same commit deletes files of an earlier version that are not in the plan, so that no stale weights,
    configs, tokenizers or adapters are loaded with the new ones: what
    :data:`~hf_contrastive.release.plan.MODEL_FILES` and the documents name. All other files of the repository
    stay as they are. A concurrent commit makes this one fail, unchanged.

    Args:
        plan: passed the gate.
        sources: content of each planned file.
        api: with endpoint and token.
        commit_message: of the commit.
        revision: branch; default: main.
        private: make a new repository private.
        decision: recorded in the receipt.
        history_head: the last line of the history before this push, for the message of the tag: an anchor outside of
            the history against its being cut or written anew.

    Pushing the same again makes no second commit: when the head of the branch says that it holds this evidence
    (apart from its times), only a missing tag is added. A commit that can not be tagged is a warning in the log
    and a receipt whose ``tag`` is empty.

    Raises:
        HubError: the Hub refused or could not be reached; the branch is the old head or the complete new commit.
            A repository that was made for the push stays, empty, and is named.
    """
    try:
        validate_repo_id(plan.repo_id)
    except _REFUSALS as error:
        raise HubError(_explain(error, plan.repo_id, api)) from error
    # what changed behind the gate shows before a repository is made
    additions = [_addition(item, sources[item.path]) for item in plan.files]
    repo_id, made, committing = plan.repo_id, False, False
    try:
        repo_id, made = _repository(api, plan.repo_id, private)
        head = api.model_info(repo_id, revision=revision)
        held = None if made else _held_by(api, repo_id, plan, revision)
        if held is not None:
            url = f"{api.endpoint}/{repo_id}/commit/{held.commit_id}"
            commit, evidence_digest, plan_digest = held.commit_id, *_digests(held.message)
        else:
            committing = True
            present = {item.rfilename for item in head.siblings or []} - {item.path for item in plan.files}
            stale = sorted(path for path in present if is_replaced(path))
            info = api.create_commit(
                repo_id,
                operations=[*additions, *(CommitOperationDelete(path) for path in stale)],
                commit_message=commit_message,
                commit_description=_description(plan),
                parent_commit=head.sha,
                revision=revision,
            )
            commit, url, evidence_digest, plan_digest = info.oid, info.commit_url, plan.evidence_digest, plan.digest
    except _REFUSALS as error:
        # after a conflict or a lost connection it need not be empty
        empty = "" if committing and _status(error) in (None, 412) and not isinstance(error, ValueError) else "empty "
        left = f" The {empty}repository {repo_id} was created and stays." if made else ""
        raise HubError(_explain(error, repo_id, api, committing=committing) + left) from error
    anchor = f"\nhistory {history_head}" if history_head else ""
    return PushReceipt(
        repo_id=repo_id,
        commit=commit,
        tag=_tag(api, repo_id, commit, f"evidence {evidence_digest}{anchor}"),
        url=url,
        plan_digest=plan_digest,
        evidence_digest=evidence_digest,
        decision=decision,
        message=held.title if held is not None else commit_message,
    )


def require_hub(api: HfApi, repo_id: str) -> None:
    """Ask the Hub who is asking.

    Raises:
        HubError: it does not answer, or does not know.
    """
    try:
        api.whoami()
    except _REFUSALS as error:
        raise HubError(_explain(error, repo_id, api)) from error


def full_repo_id(api: HfApi, repo_id: str) -> str:
    """Put the user before a name without one, as the Hub does; without a valid token the name stays as it is.

    Documents name the repository, and a bare name can not be loaded.
    """
    if "/" in repo_id or not repo_id:
        return repo_id
    try:
        name = api.whoami()["name"]
    except _REFUSALS:
        # the push itself tells what is wrong, after the gate has spoken
        return repo_id
    return f"{name}/{repo_id}"


def _repository(api: HfApi, repo_id: str, private: bool | None) -> tuple[str, bool]:
    """Return the full id of the repository, made if missing, and whether it was."""
    try:
        return api.create_repo(repo_id, private=private).repo_id, True
    except HfHubHTTPError as error:
        # a token for one repository may write it and yet make none
        if _status(error) not in (403, 409):
            raise
    return api.create_repo(repo_id, private=private, exist_ok=True).repo_id, False


def _description(plan: PushPlan) -> str:
    lines = [f"evidence {plan.evidence_digest}", f"plan {plan.digest}"]
    return "\n".join([*lines, f"content {plan.content_digest}"] if plan.content_digest else lines)


def _digests(message: str) -> tuple[str, str]:
    told = dict(line.split(" ", 1) for line in message.splitlines() if " " in line)
    return told.get("evidence", ""), told.get("plan", "")


def _held_by(api: HfApi, repo_id: str, plan: PushPlan, revision: str | None) -> GitCommitInfo | None:
    """Return the head of the branch if it is a commit of this very content."""
    head = next(iter(api.list_repo_commits(repo_id, revision=revision)), None)
    if head is None:
        return None
    wanted = {f"evidence {plan.evidence_digest}"} | (
        {f"content {plan.content_digest}"} if plan.content_digest else set()
    )
    return head if wanted.intersection(head.message.splitlines()) else None


def _addition(item: PlannedFile, source: Path | bytes) -> CommitOperationAdd:
    addition = CommitOperationAdd(path_in_repo=item.path, path_or_fileobj=source)
    if addition.upload_info.sha256.hex() != item.sha256:
        # the gate looked at other bytes than these
        msg = f"{item.path} changed while it was being published; nothing was published. Push again."
        raise HubError(msg)
    return addition


def _tag(api: HfApi, repo_id: str, commit: str, message: str) -> str:
    """Tag the commit with the next free version, unless it has one; another push may take a number first.

    The commit is published whether or not it can be tagged: then the tag is empty, and a warning says how to add it.
    """
    try:
        for attempt in range(_TAG_ATTEMPTS):
            tags = api.list_repo_refs(repo_id).tags
            mine = [tag.name for tag in tags if tag.target_commit == commit and _VERSION_TAG.fullmatch(tag.name)]
            if mine:
                return mine[-1]
            tag = _next_tag([tag.name for tag in tags])
            try:
                api.create_tag(repo_id, tag=tag, revision=commit, tag_message=message)
            except HfHubHTTPError as error:
                if _status(error) != 409 or attempt == _TAG_ATTEMPTS - 1:
                    raise
            else:
                return tag
    except _REFUSALS as error:
        _logger.warning(
            "The commit %s is on %s, complete, but it could not be tagged: %s. Push the same again to tag it, or run "
            "`hf repos tag create %s vN --revision %s`.",
            commit,
            repo_id,
            _first_line(error),
            repo_id,
            commit,
        )
    return ""


def _next_tag(names: list[str]) -> str:
    numbers = [int(match.group(1)) for name in names if (match := _VERSION_TAG.fullmatch(name))]
    return f"v{max(numbers, default=0) + 1}"


def _explain(error: Exception, repo_id: str, api: HfApi, *, committing: bool = False) -> str:
    status, first = _status(error), _first_line(error)
    if isinstance(error, LocalTokenNotFoundError) or status == 401:
        return (
            f"The Hub at {api.endpoint} asks who you are before {repo_id} can be written: no valid token was sent. "
            "Log in with `hf auth login` or set HF_TOKEN to a token with write permission."
        )
    if status == 403:
        return f"The token may not write {repo_id} at {api.endpoint} ({first}). Use one with write permission for it."
    if status == 412:
        return f"Somebody committed to {repo_id} meanwhile; nothing was changed. Push again."
    if isinstance(error, RevisionNotFoundError):
        return f"{repo_id} at {api.endpoint} has no such branch; nothing was published. Make it first, or push to main."
    if status is None and not isinstance(error, ValueError):
        outcome = (
            f"whether the commit to {repo_id} arrived is not known: look at its history before pushing again"
            if committing
            else "nothing was published"
        )
        return (
            f"The Hub at {api.endpoint} can not be reached ({first}); {outcome}. Check the network or "
            "HF_ENDPOINT, or rehearse with `hf-contrastive hub serve DIR`."
        )
    return f"The Hub at {api.endpoint} refused the push to {repo_id}: {first}. Nothing was published."


def _status(error: Exception) -> int | None:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(". ")


def hub_api(*, token: str | None = None, endpoint: str | None = None) -> Any:
    """Return an HfApi that says who calls."""
    return HfApi(endpoint=endpoint, token=token, library_name="hf-contrastive")
