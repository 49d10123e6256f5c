"""What a rule is asked about, and what it answers: one license of one input under one intent."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal

from audits.intent import Intent
from audits.licenses.analysis import Clause, Obligation, ObligationKind, RuleOutcome
from audits.licenses.inputs import LicensedInput
from audits.licenses.resolution import named
from audits.licenses.rules.outgoing import Outgoing
from audits.licenses.rules.succession import clause_of, may_follow
from audits.licenses.terms import UNDETERMINED, LicenseTerms
from audits.licenses.terms_table import TermsTable

Decision = Literal["pass", "review", "block"]

BASE_OR_OUTPUT = frozenset({"base", "generator", "training"})
"""Roles of rules on models: what is adapted, and what wrote rows or may have."""

QWEN = ("Qwen", "Alibaba Qwen", "Alibaba Tongyi")
"""Families of Alibaba's own licenses."""

ITS_OWN = (
    "{} forbids improving other models with outputs, and the base model is no other: it stands under the same terms"
)
"""Why outputs may train a model after all; see ``Case.improves_itself``."""

_EXCEPTION = re.compile(r"\((?:excluding|other than)\b", re.IGNORECASE)  # "(excluding Llama 2 or derivative works …)"
_MOST_SUGGESTIONS = 5
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule says about one license of one input; ``questions`` are for a person and change no decision."""

    result: RuleOutcome
    decision: Decision
    reason: str
    resolution: str = ""
    clauses: tuple[Clause, ...] = ()
    obligations: tuple[Obligation, ...] = ()
    questions: tuple[str, ...] = ()

    def asking(self, *questions: str) -> Finding:
        """Return it with questions for a person to answer."""
        return replace(self, questions=(*self.questions, *questions)) if questions else self

    @property
    def weight(self) -> int:
        """How bad it is: pass, obligation, open question, conflict to review, conflict that blocks."""
        if self.result == "conflict":
            return 5 if self.decision == "block" else 4
        return {"pass": 0, "obligation": 1, "undetermined": 2}[self.result] + (self.decision == "review")


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
    def commercial_use(self) -> str:
        """allowed, conditional, forbidden or undetermined; the category may tell it where the facts do not."""
        value = self.value("commercial_use")
        told = self.license or (self.input.license or "" if self.problem else "")
        return "forbidden" if value == UNDETERMINED and is_non_commercial(told) else value

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
    def is_model_data(self) -> bool:
        """Whether rows stand under the terms of a model."""
        return self.role == "training" and self.value("scope") == "model"

    @property
    def is_output(self) -> bool:
        """Whether a model wrote the rows: a generator, or rows under the terms of a model or of its service."""
        limited = self.value("output_training") in {"conditional", "forbidden"}
        return self.role == "generator" or self.is_model_data or (self.role == "training" and limited)

    @property
    def improves_itself(self) -> bool:
        """Whether the base stands under the same license, and its text excepts models derived from its own."""
        clause = self.known.fact("output_training").clause
        return self.license in self.bases and _EXCEPTION.search(clause) is not None

    @property
    def may_be_changed_inside(self) -> bool:
        """Whether a license that forbids to share changed versions grants their making: that of CC 4.0 does."""
        head = self.known.version.split(".")[0]
        return self.is_family("CC-BY-ND", "CC-BY-NC-ND") and head.isdecimal() and int(head) >= 4

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
        table = outgoing.table
        return table.remember(("followers", self.license), lambda: self._followers(table))

    def _followers(self, table: TermsTable) -> str:
        return suggest(
            terms.hub[0] if terms.hub else terms.id
            for terms in table
            if may_follow(self.license, self.known, terms.id, table).answer == "yes"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One of L1 to L18 as data: its title, the roles it concerns, the axes it reads and the function that judges."""

    code: str
    title: str
    roles: frozenset[str]
    axes: tuple[str, ...]
    judge: Callable[[Case], Finding | None] = field(repr=False)
    unknown: bool = False  # whether it also speaks on a license that is not known


def worst_of(*findings: Finding | None) -> Finding | None:
    """Return the worst finding, with what the others leave open behind it; None where there is none."""
    there = sorted((finding for finding in findings if finding is not None), key=lambda item: -item.weight)
    if not there:
        return None
    worst = there[0]
    for other in there[1:]:
        if other.result in {"conflict", "undetermined"}:
            worst = replace(
                worst,
                reason=f"{worst.reason}; and {other.reason}",
                resolution=f"{worst.resolution}; and {other.resolution}",
                clauses=tuple(dict.fromkeys((*worst.clauses, *other.clauses))),
            )
        due = tuple(dict.fromkeys((*worst.obligations, *other.obligations)))
        worst = replace(worst, obligations=due, questions=(*worst.questions, *other.questions))
    return worst


@lru_cache(maxsize=4096)
def is_non_commercial(license_id: str) -> bool:
    """Whether a license is known to be non-commercial, or a statement says no more than that."""
    found = named(license_id.partition(" WITH ")[0][:_LONGEST_NAME])
    return found is not None and found.category == "non-commercial"


def suggest(names: Iterable[str]) -> str:
    """Return a few names in words."""
    found = sorted(set(names))
    shown = ", ".join(found[:_MOST_SUGGESTIONS])
    return f"{shown} or {len(found) - _MOST_SUGGESTIONS} more" if len(found) > _MOST_SUGGESTIONS else shown
