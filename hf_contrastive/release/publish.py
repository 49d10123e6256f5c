"""Evidence -> documents -> plan -> gate -> one commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from audits.errors import SourceError
from audits.findings import AuditReport
from audits.policy import Policy, Verdict
from audits.report_files import write_report
from hf_contrastive.errors import ConfigurationError
from hf_contrastive.release.gate import approve, check, decide, subject_digest
from hf_contrastive.release.hub import PushReceipt, hub_api, push_plan
from hf_contrastive.release.plan import PushPlan, contents, payload, payload_digest, planned
from hf_contrastive.writing import all_or_none
from model_cards.evidence import Evidence
from model_cards.render import documents, render


def prepare(
    folder: Path, evidence: Evidence, policy: Policy, *, reviewed_by: str | None = None, reason: str = ""
) -> tuple[PushPlan, Evidence, dict[str, bytes]]:
    """Judge, record the approval, render the documents and list exactly what would be published.

    Args:
        folder: holds the model's files.
        evidence: without verdict and approvals, which are added here; ``repo_id`` must be set.
        policy: what the audit is judged by.
        reviewed_by: name of the person who says yes to a verdict of review.
        reason: why.

    Returns:
        The plan, the completed evidence, and the documents by file name.
    """
    files, kept_out = payload(folder)
    verdict = decide(evidence.audit, policy, evidence.training) if evidence.audit is not None else None
    evidence = replace(evidence, policy=policy, verdict=verdict, payload_digest=payload_digest(files))
    if reviewed_by and verdict is not None and verdict.decision == "review":
        approval = approve(verdict, subject_digest(evidence), by=reviewed_by, reason=reason)
        evidence = replace(evidence, approvals=(*evidence.approvals, approval))
    rendered = render_all(evidence)
    plan = PushPlan(
        repo_id=evidence.repo_id or "",
        files=(*files, *(planned(name, content) for name, content in rendered.items())),
        kept_out=kept_out,
        card_digest="sha256:" + planned("README.md", rendered["README.md"]).sha256,
        evidence_digest=evidence.digest,
        verdict=verdict,
    )
    return plan, evidence, rendered


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
    api: Any = None,
) -> PushReceipt:
    """Publish ``folder`` with its documents, if the gate lets it through.

    Args:
        folder: holds the model's files; it is read only.
        evidence: what is known; ``repo_id`` names the repository.
        policy: what the audit is judged by.
        commit_message: of the commit.
        reviewed_by: name of the person who says yes to a verdict of review.
        reason: why.
        report_dir: the documents are also written there, whatever the decision.
        token: Hub token; default: the one logged in.
        endpoint: of the Hub; default: HF_ENDPOINT or huggingface.co.
        revision: branch; default: main.
        private: make a new repository private.
        api: a ready HfApi instead of token and endpoint.

    Raises:
        PushBlocked: the gate is closed; nothing was published.
        HubError: the Hub refused or could not be reached.
    """
    plan, evidence, rendered = prepare(folder, evidence, policy, reviewed_by=reviewed_by, reason=reason)
    if report_dir is not None:
        write_files(rendered, report_dir)
    sources = contents(folder, rendered, plan)
    check(plan, evidence, sources)
    return push_plan(
        plan,
        sources,
        api=api or hub_api(token=token, endpoint=endpoint),
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
        for name, content in files.items():
            (new / name).write_bytes(content)


def write_audit(report: AuditReport, policy: Policy, verdict: Verdict, folder: Path) -> None:
    """Write an audit alone: report.json, ``findings/*.parquet``, report.html and evidence.json, all or none.

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
            for name, content in rendered.items():
                (new / name).write_bytes(content)
    except (OSError, SourceError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__ or error
        reason = getattr(cause, "strerror", None) or cause
        msg = f"The report can not be written to `{folder}` ({reason}); nothing was changed there. Name another folder."
        raise ConfigurationError(msg) from error
