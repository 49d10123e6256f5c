"""The gate: one place that decides whether a plan may leave, and lists every reason against it at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from audits.findings import AuditReport
from audits.policy import Approval, Outcome, Policy, Verdict, judge
from hf_contrastive.errors import PushBlocked
from hf_contrastive.release.files import problems
from hf_contrastive.release.plan import PushPlan, planned
from model_cards.evidence import Evidence, TrainingRecord

_RANK = {"pass": 0, "review": 1, "block": 2}


def decide(
    report: AuditReport, policy: Policy, training: TrainingRecord | None, *, today: date | None = None
) -> Verdict:
    """Judge the audit; a model whose training was not seen here is at least a matter of review.

    Args:
        report: the audit of the data.
        policy: what it is judged by.
        training: the training record, None for models trained elsewhere.
        today: for waivers; default is now.
    """
    verdict = judge(report, policy, today=today)
    if training is not None:
        return verdict
    outcome = Outcome(
        code="TRAINING",
        decision="review",
        rule="the training was recorded",
        observed="trained elsewhere: that it saw this data alone is stated, not measured",
        allowed="a training record",
    )
    decision = verdict.decision if _RANK[verdict.decision] >= _RANK["review"] else "review"
    return replace(verdict, decision=decision, outcomes=(*verdict.outcomes, outcome))


def approve(verdict: Verdict, payload_digest: str, *, by: str, role: str = "", reason: str = "") -> Approval:
    """Record a person's yes to a verdict of review, bound to the verdict, the policy and the files.

    Args:
        verdict: what was decided.
        payload_digest: of the plan.
        by: the person's name.
        role: what that person is.
        reason: why it may be published.
    """
    return Approval(
        verdict_digest=verdict.digest,
        plan_digest=payload_digest,
        policy_digest=verdict.policy_digest,
        by=by,
        role=role,
        reason=reason,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def check(
    plan: PushPlan, evidence: Evidence, sources: Mapping[str, Path | bytes], *, today: date | None = None
) -> None:
    """Let ``plan`` through, or raise with every reason against it.

    Args:
        plan: what would be published.
        evidence: the chain that the documents were rendered from.
        sources: content of each planned file.
        today: for waivers and approvals; default is now.

    Raises:
        PushBlocked: a digest does not match, data differs from what was trained on, a file may not be
            published, the verdict is block, or it is review and nobody approved it.
    """
    today = today or datetime.now(UTC).date()
    found = [*_broken_chain(plan, evidence, today), *_changed_files(plan, sources)]
    for name, source in sources.items():
        found.extend(problems(name, source))
    verdict = evidence.verdict
    found.extend(_decision(plan, verdict, evidence, today))
    if not found:
        return
    decision = verdict.decision if verdict is not None else "block"
    msg = (
        f"Nothing was published to {plan.repo_id}: {len(found)} reason(s) against it (the audit's decision is "
        f"{decision}).\n" + "\n".join(f"  - {line}" for line in found)
    )
    raise PushBlocked(msg, verdict=verdict, problems=tuple(found))


def _broken_chain(plan: PushPlan, evidence: Evidence, today: date) -> list[str]:
    found = []
    if plan.evidence_digest != evidence.digest:
        found.append("The plan was made for another evidence (digest mismatch). Plan again.")
    if plan.payload_digest != evidence.payload_digest:
        found.append("The evidence is about other model files than the plan's. Plan again.")
    report, policy, verdict = evidence.audit, evidence.policy, evidence.verdict
    if report is None or policy is None or verdict is None:
        found.append("The data was not audited: not checked is not passed. Pass the data, or an audit of it.")
        return found
    if verdict != decide(report, policy, evidence.training, today=today):
        found.append("The verdict does not follow from this audit and this policy. Judge again.")
    if plan.verdict != verdict:
        found.append("The plan carries another verdict than the evidence. Plan again.")
    if evidence.training is not None:
        audited = {reference.fingerprint for reference in report.datasets}
        foreign = [item.split for item in evidence.training.datasets if item.fingerprint not in audited]
        if foreign or not evidence.training.datasets:
            found.append(
                f"The audited data is not the data that was trained on (split {', '.join(foreign) or 'unknown'}: its "
                "fingerprint is not in the audit). Audit the dataset that was passed to the trainer."
            )
    return found


def _changed_files(plan: PushPlan, sources: Mapping[str, Path | bytes]) -> list[str]:
    found = []
    for item in plan.files:
        source = sources[item.path]
        if isinstance(source, Path) and not source.is_file():
            found.append(f"{item.path} is gone since the plan was made. Plan again.")
        elif planned(item.path, source) != item:
            found.append(f"{item.path} changed since the plan was made. Plan again.")
    return found


def _decision(plan: PushPlan, verdict: Verdict | None, evidence: Evidence, today: date) -> list[str]:
    if verdict is None or verdict.decision == "pass":
        return []
    open_outcomes = [item for item in verdict.outcomes if item.decision == verdict.decision]
    lines = [f"{item.code}: {item.rule}; observed {item.observed}, allowed {item.allowed}." for item in open_outcomes]
    if verdict.decision == "block":
        return lines
    if any(_binds(approval, plan, verdict, today) for approval in evidence.approvals):
        return []
    return [*lines, "A verdict of review needs a person's recorded yes: push with `--reviewed-by NAME`."]


def _binds(approval: Approval, plan: PushPlan, verdict: Verdict, today: date) -> bool:
    return (
        bool(approval.by.strip())
        and approval.verdict_digest == verdict.digest
        and approval.policy_digest == verdict.policy_digest
        and approval.plan_digest == plan.payload_digest
        and (approval.expires is None or date.fromisoformat(approval.expires) >= today)
    )
