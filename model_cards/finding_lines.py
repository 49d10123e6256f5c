"""Every finding of an audit as one line, with the decision that a policy made of it."""

from __future__ import annotations

from collections.abc import Sequence
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
    told = (decision_words(evidence, outcomes[i]) for i in outcomes_on(finding, outcomes))
    return min(told, key=rank_of, default="")


def outcomes_on(finding: Finding, outcomes: Sequence[Outcome]) -> tuple[int, ...]:
    """Return which outcomes are about a finding: those on its place, else on its split, else on no place by name."""
    own = [i for i, outcome in enumerate(outcomes) if outcome.code == finding.code and outcome.checked]
    # a rule names split and column; what no rule speaks on, the split
    here = [i for i in own if outcomes[i].place == (finding.split if _is_unruled(outcomes[i]) else place(finding))]
    here = here or [i for i in own if outcomes[i].place == finding.split]
    return tuple(here or [i for i in own if not outcomes[i].place])


def _is_unruled(outcome: Outcome) -> bool:
    return outcome.rule.startswith("no rule")
