"""Evidence without the text of the rows that it points at."""

from __future__ import annotations

from dataclasses import replace

from audits.findings import AuditReport, CheckResult, RowEvidence
from model_cards.evidence import Evidence


def without_excerpts(evidence: Evidence) -> Evidence:
    """Blank every excerpt of ``audit`` and ``earlier_audit``; positions, scores and counts stay.

    An excerpt is a part of a row. A row that was removed because its license forbids use, or because it holds
    personal data, would otherwise be published again by the document that tells of its removal.

    Verdict and approvals are about the report with its excerpts: judge the blanked one anew.
    """
    return replace(
        evidence,
        audit=_report(evidence.audit) if evidence.audit is not None else None,
        earlier_audit=_report(evidence.earlier_audit) if evidence.earlier_audit is not None else None,
    )


def _report(report: AuditReport) -> AuditReport:
    return replace(report, results=tuple(map(_result, report.results)))


def _result(result: CheckResult) -> CheckResult:
    findings = (
        replace(finding, evidence=tuple(map(_row, finding.evidence))) if finding.evidence else finding
        for finding in result.findings
    )
    return replace(result, findings=tuple(findings))


def _row(row: RowEvidence) -> RowEvidence:
    return replace(row, excerpt="", related=tuple(replace(item, excerpt="") for item in row.related))
