"""Approvals: a person's yes to a verdict of review, bound to that verdict, its policy and what is published."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from audits.dates import parse_day, utc_today
from audits.errors import SchemaError
from audits.policy import Approval, Policy, Verdict
from hf_contrastive.errors import ContrastiveError
from model_cards.approvals import binding_problem, nobody, over, subject_digest, to_come
from model_cards.evidence import Evidence

__all__ = [
    "APPROVAL_FILE",
    "DEFAULT_DAYS",
    "ApprovalError",
    "approve",
    "approve_evidence",
    "binding_problem",
    "read_approval",
    "subject_digest",
]

APPROVAL_FILE = "approval.json"
DEFAULT_DAYS = 30
"""How long an approval lasts where neither its giver nor the policy says otherwise."""


class ApprovalError(ContrastiveError, ValueError):
    """An approval can not be read, given or used."""


def approve(
    verdict: Verdict,
    subject: str,
    *,
    by: str,
    role: str = "",
    reason: str = "",
    expires: str | None = None,
    today: date | None = None,
) -> Approval:
    """Record a person's yes to a verdict of review, bound to the verdict, the policy and what is published.

    Args:
        verdict: what was decided.
        subject: of :func:`subject_digest`.
        by: the person's name.
        role: what that person is.
        reason: why it may be published.
        expires: last day on which it holds.
        today: the day it is dated with; default is now, to the second.
    """
    return Approval(
        verdict_digest=verdict.digest,
        plan_digest=subject,
        policy_digest=verdict.policy_digest,
        by=by,
        role=role,
        reason=reason,
        expires=expires,
        created_at=today.isoformat() if today is not None else datetime.now(UTC).isoformat(timespec="seconds"),
    )


def approve_evidence(
    evidence: Evidence, *, by: str, role: str, reason: str, expires: str | None = None, today: date | None = None
) -> Approval:
    """Approve the verdict of review that stands in ``evidence``.

    Args:
        evidence: as it would be published, or as the last push that was refused has left it.
        by: the person's name.
        role: what that person is.
        reason: why it may be published.
        expires: last day on which it holds, YYYY-MM-DD; by default as long as the policy allows, or 30 days.
        today: default is now, in UTC.

    Raises:
        ApprovalError: there is no verdict, it is not review, it is of another audit or policy, nobody or no role or
            reason is named, or the last day is none, over, or later than the policy allows.
    """
    verdict = evidence.verdict
    if verdict is None or evidence.policy is None or evidence.audit is None:
        msg = (
            "The evidence holds no verdict over an audit under a policy, so there is nothing to approve; name the "
            "folder that `hf-contrastive audit --out` or a push has written."
        )
        raise ApprovalError(msg)
    if verdict.policy_digest != evidence.policy.digest or verdict.report_digest != evidence.audit.content_digest:
        msg = (
            "The verdict is of another audit or policy than the evidence holds; push or audit again, and approve that."
        )
        raise ApprovalError(msg)
    if verdict.decision == "pass":
        msg = "The verdict is pass: nothing waits for an approval. Publish as it is."
        raise ApprovalError(msg)
    if verdict.decision == "block":
        codes = sorted({item.code for item in verdict.outcomes if item.decision == "block"})
        msg = (
            f"The verdict is block because of {', '.join(codes)}: no approval lifts a block. Repair what blocks, or "
            "excuse it by a waiver in the policy, with an owner, an approver and an expiry."
        )
        raise ApprovalError(msg)
    for name, told in (("by", by), ("role", role), ("reason", reason)):
        if not told.strip():
            msg = f"`{name}` is empty; an approval names a person, that person's role, and why it may be published."
            raise ApprovalError(msg)
    last = _last_day(expires, evidence.policy, today or utc_today())
    whole = {"by": by.strip(), "role": role.strip(), "reason": reason.strip(), "expires": str(last)}
    return approve(verdict, subject_digest(evidence), **whole, today=today)


def read_approval(path: str | Path, *, today: date | None = None) -> Approval:
    """Read an approval that ``hf-contrastive approve`` wrote; a folder stands for its approval.json.

    Whether it is for what shall be published is told by :func:`binding_problem`.

    Raises:
        ApprovalError: no such file, no JSON, other keys or types, nobody named, or expired.
    """
    path = Path(path).expanduser()
    path = path / APPROVAL_FILE if path.is_dir() else path
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"The approval `{path}` can not be read ({error.strerror}); write one with `hf-contrastive approve`."
        raise ApprovalError(msg) from error
    except (ValueError, RecursionError) as error:
        msg = f"The approval `{path}` is no JSON ({error}); write it again with `hf-contrastive approve`."
        raise ApprovalError(msg) from error
    try:
        approval = Approval.from_dict(data)
    except SchemaError as error:
        msg = f"The approval `{path}` can not be used: {error} Write it again with `hf-contrastive approve`."
        raise ApprovalError(msg) from error
    problem = nobody(approval) or over(approval, today or utc_today()) or to_come(approval, today or utc_today())
    if problem is not None:
        msg = f"The approval `{path}` can not be used: {problem}. Ask for a new one with `hf-contrastive approve`."
        raise ApprovalError(msg)
    return approval


def _last_day(told: str | None, policy: Policy, today: date) -> date:
    limit = policy.approval_days
    if told is None:
        return today + timedelta(days=limit or DEFAULT_DAYS)
    last = parse_day(told)
    if last is None:
        msg = f"`expires` is {told!r}, which is no date; write it as in {today + timedelta(days=DEFAULT_DAYS)}."
        raise ApprovalError(msg)
    if last < today:
        msg = f"`expires` is {told}, which is over (today is {today}); name a day to come."
        raise ApprovalError(msg)
    if limit is not None and last > today + timedelta(days=limit):
        msg = (
            f"`expires` is {told}; the policy {policy.name} lets an approval last {limit} days, until "
            f"{today + timedelta(days=limit)}. Name an earlier day."
        )
        raise ApprovalError(msg)
    return last
