"""What is in the data, and may we use it? No torch here."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audits.checks import Check, CheckContext
    from audits.encoders import Encoder, TfidfEncoder
    from audits.errors import (
        AuditError,
        ColumnError,
        PolicyError,
        RemedyError,
        SourceError,
        SourceNotFoundError,
    )
    from audits.findings import AuditReport, CheckResult, Finding, Measurement, RemedyRecord, Table
    from audits.policy import Approval, Policy, Verdict, Waiver, judge, load_policy
    from audits.remedies import remove_duplicates, remove_leakage, remove_licenses, remove_listed, remove_rows
    from audits.report_files import read_findings, read_report, write_report
    from audits.runner import audit, run_audit
    from audits.source import AuditSource, dataset_of, open_source

_HOMES = {
    "audits.checks": ("Check", "CheckContext"),
    "audits.encoders": ("Encoder", "TfidfEncoder"),
    "audits.errors": (
        "AuditError",
        "ColumnError",
        "PolicyError",
        "RemedyError",
        "SourceError",
        "SourceNotFoundError",
    ),
    "audits.findings": ("AuditReport", "CheckResult", "Finding", "Measurement", "RemedyRecord", "Table"),
    "audits.policy": ("Approval", "Policy", "Verdict", "Waiver", "judge", "load_policy"),
    "audits.remedies": ("remove_duplicates", "remove_leakage", "remove_licenses", "remove_listed", "remove_rows"),
    "audits.report_files": ("read_findings", "read_report", "write_report"),
    "audits.runner": ("audit", "run_audit"),
    "audits.source": ("AuditSource", "dataset_of", "open_source"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Approval",
    "AuditError",
    "AuditReport",
    "AuditSource",
    "Check",
    "CheckContext",
    "CheckResult",
    "ColumnError",
    "Encoder",
    "Finding",
    "Measurement",
    "Policy",
    "PolicyError",
    "RemedyError",
    "RemedyRecord",
    "SourceError",
    "SourceNotFoundError",
    "Table",
    "TfidfEncoder",
    "Verdict",
    "Waiver",
    "audit",
    "dataset_of",
    "judge",
    "load_policy",
    "open_source",
    "read_findings",
    "read_report",
    "remove_duplicates",
    "remove_leakage",
    "remove_licenses",
    "remove_listed",
    "remove_rows",
    "run_audit",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: pyarrow and datasets take seconds."""
    home = _HOME.get(name)
    if home is None:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
