"""How budgets, accuracies, differences and costs are told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from audits.findings import Measurement
from hf_contrastive.study.records import PairedDifference, StudyReport
from model_cards.typesetting import number

Budget = int | None
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def budget_words(budget: Budget) -> str:
    """Return "8 rows a class" or "all labelled rows"."""
    if budget is None:
        return "all labelled rows"
    return f"{budget:,} {'row' if budget == 1 else 'rows'} a class"


def short_budget(budget: Budget) -> str:
    """Return "8" or "all", where the column says what it is."""
    return "all" if budget is None else f"{budget:,}"


def budgets_words(budgets: Iterable[Budget]) -> str:
    """Return several budgets: "2, 4 and 8 rows a class and all labelled rows"."""
    given = list(budgets)
    counted = [item for item in given if item is not None]
    parts = []
    if counted:
        noun = "row" if counted == [1] else "rows"
        parts.append(f"{listed([f'{item:,}' for item in counted])} {noun} a class")
    if None in given:
        parts.append(budget_words(None))
    return listed(parts)


def listed(words: Sequence[str]) -> str:
    """Return "a, b and c"."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def percent(item: Measurement) -> str:
    """Return a share with its interval: "85.3 % [83.1, 87.0]"."""
    return f"{100 * item.value:.1f} %{_ends(item, '.1f')}"


def points(item: Measurement) -> str:
    """Return a difference of shares with its interval, in percentage points: "+2.1 [0.4, 3.9]"."""
    return f"{_signed(item.value)}{_ends(item, '+.1f')}"


def probability(value: float) -> str:
    """Return a p value: "0.031" or "0.00021"."""
    return f"{value:.3f}" if value >= 0.0095 else f"{value:.2g}"


def reading(item: PairedDifference) -> str:
    """Return "better", "worse" or "not shown", of the first arm of a difference, after the correction."""
    if not item.shown:
        return "not shown"
    return "better" if item.difference.value > 0 else "worse"


def cost_words(value: float | None, unit: str) -> str:
    """Return a cost in ``seconds``, ``FLOPs`` or ``kWh`` in words: "41 s", "3.2×10¹⁴ FLOPs", "0.28 Wh"; or a dash."""
    if value is None:
        return "–"
    if unit == "seconds":
        return f"{value:,.0f} s" if value >= 9.95 else f"{value:.2g} s"
    if unit == "FLOPs":
        return f"{flops_words(value)} FLOPs"
    return f"{number(1000 * float(value))} Wh"


def flops_words(value: float) -> str:
    """Return a count of operations: "4.0×10¹²"."""
    digits, power = f"{value:.1e}".split("e")
    return f"{digits}×10{str(int(power)).translate(_RAISED)}"


def target_words(report: StudyReport) -> str:
    """Return what is to be reached: "85.2 % accuracy (95 % of what A2 reaches with all labelled rows)"."""
    setup = report.setup
    if report.target is None:
        return f"none, since {setup.target_arm}, whose quality it is a share of, did not run"
    return (
        f"{100 * report.target:.1f} % accuracy ({100 * setup.target_share:.3g} % of what {setup.target_arm} reaches "
        f"with {budget_words(report.target_budget)})"
    )


def most_trials(report: StudyReport) -> dict[str, int]:
    """Return over how many settings each arm chose, the most that one of its cells tells, by code."""
    most: dict[str, int] = {}
    for cell in report.cells:
        most[cell.arm] = max(most.get(cell.arm, 0), cell.trials)
    return most


def _signed(value: float) -> str:
    return f"{100 * value:+.1f}".replace("-", "−")


def _ends(item: Measurement, form: str) -> str:
    if item.interval is None:
        return ""
    low, high = (format(100 * end, form).replace("-", "−") for end in item.interval)
    return f" [{low}, {high}]"
