"""Evidence -> documents -> plan -> gate -> one commit."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from audits.errors import SourceError
from audits.findings import AuditReport
from audits.formats import markdown
from audits.policy import Policy, Verdict
from audits.report_files import write_report
from hf_contrastive.errors import ConfigurationError
from hf_contrastive.release.gate import approve, check, decide, subject_digest
from hf_contrastive.release.hub import PushReceipt, full_repo_id, hub_api, push_plan
from hf_contrastive.release.plan import NO_MODEL_FILE, PushPlan, contents, payload, payload_digest, planned
from hf_contrastive.release.redaction import without_excerpts
from hf_contrastive.writing import all_or_none
from model_cards.evidence import Evidence
from model_cards.render import documents, render

_logger = logging.getLogger(__name__)

WITH_EXCERPTS = "with_excerpts"
"""Folder, in that of the reports, of the same documents with excerpts of rows; it stays on this machine."""


def prepare(
    folder: Path,
    evidence: Evidence,
    policy: Policy,
    *,
    reviewed_by: str | None = None,
    reason: str = "",
    publish_excerpts: bool = False,
) -> tuple[PushPlan, Evidence, dict[str, bytes]]:
    """Judge, record the approval, render the documents and list exactly what would be published.

    Args:
        folder: holds the model's files.
        evidence: without verdict and approvals, which are added here; ``repo_id`` must be set.
        policy: what the audit is judged by.
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
    evidence = _judged(evidence, policy, payload_digest(files), reviewed_by, reason)
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


def _judged(evidence: Evidence, policy: Policy, payload: str, reviewed_by: str | None, reason: str) -> Evidence:
    verdict = decide(evidence.audit, policy, evidence.training) if evidence.audit is not None else None
    evidence = replace(evidence, policy=policy, verdict=verdict, payload_digest=payload)
    if reviewed_by and verdict is not None and verdict.decision == "review":
        approval = approve(verdict, subject_digest(evidence), by=reviewed_by, reason=reason)
        evidence = replace(evidence, approvals=(*evidence.approvals, approval))
    return evidence


def publish(
    folder: Path,
    evidence: Evidence,
    policy: Policy,
    *,
    commit_message: str = "Add model, card and evidence",
    reviewed_by: str | None = None,
    reason: str = "",
    report_dir: Path | None = None,
    token: str | None = None,
    endpoint: str | None = None,
    revision: str | None = None,
    private: bool | None = None,
    publish_excerpts: bool = False,
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
        reviewed_by: name of the person who says yes to a verdict of review.
        reason: why.
        report_dir: the documents are also written there, whatever the decision, and those that quote rows into
            its folder ``with_excerpts``.
        token: Hub token; default: the one logged in.
        endpoint: of the Hub; default: HF_ENDPOINT or huggingface.co.
        revision: branch; default: main.
        private: make a new repository private.
        publish_excerpts: publish short, masked excerpts of rows too, of those also that were removed.
        api: a ready HfApi instead of token and endpoint.

    Raises:
        PushBlocked: the gate is closed; nothing was published.
        HubError: the Hub refused or could not be reached.
    """
    api = api or hub_api(token=token, endpoint=endpoint)
    evidence = replace(evidence, repo_id=full_repo_id(api, evidence.repo_id or ""))
    given = evidence
    plan, evidence, rendered = prepare(
        folder, given, policy, reviewed_by=reviewed_by, reason=reason, publish_excerpts=publish_excerpts
    )
    stray = [name for name, why in plan.kept_out if why == NO_MODEL_FILE]
    if stray:
        _logger.warning("Not published, since no file of a model: %s in %s.", ", ".join(stray), folder.name)
    if report_dir is not None:
        full = _judged(given, policy, evidence.payload_digest, reviewed_by, reason)
        with all_or_none(report_dir) as new:
            _write(rendered, new)
            _write(render_all(full), new / WITH_EXCERPTS)
    sources = contents(folder, rendered, plan)
    check(plan, evidence, sources)
    return push_plan(
        plan,
        sources,
        api=api,
        commit_message=commit_message,
        revision=revision,
        private=private,
        decision=evidence.verdict.decision if evidence.verdict else "block",
    )


def render_all(evidence: Evidence) -> dict[str, bytes]:
    """Render every document that this evidence allows, by file name."""
    rendered = {}
    for name, document in documents().items():
        if not document.applies(evidence):
            continue
        rendered[document.filename] = render(evidence, name).encode("utf-8")
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
