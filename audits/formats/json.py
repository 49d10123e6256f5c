"""report.json: the audit and its verdict for programs."""

from __future__ import annotations

import json

from audits.findings import AuditReport
from audits.formats import check_pair
from audits.policy import Verdict

suffix = ".json"


def render(report: AuditReport, verdict: Verdict) -> str:
    """Return report.json: decision, outcomes, datasets, columns, results, versions and digests.

    Raises:
        SchemaError: the verdict is of another report.
    """
    check_pair(report, verdict)
    told, judged = report.to_dict(), verdict.to_dict()
    data = {
        "schema_version": told["schema_version"],
        "decision": judged["decision"],
        "outcomes": judged["outcomes"],
        **{key: told[key] for key in ("datasets", "columns", "results", "versions")},
        "report_digest": judged["report_digest"],
        "policy_digest": judged["policy_digest"],
    }
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
