"""The judge: a report under a policy gives a verdict. Pure but for the day, and it errs on the side of asking."""

from __future__ import annotations

import datetime
import difflib
import math
import re
from collections.abc import Iterator, Sequence, Set
from typing import TYPE_CHECKING, NamedTuple

from audits.dates import utc_today
from audits.findings import AuditReport, CheckResult, DatasetRef, Measurement
from audits.splits import measured_with_alone
from audits.verdicts import Decision, Outcome, Verdict, worst
from audits.waivers import waive

if TYPE_CHECKING:
    from audits.policy import Policy, Rule


def judge(report: AuditReport, policy: Policy, *, today: datetime.date | None = None) -> Verdict:
    """Return the decision over ``report`` under ``policy``; the worst outcome decides.

    Pure but for ``today`` (UTC by default), against which waivers expire. Never raises on a report, and
    errs on the side of asking: what was not checked is not passed.

    * A finding above ``allowed`` gets the rule's decision, unless a waiver holds for its split and column. So does a
      measurement that a rule names; where the check did not measure it, that is reviewed, or blocks if required.
    * A check that a rule requires and that did not run blocks. Without being required, an errored check or one
      that is not in the report at all is reviewed; one skipped for a reason is shown and does not count.
    * So it is with the splits that a check that ran could not judge.
    * An errored check without a rule, and a finding without a rule, are reviewed.
    * So is a report over a part of the rows: nothing is known of the others.

    What follows from that, for rules in force under the policy's intent: one more finding, or a larger measurement,
    never gives a milder verdict (but for a finding that brings a measurement which a rule named in vain). Without a
    required check the verdict is block; without a check that any rule names it is no pass; and without one that none
    names, which nobody misses, a block is still no pass.

    ``report_digest`` is the report's content digest: auditing the same data again gives the same verdict, so
    an approval that was given to it stays valid.
    """
    day = today or utc_today()
    outcomes: list[Outcome] = []
    for rule in policy.rules:
        outcomes.extend(_apply(rule, report, policy, day))
    for result in report.results:
        outcomes.extend(_without_rule(result, [rule for rule in policy.rules if rule.code == result.code]))
    if not policy.rules:
        outcomes.append(
            Outcome(code="*", decision="review", rule="no rules", observed="nothing was judged", allowed="a rule")
        )
    outcomes.extend(_unread(ref) for ref in report.datasets if ref.unread_rows != 0)
    return Verdict(
        decision=worst(outcome.decision for outcome in outcomes),
        outcomes=tuple(outcomes),
        report_digest=report.content_digest,
        policy_digest=policy.digest,
        policy_name=policy.name,
    )


def age_problem(audited_at: str, policy: Policy, today: datetime.date) -> str | None:
    """Return why an audit of ``audited_at`` (a date or time in ISO 8601) is too old for ``policy``, or None."""
    limit = policy.max_audit_age_days
    if limit is None:
        return None
    under = f"the policy {policy.name} allows audits of at most {limit} days"
    try:
        moment = datetime.datetime.fromisoformat(audited_at)
    except ValueError:
        return f"When the data was audited is not known ({audited_at!r} is no date); {under}. Audit again."
    day = (moment.astimezone(datetime.UTC) if moment.tzinfo is not None else moment).date()
    age = (today - day).days
    # a day's slack: a date without a zone may be that of the next day in UTC
    if age < -1:
        return f"The audit is dated {day}, which is after today ({today}); {under}. Set the clock, or audit again."
    return f"The audit of {day} is {age} days old; {under}. Audit again." if age > limit else None


def allowed_words(rule: Rule) -> str:
    """Return what a rule allows with its unit, where the unit can be told without a report."""
    return _amount(rule.allowed, _UNITS.get(rule.code, "") if rule.measurement is None else "")


class _Measured(NamedTuple):
    """A measurement with where it was taken; ``scopes`` are what a waiver may name for it."""

    measurement: Measurement
    place: str
    scopes: tuple[str, ...]


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

_PLACE = re.compile(r"(?P<name>.*\S)\s*\((?P<place>[^()]*)\)")


def _apply(rule: Rule, report: AuditReport, policy: Policy, day: datetime.date) -> Iterator[Outcome]:
    results = [result for result in report.results if result.code == rule.code]
    measured_with = measured_with_alone([ref.split for ref in report.datasets])
    if rule.only_if_commercial and not policy.intent.commercial:
        yield from _set_aside(rule, results)
        return
    if not results:
        yield _not_checked(rule, "review", "the check is not in the report")
    for result in results:
        if result.status != "ran":
            missing: Decision = "review" if result.status == "errored" else "pass"
            yield _not_checked(rule, missing, f"{result.status}: {result.reason}")
        measured = list(_measured(rule, result))
        for item in measured:
            yield _judge_measurement(rule, item, measured_with, policy, day)
        if result.status == "ran" and not measured:
            yield from _nothing_found(rule, result)
        for reason in result.not_judged:
            yield _not_checked(rule, "pass", f"not judged in {reason}")


def _measured(rule: Rule, result: CheckResult) -> Iterator[_Measured]:
    """Yield what the rule is about: the check's findings, or every measurement of the name that it gives."""
    wanted = _folded(rule.measurement) if rule.measurement is not None else None
    for finding in result.findings:
        if wanted is None or wanted in _names(finding.measurement):
            place = finding.split if finding.column is None else f"{finding.split}/{finding.column}"
            yield _Measured(finding.measurement, place, (finding.split, place))
    for item in result.measurements if wanted is not None else ():
        if wanted in _names(item):
            found = _PLACE.fullmatch(item.name)
            parts = [part.strip() for part in found["place"].split(",")] if found else []
            place = "/".join(parts)
            yield _Measured(item, place or "all data", (parts[0], place) if parts else ())


def _names(measurement: Measurement) -> tuple[str, ...]:
    """Return the name, and the name without the place in brackets behind it."""
    found = _PLACE.fullmatch(measurement.name)
    return (_folded(measurement.name), *((_folded(found["name"]),) if found else ()))


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()


def _nothing_found(rule: Rule, result: CheckResult) -> Iterator[Outcome]:
    if rule.measurement is not None:
        known = sorted({_names(item)[-1] for item in (*result.measurements, *(f.measurement for f in result.findings))})
        near = difflib.get_close_matches(_folded(rule.measurement), known, n=3) or known
        told = f"; it measured {', '.join(near)}" if near else ""
        yield _not_checked(rule, "review", f"the check measured no “{rule.measurement}”{told}")
    elif not result.not_judged:
        told = _amount(rule.allowed, _unit(result))
        text = f"more than {told}: {rule.decision}"
        yield Outcome(code=rule.code, decision="pass", rule=text, observed="no finding", allowed=told)


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
    known = rule.measurement is None and rule.code in _UNITS
    allowed = _amount(rule.allowed, _UNITS[rule.code]) if known else "not judged"
    return Outcome(
        code=rule.code,
        decision="block" if rule.required else decision,
        rule="the check is required" if rule.required else "the check is not required",
        observed=f"not checked ({reason})",
        allowed="checked" if rule.required else allowed,
    )


def _judge_measurement(
    rule: Rule, item: _Measured, measured_with: Set[str], policy: Policy, day: datetime.date
) -> Outcome:
    value, unit = item.measurement.value, item.measurement.unit
    given = rule.decision
    if rule.measured_with is not None and item.scopes and item.scopes[0] in measured_with:
        given = rule.measured_with
    decision: Decision = "pass"
    waiver, note = None, None
    if not value <= rule.allowed:  # not a number is no number that is allowed
        waiver, note = waive(policy.waivers, rule.code, item.scopes, day, never=policy.cannot_waive)
        decision = given if waiver is None else "pass"
    allowed = _amount(rule.allowed, unit)
    what = f" ({rule.measurement})" if rule.measurement is not None else ""
    return Outcome(
        code=rule.code,
        decision=decision,
        rule=f"more than {allowed}{what}: {given}",
        observed=f"{_amount(value, unit)} in {item.place}",
        allowed=allowed,
        waiver=waiver.words if waiver is not None else note,
        waived_by=(waiver,) if waiver is not None else (),
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


def _without_rule(result: CheckResult, rules: Sequence[Rule]) -> Iterator[Outcome]:
    """Yield what no rule speaks on: a rule for one measurement says nothing on findings with another."""
    text = f"no rule for {result.code}"
    if result.status == "errored" and not rules:
        observed = f"not checked (errored: {result.reason})"
        yield Outcome(code=result.code, decision="review", rule=text, observed=observed, allowed="a rule")
    if any(rule.measurement is None for rule in rules):
        return
    named = {_folded(rule.measurement or "") for rule in rules}
    for finding in result.findings:
        if named.isdisjoint(_names(finding.measurement)):
            rule = f"{text} on what it found" if rules else text
            observed = f"{_amount(finding.measurement.value, finding.measurement.unit)} in {finding.split}"
            yield Outcome(code=result.code, decision="review", rule=rule, observed=observed, allowed="a rule")


def _amount(value: float, unit: str) -> str:
    if unit == "fraction":
        return f"{100 * value:.6g} %"
    return f"{int(value) if math.isfinite(value) and value == int(value) else value:,} {unit}".rstrip()
