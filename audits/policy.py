"""From measurements to a decision: TOML -> Policy; judge(report, policy) -> Verdict is pure."""

from __future__ import annotations

import datetime
import difflib
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from audits.errors import PolicyError, SchemaError
from audits.findings import AuditReport, CheckResult, Finding
from audits.records import Record, volatile

LEVELS = ("permissive", "standard", "strict")
"""The policies that are shipped, as ``audits/policies/<level>.toml``."""

Decision = Literal["pass", "review", "block"]
"""pass publishes; review needs a recorded, named approval; block never publishes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent(Record):
    """What the model is meant for; rules may depend on it."""

    commercial: bool = True


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
    text, where = _read(name_or_path)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        msg = f"The policy {where} is no valid TOML: {error}. Compare it with the shipped policy `standard`."
        raise PolicyError(msg) from error
    for waiver in _entries(data, "waivers"):
        if isinstance(waiver.get("expires"), datetime.date):
            waiver["expires"] = waiver["expires"].isoformat()[:10]  # TOML has dates, JSON has none
    try:
        policy = Policy.from_dict(data)
    except SchemaError as error:
        msg = f"The policy {where} can not be used: {error}"
        raise PolicyError(msg) from error
    problem = next(_problems(policy, today or _today()), None)
    if problem is not None:
        msg = f"The policy {where} can not be used: {problem}"
        raise PolicyError(msg)
    return policy


def judge(report: AuditReport, policy: Policy, *, today: datetime.date | None = None) -> Verdict:
    """Return the decision over ``report`` under ``policy``; the worst outcome decides.

    Pure but for ``today`` (UTC by default), against which waivers expire. Never raises on a report, and
    errs on the side of asking: what was not checked is not passed.

    * A finding above ``allowed`` gets the rule's decision, unless a waiver holds for its split and column.
    * A check that a rule requires and that did not run blocks. Without being required, an errored check or one
      that is not in the report at all is reviewed; one skipped for a reason is shown and does not count.
    * An errored check without a rule, and a finding without a rule, are reviewed.

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
    decisions = [outcome.decision for outcome in outcomes]
    worst: Decision = max(decisions, key=_SEVERITY.__getitem__)
    return Verdict(
        decision=worst,
        outcomes=tuple(outcomes),
        report_digest=report.content_digest,
        policy_digest=policy.digest,
        policy_name=policy.name,
    )


def known_codes() -> frozenset[str]:
    """Return the codes of every installed check and of the shipped policies."""
    from audits.checks import discover  # the checks import heavy libraries

    shipped = (rule["code"] for level in LEVELS for rule in tomllib.loads(_shipped(level))["rules"])
    return frozenset({check.code for check in discover()} | set(shipped))


_SEVERITY: dict[Decision, int] = {"pass": 0, "review": 1, "block": 2}


def _apply(rule: Rule, report: AuditReport, policy: Policy, day: datetime.date) -> Iterator[Outcome]:
    allowed = f"{rule.allowed:g}"
    results = [result for result in report.results if result.code == rule.code]
    if rule.only_if_commercial and not policy.intent.commercial:
        text = "holds only for commercial use, which is not intended"
        yield Outcome(code=rule.code, decision="pass", rule=text, observed="not judged", allowed=allowed)
        for result in results:
            if result.status == "errored":
                observed = f"not checked (errored: {result.reason})"
                yield Outcome(code=rule.code, decision="review", rule=text, observed=observed, allowed=allowed)
        return
    if not results:
        yield _not_checked(rule, "review", "the check is not in the report")
    for result in results:
        if result.status != "ran":
            missing: Decision = "review" if result.status == "errored" else "pass"
            yield _not_checked(rule, missing, f"{result.status}: {result.reason}")
        elif not result.findings:
            told = _amount(rule.allowed, result.measurements[0].unit if result.measurements else "")
            text = f"more than {told}: {rule.decision}"
            yield Outcome(code=rule.code, decision="pass", rule=text, observed="no finding", allowed=told)
        for finding in result.findings:
            yield _judge_finding(rule, finding, policy, day)


def _not_checked(rule: Rule, decision: Decision, reason: str) -> Outcome:
    return Outcome(
        code=rule.code,
        decision="block" if rule.required else decision,
        rule="the check is required" if rule.required else "the check is not required",
        observed=f"not checked ({reason})",
        allowed="checked" if rule.required else f"{rule.allowed:g}",
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
            problem = _waiver_problem(candidate, day)
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


def _read(name_or_path: str | Path) -> tuple[str, str]:
    if isinstance(name_or_path, str) and name_or_path in LEVELS:
        return _shipped(name_or_path), f"`{name_or_path}`"
    path = Path(name_or_path).expanduser()
    try:
        return path.read_text(encoding="utf-8"), f"`{path}`"
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        near = difflib.get_close_matches(str(name_or_path), LEVELS, n=1)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        msg = (
            f"The policy `{name_or_path}` can not be read ({reason}); give the path of a TOML file or one of "
            f"{', '.join(LEVELS)}.{hint}"
        )
        raise PolicyError(msg) from error


def _entries(data: dict[str, Any], key: str) -> Iterator[dict[str, Any]]:
    value = data.get(key)
    yield from (entry for entry in value if isinstance(entry, dict)) if isinstance(value, list) else ()


def _shipped(level: str) -> str:
    return resources.files("audits").joinpath("policies", f"{level}.toml").read_text(encoding="utf-8")


def _problems(policy: Policy, day: datetime.date) -> Iterator[str]:
    if not policy.rules:
        yield 'it has no [[rules]]; add at least one, e.g. code = "DUP001", allowed = 0.1, decision = "review".'
    codes = known_codes()
    for kind, entries in (("rule", policy.rules), ("waiver", policy.waivers)):
        yield from _unknown_codes(kind, (entry.code for entry in entries), codes)
    seen: set[tuple[Any, ...]] = set()
    for rule in policy.rules:
        if rule.allowed < 0:
            yield f"the rule for {rule.code} allows {rule.allowed:g}; `allowed` must be 0 or more."
        key = (rule.code, rule.decision, rule.only_if_commercial)
        if key in seen:
            yield f"it has two rules that {rule.decision} on {rule.code}; keep one."
        seen.add(key)
    for waiver in policy.waivers:
        problem = _waiver_problem(waiver, day)
        if problem is not None:
            yield f"{problem}. Renew or remove it."


def _unknown_codes(kind: str, codes: Iterable[str], known: frozenset[str]) -> Iterator[str]:
    for code in codes:
        if code not in known:
            near = difflib.get_close_matches(code, sorted(known), n=3, cutoff=0.5) or sorted(known)
            yield f"a {kind} names the unknown check {code}; near it are {', '.join(near)}."


def _waiver_problem(waiver: Waiver, day: datetime.date) -> str | None:
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
