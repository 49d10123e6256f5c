"""Evidence without the text of the rows that it points at, and without paths of somebody's machine."""

from __future__ import annotations

from dataclasses import replace

from audits.findings import AuditReport, CheckResult, RowEvidence, Table
from model_cards.evidence import Evidence
from model_cards.typesetting import redact


def without_excerpts(evidence: Evidence) -> Evidence:
    """Blank every excerpt of ``audit`` and ``earlier_audit``; positions, scores and counts stay.

    Local paths and tokens in tables are masked: a column of licenses may hold them.

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
    return replace(result, findings=tuple(findings), tables=tuple(map(_table, result.tables)))


def _table(table: Table) -> Table:
    """Mask paths and tokens, which a column of licenses may hold."""
    rows = tuple(tuple(redact(cell) if isinstance(cell, str) else cell for cell in row) for row in table.rows)
    return table if rows == table.rows else replace(table, rows=rows)


def _row(row: RowEvidence) -> RowEvidence:
    return replace(row, excerpt="", related=tuple(replace(item, excerpt="") for item in row.related))
