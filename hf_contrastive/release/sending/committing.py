"""One commit of a plan, made at most once: after a fault the Hub is asked before anything is sent again.

Repeating a commit blindly would be wrong, since one whose answer was lost may be there. Repeating it after having
looked is safe even if the lost one still arrives: both name the same parent, and the Hub takes only one of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, ModelInfo

from hf_contrastive.errors import HubError
from hf_contrastive.release.plan import PlannedFile, PushPlan, is_replaced
from hf_contrastive.release.recognition import documents_of_push
from hf_contrastive.release.sending.actions import Outcome, sentence
from hf_contrastive.release.sending.arrival import same_files
from hf_contrastive.release.sending.faults import (
    FAULTS,
    Patience,
    UnreadableAnswerError,
    is_refused,
    may_be_commit,
    unread,
)
from hf_contrastive.release.sending.target import COMMIT_ID, Target
from hf_contrastive.release.sending.traffic import Traffic, bounded_silence


class CommitError(HubError):
    """The commit was not made, as far as is known: ``outcome`` says how far."""

    def __init__(self, message: str, outcome: Outcome) -> None:
        super().__init__(message)
        self.outcome = outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A commit of a plan that is on the Hub; ``found`` if it was there already, perhaps with other times.

    ``documents`` are those of the commit, where they were read there since they may be others than the plan's.
    """

    commit: str
    title: str
    evidence_digest: str
    plan_digest: str
    found: bool = False
    documents: tuple[PlannedFile, ...] | None = None


def description(plan: PushPlan, note: str = "") -> str:
    """Return the lines of a commit's message by which it is recognised, and a ``note``."""
    lines = [f"evidence {plan.evidence_digest}", f"plan {plan.digest}"]
    lines += [f"content {plan.content_digest}"] if plan.content_digest else []
    return "\n".join([*lines, note] if note else lines)


def held_by(target: Target, plan: PushPlan, head: ModelInfo) -> Published | None:
    """Return the commit of this very content that the branch stands on.

    That is its head, or a commit below whose files nobody has changed since: what others added on top is theirs. Its
    message names it; that it is one is seen from its evidence, the documents that follow from it, and the model files.
    """
    commits = target.commits()
    found = next((commit for commit in commits if _holds(commit, plan)), None)
    if found is None or (found is not commits[0] and not same_files(plan, head, target.info(found["id"]))):
        return None
    if {item.path for item in plan.files} - {item.rfilename for item in head.siblings or []}:
        # something was left out of it, as a .gitignore does; the message alone is no proof
        return None
    published = _published(found)
    there = documents_of_push(target, head, plan, told=published.evidence_digest)
    return replace(published, documents=there) if there is not None else None


def replaced_files(plan: PushPlan, head: ModelInfo) -> tuple[str, ...]:
    """Return what a commit of the plan on ``head`` deletes: files of an earlier version that the plan has not."""
    present = {item.rfilename for item in head.siblings or []} - {item.path for item in plan.files}
    return tuple(sorted(path for path in present if is_replaced(path)))


def commit_plan(
    target: Target,
    plan: PushPlan,
    additions: Sequence[CommitOperationAdd | CommitOperationCopy],
    *,
    head: ModelInfo,
    message: str,
    note: str = "",
) -> Published:
    """Commit the plan on ``head``, and delete there what it replaces.

    Args:
        target: where to.
        plan: what is committed.
        additions: its files, sent or copied.
        head: the branch as it is.
        message: the commit's title.
        note: more lines of the commit's message.

    Raises:
        CommitError: the Hub refused, did not answer, or somebody else committed; the message says what is known of
            the commit.
    """
    stale = [CommitOperationDelete(path) for path in replaced_files(plan, head)]
    patience, sent = Patience(), False
    while True:
        traffic = Traffic()
        try:
            with bounded_silence() as traffic:
                info = target.api.create_commit(
                    target.repo_id,
                    operations=[*additions, *stale],
                    commit_message=message,
                    commit_description=description(plan, note),
                    parent_commit=head.sha,
                    revision=target.revision,
                )
            if COMMIT_ID.fullmatch(str(info.oid)):
                break
            msg = f"it named {str(info.oid)[:60]!r} as the commit"
            raise UnreadableAnswerError(msg)
        except FAULTS as fault:
            error, lost = unread(fault, traffic), may_be_commit(fault, traffic)
            found = _after(target, plan, head, error, sent=sent) if lost or sent else None
            sent = sent or (lost and not is_refused(error))
            if found is not None:
                return found
            # huggingface_hub takes what it believes to be committed no second time
            if isinstance(fault, UnreadableAnswerError) or not patience.allows(error, fresh=target.fresh):
                raise _failed(error, target, "not seen" if sent else "absent") from fault
    if info.oid == head.sha:
        # nothing differed, so none was made: it is below, or somebody uploaded the same files
        below = next((commit for commit in target.commits() if _holds(commit, plan)), None)
        if below is not None:
            return _published(below)
    return Published(commit=info.oid, title=message, evidence_digest=plan.evidence_digest, plan_digest=plan.digest)


def _after(target: Target, plan: PushPlan, head: ModelInfo, error: Exception, *, sent: bool) -> Published | None:
    """Look for the commit that ``error`` is about; None if the branch still is ``head``.

    Raises:
        CommitError: the Hub does not tell, or somebody else committed.
    """
    try:
        since = list(_since(target.commits(), head.sha))
    except FAULTS as silent:
        outcome: Outcome = "absent" if is_refused(error) and not sent else "unknown"
        raise _failed(error, target, outcome) from silent
    found = next((commit for commit in since if _holds(commit, plan)), None)
    if found is not None:
        return _published(found)
    if since:
        msg = f"Somebody committed to {target.repo_id} meanwhile; nothing was changed. {sentence(target.action.again)}."
        raise CommitError(msg, "not seen") from error
    return None


def _failed(error: Exception, target: Target, outcome: Outcome) -> CommitError:
    return CommitError(target.explain(error, outcome=outcome), outcome)


def _since(commits: Sequence[Mapping[str, Any]], head: str | None) -> Sequence[Mapping[str, Any]]:
    known = next((number for number, commit in enumerate(commits) if commit["id"] == head), len(commits))
    return commits[:known]


def _holds(commit: Mapping[str, Any], plan: PushPlan) -> bool:
    wanted = {f"evidence {plan.evidence_digest}"} if plan.evidence_digest else set()
    wanted |= {f"content {plan.content_digest}"} if plan.content_digest else set()
    return bool(wanted.intersection(str(commit["message"]).splitlines()))


def _published(commit: Mapping[str, Any]) -> Published:
    told = dict(line.split(" ", 1) for line in str(commit["message"]).splitlines() if " " in line)
    return Published(
        commit=commit["id"],
        title=commit["title"],
        evidence_digest=told.get("evidence", ""),
        plan_digest=told.get("plan", ""),
        found=True,
    )
