"""The audit's verdict, what the training leaves unknown, the licenses of all inputs, and the published version."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

from audits.dates import utc_today
from audits.findings import AuditReport
from audits.licenses.analysis import LicenseAnalysis
from audits.policy import VERSION_CODE, Decision, Outcome, Policy, Verdict, judge, license_outcomes
from audits.verdicts import worst
from audits.waivers import waive
from model_cards.evidence import TrainingRecord, VersionComparison
from model_cards.version_comparison import difference_words, no_worse, not_compared, regressed, version_name


def decide(
    report: AuditReport,
    policy: Policy,
    training: TrainingRecord | None,
    *,
    licenses: LicenseAnalysis | None = None,
    comparison: VersionComparison | None = None,
    today: date | None = None,
) -> Verdict:
    """Judge the audit, the record of the training, the licenses, and how the published version compares.

    The worst outcome decides. A model whose training, or part of it, was not seen here is at least a matter of review;
    so is one whose licenses were not analysed.

    Args:
        report: the audit of the data.
        policy: what it is judged by.
        training: the training record, None for models trained elsewhere.
        licenses: what the license rules say.
        comparison: with the version that is published, or why there is none; None where nothing is published.
        today: for waivers; default is now.
    """
    day = today or utc_today()
    verdict = judge(report, policy, today=day)
    added = [*_training_outcomes(training)]
    if licenses is None:
        observed = "not checked (no rule on licenses was applied)"
        rule = "the licenses of all inputs are analysed"
        added.append(Outcome(code="*", decision="review", rule=rule, observed=observed, allowed="an analysis"))
    else:
        added.extend(license_outcomes(licenses, policy, day))
    if comparison is not None:
        added.append(version_outcome(comparison, policy, day))
    decision = worst((verdict.decision, *(item.decision for item in added)))
    return replace(verdict, decision=decision, outcomes=(*verdict.outcomes, *added))


def _training_outcomes(training: TrainingRecord | None) -> Iterator[Outcome]:
    rule = "the training was recorded"
    if training is None:
        observed = "trained elsewhere, or changed since: that it saw this data alone is stated, not measured"
        yield Outcome(code="TRAINING", decision="review", rule=rule, observed=observed, allowed="a training record")
    elif training.base.adapter_sha256:
        observed = "it started from an adapter that was trained before: on which data is not recorded"
        allowed = "a base model without a trained adapter"
        yield Outcome(code="TRAINING", decision="review", rule=rule, observed=observed, allowed=allowed)


def version_outcome(comparison: VersionComparison, policy: Policy, day: date) -> Outcome:
    """Return what the policy says on a comparison with the published version; pure.

    Args:
        comparison: or why nothing was compared.
        policy: its ``[versions]``, and its waivers for the code VERSION.
        day: for waivers.
    """
    name, told = version_name(comparison), policy.versions
    decision: Decision = "pass"
    allowed = f"a loss of at most {told.margin:g}"
    if comparison.compared:
        observed = f"{difference_words(comparison)} against {name}"
        if regressed(comparison):
            decision = told.regression
        elif not no_worse(comparison):
            decision = told.inconclusive
            observed += f"; too few queries to tell: a loss of more than {told.margin:g} can not be ruled out"
    elif comparison.unchanged:
        observed = f"the weights of {name}, unchanged"
    else:
        decision = told.unchecked
        observed = f"not compared: {not_compared(comparison)}"
    rule = "no worse than the published version"
    waiver, note = None, None
    if decision != "pass":
        scopes = (comparison.repo_id, f"{comparison.repo_id}@{comparison.tag}")
        waiver, note = waive(policy.waivers, VERSION_CODE, scopes, day, never=policy.cannot_waive)
        decision = decision if waiver is None else "pass"
    return Outcome(
        code=VERSION_CODE,
        decision=decision,
        rule=rule,
        observed=observed,
        allowed=allowed,
        waiver=waiver.words if waiver is not None else note,
        waived_by=(waiver,) if waiver is not None else (),
    )
