"""Does the evidence hold together, from the data to the plan? Every link is recomputed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from itertools import pairwise

from audits.dates import earliest_day
from audits.findings import SCHEMA_VERSION as AUDIT_SCHEMA_VERSION
from audits.findings import AuditReport, DatasetRef
from audits.policy import Policy, age_problem
from hf_contrastive.release.decision import decide
from hf_contrastive.release.licensing import license_analysis
from hf_contrastive.release.plan import PushPlan, payload_digest
from model_cards.evidence import SCHEMA_VERSION, Evidence
from model_cards.version_comparison import regressed


def broken_links(plan: PushPlan, evidence: Evidence, today: date) -> list[str]:
    """Return every link of the chain from data to plan that does not hold.

    Args:
        plan: what would be published.
        evidence: what is claimed.
        today: for waivers.
    """
    found = []
    if plan.evidence_digest != evidence.digest:
        found.append("The plan was made for another evidence (digest mismatch). Plan again.")
    if payload_digest(plan.files) != evidence.payload_digest:
        found.append("The evidence is about other model files than the plan's. Plan again.")
    report, policy, verdict = evidence.audit, evidence.policy, evidence.verdict
    if report is None or policy is None or verdict is None:
        found.append("The data was not audited: not checked is not passed. Pass the data, or an audit of it.")
        return found
    if evidence.licenses != license_analysis(evidence, policy):
        found.append(
            "The analysis of the licenses does not follow from this evidence and today's license facts. Plan again."
        )
    again = decide(
        report, policy, evidence.training, licenses=evidence.licenses, comparison=evidence.comparison, today=today
    )
    if verdict != again:
        found.append("The verdict does not follow from this audit and this policy. Judge again.")
    stale = age_problem(report.audited_at, policy, today)
    found.extend([stale] if stale is not None else _to_come(report.audited_at, "audit", today))
    found.extend(_to_come(evidence.created_at, "evidence", today))
    found.extend(other_schemas(evidence))
    if plan.verdict != verdict:
        found.append("The plan carries another verdict than the evidence. Plan again.")
    if evidence.repo_id is not None and plan.repo_id != evidence.repo_id:
        found.append(f"The evidence is for {evidence.repo_id}, the plan for {plan.repo_id}. Plan again.")
    found.extend(foreign_data(evidence, report))
    return found


def other_schemas(evidence: Evidence) -> list[str]:
    """Return which records are of another version of their schema, whose fields may mean something else."""
    told = [("evidence", evidence.schema_version, SCHEMA_VERSION)]
    audits = (("audit", evidence.audit), ("earlier audit", evidence.earlier_audit))
    told += [(name, item.schema_version, AUDIT_SCHEMA_VERSION) for name, item in audits if item is not None]
    return [
        f"The {name} has schema version {found}, and this version of hf-contrastive writes and reads {own}. Make it "
        "anew with this version."
        for name, found, own in told
        if found != own
    ]


def _to_come(moment: str, name: str, today: date) -> list[str]:
    """Return that ``moment`` lies after today: then this machine's clock, by which waivers and approvals end, is wrong.

    Args:
        moment: a date or time in ISO 8601, "" where none was kept.
        name: of what is dated so.
        today: in UTC.
    """
    day = earliest_day(moment)
    if day is None or day <= today:
        return []
    return [
        f"The {name} is dated {day}, after today ({today}): the clock of this machine, by which waivers and approvals "
        "end, is wrong. Set it, or make the record anew."
    ]


def foreign_comparison(evidence: Evidence, policy: Policy) -> list[str]:
    """Return what is wrong with the comparison with the published version.

    That the version is still the one that is published is seen when the commit is made.

    Args:
        evidence: what is claimed.
        policy: whose margin counts.
    """
    told = evidence.comparison
    if told is None:
        return []
    found = []
    trained = evidence.training.weights_sha256 if evidence.training is not None else ""
    if trained and told.weights_sha256 != trained and (told.compared or told.weights_sha256):
        found.append("The published version was compared with other weights than those to be published. Compare again.")
    if evidence.repo_id is not None and told.repo_id != evidence.repo_id:
        found.append(f"The comparison is with a version of {told.repo_id}, not of {evidence.repo_id}. Compare again.")
    if told.compared and (told.margin != policy.versions.margin or told.regression != regressed(told)):
        found.append(
            f"The comparison says regression: {told.regression} with a margin of {told.margin:g}; that does not follow "
            f"from its interval and the margin {policy.versions.margin:g} of this policy. Compare again."
        )
    return found


def foreign_data(evidence: Evidence, report: AuditReport) -> list[str]:
    """Return every claim that is about other data or weights than those that were audited and trained.

    Args:
        evidence: what is claimed.
        report: the audit in it.
    """
    found = _foreign_claims(evidence, report)
    found += foreign_comparison(evidence, evidence.policy) if evidence.policy is not None else []
    if evidence.training is not None:
        unread = [name for name in evidence.training.text_columns if name not in report.columns.texts]
        if unread:
            found.append(
                f"The audit did not read the column(s) {', '.join(unread)} that were trained on; it read "
                f"{', '.join(report.columns.texts)}. Audit with `text_columns` as trained."
            )
        audited = {reference.fingerprint for reference in report.datasets}
        foreign = [item.split for item in evidence.training.datasets if item.fingerprint not in audited]
        if foreign or not evidence.training.datasets:
            found.append(
                f"The audited data is not the data that was trained on (split {', '.join(foreign) or 'unknown'}: its "
                "fingerprint is not in the audit). Audit the dataset that was passed to the trainer."
            )
    return found


def _foreign_claims(evidence: Evidence, report: AuditReport) -> list[str]:
    """Refuse evaluations of other weights, and remedies or an earlier audit that do not lead to this data."""
    trained = evidence.training.weights_sha256 if evidence.training is not None else ""
    found = [
        f"The {item.task if item.is_cost else 'evaluation'} on {item.dataset.split} was measured on other weights than "
        f"those published. {'Benchmark' if item.is_cost else 'Evaluate'} `trainer.encoder` after the last training."
        for item in evidence.evaluations
        if trained and not item.is_study and item.weights_sha256 != trained
    ]
    base = evidence.training.base.weights_sha256 if evidence.training is not None else ""
    found += [
        f"The study on {item.dataset.split} starts from another checkpoint than this model was trained from, so that "
        "it tells nothing about it. Run the study with the base model of this training, or leave it out."
        for item in evidence.evaluations
        if trained and item.is_study and item.weights_sha256 != base
    ]
    audited = {reference.fingerprint for reference in report.datasets}
    remedies = evidence.remedies
    if remedies:
        after = {reference.fingerprint for reference in remedies[-1].after}
        linked = all(_fingerprints(one.after) == _fingerprints(two.before) for one, two in pairwise(remedies))
        if not after <= audited or not linked:
            found.append(
                "The recorded remedies do not lead to the audited data. Add those that were applied, in order."
            )
    earlier = evidence.earlier_audit
    if earlier is not None and remedies and _fingerprints(remedies[0].before) != _fingerprints(earlier.datasets):
        found.append("The earlier audit is of other data than the first remedy changed. Add the audit it followed.")
    return found


def _fingerprints(references: Iterable[DatasetRef]) -> frozenset[str]:
    return frozenset(reference.fingerprint for reference in references)
