"""What the sentences of a conclusion are made of: names told once, lookups, and readings of differences."""

from __future__ import annotations

from collections.abc import Sequence

from hf_contrastive.study.records import LabelSaving, PairedDifference, StudyReport
from hf_contrastive.study.roles import BASELINES, CONTRASTIVE, CONTROLS, FINE_TUNED, UNTOUCHED
from hf_contrastive.study.wording import Budget, budget_words, budgets_words, points, reading

_EQUAL_COMPUTE = 0.1
"""How far the FLOPs of two pretrainings may lie apart and still count as equal."""


class Telling:
    """One report, and which arms were named in full already."""

    def __init__(self, report: StudyReport) -> None:
        self.report = report
        self.names = {arm.code: arm.name for arm in report.arms}
        self.ran = [arm.code for arm in report.arms if any(point.arm == arm.code for point in report.curves)]
        self.costly = [code for code in self.ran if code not in BASELINES]
        found = {point.budget for point in report.curves}
        self.budgets: list[Budget] = sorted(found, key=lambda budget: float("inf") if budget is None else budget)
        self._told: set[str] = set()

    def name(self, code: str) -> str:
        """Return the code of an arm, and at its first mention what it is."""
        if code in self._told or not self.names.get(code):
            return code
        self._told.add(code)
        return f"{code} ({self.names[code]})"

    def savings(self) -> list[LabelSaving]:
        """Return the savings of the arms with contrastive pretraining."""
        return [item for item in self.report.savings if item.arm in CONTRASTIVE]

    def against(self, arm: str, other: str = FINE_TUNED) -> list[PairedDifference]:
        """Return the differences of an arm from another by budget."""
        return [item for item in self.report.differences if (item.arm, item.other) == (arm, other)]

    def best(self, arms: Sequence[str], budget: Budget) -> tuple[str, float] | None:
        """Return the arm of the highest mean accuracy and that, None where none of them ran."""
        found = ((code, self.report.point(code, budget)) for code in arms)
        means = [(code, float(point.accuracy.value)) for code, point in found if point is not None]
        return max(means, key=lambda item: item[1]) if means else None

    def led_by_baselines(self) -> dict[Budget, str]:
        """Return the budgets with which a baseline has the highest mean of all arms, with that baseline."""
        led = {}
        for budget in self.budgets:
            cheap, rest = self.best(BASELINES, budget), self.best(self.costly, budget)
            if cheap is not None and rest is not None and cheap[1] >= rest[1]:
                led[budget] = cheap[0]
        return led

    def shared_with_baselines(self) -> list[Budget]:
        """Return the budgets with which a baseline and another arm ran."""
        return [budget for budget in self.budgets if self.best(BASELINES, budget) and self.best(self.costly, budget)]

    def uneven(self, arm: str) -> str:
        """Return by how much the FLOPs of an arm's pretraining differ from the control's, "" where they are equal."""
        control = CONTROLS[arm]
        own, other = (self._pretraining_flops(code) for code in (arm, control))
        if own is None or not other:
            return f"The FLOPs of the pretraining of {arm} or of {control} are not known."
        if abs(own / other - 1) <= _EQUAL_COMPUTE:
            return ""
        return f"The pretraining of {arm} took {own / other:.2g} times the FLOPs of that of {control}."

    def caused(self, arm: str) -> list[Budget]:
        """Return the budgets with which contrast is the cause of what an arm gains.

        It is shown better both than its control at equal FLOPs and than the same without pretraining.
        """
        if self.uneven(arm):
            return []
        better = [
            {item.budget for item in self.against(arm, other) if reading(item) == "better"}
            for other in (CONTROLS[arm], UNTOUCHED[arm])
        ]
        return [budget for budget in self.budgets if all(budget in found for found in better)]

    def by_arm(self, found: Sequence[PairedDifference], kind: str, verb: str = "") -> str:
        """Return "A4 with 2 and 4 rows a class (at most +3.1 […] points); A6 with …" of one reading.

        ``verb`` follows the first arm.
        """
        parts: list[str] = []
        for code in dict.fromkeys(item.arm for item in found):
            own = [item for item in found if item.arm == code and reading(item) == kind]
            if own:
                parts.append(f"{self.name(code)} {'' if parts else verb}{_where(own)}")
        return "; ".join(parts)

    def readings(self, found: Sequence[PairedDifference]) -> str:
        """Return with which budgets an arm is better, is worse, and is not shown to differ from fine-tuning."""
        parts = []
        for kind in ("better", "worse"):
            own = [item for item in found if reading(item) == kind]
            if own:
                parts.append(f"{kind} than {FINE_TUNED} {_where(own)}")
        unclear = [item.budget for item in found if reading(item) == "not shown"]
        if unclear:
            told = "no difference is shown" if parts else f"no difference from {FINE_TUNED} is shown"
            parts.append(f"{told} with {budgets_words(unclear)}")
        return "; ".join(parts)

    def _pretraining_flops(self, code: str) -> float | None:
        names = [arm.pretraining for arm in self.report.arms if arm.code == code]
        spent = [item.cost.flops for item in self.report.pretrainings if item.name in names]
        known = [value for value in spent if value is not None]
        return sum(known) / len(known) if known else None


def difference_words(item: PairedDifference) -> str:
    """Return a difference with what it is of."""
    return f"{points(item.difference)} points, {item.arm} minus {item.other} with {budget_words(item.budget)}"


def _where(found: Sequence[PairedDifference]) -> str:
    """Return the budgets of differences, and the largest of them."""
    most = max(found, key=lambda item: abs(item.difference.value))
    if len(found) == 1:
        return f"with {budget_words(most.budget)} ({points(most.difference)} points)"
    budgets = budgets_words([item.budget for item in found])
    return f"with {budgets} (most {points(most.difference)} points, with {budget_words(most.budget)})"
