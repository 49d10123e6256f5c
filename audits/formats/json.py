"""report.json: the audit and its verdict for programs."""

from __future__ import annotations

import json

from audits.findings import AuditReport
from audits.formats import check_pair
from audits.policy import Outcome, Verdict

suffix = ".json"


def render(report: AuditReport, verdict: Verdict) -> str:
    """Return report.json: decision, outcomes, datasets, columns, results, versions, date and digests.

    An outcome of a check that did not run says ``"checked": false``: its ``decision`` is no statement on
    the data.

    Raises:
        SchemaError: the verdict is of another report.
    """
    check_pair(report, verdict)
    told, judged = report.to_dict(), verdict.to_dict()
    data = {
        "schema_version": told["schema_version"],
        "decision": judged["decision"],
        "outcomes": [
            {**told_outcome, "checked": _checked(report, outcome)}
            for told_outcome, outcome in zip(judged["outcomes"], verdict.outcomes, strict=True)
        ],
        **{key: told[key] for key in ("datasets", "columns", "results", "versions")},
        "audited_at": told["audited_at"],
        "report_digest": judged["report_digest"],
        "policy_digest": judged["policy_digest"],
    }
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _checked(report: AuditReport, outcome: Outcome) -> bool:
    result = report.result(outcome.code)
    # of no check in the report: a rule whose check is missing, or an outcome that is about the push itself
    return outcome.checked and (result is None or result.status == "ran")
