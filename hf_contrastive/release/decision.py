"""The audit's verdict, and what of the model's own origin a first look can tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

from audits.findings import AuditReport
from audits.licenses import resolve
from audits.policy import Decision, Outcome, Policy, Verdict, judge
from model_cards.evidence import TrainingRecord

RANK: dict[str, int] = {"pass": 0, "review": 1, "block": 2}


def decide(
    report: AuditReport, policy: Policy, training: TrainingRecord | None, *, today: date | None = None
) -> Verdict:
    """Judge the audit, and what of the model's origin a first look can tell.

    A model whose training, or part of it, was not seen here is at least a matter of review; so is a base model
    whose license is unknown or not permissive. A base that forbids commercial use blocks a commercial intent.

    Args:
        report: the audit of the data.
        policy: what it is judged by.
        training: the training record, None for models trained elsewhere.
        today: for waivers; default is now.
    """
    verdict = judge(report, policy, today=today)
    added = tuple(_origin_outcomes(training, commercial=policy.intent.commercial))
    decision = max((verdict.decision, *(item.decision for item in added)), key=RANK.__getitem__)
    return replace(verdict, decision=decision, outcomes=(*verdict.outcomes, *added))


def _origin_outcomes(training: TrainingRecord | None, *, commercial: bool) -> Iterator[Outcome]:
    def outcome(code: str, decision: Decision, rule: str, observed: str, allowed: str) -> Outcome:
        return Outcome(code=code, decision=decision, rule=rule, observed=observed, allowed=allowed)

    rule = "the training was recorded"
    if training is None:
        observed = "trained elsewhere, or changed since: that it saw this data alone is stated, not measured"
        yield outcome("TRAINING", "review", rule, observed, "a training record")
        return
    if training.base.adapter_sha256:
        observed = "it started from an adapter that was trained before: on which data is not recorded"
        yield outcome("TRAINING", "review", rule, observed, "a base model without a trained adapter")
    told = training.base.license
    license_class = resolve(told).category
    forbidden = license_class == "non-commercial" and commercial
    if license_class != "permissive":
        yield outcome(
            "BASE_LICENSE",
            "block" if forbidden else "review",
            "the base model's declared license",
            f"{told or 'none declared'} ({license_class})",
            "a permissive license",
        )
