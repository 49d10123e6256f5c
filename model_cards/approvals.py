"""Is a recorded approval a yes to this verdict on this content? One answer for the gate and for every document.

An approval is a record in somebody's name: that this person gave it is not proven by the record itself.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from audits.dates import earliest_day, parse_day
from audits.policy import Approval, Policy, Verdict
from model_cards.evidence import Evidence

NOT_PROVEN = "Each stands in the name of a person; who gave it is not proven."


def none_recorded(evidence: Evidence, none: str = "None") -> str:
    """Return that ``none`` is recorded, and where there may be one: it is bound to the report as it is published.

    Beside that report lies one that quotes rows; its digest is another, so that no approval can be bound to both.
    """
    verdict = evidence.verdict
    if verdict is None or verdict.decision != "review" or evidence.repo_id is None or not _quotes_rows(evidence):
        return f"{none} is recorded."
    return f"{none} is recorded here: an approval is bound to the report as it is published, and stands there."


def _quotes_rows(evidence: Evidence) -> bool:
    audits = [item for item in (evidence.audit, evidence.earlier_audit) if item is not None]
    rows = (row for audit in audits for finding in audit.findings for row in finding.evidence)
    return any(row.excerpt or any(item.excerpt for item in row.related) for row in rows)


def subject_digest(evidence: Evidence) -> str:
    """Return the digest that an approval is bound to: all of the evidence but the approvals and run times.

    It covers repository, license, model files, audit, evaluations, the comparison with the published version and
    statements; not the key that signs, which says nothing about the model, nor the branch, the endpoint and whether the
    repository is private, which no evidence records: a yes to a private repository is one to a public one of that name.
    A policy whose intent is internal lets nothing into a public one.
    """
    return replace(evidence, approvals=(), signing_key=None).content_digest


def binding_problem(approval: Approval, evidence: Evidence, verdict: Verdict, today: date | None) -> str | None:
    """Return why ``approval`` is no yes to ``verdict`` on what ``evidence`` is about, or None.

    Args:
        approval: of a person.
        evidence: what would be published.
        verdict: what was decided on it.
        today: against which its days are checked; None where no day is known, e.g. of evidence without a date.
    """
    problem = nobody(approval) or over(approval, today) or to_come(approval, today)
    if problem is not None:
        return problem
    if approval.policy_digest != verdict.policy_digest:
        return "it was given under another policy"
    if approval.verdict_digest != verdict.digest:
        return "it was given for another verdict"
    if approval.plan_digest != subject_digest(evidence):
        return "it was given for other files, or another repository, license, evaluation or statement"
    return _against_policy(approval, evidence.policy, today)


def nobody(approval: Approval) -> str | None:
    """Return that it names nobody, or None."""
    return None if approval.by.strip() else "it names nobody in `by`"


def over(approval: Approval, today: date | None) -> str | None:
    """Return that its last day is over, or is no day, or None."""
    if approval.expires is None:
        return None
    last = parse_day(approval.expires)
    if last is None:
        return f"it expires on {approval.expires!r}, which is no date like 2027-01-31"
    return f"it expired on {approval.expires}" if today is not None and last < today else None


def to_come(approval: Approval, today: date | None) -> str | None:
    """Tell an approval that is dated after today: a clock that was set back would make an expired one hold."""
    day = earliest_day(approval.created_at) if approval.created_at else None
    if day is None or today is None or day <= today:
        return None
    return f"it was given on {day}, after today ({today}): the clock of this machine or of its giver is wrong"


def _against_policy(approval: Approval, policy: Policy | None, today: date | None) -> str | None:
    if policy is None:
        return None
    missing = [name for name in ("role", "reason", "expires") if not (getattr(approval, name) or "").strip()]
    if missing and not policy.single_reviewer:
        return (
            f"the policy {policy.name} takes no name alone, and it has no {' and no '.join(missing)}: record one with "
            "`hf-contrastive approve`"
        )
    last = parse_day(approval.expires or "")
    if today is None or last is None or policy.approval_days is None:
        return None
    if last > today + timedelta(days=policy.approval_days):
        return (
            f"it lasts until {last}, longer than the {policy.approval_days} days that the policy {policy.name} allows"
        )
    return None


def days_of(evidence: Evidence) -> tuple[date, ...]:
    """Return the days, in UTC, on which an evidence may have been judged; none where it names no day.

    It is dated when it is made, and a push that began before midnight judges it after.
    """
    day = parse_day(evidence.created_at[:10])
    if day is None and evidence.audit is not None:
        day = parse_day(evidence.audit.audited_at[:10])
    if day is None:
        return ()
    return (day, day + timedelta(days=1)) if day < date.max else (day,)


def problem_on_its_day(approval: Approval, evidence: Evidence) -> str | None:
    """Return why ``approval`` is no yes in ``evidence`` as of the days on which that may have been judged, or None."""
    if evidence.verdict is None:
        return "there is no verdict to say yes to"
    if evidence.verdict.decision == "block":
        return "no approval lifts a block"
    days: tuple[date | None, ...] = days_of(evidence) or (None,)
    problems = [binding_problem(approval, evidence, evidence.verdict, day) for day in days]
    return None if None in problems else problems[0]
