"""All rules on one input after the other: of a choice the mildest counts, and a company's positions lie over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from audits.intent import Intent
from audits.licenses.expressions import LicenseExpressionError, alternatives, strictness
from audits.licenses.inputs import LicensedInput
from audits.licenses.rules import RULES, Case, Finding, Outgoing
from audits.licenses.rules.case import is_non_commercial
from audits.licenses.terms_table import TermsTable

if TYPE_CHECKING:
    from audits.licenses.overlays import Overlay, Position

DECISIONS: tuple[Literal["pass", "review", "block"], ...] = ("pass", "review", "block")
"""From the mildest to the strictest."""

_NAMED_ONLY = frozenset({"L12", "L13"})  # what is about an input, not its license, is settled by its name alone
_WEIGHED = ("commercial_use", "share_alike", "no_derivatives", "use_restrictions", "relicensing", "attribution")


@dataclass(frozen=True, slots=True)
class Judged:
    """What each rule says on one input, under the license that was chosen for it."""

    input: LicensedInput
    chosen: frozenset[str]
    note: str
    findings: Mapping[str, tuple[Finding, ...]]
    asks: int

    @property
    def mildness(self) -> tuple[bool, int, list[int], int, int, list[str]]:
        """What to choose by, least first."""
        found = [finding for several in self.findings.values() for finding in several]
        return (
            any(finding.result != "pass" for finding in self.findings.get("L13", ())),
            max((DECISIONS.index(finding.decision) for finding in found), default=0),
            sorted((finding.weight for finding in found), reverse=True),
            sum(len(finding.obligations) for finding in found),
            self.asks,
            sorted(self.chosen),
        )


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges one input after the other, under one intent."""

    intent: Intent
    weights: Outgoing
    rows: Outgoing
    bases: frozenset[str]
    overlay: Overlay | None
    table: TermsTable

    def __call__(self, item: LicensedInput) -> Judged:
        """Return what the rules say under the mildest choice of licenses."""
        choices, problem = _choices(item, self.table)
        return min((self._under(item, choice, choices, problem) for choice in choices), key=lambda one: one.mildness)

    def _under(
        self, item: LicensedInput, choice: frozenset[str], choices: Sequence[frozenset[str]], problem: str
    ) -> Judged:
        found: dict[str, tuple[Finding, ...]] = {}
        asks = 0
        for name in sorted(choice):
            case = Case(
                input=item,
                license=name,
                terms=self.table.get(name) if name else None,
                intent=self.intent,
                weights=self.weights,
                rows=self.rows,
                table=self.table,
                bases=self.bases,
                problem=problem,
            )
            asks += sum(strictness(axis, case.known.fact(axis).values) for axis in _WEIGHED)
            for code, finding in _with_positions(case, _findings(case), self.overlay).items():
                found[code] = (*found.get(code, ()), finding)
        note = ""
        if len(choices) > 1:
            counts = " AND ".join(sorted(choice))
            note = f"of the choice `{item.license}`, {counts} counts: of what is known it asks for least here"
        return Judged(item, choice, note, found, asks)


def _choices(item: LicensedInput, table: TermsTable) -> tuple[tuple[frozenset[str], ...], str]:
    """Return the choices that its license leaves, "" for a license that is not stated or can not be read, and why."""
    if item.license is None or not item.license.strip():
        return (frozenset({""}),), ""
    try:
        return alternatives(item.license, table), ""
    except LicenseExpressionError as error:
        return (frozenset({""}),), str(error)


def binding(item: LicensedInput, table: TermsTable) -> frozenset[str]:
    """Return the licenses that bind whatever is chosen."""
    return frozenset.intersection(*_choices(item, table)[0]) - {""}


def every_license(item: LicensedInput, table: TermsTable) -> frozenset[str]:
    """Return all licenses that its license names, in whatever choice."""
    return frozenset().union(*_choices(item, table)[0]) - {""}


def is_told(item: LicensedInput, table: TermsTable) -> bool:
    """Whether something is known of its license: its terms, or that it is non-commercial."""
    names = every_license(item, table) or {item.license or ""}
    return any(table.get(name) is not None or is_non_commercial(name) for name in names)


def _findings(case: Case) -> dict[str, Finding]:
    rules = [rule for rule in RULES if case.role in rule.roles and (rule.unknown or case.terms is not None)]
    found = {rule.code: rule.judge(case) for rule in rules}
    return {code: finding for code, finding in found.items() if finding is not None}


def _with_positions(case: Case, findings: dict[str, Finding], overlay: Overlay | None) -> dict[str, Finding]:
    """Lay a company's positions over what the rules say."""
    if overlay is None or case.terms is None:
        return findings
    laid = dict(findings)
    positions = sorted(overlay.positions_for(case.terms), key=_settled_first)
    for position in positions:
        codes = [code for code in position.rules if code in laid]
        if not position.rules and position.decision == "settled":
            codes = [code for code in findings if code not in _NAMED_ONLY]
        elif not position.rules:
            # what must go along is no question that a position answers
            codes = [code for code, finding in findings.items() if finding.result in {"conflict", "undetermined"}]
            if not codes and case.role != "evaluation":
                codes = ["L1"]  # no rule asks for anything, and the company does
        for code in codes:
            laid[code] = _tightened(laid.get(code) or case.passed(f"{case.license} is used"), position)
    return laid


def _settled_first(position: Position) -> tuple[int, str]:
    """Order positions: an answer first, then what tightens, so that how they were written does not count."""
    return 0 if position.decision == "settled" else DECISIONS.index(position.decision), position.words


def _tightened(finding: Finding, position: Position) -> Finding:
    words = f"{finding.reason}; position of the company: {position.words}"
    if position.decision == "settled":
        nothing_asked = finding.result in {"pass", "obligation"} and not finding.questions
        if finding.decision == "block" or nothing_asked:
            return finding
        result: Literal["pass", "obligation"] = "obligation" if finding.obligations else "pass"
        return replace(finding, result=result, decision="pass", reason=words, resolution="", questions=())
    decision = DECISIONS[max(map(DECISIONS.index, (finding.decision, position.decision)))]
    ask = f"ask {position.by}, who took this position"
    resolution = f"{finding.resolution}; or {ask}" if finding.result == "conflict" else ask
    return replace(finding, result="conflict", decision=decision, reason=words, resolution=resolution)
