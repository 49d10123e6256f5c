"""report.sarif: findings and license rules in SARIF 2.1.0, for code scanning and for editors.

One result a finding (a check in one split and column) with a location for each row that is shown, and one for each
other outcome that is no plain pass: a required check that did not run, a license rule, the policy as a whole. The
level follows the policy: block is an error, review a warning, anything else a note; the gravest is the verdict's. A
waiver is a suppression. Checks that did not run are notifications of the run. The rows' text is not quoted.

A location names ``findings/<CODE>.parquet``, where every row of a finding is listed, and ``split/column[row]``.
"""

from __future__ import annotations

import json
from typing import Any

from audits.findings import AuditReport, DatasetRef
from model_cards.errors import DocumentError, EvidenceError
from model_cards.evidence import Evidence
from model_cards.facts import is_judged, name_of, unchecked
from model_cards.questions import describes_model
from model_cards.schemas import schema_problems
from model_cards.signoff import gaps
from model_cards.standards.sarif_results import MOST_RESULTS, results
from model_cards.standards.sarif_rules import literal, rules
from model_cards.standards.values import filled, moment, redacted

name = "sarif"
filename = "report.sarif"
published = False

SCHEMA = "sarif-profile.schema.json"
"""The part of SARIF 2.1.0 that is written here, as a schema of :mod:`model_cards.schemas`."""


def applies(evidence: Evidence) -> bool:
    """Whether there is an audit that was judged."""
    return is_judged(evidence)


def render(evidence: Evidence) -> str:
    """Return the log with its one run.

    Raises:
        EvidenceError: there is no audit, or it was not judged.
    """
    audit, verdict = evidence.audit, evidence.verdict
    if audit is None or verdict is None:
        msg = f"{filename} needs an audit and its verdict, and the evidence lacks one; audit and judge the data first."
        raise EvidenceError(msg)
    descriptors = rules(evidence)
    found, left_out = results(evidence, {item["id"]: i for i, item in enumerate(descriptors)})
    version = evidence.versions.get("hf-contrastive") or audit.versions.get("hf-contrastive")
    run = {
        "tool": {"driver": filled(name="hf-contrastive", version=version, rules=descriptors)},
        "automationDetails": {"id": f"hf-contrastive/{_subject(evidence, audit)}/"},
        "invocations": [_invocation(evidence, audit, left_out)],
        "results": found,
        "properties": filled(
            decision=verdict.decision,
            policy=verdict.policy_name,
            reportDigest=verdict.report_digest,
            policyDigest=verdict.policy_digest,
            contentDigest=evidence.content_digest,
            rows={ref.split: ref.num_rows for ref in audit.datasets},
            approvedBy=[approval.by for approval in evidence.approvals],
        ),
    }
    log = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(redacted(log), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def validate(text: str) -> None:
    """Check the log against the part of the standard that is used here, and against GitHub's limits.

    Raises:
        DocumentError: it does not follow; the first problems are listed.
    """
    try:
        log = json.loads(text)
        problems = [*schema_problems(log, SCHEMA)] or _run_problems(log["runs"][0])
    except ValueError as error:
        problems = [f"it is no JSON ({error})"]
    if problems:
        msg = f"{filename} does not follow SARIF 2.1.0: {'; '.join(problems)}. Write it again from the evidence."
        raise DocumentError(msg)


def _invocation(evidence: Evidence, audit: AuditReport, left_out: int) -> dict[str, Any]:
    """Return how the run went: what did not run, and why."""
    notes = [
        {
            "descriptor": {"id": row.code},
            "level": "error" if row.status == "errored" else "warning" if row.required else "note",
            "message": {"text": literal(f"Not checked ({row.status}): {row.reason or 'no reason recorded'}")},
        }
        for row in unchecked(evidence)
    ]
    # splits that a check could not judge, and rows that nobody looked at, are gaps of a run that succeeded
    codes = {result.code for result in audit.results}
    notes += [
        filled(
            descriptor={"id": code} if code in codes else {"id": "POLICY"},
            level="note" if gap.status == "not judged" else "warning",
            message={"text": literal(f"{code} {words}: {gap.status}{f': {gap.reason}' if gap.reason else ''}")},
        )
        for gap in gaps(evidence)
        if gap.status in ("not judged", "not read")
        for code, words in gap.what
    ]
    if left_out:
        words = f"{left_out:,} more results are left out, since a run may hold {MOST_RESULTS:,}; report.json has all."
        notes.append({"descriptor": {"id": "POLICY"}, "level": "warning", "message": {"text": words}})
    return filled(
        executionSuccessful=all(result.status != "errored" for result in audit.results),
        endTimeUtc=moment(audit.audited_at),
        toolExecutionNotifications=notes,
    )


def _subject(evidence: Evidence, audit: AuditReport) -> str:
    """Return what the run is about, by which tools tell runs apart."""
    if describes_model(evidence):
        return evidence.repo_id or evidence.model_name or "model"
    return ", ".join(dict.fromkeys(map(_named, audit.datasets))) or "data"


def _named(ref: DatasetRef) -> str:
    return name_of(ref) if ref.repo_id else "data"


def _run_problems(run: dict[str, Any]) -> list[str]:
    """Return what a schema can not see: results that name another rule than their index, or have one identity."""
    known = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    problems = [f"the rule `{code}` stands twice" for code in {code for code in known if known.count(code) > 1}]
    identities: set[str] = set()
    for i, result in enumerate(run["results"]):
        if result["ruleIndex"] >= len(known) or known[result["ruleIndex"]] != result["ruleId"]:
            problems.append(f"`results[{i}]` names the rule {result['ruleId']} and the place of another")
        identity = result["partialFingerprints"]["hf-contrastive/v1"]
        if identity in identities:
            problems.append(f"`results[{i}]` has the fingerprint of another result")
        identities.add(identity)
    return problems[:5]
