"""What a rule is asked about, and what it answers: one license of one input under one intent."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from audits.intent import Intent
from audits.licenses.analysis import Clause, Obligation, ObligationKind, RuleOutcome
from audits.licenses.expressions import LicenseExpressionError, alternatives
from audits.licenses.inputs import LicensedInput
from audits.licenses.rules.succession import NO, Succession, clause_of, may_follow
from audits.licenses.terms import UNDETERMINED, LicenseTerms
from audits.licenses.terms_table import TermsTable

Decision = Literal["pass", "review", "block"]
State = Literal["known", "missing", "unknown"]

BASE_OR_OUTPUT = frozenset({"base", "generator", "training"})
"""Roles of rules on models: what is adapted, and what wrote rows or may have."""

ITS_OWN = (
    "{} forbids improving other models with outputs, and the base model is no other: it stands under the same terms"
)
"""Why outputs may train a model after all; see ``Case.improves_itself``."""

_EXCEPTION = re.compile(r"\((?:excluding|other than)\b", re.IGNORECASE)  # "(excluding Llama 2 or derivative works …)"
_MOST_SUGGESTIONS = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule says about one license of one input."""

    result: RuleOutcome
    decision: Decision
    reason: str
    resolution: str = ""
    clauses: tuple[Clause, ...] = ()
    obligations: tuple[Obligation, ...] = ()

    @property
    def weight(self) -> int:
        """How bad it is: pass, obligation, open question, conflict to review, conflict that blocks."""
        if self.result == "conflict":
            return 5 if self.decision == "block" else 4
        return {"pass": 0, "obligation": 1, "undetermined": 2}[self.result] + (self.decision == "review")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """The license that something is to be published under; every choice in it is given to those who come after."""

    written: str | None
    table: TermsTable
    choices: tuple[frozenset[str], ...] = ()
    problem: str = ""

    @classmethod
    def of(cls, written: str | None, table: TermsTable) -> Outgoing:
        """Read the license; what is wrong with it stands in ``problem``."""
        if written is None or not written.strip():
            return cls(None, table)
        try:
            choices = alternatives(written, table)
        except LicenseExpressionError as error:
            return cls(written, table, (), str(error))
        unknown = sorted({name for choice in choices for name in choice if table.get(name) is None})
        problem = f"the license facts do not know {', '.join(unknown)}" if unknown else ""
        return cls(written, table, choices, problem)

    @property
    def state(self) -> State:
        """Whether there is one, and whether its terms are known."""
        if self.written is None:
            return "missing"
        return "unknown" if self.problem else "known"

    def grants_commercial_use(self) -> bool | None:
        """Whether those who come after may use it commercially, at least some; None where nobody is sure."""
        answers: list[bool | None] = []
        for choice in self.choices:
            values = {value for name in choice for value in self._terms(name).fact("commercial_use").values}
            if "forbidden" in values:
                answers.append(False)
            else:
                answers.append(None if UNDETERMINED in values else True)
        if True in answers:
            return True
        return None if None in answers else False

    def follows(self, license_id: str, terms: LicenseTerms, *, beside_others: bool = False) -> Succession:
        """Return whether it may follow ``license_id`` on an adaptation.

        All licenses of each choice must. Where ``beside_others``, one of them is enough: the terms of the source are
        then kept, and others stand beside them.
        """
        worst = Succession("yes")
        for choice in self.choices:
            found = [may_follow(license_id, terms, name, self.table) for name in sorted(choice)]
            pick = max if beside_others else min
            answer = pick(found, key=_agreement, default=NO)
            if _agreement(answer) < _agreement(worst) or worst.clause is None:
                worst = answer
        return worst

    def _terms(self, name: str) -> LicenseTerms:
        return self.table.get(name) or LicenseTerms(id=name, name=name)


def _agreement(succession: Succession) -> int:
    return ("no", "unclear", "yes").index(succession.answer)


@dataclass(frozen=True, slots=True)
class Case:
    """One license of one input; ``terms`` is None where its license is not known."""

    input: LicensedInput
    license: str
    terms: LicenseTerms | None
    intent: Intent
    weights: Outgoing
    rows: Outgoing
    table: TermsTable
    bases: frozenset[str] = frozenset()  # licenses that bind the base models
    problem: str = ""  # why the license can not be read

    @property
    def known(self) -> LicenseTerms:
        """The terms; of a license that is not known, nothing is known on any axis."""
        return self.terms or LicenseTerms(id=self.license or "unknown", name=self.license or "unknown")

    def value(self, axis: str) -> str:
        """The value on an axis."""
        return self.known.fact(axis).value

    @property
    def role(self) -> str:
        """training, evaluation, generator or base."""
        return self.input.role

    @property
    def leaves(self) -> bool:
        """Whether others get or use the model."""
        return self.intent.distribution != "internal"

    @property
    def public(self) -> bool:
        """Whether others get the weights."""
        return self.intent.distribution == "public"

    @property
    def distributed(self) -> bool:
        """Whether this license sees a distribution: weights are given away, or hosting counts as that too."""
        return self.public or (self.leaves and self.value("hosting") != "not-distribution")

    @property
    def ships_rows(self) -> bool:
        """Whether rows of this input are given away."""
        return self.role == "training" and self.intent.ship_rows and self.leaves

    @property
    def is_output(self) -> bool:
        """Whether a model wrote the rows: a generator, or rows that stand under a model's terms."""
        return self.role == "generator" or (self.role == "training" and self.value("scope") == "model")

    @property
    def improves_itself(self) -> bool:
        """Whether the base stands under the same license, and its text excepts models derived from its own."""
        clause = self.known.fact("output_training").clause
        return self.license in self.bases and _EXCEPTION.search(clause) is not None

    def is_family(self, *names: str) -> bool:
        """Whether the license belongs to one of these families."""
        own = (self.known.family or self.known.id.removeprefix("LicenseRef-")).casefold()
        return any(own.startswith(name.casefold()) for name in names)

    def clauses(self, *axes: str) -> tuple[Clause, ...]:
        """Return what the license says on ``axes``, as far as it is quoted."""
        found = (clause_of(self.known, axis) for axis in axes)
        return tuple(dict.fromkeys(clause for clause in found if clause is not None))

    def passed(self, reason: str, *axes: str) -> Finding:
        """The rule has looked and asks for nothing."""
        return Finding("pass", "pass", reason, clauses=self.clauses(*axes))

    def open_question(self, reason: str, resolution: str, *axes: str, decision: Decision = "review") -> Finding:
        """Nobody is sure."""
        return Finding("undetermined", decision, reason, resolution, self.clauses(*axes))

    def conflict(self, decision: Decision, reason: str, resolution: str, *axes: str) -> Finding:
        """The license does not permit what is intended."""
        return Finding("conflict", decision, reason, resolution, self.clauses(*axes))

    def owed(self, reason: str, obligations: Iterable[Obligation], *axes: str) -> Finding:
        """Something must go along."""
        due = tuple(obligations)
        if not due:
            return self.passed(reason, *axes)
        return Finding("obligation", "pass", reason, "Publish what the obligations name.", self.clauses(*axes), due)

    def obligation(self, code: str, kind: ObligationKind, text: str, axis: str, *, policy: bool = False) -> Obligation:
        """Something that this license asks for; ``policy`` where no clause surely does."""
        return Obligation(
            code=code,
            kind=kind,
            license=self.known.id,
            inputs=(self.input.name,),
            text=text,
            clause=clause_of(self.known, axis),
            basis="policy" if policy else "license",
        )

    def followers(self, outgoing: Outgoing) -> str:
        """Name licenses that may follow this one, as ``outgoing`` would name them."""
        names = [
            terms.hub[0] if terms.hub else terms.id
            for terms in outgoing.table
            if may_follow(self.license, self.known, terms.id, outgoing.table).answer == "yes"
        ]
        return suggest(names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One of L1 to L18 as data: its title, the roles it concerns, the axes it reads and the function that judges."""

    code: str
    title: str
    roles: frozenset[str]
    axes: tuple[str, ...]
    judge: Callable[[Case], Finding | None] = field(repr=False)
    unknown: bool = False  # whether it also speaks on a license that is not known


def suggest(names: Iterable[str]) -> str:
    """Return a few names in words."""
    found = sorted(set(names))
    shown = ", ".join(found[:_MOST_SUGGESTIONS])
    return f"{shown} or {len(found) - _MOST_SUGGESTIONS} more" if len(found) > _MOST_SUGGESTIONS else shown
