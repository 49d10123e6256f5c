"""From measurements to a decision: TOML -> Policy; judge(report, policy) -> Verdict is pure."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from audits.findings import AuditReport, CheckResult, DatasetRef, Finding
from audits.intent import Intent
from audits.records import Record, volatile

LEVELS = ("permissive", "standard", "strict")
"""The policies that are shipped, as ``audits/policies/<level>.toml``."""

Decision = Literal["pass", "review", "block"]
"""pass publishes; review needs a recorded, named approval; block never publishes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Record):
    """What one check may measure.

    A finding of ``code`` whose measurement exceeds ``allowed`` (in the measurement's own unit) gets
    ``decision``. ``required`` checks that were skipped, errored or never run block.
    ``only_if_commercial`` rules hold where the intent is commercial.
    """

    code: str
    allowed: float = 0.0
    decision: Literal["review", "block"] = "block"
    required: bool = False
    only_if_commercial: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver(Record):
    """A named, owned and expiring exception; ``scope`` is ``*``, a split or ``split/column``."""

    code: str
    scope: str = "*"
    reason: str
    owner: str
    approver: str
    expires: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy(Record):
    """Rules by check, and the exceptions from them."""

    name: str
    intent: Intent = field(default_factory=Intent)
    rules: tuple[Rule, ...] = ()
    waivers: tuple[Waiver, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Record):
    """One rule applied to one measurement (or to a check that did not run)."""

    code: str
    decision: Decision
    rule: str
    observed: str
    allowed: str
    waiver: str | None = None

    @property
    def checked(self) -> bool:
        """Whether it is a statement on the data; a decision of "pass" is none where nothing was checked."""
        return not self.observed.startswith(("not checked", "not judged"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict(Record):
    """The decision over one report under one policy, with everything that led to it."""

    decision: Decision
    outcomes: tuple[Outcome, ...]
    report_digest: str
    policy_digest: str
    policy_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval(Record):
    """A person's recorded yes to a verdict of review, bound to what was shown to that person."""

    verdict_digest: str
    plan_digest: str
    policy_digest: str
    by: str
    role: str = ""
    reason: str = ""
    expires: str | None = None
    created_at: str = volatile(default="")


def load_policy(name_or_path: str | Path = "standard", *, today: datetime.date | None = None) -> Policy:
    """Return the shipped policy of that name (:data:`LEVELS`) or the one in a TOML file.

    The file holds ``name``, ``[intent] commercial``, ``[[rules]]`` with the fields of :class:`Rule` and
    ``[[waivers]]`` with the fields of :class:`Waiver`. ``today`` (UTC by default) decides what is expired.

    Raises:
        PolicyError: no such policy, no valid TOML, an unknown key or code, a value of another type or out of
            range, no rules, or a waiver that is expired, without an owner or approved by its owner.
    """
    from audits.policy_files import read_policy  # which needs the types above

    return read_policy(name_or_path, today or _today())


def judge(report: AuditReport, policy: Policy, *, today: datetime.date | None = None) -> Verdict:
    """Return the decision over ``report`` under ``policy``; the worst outcome decides.

    Pure but for ``today`` (UTC by default), against which waivers expire. Never raises on a report, and
    errs on the side of asking: what was not checked is not passed.

    * A finding above ``allowed`` gets the rule's decision, unless a waiver holds for its split and column.
    * A check that a rule requires and that did not run blocks. Without being required, an errored check or one
      that is not in the report at all is reviewed; one skipped for a reason is shown and does not count.
    * So it is with the splits that a check that ran could not judge.
    * An errored check without a rule, and a finding without a rule, are reviewed.
    * So is a report over a part of the rows: nothing is known of the others.

    ``report_digest`` is the report's content digest: auditing the same data again gives the same verdict, so
    an approval that was given to it stays valid.
    """
    day = today or _today()
    outcomes: list[Outcome] = []
    for rule in policy.rules:
        outcomes.extend(_apply(rule, report, policy, day))
    ruled = {rule.code for rule in policy.rules}
    for result in report.results:
        if result.code not in ruled:
            outcomes.extend(_without_rule(result))
    if not policy.rules:
        outcomes.append(
            Outcome(code="*", decision="review", rule="no rules", observed="nothing was judged", allowed="a rule")
        )
    outcomes.extend(_unread(ref) for ref in report.datasets if ref.unread_rows != 0)
    decisions = [outcome.decision for outcome in outcomes]
    worst: Decision = max(decisions, key=_SEVERITY.__getitem__)
    return Verdict(
        decision=worst,
        outcomes=tuple(outcomes),
        report_digest=report.content_digest,
        policy_digest=policy.digest,
        policy_name=policy.name,
    )


_SEVERITY: dict[Decision, int] = {"pass": 0, "review": 1, "block": 2}


_UNITS = {
    **dict.fromkeys(("LIC001", "LIC002", "LIC003"), "rows"),
    **dict.fromkeys(("DUP001", "DUP002", "DUP003", "LEAK001", "LEAK002", "LEAK003", "LEAK004"), "fraction"),
    **dict.fromkeys((*(f"PII00{i}" for i in range(1, 7)), "SEC001", "SEC002"), "fraction"),
    **dict.fromkeys(("LABEL001", "LABEL002"), "fraction"),
    **dict.fromkeys((f"PAIR00{i}" for i in range(1, 9)), "fraction"),
    **dict.fromkeys((f"POIS00{i}" for i in range(1, 4)), "rows"),
    **dict.fromkeys(("TEXT001", "TEXT002", "TEXT004"), "rows"),
    **dict.fromkeys(("TEXT003", "TEXT005", "TEXT006", "TEXT007"), "fraction"),
}
"""The unit of each shipped check's findings, for where it found nothing or did not run."""


def _apply(rule: Rule, report: AuditReport, policy: Policy, day: datetime.date) -> Iterator[Outcome]:
    results = [result for result in report.results if result.code == rule.code]
    if rule.only_if_commercial and not policy.intent.commercial:
        yield from _set_aside(rule, results)
        return
    if not results:
        yield _not_checked(rule, "review", "the check is not in the report")
    for result in results:
        if result.status != "ran":
            missing: Decision = "review" if result.status == "errored" else "pass"
            yield _not_checked(rule, missing, f"{result.status}: {result.reason}")
        elif not result.findings and not result.not_judged:
            told = _amount(rule.allowed, _unit(result))
            text = f"more than {told}: {rule.decision}"
            yield Outcome(code=rule.code, decision="pass", rule=text, observed="no finding", allowed=told)
        for finding in result.findings:
            yield _judge_finding(rule, finding, policy, day)
        for reason in result.not_judged:
            yield _not_checked(rule, "pass", f"not judged in {reason}")


def _set_aside(rule: Rule, results: Sequence[CheckResult]) -> Iterator[Outcome]:
    """Yield the outcomes of a rule that holds for another intent; a crash still asks."""
    text = "holds only for commercial use, which is not intended"
    for result in results:
        missing: Decision = "review" if result.status == "errored" else "pass"
        observed = "not judged" if result.status == "ran" else f"not checked ({result.status}: {result.reason})"
        yield Outcome(code=rule.code, decision=missing, rule=text, observed=observed, allowed="not judged")
    if not results:
        observed = "not checked (the check is not in the report)"
        yield Outcome(code=rule.code, decision="pass", rule=text, observed=observed, allowed="not judged")


def _unit(result: CheckResult) -> str:
    """Return the unit that a finding of this check would have had, or "" where that can not be told."""
    units = {measurement.unit for measurement in result.measurements}
    # a check may measure something beside its findings, e.g. the size of the largest group
    return units.pop() if len(units) == 1 else _UNITS.get(result.code, "")


def _not_checked(rule: Rule, decision: Decision, reason: str) -> Outcome:
    allowed = _amount(rule.allowed, _UNITS[rule.code]) if rule.code in _UNITS else "not judged"
    return Outcome(
        code=rule.code,
        decision="block" if rule.required else decision,
        rule="the check is required" if rule.required else "the check is not required",
        observed=f"not checked ({reason})",
        allowed="checked" if rule.required else allowed,
    )


def _judge_finding(rule: Rule, finding: Finding, policy: Policy, day: datetime.date) -> Outcome:
    measured = finding.measurement
    place = finding.split if finding.column is None else f"{finding.split}/{finding.column}"
    waiver = None
    decision: Decision = "pass"
    if measured.value > rule.allowed:
        decision = rule.decision
        for candidate in policy.waivers:
            if candidate.code != finding.code or candidate.scope not in ("*", finding.split, place):
                continue
            problem = waiver_problem(candidate, day)
            if problem is None:
                decision = "pass"
                waiver = (
                    f"{candidate.reason} (owner {candidate.owner}, approved by {candidate.approver}, until "
                    f"{candidate.expires})"
                )
                break
            waiver = f"not honoured: {problem}"
    return Outcome(
        code=rule.code,
        decision=decision,
        rule=f"more than {_amount(rule.allowed, measured.unit)}: {rule.decision}",
        observed=f"{_amount(measured.value, measured.unit)} in {place}",
        allowed=_amount(rule.allowed, measured.unit),
        waiver=waiver,
    )


def _unread(ref: DatasetRef) -> Outcome:
    rest = f"{ref.unread_rows:,} rows" if ref.unread_rows is not None else "an unknown number of rows"
    return Outcome(
        code="*",
        decision="review",
        rule="every row is read",
        observed=f"{rest} of {ref.split} not looked at",
        allowed="0 rows",
    )


def _without_rule(result: CheckResult) -> Iterator[Outcome]:
    rule = f"no rule for {result.code}"
    if result.status == "errored":
        observed = f"not checked (errored: {result.reason})"
        yield Outcome(code=result.code, decision="review", rule=rule, observed=observed, allowed="a rule")
    for finding in result.findings:
        observed = f"{_amount(finding.measurement.value, finding.measurement.unit)} in {finding.split}"
        yield Outcome(code=result.code, decision="review", rule=rule, observed=observed, allowed="a rule")


def _amount(value: float, unit: str) -> str:
    if unit == "fraction":
        return f"{100 * value:.6g} %"
    return f"{int(value) if value == int(value) else value:,} {unit}".rstrip()


def waiver_problem(waiver: Waiver, day: datetime.date) -> str | None:
    """Return why the waiver does not hold on ``day``, or None."""
    who = f"the waiver for {waiver.code}"
    for name in ("reason", "owner", "approver"):
        if not getattr(waiver, name).strip():
            return f"{who} has no {name}"
    if waiver.owner.strip().casefold() == waiver.approver.strip().casefold():
        return f"{who} is approved by its own owner {waiver.owner}; another person must approve it"
    try:
        expires = datetime.date.fromisoformat(waiver.expires)
    except ValueError:
        return f"{who} expires on {waiver.expires!r}, which is no date like 2027-01-31"
    return f"{who} expired on {waiver.expires}" if expires < day else None


def _today() -> datetime.date:
    return datetime.datetime.now(tz=datetime.UTC).date()
