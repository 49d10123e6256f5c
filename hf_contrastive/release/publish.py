"""Evidence -> documents -> plan -> gate -> one commit."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from huggingface_hub import ModelInfo

from audits.licenses.snapshots import HubClient
from audits.policy import Approval, Policy
from hf_contrastive.errors import HubError, PushBlocked
from hf_contrastive.history import HistoryEntry
from hf_contrastive.history.recording import is_recorded, or_warn, record_approval, record_audit, record_push
from hf_contrastive.release.gate import awaits_review, check
from hf_contrastive.release.guarding.plans import allow
from hf_contrastive.release.plan import PushPlan
from hf_contrastive.release.preparing import Yes
from hf_contrastive.release.previews import Preview, RepositoryState, preview_of, repository_state
from hf_contrastive.release.report_folder import keep_receipt
from hf_contrastive.release.sending.faults import is_login_refused
from hf_contrastive.release.sending.hub import PushReceipt, hub_api, push_plan, require_hub
from hf_contrastive.release.signatures import unsigned_files
from hf_contrastive.release.signing import Signer, load_signer
from hf_contrastive.release.staging import Staged, stage
from hf_contrastive.release.standing import is_private, staying_files, staying_problems, visibility_problems
from hf_contrastive.release.versioning.against_published import Comparing
from hf_contrastive.release.versioning.looking import Looked, require_seen
from model_cards.evidence import Evidence

_logger = logging.getLogger(__name__)


def publish(
    folder: Path,
    evidence: Evidence,
    policy: Policy,
    *,
    commit_message: str = "Add model, card and evidence",
    approval: Approval | None = None,
    reviewed_by: str | None = None,
    reason: str = "",
    hub: HubClient | None = None,
    license_texts: Mapping[str, str] | None = None,
    report_dir: Path | None = None,
    token: str | None = None,
    endpoint: str | None = None,
    revision: str | None = None,
    private: bool | None = None,
    publish_excerpts: bool = False,
    sign_key: Signer | str | Path | None = None,
    comparing: Comparing | None = None,
    history: Path | None = None,
    on_plan: Callable[[PushPlan], None] | None = None,
    api: Any = None,
) -> PushReceipt:
    """Publish ``folder`` with its documents, if the gate lets it through.

    The published documents point at rows of the data and do not quote them: a row may be licensed otherwise than
    the model, or hold what its author would not have published, and what was removed from the data because of
    that must not return in a report. The documents with excerpts are written to ``report_dir/with_excerpts``,
    for those who have the data anyway.

    Args:
        folder: holds the model's files; it is read only.
        evidence: what is known; ``repo_id`` names the repository; a name without ``/`` gets its user.
        policy: what the audit is judged by.
        commit_message: of the commit.
        approval: a person's yes to a verdict of review, as ``hf-contrastive approve`` records it.
        reviewed_by: name of the person who says yes to a verdict of review, where the policy takes a name alone.
        reason: why.
        hub: where the cards of the data and of the base model are read; default: the same Hub.
        license_texts: texts of licenses that must go along, by SPDX id; those of LICENSE files that are read on the
            way need not be given.
        report_dir: the documents are also written there, whatever the decision, those that quote rows into its
            folder ``with_excerpts``, the rows of each finding into ``findings``, every license, card and gating
            text as retrieved into ``retrieved``, and what changed since the published version into ``changes.*``.
        token: Hub token; default: the one logged in.
        endpoint: of the Hub; default: HF_ENDPOINT or huggingface.co.
        revision: branch; default: main.
        private: make a new repository private.
        publish_excerpts: publish short, masked excerpts of rows too, of those also that were removed.
        sign_key: PEM file of an EC key that signs everything that is published (``model.sig``); the passphrase of an
            encrypted one stands in the environment variable ``HF_CONTRASTIVE_SIGN_PASSPHRASE``.
        comparing: on what the model is compared with the version that the branch holds, where it holds one; the
            policy's ``[versions]`` says what follows from it, or from its absence.
        history: where the decision and the push are recorded; default: the user's own history. One that can not be
            written stops nothing: a warning says what to add later.
        on_plan: called with the plan that has passed the gate, before anything is sent; an exception stops the push.
        api: a ready HfApi instead of token and endpoint.

    Raises:
        ApprovalError: the policy takes no name alone as a yes, and ``reviewed_by`` gives no more.
        SigningKeyError: the key can not be used.
        PushBlocked: the gate is closed; nothing was published.
        HubError: the Hub refused or could not be reached.
    """
    staged = _staged(
        folder,
        evidence,
        policy,
        approval=approval,
        reviewed_by=reviewed_by,
        reason=reason,
        hub=hub,
        license_texts=license_texts,
        report_dir=report_dir,
        token=token,
        endpoint=endpoint,
        revision=revision,
        publish_excerpts=publish_excerpts,
        sign_key=sign_key,
        comparing=comparing,
        api=api,
    )
    plan, evidence = staged.plan, staged.evidence
    _tell_unused(approval, evidence)
    # a refusal is recorded too
    head = _recorded_decision(evidence, policy, history)
    try:
        check(plan, evidence, staged.sources, folder=folder)
    except PushBlocked as blocked:
        if _lacks_hub(staged, hub, blocked):
            require_hub(staged.api, evidence.repo_id or "")
        raise
    if evidence.policy is not None and evidence.policy.intent.distribution == "internal":
        # before a repository is made
        seen = is_private(staged.api, plan.repo_id, private)
        _refuse(plan, visibility_problems(evidence.policy, plan.repo_id, is_private=seen))
    if on_plan is not None:
        on_plan(plan)
    with allow(plan):
        receipt = push_plan(
            plan,
            staged.sources,
            api=staged.api,
            commit_message=commit_message,
            revision=revision,
            private=private,
            decision=evidence.verdict.decision if evidence.verdict else "block",
            history_head=head,
            on_head=partial(_before_commit, plan, evidence, staged.looked, revision),
        )
    entry = or_warn(record_push, evidence, receipt, path=history)
    receipt = replace(receipt, history_head=str(entry.head)) if entry is not None else receipt
    if report_dir is not None:
        keep_receipt(receipt, report_dir)
    return receipt


def _lacks_hub(staged: Staged, hub: HubClient | None, blocked: PushBlocked) -> bool:
    """Whether cards could not be read: where the Hub can not be asked at all, that is to be repaired before a yes."""
    return hub is None and any(item.unread for item in staged.walked.lineage.inputs) and awaits_review(blocked)


def _before_commit(plan: PushPlan, evidence: Evidence, looked: Looked, revision: str | None, head: ModelInfo) -> None:
    require_seen(head, repo_id=plan.repo_id, looked=looked)
    _refuse(
        plan,
        [
            *staying_problems(plan.repo_id, staying_files(plan, head), revision),
            *visibility_problems(evidence.policy, plan.repo_id, is_private=head.private),
        ],
    )
    staying = unsigned_files(plan, (item.rfilename for item in head.siblings or ()))
    if staying:
        _logger.warning(
            "%s stays in %s and is not signed: whoever verifies the signature is told that it was added. Remove it "
            "from the repository if it is yours.",
            ", ".join(staying),
            plan.repo_id,
        )


def _tell_unused(approval: Approval | None, evidence: Evidence) -> None:
    if approval is not None and evidence.verdict is not None and evidence.verdict.decision == "pass":
        _logger.warning(
            "The approval of %s is not used and not recorded: the verdict is pass, which needs no yes.", approval.by
        )


def _refuse(plan: PushPlan, problems: list[str]) -> None:
    if not problems:
        return
    lines = "\n".join(f"  - {line}" for line in problems)
    msg = f"Nothing was published to {plan.repo_id}: {len(problems)} reason(s) against it.\n{lines}"
    raise PushBlocked(msg, verdict=plan.verdict, problems=tuple(problems))


def preview(folder: Path, evidence: Evidence, policy: Policy, **options: Any) -> Preview:
    """Do everything that :func:`publish` does before it sends, and tell what it would send and why not.

    Nothing leaves the machine, no repository is made, and the history gets no line: a rehearsal decides nothing, the
    push that follows records its verdict itself. The Hub is only read. The documents are written to ``report_dir`` as
    by a push, so that ``hf-contrastive approve`` can be given them.

    Args:
        folder: holds the model's files.
        evidence: what is known.
        policy: what the audit is judged by.
        **options: of :func:`publish`, so that the same call can be tried first.

    Raises:
        ApprovalError: the policy takes no name alone as a yes, and ``reviewed_by`` gives no more.
        TypeError: a push has no such option.
    """
    approval, revision = options.get("approval"), options.get("revision")
    made_private = options.get("private") is True
    for name in ("commit_message", "private", "history", "on_plan"):
        options.pop(name, None)  # matters where something is sent
    staged = _staged(folder, evidence, policy, **options)
    _tell_unused(approval, staged.evidence)
    blocked = None
    try:
        check(staged.plan, staged.evidence, staged.sources, folder=folder)
    except PushBlocked as refused:
        blocked = refused
    lacks_hub = blocked is not None and _lacks_hub(staged, options.get("hub"), blocked)
    try:
        if lacks_hub:
            require_hub(staged.api, staged.plan.repo_id)
        state = repository_state(staged.api, staged.plan, revision)
    except HubError as error:
        unknown_user = is_login_refused(error.__cause__)
        state = RepositoryState(unknown=str(error), push_fails=lacks_hub or (blocked is None and unknown_user))
    private = made_private if state.exists is False else state.private
    standing = staying_problems(staged.plan.repo_id, state.staying, revision)
    if state.exists is not None:
        standing += visibility_problems(staged.evidence.policy, staged.plan.repo_id, is_private=private)
    return preview_of(staged.plan, blocked, state, standing=standing)


def _staged(
    folder: Path,
    evidence: Evidence,
    policy: Policy,
    *,
    approval: Approval | None = None,
    reviewed_by: str | None = None,
    reason: str = "",
    token: str | None = None,
    endpoint: str | None = None,
    sign_key: Signer | str | Path | None = None,
    api: Any = None,
    **options: Any,
) -> Staged:
    """Read the key, name the Hub, and do what precedes the gate."""
    return stage(
        folder,
        evidence,
        policy,
        yes=Yes(approval, reviewed_by, reason),
        signer=load_signer(sign_key) if sign_key is not None else None,
        api=api or hub_api(token=token, endpoint=endpoint),
        **options,
    )


def _recorded_decision(evidence: Evidence, policy: Policy, path: Path | None) -> str:
    """Put what was decided into the history and return its head, for the tag; "" where nothing could be written."""
    entries: list[HistoryEntry] = []
    if evidence.audit is not None and evidence.verdict is not None:
        entries.extend(or_warn(record_audit, evidence.audit, evidence.verdict, policy, path=path) or ())
    for approval in evidence.approvals:
        # one that was given as a file was recorded when it was made, unless somebody wrote or changed it by hand
        if not is_recorded(approval, path=path):
            entry = or_warn(record_approval, approval, repo_id=evidence.repo_id or "", path=path)
            entries.extend([entry] if entry is not None else [])
    return str(entries[-1].head) if entries else ""
