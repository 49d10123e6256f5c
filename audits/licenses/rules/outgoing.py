"""The license that something is to be published under, and what it lets others do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from audits.licenses.expressions import LicenseExpressionError, alternatives
from audits.licenses.rules.succession import NO, Succession, may_follow
from audits.licenses.terms import UNDETERMINED, LicenseTerms
from audits.licenses.terms_table import TermsTable

State = Literal["known", "missing", "unknown"]


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

    def frees_commercial_use(self) -> bool:
        """Whether some choice permits commercial use without a condition."""
        return any(
            {value for name in choice for value in self._terms(name).fact("commercial_use").values} == {"allowed"}
            for choice in self.choices
        )

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
