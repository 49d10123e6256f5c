"""The audit's verdict, what the training leaves unknown, and what the licenses of all inputs ask for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

from audits.dates import utc_today
from audits.findings import AuditReport
from audits.licenses.analysis import LicenseAnalysis
from audits.policy import Outcome, Policy, Verdict, judge, license_outcomes
from model_cards.evidence import TrainingRecord

RANK: dict[str, int] = {"pass": 0, "review": 1, "block": 2}


def decide(
    report: AuditReport,
    policy: Policy,
    training: TrainingRecord | None,
    *,
    licenses: LicenseAnalysis | None = None,
    today: date | None = None,
) -> Verdict:
    """Judge the audit, the record of the training, and the licenses of what went in; the worst outcome decides.

    A model whose training, or part of it, was not seen here is at least a matter of review; so is one whose licenses
    were not analysed.

    Args:
        report: the audit of the data.
        policy: what it is judged by.
        training: the training record, None for models trained elsewhere.
        licenses: what the license rules say.
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
    decision = max((verdict.decision, *(item.decision for item in added)), key=RANK.__getitem__)
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
