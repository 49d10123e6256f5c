"""Back to an earlier version: one commit that makes the branch equal to a tag, checked before and after.

Nothing is taken out of the history, which the Hub could not give back: a rollback is a new commit on the head, with
the files of the tag, and gets a tag of its own, the next version, so that versions stay in the order in which they
were published and ``@v3`` goes on meaning one thing. Its message names the tag and the evidence that it goes back to.
Files that no push owns, which somebody added since, stay; they are told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationCopy, ModelInfo

from audits.policy import Decision
from audits.records import Record, near_names
from hf_contrastive.errors import ConfigurationError, PushBlocked
from hf_contrastive.history.recording import or_warn, record_rollback
from hf_contrastive.release.guarding.plans import allow
from hf_contrastive.release.plan import PushPlan, planned
from hf_contrastive.release.sending.actions import ROLLBACK
from hf_contrastive.release.sending.committing import Published, commit_plan, replaced_files
from hf_contrastive.release.sending.faults import FAULTS, asked
from hf_contrastive.release.sending.hub import hub_api
from hf_contrastive.release.sending.revisions import version_at, versions_in
from hf_contrastive.release.sending.tagging import tag as tag_version
from hf_contrastive.release.sending.target import Target
from hf_contrastive.release.verification.verifying import verify
from hf_contrastive.release.versioning.published import explained
from hf_contrastive.release.versioning.rollback_checks import (
    MOST_NAMES,
    decision_problems,
    license_warnings,
    load_version,
    unread_warnings,
)
from model_cards.documents import evidence_json
from model_cards.evidence import Evidence
from model_cards.typesetting import one_line, redact

MARK = "rollback"
"""First word of the line in a commit's message that names the tag and the evidence that it goes back to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackPlan(Record):
    """What a rollback would do.

    ``copied`` are files that get the content that they have at the tag, ``deleted`` those that pushes have added since,
    ``left`` those that somebody else has, which stay. ``problems`` speak against it; ``warnings`` do not stop it.
    """

    repo_id: str
    to: str
    to_commit: str
    head: str
    head_tag: str
    copied: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    decision: Decision | None = None
    evidence_digest: str = ""
    loaded: str = ""
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.copied or self.deleted)


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackReceipt(Record):
    """Proof of a rollback: the commit and its tag, where it came from and where it went back to.

    ``changed`` is False where the branch was equal to the tag already. ``loaded`` says what loading the model gave.
    """

    repo_id: str
    commit: str
    tag: str
    to: str
    to_commit: str
    before: str
    before_tag: str
    url: str
    evidence_digest: str
    changed: bool
    loaded: str
    warnings: tuple[str, ...] = ()
    history_head: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _LaidOut:
    """Everything that is known before the commit."""

    told: RollbackPlan
    plan: PushPlan
    sources: Mapping[str, Path | bytes]
    evidence: Evidence | None
    target: Target
    head: ModelInfo


def rollback(
    repo_id: str,
    to: str,
    *,
    reason: str = "",
    by: str = "",
    revision: str | None = None,
    load: bool = True,
    token: str | None = None,
    endpoint: str | None = None,
    history: Path | None = None,
    on_plan: Callable[[RollbackPlan], None] | None = None,
    api: Any = None,
) -> RollbackReceipt:
    """Make the branch equal to a tag, in one commit, and tag that as the next version.

    Before that, the version is verified as ``hf-contrastive verify`` does, and loaded. Rolling back twice changes
    nothing the second time; after a fault the branch is the old head or the complete new commit.

    Args:
        repo_id: ``user/name``.
        to: the tag.
        reason: why; it stands in the commit's message, for everybody who sees the repository, and in the history.
        by: who; it stands in the history alone.
        revision: the branch; default: main.
        load: load the version and encode some texts before anything is changed, where torch is installed.
        token: Hub token; default: the one logged in.
        endpoint: of the Hub; default: HF_ENDPOINT or huggingface.co.
        history: where it is recorded; default: the user's own history.
        on_plan: called with the plan before anything is sent, where there is something to do; an exception stops it.
        api: a ready HfApi instead of token and endpoint.

    Raises:
        ConfigurationError: there is no such tag; those there are stand in the message.
        PushBlocked: the evidence of that version is broken, its verdict was block or review without a yes, or it can
            not be loaded. Nothing was changed.
        NotPublishedError: there is no such repository.
        HubError: the Hub refused or could not be reached.
    """
    laid = _lay_out(repo_id, to, revision=revision, load=load, api=api or hub_api(token=token, endpoint=endpoint))
    told = laid.told
    if told.problems:
        lines = "\n".join(f"  - {line}" for line in told.problems)
        msg = f"{repo_id} was not rolled back to {to}: {len(told.problems)} reason(s) against it.\n{lines}"
        verdict = laid.evidence.verdict if laid.evidence is not None else None
        raise PushBlocked(msg, verdict=verdict, problems=told.problems)
    if told.changes and on_plan is not None:
        on_plan(told)
    receipt, tagged = _carry_out(laid, redact(one_line(reason)))
    if told.changes or tagged:
        entry = or_warn(record_rollback, receipt, by=by, reason=reason, path=history)
        receipt = replace(receipt, history_head=str(entry.head)) if entry is not None else receipt
    return receipt


def preview_rollback(
    repo_id: str,
    to: str,
    *,
    revision: str | None = None,
    load: bool = True,
    token: str | None = None,
    endpoint: str | None = None,
    api: Any = None,
) -> RollbackPlan:
    """Do everything that :func:`rollback` does before it sends, and tell what it would do, and why not.

    Args:
        repo_id: see :func:`rollback`, as all that follow.
        to: the tag.
        revision: the branch.
        load: load the version.
        token: Hub token.
        endpoint: of the Hub.
        api: a ready HfApi.
    """
    api = api or hub_api(token=token, endpoint=endpoint)
    return _lay_out(repo_id, to, revision=revision, load=load, api=api).told


def _lay_out(repo_id: str, to: str, *, revision: str | None, load: bool, api: Any) -> _LaidOut:
    target = Target(api=api, repo_id=repo_id, revision=revision, action=ROLLBACK)
    try:
        head = target.info(revision, first=True)
        refs = target.refs()
    except FAULTS as error:
        raise explained(error, repo_id, api, branch=target.branch) from error
    tags = versions_in(refs)
    named = {item.name: str(item.target_commit) for item in refs.tags}
    commit = _commit_of(repo_id, to, named, [name for name, _ in reversed(tags)])
    try:
        goal = target.info(commit)
    except FAULTS as error:
        raise explained(error, repo_id, api) from error
    here, there = _blobs(head), _blobs(goal)
    report = verify(f"{repo_id}@{commit}", api=api)
    try:
        folder = Path(asked(lambda: api.snapshot_download(repo_id, revision=commit)))
    except FAULTS as error:
        raise explained(error, repo_id, api) from error
    problems = [f"{item.title}: {item.words}" for item in report.items if item.status == "broken"]
    evidence = None if problems else evidence_json.read_evidence(folder / evidence_json.filename)
    if evidence is not None:
        problems.extend(decision_problems(evidence, to))
    sources: dict[str, Path | bytes] = {path: folder / path for path in sorted(there)}
    plan = PushPlan(
        repo_id=repo_id,
        files=tuple(planned(path, source) for path, source in sources.items()),
        evidence_digest=report.evidence_digest,
        content_digest=evidence.content_digest if evidence is not None else "",
        verdict=evidence.verdict if evidence is not None else None,
    )
    deleted = replaced_files(plan, head)
    loaded = "not loaded, as was asked for"
    if load and evidence is not None and not problems:
        loaded, broken = load_version(folder, evidence)
        problems.extend(broken)
    told = RollbackPlan(
        repo_id=repo_id,
        to=to,
        to_commit=commit,
        head=str(head.sha),
        head_tag=version_at(tags, head.sha),
        copied=tuple(path for path, blob in sorted(there.items()) if here.get(path) != blob),
        deleted=deleted,
        left=tuple(sorted(set(here) - set(there) - set(deleted))),
        decision=evidence.verdict.decision if evidence is not None and evidence.verdict is not None else None,
        evidence_digest=report.evidence_digest,
        loaded=loaded,
        problems=tuple(problems),
        warnings=(*unread_warnings(report, to), *license_warnings(evidence, to)) if evidence is not None else (),
    )
    return _LaidOut(told=told, plan=plan, sources=sources, evidence=evidence, target=target, head=head)


def _commit_of(repo_id: str, to: str, tags: Mapping[str, str], versions: list[str]) -> str:
    if to in tags:
        return tags[to]
    names = [*versions, *sorted(set(tags) - set(versions))]
    more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
    there = f"its tags are {', '.join(names[:MOST_NAMES])}{more}. Name one of these" if names else "it has no tags"
    msg = f"{repo_id} has no tag `{to}`{near_names([to], names)}; {there}."
    raise ConfigurationError(msg)


def _carry_out(laid: _LaidOut, reason: str) -> tuple[RollbackReceipt, bool]:
    """Commit and tag; return the receipt, and whether a tag was added."""
    told, plan, target = laid.told, laid.plan, laid.target
    mark = f"{MARK} {told.to} {told.evidence_digest}"
    note = f"{mark}\nreason {reason}" if reason else mark
    with allow(plan):
        published = _held(laid, mark)
        if told.changes:
            copies = [CommitOperationCopy(path, path, src_revision=told.to_commit) for path in told.copied]
            title = f"Roll back to {told.to}"
            published = commit_plan(target, plan, copies, head=laid.head, message=title, note=note)
        number, tagged = told.head_tag, False
        if published is not None:
            number = tag_version(target, plan, laid.sources, published, mark)
            tagged = bool(number)
    commit = published.commit if published is not None else told.head
    receipt = RollbackReceipt(
        repo_id=told.repo_id,
        commit=commit,
        tag=number,
        to=told.to,
        to_commit=told.to_commit,
        before=told.head,
        before_tag=told.head_tag,
        url=f"{target.api.endpoint}/{told.repo_id}/commit/{commit}",
        evidence_digest=told.evidence_digest,
        changed=told.changes,
        loaded=told.loaded,
        warnings=told.warnings,
    )
    return receipt, tagged


def _held(laid: _LaidOut, mark: str) -> Published | None:
    """Return the head if it is a rollback to this tag that lacks its own tag: an earlier try ended before it."""
    if laid.told.changes or laid.told.head_tag:
        return None
    try:
        commits = laid.target.commits()
    except FAULTS as error:
        raise explained(error, laid.told.repo_id, laid.target.api) from error
    head = next((item for item in commits if item["id"] == laid.told.head), None)
    if head is None or mark not in str(head["message"]).splitlines():
        return None
    return Published(
        commit=laid.told.head,
        title=str(head["title"]),
        evidence_digest=laid.told.evidence_digest,
        plan_digest=laid.plan.digest,
        found=True,
    )


def _blobs(info: ModelInfo) -> dict[str, str]:
    return {item.rfilename: str(item.blob_id) for item in info.siblings or []}
