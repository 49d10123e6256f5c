"""What a push would do, told before it does: files, deletions, tag, and what the gate says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from huggingface_hub import HfApi
from huggingface_hub.errors import RepositoryNotFoundError
from huggingface_hub.utils._validators import validate_repo_id

from audits.policy import Decision
from audits.records import Record
from hf_contrastive.errors import HubError, PushBlocked
from hf_contrastive.release.gate import awaits_review
from hf_contrastive.release.plan import LICENSE_COPIES, PlannedFile, PushPlan, is_document, is_legal
from hf_contrastive.release.sending.committing import held_by, replaced_files
from hf_contrastive.release.sending.faults import FAULTS, status
from hf_contrastive.release.sending.revisions import next_tag, version_at, versions_in
from hf_contrastive.release.sending.target import Target
from hf_contrastive.release.standing import staying_files

FileKind = Literal["model", "legal", "document", "license copy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLine(Record):
    """One file that would be published.

    ``kind`` is ``model``, ``legal`` (a license or notice that lies in the folder), ``document`` (rendered from the
    evidence) or ``license copy``.
    """

    path: str
    size: int
    sha256: str
    kind: FileKind


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptOut(Record):
    """Something in the folder that would not be published, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryState(Record):
    """What the Hub says about the repository as it is now; None stands for what could not be asked.

    ``unknown`` is why, "" where everything could be asked. ``deletions`` are the files that the push would remove,
    ``next_tag`` is the version that it would get, ``already_published`` whether the head of the branch holds this very
    content, so that a push would make no second commit. ``staying`` are files there that speak against a push, since
    they would stay beside it; ``private`` is whether only some may see the repository. ``push_fails`` is whether a push
    would end there, whatever the gate says: the Hub refuses the login, or does not give the cards that it judges by.
    """

    exists: bool | None = None
    deletions: tuple[str, ...] | None = None
    next_tag: str | None = None
    already_published: bool | None = None
    private: bool | None = None
    staying: tuple[str, ...] = ()
    unknown: str = ""
    push_fails: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview(Record):
    """What a push would do.

    Attributes:
        decision: what the gate says: pass publishes, review waits for a person's yes, block does not publish. An
            approved verdict of review is a pass here.
        verdict: the decision of the verdict itself, over data, training and licenses.
        problems: everything that speaks against the push, as the gate tells it.
        plan: exactly what would be published.
        files: the plan's files with their kinds.
        deletions: files that the same commit would remove; None where the Hub could not be asked.
        kept_out: what lies in the folder and stays there.
        next_tag: the version it would get; None where the Hub could not be asked.
        repository: what else the Hub says.
    """

    decision: Decision
    verdict: Decision | None
    problems: tuple[str, ...]
    plan: PushPlan
    files: tuple[FileLine, ...]
    deletions: tuple[str, ...] | None
    kept_out: tuple[KeptOut, ...]
    next_tag: str | None
    repository: RepositoryState


def preview_of(
    plan: PushPlan, blocked: PushBlocked | None, state: RepositoryState, *, standing: Sequence[str] = ()
) -> Preview:
    """Put together what is known before a push.

    Args:
        plan: what would be published.
        blocked: what the gate raised, if it did.
        state: of :func:`repository_state`.
        standing: what stands on the Hub and speaks against the push.
    """
    decision: Decision = "pass"
    if standing:
        decision = "block"
    elif blocked is not None:
        decision = "review" if awaits_review(blocked) else "block"
    return Preview(
        decision=decision,
        verdict=plan.verdict.decision if plan.verdict is not None else None,
        problems=(*(blocked.problems if blocked is not None else ()), *standing),
        plan=plan,
        files=file_lines(plan),
        deletions=state.deletions,
        kept_out=tuple(KeptOut(path=path, reason=reason) for path, reason in plan.kept_out),
        next_tag=state.next_tag,
        repository=state,
    )


def file_lines(plan: PushPlan) -> tuple[FileLine, ...]:
    """Return the plan's files with their kinds: the model's first, then what is written from the evidence."""
    order: tuple[FileKind, ...] = ("model", "legal", "document", "license copy")
    lines = [FileLine(path=item.path, size=item.size, sha256=item.sha256, kind=_kind(item)) for item in plan.files]
    return tuple(sorted(lines, key=lambda line: (order.index(line.kind), line.path)))


def repository_state(api: HfApi, plan: PushPlan, revision: str | None = None) -> RepositoryState:
    """Ask the Hub, by reading alone, what the push would find.

    Args:
        api: with endpoint and token.
        plan: what would be published.
        revision: branch; default: main.

    Raises:
        HubError: the Hub does not answer, or refuses; whether the repository exists is then not known.
    """
    target = Target(api=api, repo_id=plan.repo_id, revision=revision)
    try:
        validate_repo_id(plan.repo_id)
        try:
            head = target.info(revision, first=True)
        except RepositoryNotFoundError as error:
            if status(error) == 401:
                raise
            # a private repository that this token can not read looks the same, and is told by the push
            return RepositoryState(exists=False, deletions=(), next_tag="v1", already_published=False)
        held = held_by(target, plan, head)
        refs = target.refs()
    except FAULTS as error:
        raise HubError(target.explain(error)) from error
    mine = version_at(versions_in(refs), held.commit) if held is not None else ""
    return RepositoryState(
        exists=True,
        deletions=() if held is not None else replaced_files(plan, head),
        next_tag=mine or next_tag(refs),
        already_published=held is not None,
        private=head.private,
        staying=() if held is not None else staying_files(plan, head),
    )


def _kind(item: PlannedFile) -> FileKind:
    if item.path.startswith(LICENSE_COPIES):
        return "license copy"
    if is_document(item.path):
        return "document"
    return "legal" if is_legal(item.path) else "model"


__all__ = ["FileLine", "KeptOut", "Preview", "RepositoryState", "file_lines", "preview_of", "repository_state"]
