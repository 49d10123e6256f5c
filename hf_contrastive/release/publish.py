"""Evidence -> documents -> plan -> gate -> one commit."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from audits.errors import SourceError
from audits.findings import AuditReport
from audits.formats import markdown
from audits.licenses.hub_clients import OnlineHub
from audits.licenses.lineage import WalkedLineage, write_license_files
from audits.licenses.snapshots import HubClient
from audits.policy import Approval, Policy, Verdict
from audits.report_files import FINDINGS, write_findings, write_report
from hf_contrastive.errors import ConfigurationError, PushBlocked
from hf_contrastive.history import HistoryEntry
from hf_contrastive.history.recording import is_recorded, or_warn, record_approval, record_audit, record_push
from hf_contrastive.release.approvals import ApprovalError
from hf_contrastive.release.gate import approve, awaits_review, check, decide, subject_digest
from hf_contrastive.release.guard_plans import allow
from hf_contrastive.release.hub import PushReceipt, full_repo_id, hub_api, push_plan, require_hub
from hf_contrastive.release.licensing import license_analysis, own_copies, texts_at_hand, trace
from hf_contrastive.release.plan import (
    LICENSE_COPIES,
    NO_MODEL_FILE,
    WRITTEN_ANEW,
    PushPlan,
    contents,
    payload,
    payload_digest,
    planned,
)
from hf_contrastive.release.redaction import without_excerpts
from hf_contrastive.writing import all_or_none
from model_cards.evidence import Evidence
from model_cards.licensing import license_copies
from model_cards.render import documents, render

_logger = logging.getLogger(__name__)

RECEIPT = "receipt.json"
WITH_EXCERPTS = "with_excerpts"
"""Folder, in that of the reports, of the same documents with excerpts of rows; it stays on this machine."""


def prepare(
    folder: Path,
    evidence: Evidence,
    policy: Policy,
    *,
    walked: WalkedLineage | None = None,
    license_texts: Mapping[str, str] | None = None,
    approval: Approval | None = None,
    reviewed_by: str | None = None,
    reason: str = "",
    publish_excerpts: bool = False,
) -> tuple[PushPlan, Evidence, dict[str, bytes]]:
    """Apply the license rules, judge, record the approval, render the documents and list what would be published.

    Args:
        folder: holds the model's files.
        evidence: without verdict and approvals, which are added here; ``repo_id`` must be set.
        policy: what the audit is judged by.
        walked: where data and base model came from, of :func:`hf_contrastive.release.licensing.trace`.
        license_texts: texts of licenses that must go along, by SPDX id.
        approval: of a person, for a verdict of review.
        reviewed_by: name of the person who says yes to a verdict of review.
        reason: why.
        publish_excerpts: see :func:`publish`.

    Returns:
        The plan, the completed evidence, and the documents by file name.
    """
    files, kept_out = payload(folder)
    if not publish_excerpts:
        # before the verdict, which names the digest of the report that it is about
        evidence = without_excerpts(evidence)
    if walked is not None:
        evidence = replace(evidence, lineage=walked.lineage)
    licenses = license_analysis(evidence, policy)
    own = own_copies(folder / LICENSE_COPIES, licenses)
    texts = texts_at_hand(licenses, walked, {**evidence.license_texts, **own, **(license_texts or {})})
    evidence = replace(evidence, licenses=licenses, license_texts=texts)
    evidence = _judged(evidence, policy, payload_digest(files), _Yes(approval, reviewed_by, reason))
    rendered = render_all(evidence)
    plan = PushPlan(
        repo_id=evidence.repo_id or "",
        files=(*files, *(planned(name, content) for name, content in rendered.items())),
        kept_out=kept_out,
        card_digest="sha256:" + planned("README.md", rendered["README.md"]).sha256,
        evidence_digest=evidence.digest,
        content_digest=evidence.content_digest,
        verdict=evidence.verdict,
    )
    return plan, evidence, rendered


class _Yes(NamedTuple):
    """What was said to a verdict of review, if anything."""

    approval: Approval | None
    reviewed_by: str | None
    reason: str


def _judged(evidence: Evidence, policy: Policy, payload: str, yes: _Yes) -> Evidence:
    audit = evidence.audit
    verdict = decide(audit, policy, evidence.training, licenses=evidence.licenses) if audit is not None else None
    evidence = replace(evidence, policy=policy, verdict=verdict, payload_digest=payload)
    if verdict is None or verdict.decision != "review":
        return evidence
    given = [yes.approval] if yes.approval is not None else []
    if yes.reviewed_by:
        given.append(approve(verdict, subject_digest(evidence), by=yes.reviewed_by, reason=yes.reason))
    return replace(evidence, approvals=(*evidence.approvals, *given))


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
        full = _judged(traced, policy, evidence.payload_digest, _Yes(**yes))
        with all_or_none(report_dir) as new:
            _write(rendered, new)
            _write(render_all(full), new / WITH_EXCERPTS)
            write_license_files(walked, new)
            if given.audit is not None and all(finding.rows is not None for finding in given.audit.findings):
                write_findings(given.audit, new / FINDINGS)
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
        _keep(receipt, report_dir)
    return receipt


def _keep(receipt: PushReceipt, folder: Path) -> None:
    """Write the receipt, which anchors the history; where that fails, tell it, since the push is done."""
    text = json.dumps(receipt.to_dict(), indent=2) + "\n"
    try:
        write_files({RECEIPT: text.encode()}, folder)
    except OSError as error:
        _logger.warning(
            "The push is done, but its receipt could not be written to %s (%s). Keep this:\n%s", folder, error, text
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


def render_all(evidence: Evidence) -> dict[str, bytes]:
    """Render every document that this evidence allows, and the license texts that go along, by path."""
    rendered = {}
    for name, document in documents().items():
        if not document.applies(evidence):
            continue
        rendered[document.filename] = render(evidence, name).encode("utf-8")
    rendered.update((path, text.encode("utf-8")) for path, text in license_copies(evidence).items())
    return rendered


def write_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Write ``files`` into ``folder``, all or none; it is made if missing, and other files in it stay.

    Raises:
        OSError: the folder can not be written; what stood there is as it was.
    """
    with all_or_none(folder) as new:
        _write(files, new)


def _write(files: Mapping[str, bytes], folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)


def write_audit(report: AuditReport, policy: Policy, verdict: Verdict, folder: Path) -> None:
    """Write an audit alone: report.json, report.md, ``findings/*.parquet``, report.html, evidence.json, all or none.

    Args:
        report: with the rows of its findings.
        policy: what it was judged by.
        verdict: of ``report``.
        folder: made if missing; other files in it stay.

    Raises:
        ConfigurationError: the folder can not be written; what stood there is as it was.
    """
    rendered = render_all(Evidence(audit=report, policy=policy, verdict=verdict, versions=report.versions))
    try:
        with all_or_none(folder) as new:
            write_report(report, verdict, new)
            _write({**rendered, "report.md": markdown.render(report, verdict).encode()}, new)
    except (OSError, SourceError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__ or error
        reason = getattr(cause, "strerror", None) or cause
        msg = f"The report can not be written to `{folder}` ({reason}); nothing was changed there. Name another folder."
        raise ConfigurationError(msg) from error
