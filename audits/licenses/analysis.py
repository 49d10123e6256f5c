"""What the rules say on inputs and intent: the records of a license analysis."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from audits.intent import Intent
from audits.licenses.inputs import LicensedInput
from audits.records import Record

RuleOutcome = Literal["pass", "conflict", "obligation", "undetermined"]

ObligationKind = Literal[
    "notice", "license_copy", "name_prefix", "display", "changed_files", "use_restrictions", "sentence"
]
"""notice: attributions in NOTICE; display and sentence: ``text`` stands in the card (and NOTICE)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause(Record):
    """A quoted clause that a result rests on."""

    license: str
    axis: str
    quote: str
    source: str = ""
    section: str = ""
    checked: str = ""
    confidence: str = "high"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleResult(Record):
    """One rule on the inputs that it concerns.

    ``decision`` is what a conflict or an open question means where a policy says nothing else; a pass and an
    obligation pass. ``resolution`` says what would resolve it. Beside the ``inputs`` of the worst result, ``milder``
    names those with a milder conflict, and ``unsettled`` those whose question stays open: who excuses the result must
    excuse them too. ``questions`` are for a person to answer and change no decision: a limit of users, terms that are
    accepted by use.
    """

    code: str
    title: str
    result: RuleOutcome
    decision: Literal["pass", "review", "block"]
    inputs: tuple[str, ...] = ()
    milder: tuple[str, ...] = ()
    unsettled: tuple[str, ...] = ()
    reason: str = ""
    resolution: str = ""
    clauses: tuple[Clause, ...] = ()
    questions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Obligation(Record):
    """Something that must go along with what is published.

    ``text`` is the prefix of the name, the sentence to show or the lines of NOTICE; ``license`` the SPDX id of the
    terms that ask for it. ``basis`` is "policy" where it is done though no clause surely asks for it.
    """

    code: str
    kind: ObligationKind
    license: str
    inputs: tuple[str, ...]
    text: str = ""
    clause: Clause | None = None
    basis: Literal["license", "policy"] = "license"


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseAnalysis(Record):
    """All rules over all inputs under one intent; ``facts_digest`` identifies the license facts that were used."""

    decision: Literal["pass", "review", "block"]
    results: tuple[RuleResult, ...]
    obligations: tuple[Obligation, ...] = ()
    inputs: tuple[LicensedInput, ...] = ()
    intent: Intent = field(default_factory=Intent)
    facts_date: str = ""
    facts_digest: str = ""

    @property
    def undetermined(self) -> bool:
        """Whether a question stays open."""
        return any(item.result == "undetermined" for item in self.results)

    def result(self, code: str) -> RuleResult | None:
        """Return what rule ``code`` says, or None where it was not applied."""
        return next((item for item in self.results if item.code == code), None)
