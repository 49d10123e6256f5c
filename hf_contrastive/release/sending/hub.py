"""One commit on the Hub: the plan and nothing but the plan, then a tag."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from huggingface_hub import CommitInfo, CommitOperationAdd, HfApi, ModelInfo
from huggingface_hub.errors import RevisionNotFoundError
from huggingface_hub.utils._validators import validate_repo_id

from audits.policy import Decision
from audits.records import Record
from hf_contrastive.errors import HubError
from hf_contrastive.release.plan import PlannedFile, PushPlan, is_document
from hf_contrastive.release.sending.committing import CommitError, Published, commit_plan, held_by
from hf_contrastive.release.sending.faults import FAULTS, asked, explain, is_unreachable, passes, status
from hf_contrastive.release.sending.tagging import tag
from hf_contrastive.release.sending.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class PushReceipt(Record):
    """Proof of a push: the commit, its tag, and the digests of what was published.

    ``content_digest`` is that of the evidence apart from its times, which the reports of a later push of the same
    content share. ``history_head`` names the line of the history that records this push, "" where none could be
    written. ``files`` are those of the commit, whether this push made it or found its content there already.
    """

    repo_id: str
    commit: str
    tag: str
    url: str
    plan_digest: str
    evidence_digest: str
    decision: Decision
    message: str = ""
    content_digest: str = ""
    history_head: str = ""
    files: tuple[PlannedFile, ...] = ()

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
    on_head: Callable[[ModelInfo], None] | None = None,
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
        on_head: called with the revision that the commit goes onto, where one is to be made; an exception stops the
            push.

    Pushing the same again makes no second commit: when the branch stands on one that says that it holds this evidence
    (apart from its times), only a missing tag is added. A fault in between is waited for, within bounds, and the Hub
    is asked whether the commit is there before it is sent again. Before the tag, what the Hub lists is compared with
    the plan, file by file. A commit that can not be compared or tagged is a warning in the log and a receipt whose
    ``tag`` is empty.

    Raises:
        HubError: the Hub refused or could not be reached; the branch is the old head or the complete new commit, and
            the message says which, or that it is not known. A repository that was made for the push stays, empty,
            and is named.
    """
    try:
        validate_repo_id(plan.repo_id)
    except ValueError as error:
        raise HubError(explain(error, plan.repo_id, api)) from error
    # what changed behind the gate shows before a repository is made
    additions = [_addition(item, sources[item.path]) for item in plan.files]
    _require_user(api, plan.repo_id)
    target = Target(api=api, repo_id=plan.repo_id, revision=revision)
    repository = _Repository(target)
    try:
        repository.make(private)
        made = repository.state == "made"
        # other branches than main do not come with a repository
        target = replace(target, fresh=made and revision in (None, "main"))
        head = target.info(revision)
        published = None if made else held_by(target, plan, head)
    except FAULTS as error:
        raise HubError(repository.explain(error)) from error
    if published is None:
        if on_head is not None:
            on_head(head)
        try:
            published = commit_plan(target, plan, additions, head=head, message=commit_message)
        except CommitError as error:
            msg = f"{error}{repository.left(empty=error.outcome == 'absent')}"
            raise HubError(msg) from error.__cause__
    anchor = f"\nhistory {history_head}" if history_head else ""
    return PushReceipt(
        repo_id=plan.repo_id,
        commit=published.commit,
        tag=tag(target, plan, sources, published, f"evidence {published.evidence_digest}{anchor}"),
        url=f"{api.endpoint}/{plan.repo_id}/commit/{published.commit}",
        plan_digest=published.plan_digest,
        evidence_digest=published.evidence_digest,
        decision=decision,
        message=published.title,
        content_digest=plan.content_digest,
        files=_files(plan, published),
    )


def _files(plan: PushPlan, published: Published) -> tuple[PlannedFile, ...]:
    """Return the files of the commit: its documents are others than the plan's where it was made at another time."""
    if published.plan_digest == plan.digest:
        return plan.files
    model = tuple(item for item in plan.files if not is_document(item.path))
    return (*model, *(published.documents or ()))


def require_hub(api: HfApi, repo_id: str) -> None:
    """Ask the Hub who is asking.

    Raises:
        HubError: it does not answer, or does not know.
    """
    try:
        _user(api)
    except FAULTS as error:
        raise HubError(explain(error, repo_id, api)) from error


def full_repo_id(api: HfApi, repo_id: str) -> str:
    """Put the user before a name without one, as the Hub does; without a valid token the name stays as it is.

    Documents name the repository, and a bare name can not be loaded.
    """
    if "/" in repo_id or not repo_id:
        return repo_id
    try:
        return f"{_user(api)}/{repo_id}"
    except FAULTS:
        # the push itself tells what is wrong, after the gate has spoken
        return repo_id


def _user(api: HfApi) -> str:
    return asked(lambda: str(api.whoami()["name"]), first=True)


def _require_user(api: HfApi, repo_id: str) -> None:
    if "/" not in repo_id:
        require_hub(api, repo_id)
        msg = (
            f"The repository {repo_id} has no user in its name, since the Hub at {api.endpoint} did not say who is "
            f"asking when the documents were written; nothing was published. Push again, or name it user/{repo_id}."
        )
        raise HubError(msg)


@dataclass(slots=True)
class _Repository:
    """The repository of a push, and what is known of whether the push made it."""

    target: Target
    state: Literal["there", "made", "perhaps made", "perhaps there"] = "there"
    refusal: Exception | None = None

    def make(self, private: bool | None) -> None:
        """Make it unless it is there."""

        def make() -> None:
            try:
                self.target.api.create_repo(self.target.repo_id, private=private)
            except FAULTS as error:
                if passes(error) and not is_unreachable(error):
                    # it may have been made, and the answer lost
                    self.state = "perhaps there"
                raise

        try:
            asked(make, first=True)
            self.state = "made"
        except FAULTS as error:
            # a token for one repository may write it and yet make none
            if status(error) not in (403, 409):
                raise
            self.state = "perhaps made" if self.state == "perhaps there" else "there"
            self.refusal = error

    def explain(self, error: Exception) -> str:
        """Say what went wrong when it was looked at, and what stays of it."""
        missing = status(error) == 404 and not isinstance(error, RevisionNotFoundError)
        if missing and self.refusal is not None and status(self.refusal) == 403:
            # it is not there, and may not be made: that is what to repair
            error = self.refusal
        elif missing and self.state == "made":
            self.state = "perhaps there"
        return self.target.explain(error) + self.left()

    def left(self, *, empty: bool = True) -> str:
        """Say what stays of it after a push that failed."""
        repo_id = self.target.repo_id
        told = {
            "there": "",
            "made": f" The {'empty ' if empty else ''}repository {repo_id} was created and stays.",
            "perhaps made": f" The repository {repo_id} is there; this push may have created it.",
            "perhaps there": f" Whether the repository {repo_id} was created is not known.",
        }
        return told[self.state]


def _addition(item: PlannedFile, source: Path | bytes) -> CommitOperationAdd:
    addition = CommitOperationAdd(path_in_repo=item.path, path_or_fileobj=source)
    if addition.upload_info.sha256.hex() != item.sha256:
        # the gate looked at other bytes than these
        msg = f"{item.path} changed while it was being published; nothing was published. Push again."
        raise HubError(msg)
    return addition


def hub_api(*, token: str | None = None, endpoint: str | None = None) -> Any:
    """Return an HfApi that says who calls."""
    return HfApi(endpoint=endpoint, token=token, library_name="hf-contrastive")
