"""Every finding of an audit as one line, with the decision that a policy made of it."""

from __future__ import annotations

from typing import NamedTuple

from audits.findings import Finding
from audits.policy import Outcome
from model_cards.evidence import Evidence
from model_cards.facts import check_rows, decision_words, place

_RANKS = ("block", "review", "not checked", "not judged", "no rule", "pass by waiver", "pass")


class FindingLine(NamedTuple):
    """One finding; ``anchor`` is unique among them, ``rank`` orders decisions, the gravest first."""

    anchor: str
    finding: Finding
    decision: str
    rank: int


def finding_lines(evidence: Evidence) -> tuple[tuple[FindingLine, ...], ...]:
    """Return the findings of each check, in the order of the audit's results."""
    audit = evidence.audit
    if audit is None:
        return ()
    by_check = {row.code: row.decision for row in check_rows(evidence)}
    count, lines = 0, []
    for result in audit.results:
        own = []
        for finding in result.findings:
            count += 1
            decision = _decision(evidence, finding) or by_check.get(finding.code, "no rule")
            own.append(FindingLine(f"finding-{count}", finding, decision, rank_of(decision)))
        lines.append(tuple(own))
    return tuple(lines)


def ranked_outcomes(evidence: Evidence) -> tuple[tuple[Outcome, str], ...]:
    """Return every outcome of the verdict with its decision as shown, the gravest first."""
    outcomes = evidence.verdict.outcomes if evidence.verdict is not None else ()
    told = [(item, decision_words(evidence, item)) for item in outcomes]
    return tuple(sorted(told, key=lambda pair: rank_of(pair[1])))


def rank_of(decision: str) -> int:
    """Return the place of a decision as shown, the gravest first."""
    return _RANKS.index(decision) if decision in _RANKS else len(_RANKS)


def _decision(evidence: Evidence, finding: Finding) -> str:
    """Return the gravest decision on this finding alone, "" where no outcome names its place."""
    outcomes = evidence.verdict.outcomes if evidence.verdict is not None else ()
    told = [decision_words(evidence, item) for item in outcomes if item.code == finding.code and _is_on(item, finding)]
    return min(told, key=rank_of, default="")


def _is_on(outcome: Outcome, finding: Finding) -> bool:
    # a rule names split and column; what no rule speaks on, the split
    where = finding.split if outcome.rule.startswith("no rule") else place(finding)
    return outcome.observed.endswith(f" in {where}")
