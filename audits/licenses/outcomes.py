"""What a policy decides on the license rules: one outcome a rule."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING

from audits.licenses.analysis import LicenseAnalysis, RuleResult
from audits.licenses.overlays import RULE_CODES
from audits.verdicts import SEVERITY, Decision, Outcome, worst
from audits.waivers import Waiver, waive

if TYPE_CHECKING:
    from audits.policy import Policy

_SHOWN = 5  # inputs that an outcome names


def license_outcomes(analysis: LicenseAnalysis, policy: Policy, day: datetime.date) -> tuple[Outcome, ...]:
    """Return one outcome for each license rule, in their order; pure.

    * A conflict has the decision of the analysis unless ``[[licenses.rules]]`` says otherwise, in either direction;
      what is changed is shown.
    * What is undetermined is reviewed, or blocks, by ``[licenses] undetermined``. The one note that asks nothing (a
      decision of "pass" beside an open question) stays so unless a rule for its code says otherwise.
    * Waivers excuse a result where they name each of its inputs, those with a milder result too, or ``*``.
    * A rule without a result, and an analysis without inputs, are reviewed: not checked is not passed.
    """
    outcomes = [_judge(result, analysis, policy, day) for result in analysis.results]
    told = {result.code for result in analysis.results}
    missing = "not checked (the analysis has no result for this rule)"
    outcomes.extend(
        Outcome(code=code, decision="review", rule="every rule is applied", observed=missing, allowed="a result")
        for code in RULE_CODES
        if code not in told
    )
    if not analysis.inputs:
        rule, observed = "every input has a license", "not checked (no input was named)"
        outcomes.append(Outcome(code="*", decision="review", rule=rule, observed=observed, allowed="one input or more"))
    place = {code: i for i, code in enumerate(RULE_CODES)}
    return tuple(sorted(outcomes, key=lambda item: place.get(item.code, len(place))))


def _judge(result: RuleResult, analysis: LicenseAnalysis, policy: Policy, day: datetime.date) -> Outcome:
    base, decision = _decide(result, policy)
    rule = result.title or result.code
    if decision != base:
        how = "relaxed" if SEVERITY[decision] < SEVERITY[base] else "raised"
        rule = f"{rule} ({how} from {base} to {decision} by the policy)"
    waivers: tuple[Waiver, ...] = ()
    note = None
    if decision != "pass":
        waivers, note = _waive(result, policy, day)
        decision = "pass" if waivers else decision
    return Outcome(
        code=result.code,
        decision=decision,
        rule=rule,
        observed=_observed(result, analysis),
        allowed=f"no conflict{f'; what resolves it: {result.resolution}' if result.resolution else ''}".rstrip("."),
        waiver="; ".join(item.words for item in waivers) or note,
        waived_by=waivers,
    )


def _decide(result: RuleResult, policy: Policy) -> tuple[Decision, Decision]:
    """Return the decision of the analysis and that of the policy."""
    told = policy.licenses.rule(result.code)
    opens = told.undetermined or policy.licenses.undetermined
    if result.result == "conflict":
        base = worst((result.decision, "review"))
        # an open question about another input is not hidden by a conflict
        return base, worst((told.conflict or base, opens if result.unsettled else "pass"))
    if result.result == "undetermined":
        if told.undetermined is not None:
            return result.decision, told.undetermined
        return result.decision, "pass" if result.decision == "pass" else worst((result.decision, opens))
    return result.decision, result.decision


def _waive(result: RuleResult, policy: Policy, day: datetime.date) -> tuple[tuple[Waiver, ...], str | None]:
    """Return the waivers that together excuse every input of a result, or why they do not."""
    names = tuple(dict.fromkeys((*result.inputs, *result.milder, *result.unsettled))) or ("*",)
    rulings = [waive(policy.waivers, result.code, (name,), day, never=policy.cannot_waive) for name in names]
    held = tuple(dict.fromkeys(item.waiver for item in rulings if item.waiver is not None))
    if all(item.waiver is not None for item in rulings):
        return held, None
    notes = dict.fromkeys(item.note for item in rulings if item.note is not None)
    if held:
        rest = [name for name, item in zip(names, rulings, strict=True) if item.waiver is None]
        notes[f"not honoured: it does not cover {_names(rest)}"] = None
    return (), "; ".join(notes) or None


def _observed(result: RuleResult, analysis: LicenseAnalysis) -> str:
    if result.result == "pass":
        if not analysis.inputs:
            return "not checked (no input was named)"
        count = f"{len(analysis.inputs):,} input{'' if len(analysis.inputs) == 1 else 's'}"
        return f"no conflict in {count}" + (f" (license facts of {analysis.facts_date})" if analysis.facts_date else "")
    licenses = {item.name: item.license or "license undetermined" for item in analysis.inputs}
    # rows are named by their license
    named = [f"{name} ({licenses[name]})" if licenses.get(name, name) not in name else name for name in result.inputs]
    where = f" {'by' if result.result == 'obligation' else 'in'} {_names(named)}" if named else ""
    return f"{result.result}{where}{f': {result.reason}' if result.reason else ''}".rstrip(".")


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
