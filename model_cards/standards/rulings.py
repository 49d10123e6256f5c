"""What a policy decided on each finding and on everything else, for tools that know results one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from audits.findings import Finding
from audits.policy import Decision, Outcome
from audits.verdicts import worst
from model_cards.evidence import Evidence
from model_cards.finding_lines import outcomes_on
from model_cards.licensing import is_license_rule

_OF_THE_POLICY = "POLICY"
"""The code under which tools know what a policy says on no check by name; ``*`` in a verdict."""


class Ruling(NamedTuple):
    """A finding with the outcomes on it, or an outcome that is about no finding."""

    code: str
    finding: Finding | None
    outcomes: tuple[Outcome, ...]

    @property
    def decision(self) -> Decision:
        """The gravest decision; a finding that no rule speaks on passes."""
        return worst(outcome.decision for outcome in self.outcomes)

    @property
    def waived(self) -> tuple[Outcome, ...]:
        """The outcomes that a waiver excuses."""
        return tuple(item for item in self.outcomes if is_waived(item))

    @property
    def unexcused(self) -> Decision:
        """The decision as it would be without waivers."""
        return worst((self.decision, *(_without_waiver(item) for item in self.waived)))


def rulings(evidence: Evidence) -> tuple[Ruling, ...]:
    """Return every finding of the audit, then every other outcome that is no plain pass, in their order.

    The gravest decision among them is that of the verdict.
    """
    verdict, audit = evidence.verdict, evidence.audit
    outcomes = verdict.outcomes if verdict is not None else ()
    found: list[Ruling] = []
    told: set[int] = set()
    for finding in audit.findings if audit is not None else ():
        own = outcomes_on(finding, outcomes)
        told.update(own)
        found.append(Ruling(finding.code, finding, tuple(outcomes[i] for i in own)))
    for i, outcome in enumerate(outcomes):
        if i not in told and (outcome.decision != "pass" or is_waived(outcome) or _obliges(evidence, outcome)):
            found.append(Ruling(tool_code(outcome.code), None, (outcome,)))
    return tuple(found)


def tool_code(code: str) -> str:
    """Return the code under which a tool knows an outcome."""
    return _OF_THE_POLICY if code == "*" else code


def is_waived(outcome: Outcome) -> bool:
    """Whether a waiver excuses it; a waiver that is not honoured is told beside a decision that stands."""
    return outcome.decision == "pass" and outcome.waiver is not None


def _obliges(evidence: Evidence, outcome: Outcome) -> bool:
    """Whether a license rule passes and yet says that something must go along, or leaves a question open."""
    if not is_license_rule(outcome.code) or evidence.licenses is None:
        return False
    told = evidence.licenses.result(outcome.code)
    return told is not None and told.result != "pass"


def _without_waiver(outcome: Outcome) -> Decision:
    """Return what an excused outcome would be: the judge ends a rule with the decision; else a review at least."""
    return "block" if outcome.rule.endswith(": block") else "review"


def outcome_words(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """Yield what each outcome says: the decision, the rule, what was observed and allowed, and what waivers say."""
    for item in outcomes:
        decision = "pass by waiver" if is_waived(item) else item.decision
        note = f" Waiver: {item.waiver.rstrip('.')}." if item.waiver else ""
        yield f"Decision: {decision}. Rule: {item.rule}. Observed {item.observed}, allowed {item.allowed}.{note}"
