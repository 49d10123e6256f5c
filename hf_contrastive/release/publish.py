"""Evidence -> documents -> plan -> gate -> one commit."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from audits.licenses.hub_clients import OnlineHub
from audits.licenses.snapshots import HubClient
from audits.policy import Approval, Policy
from hf_contrastive.errors import PushBlocked
from hf_contrastive.history import HistoryEntry
from hf_contrastive.history.recording import is_recorded, or_warn, record_approval, record_audit, record_push
from hf_contrastive.release.approvals import ApprovalError
from hf_contrastive.release.gate import awaits_review, check
from hf_contrastive.release.guard_plans import allow
from hf_contrastive.release.hub import PushReceipt, full_repo_id, hub_api, push_plan, require_hub
from hf_contrastive.release.licensing import trace
from hf_contrastive.release.plan import NO_MODEL_FILE, WRITTEN_ANEW, contents
from hf_contrastive.release.preparing import Yes, judged, prepare
from hf_contrastive.release.report_folder import keep_receipt, write_publication
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
    history: Path | None = None,
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
            folder ``with_excerpts``, the rows of each finding into ``findings``, and every license, card and gating
            text as retrieved into ``retrieved``.
        token: Hub token; default: the one logged in.
        endpoint: of the Hub; default: HF_ENDPOINT or huggingface.co.
        revision: branch; default: main.
        private: make a new repository private.
        publish_excerpts: publish short, masked excerpts of rows too, of those also that were removed.
        history: where the decision and the push are recorded; default: the user's own history. One that can not be
            written stops nothing: a warning says what to add later.
        api: a ready HfApi instead of token and endpoint.

    Raises:
        ApprovalError: the policy takes no name alone as a yes, and ``reviewed_by`` gives no more.
        PushBlocked: the gate is closed; nothing was published.
        HubError: the Hub refused or could not be reached.
    """
    if reviewed_by and not policy.single_reviewer:
        msg = (
            f"The policy {policy.name} takes no name alone as a yes, got `reviewed_by={reviewed_by}`. Record an "
            "approval with `hf-contrastive approve`, and push with `--approval FILE`."
        )
        raise ApprovalError(msg)
    api = api or hub_api(token=token, endpoint=endpoint)
    evidence = replace(evidence, repo_id=full_repo_id(api, evidence.repo_id or ""))
    given = evidence
    walked = trace(given, hub or OnlineHub(endpoint=api.endpoint, token=api.token), folder=folder)
    options: dict[str, Any] = {"walked": walked, "license_texts": license_texts}
    yes: dict[str, Any] = {"approval": approval, "reviewed_by": reviewed_by, "reason": reason}
    plan, evidence, rendered = prepare(folder, given, policy, publish_excerpts=publish_excerpts, **options, **yes)
    stray = [name for name, why in plan.kept_out if why == NO_MODEL_FILE]
    if stray:
        _logger.warning("Not published, since no file of a model: %s in %s.", ", ".join(stray), folder.name)
    for name, why in plan.kept_out:
        if why.startswith(WRITTEN_ANEW):
            _logger.warning("%s of %s is not published: it is %s.", name, folder.name, why)
    if report_dir is not None:
        traced = replace(
            given, lineage=evidence.lineage, licenses=evidence.licenses, license_texts=evidence.license_texts
        )
        full = judged(traced, policy, evidence.payload_digest, Yes(**yes))
        write_publication(report_dir, evidence, full, walked, rendered)
    sources = contents(folder, rendered, plan)
    # a refusal is recorded too
    head = _recorded_decision(evidence, policy, history)
    try:
        check(plan, evidence, sources)
    except PushBlocked as blocked:
        unread = [item for item in walked.lineage.inputs if item.unread]
        if hub is None and unread and awaits_review(blocked):
            # where the Hub can not be asked at all, that is what to repair first
            require_hub(api, evidence.repo_id or "")
        raise
    with allow(plan):
        receipt = push_plan(
            plan,
            sources,
            api=api,
            commit_message=commit_message,
            revision=revision,
            private=private,
            decision=evidence.verdict.decision if evidence.verdict else "block",
            history_head=head,
        )
    entry = or_warn(record_push, evidence, receipt, path=history)
    receipt = replace(receipt, history_head=str(entry.head)) if entry is not None else receipt
    if report_dir is not None:
        keep_receipt(receipt, report_dir)
    return receipt


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
