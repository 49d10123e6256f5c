"""What the documents say about a measurement before and after training."""

from __future__ import annotations

from typing import NamedTuple

from audits.findings import Measurement
from model_cards.evidence import EvaluationReport, MetricComparison
from model_cards.typesetting import measured

_DIFFERENCE = "Difference [95 % interval]"


class ComparisonRow(NamedTuple):
    """One metric as a table row; ``shown`` is True, False or None (not comparable).

    ``measurements`` and ``numbers``, the same in words, are in the order of :func:`comparison_columns`.
    """

    name: str
    before: str
    after: str
    difference: str
    words: str
    shown: bool | None
    primary: bool
    measurements: tuple[Measurement | None, ...]
    numbers: tuple[str, ...]


def comparison_rows(evaluation: EvaluationReport) -> tuple[ComparisonRow, ...]:
    """Return the rows of the before-and-after table in the given order."""
    return tuple(_row(evaluation, item) for item in evaluation.metrics)


def _row(evaluation: EvaluationReport, item: MetricComparison) -> ComparisonRow:
    before, after, difference = measured(item.before), measured(item.after), measured(item.difference, signed=True)
    words, shown = _words(item)
    if evaluation.is_study:
        words = _study_words(item)
    elif evaluation.is_cost:
        words, shown = _kept_words(item), None
    return ComparisonRow(
        item.after.name,
        before,
        after,
        difference,
        words,
        shown,
        item.after.name == evaluation.primary_metric,
        (item.after,) if evaluation.is_cost else (item.before, item.after, item.difference),
        (after,) if evaluation.is_cost else (before, after, difference),
    )


def comparison_columns(evaluation: EvaluationReport) -> tuple[str, ...]:
    """Return the columns of numbers: what each form kept, or the two sides and their difference."""
    return ("Kept [95 % interval]",) if evaluation.is_cost else (*comparison_sides(evaluation), _DIFFERENCE)


def comparison_sides(evaluation: EvaluationReport) -> tuple[str, str]:
    """Return what the two columns are of: before and after training, or the two ways that a study compares."""
    named = next((item.difference.name for item in evaluation.metrics if item.difference is not None), "")
    after, told, before = named.partition(" minus ")
    return (before, after) if evaluation.is_study and told else ("Before", "After")


def evaluation_words(evaluation: EvaluationReport) -> str:
    """Return one plain sentence on the primary metric: whether training helped; of a study or a cost, what it found.

    Higher is better for every metric that is compared here.
    """
    if not evaluation.measures_quality:
        found = evaluation.note.partition(". ")[0].rstrip(".") or "Its conclusion is not recorded"
        if evaluation.is_cost:
            return f"{found}. Costs are of one machine, and what is kept is beside this model's own quality."
        return f"{found}. The study compares ways of training from one checkpoint, not this model with its base."
    name = evaluation.primary_metric
    item = next((item for item in evaluation.metrics if item.after.name == name), None)
    if item is None:
        return f"The primary metric {name} was not measured."
    shown = _words(item)[1]
    if item.before is None:
        return f"{name} is {measured(item.after)}; the base was not measured, so nothing shows whether training helped."
    if item.difference is None or item.difference.interval is None:
        return (
            f"{name} went from {measured(item.before)} to {measured(item.after)}; no interval of the difference was "
            "measured, so nothing shows whether training helped."
        )
    told = f"the difference in {name} is {measured(item.difference, signed=True)}"
    if shown:
        return f"Training helped on this task: {told}, and its interval lies above zero."
    if item.difference.interval[1] < 0:
        return f"Training did not help, it made the model worse on this task: {told}, and its interval lies below zero."
    return f"Training did not help: {told}, and its interval does not lie above zero."


def further_note(evaluation: EvaluationReport) -> str:
    """Return the note without the sentence that :func:`evaluation_words` took from it."""
    return evaluation.note if evaluation.measures_quality else evaluation.note.partition(". ")[2]


def _study_words(item: MetricComparison) -> str:
    """Return where the interval lies: what is shown depends on all that a study compares, and stands in its tables."""
    if item.difference is None or item.difference.interval is None:
        return _words(item)[0]
    low, high = item.difference.interval
    return "interval above zero" if low > 0 else "interval below zero" if high < 0 else "zero within the interval"


def _kept_words(item: MetricComparison) -> str:
    """Return whether the interval of a share that is kept reaches all of it."""
    if item.after.interval is None:
        return "no interval measured"
    low, high = item.after.interval
    return "a loss is shown" if high < 1 else "a gain is shown" if low > 1 else "no loss shown"


def _words(item: MetricComparison) -> tuple[str, bool | None]:
    if item.before is None:
        return "base not measured", None
    if item.difference is None or item.difference.interval is None:
        return "no interval measured", None
    low, high = item.difference.interval
    if low > 0:
        return "better", True
    return ("worse", False) if high < 0 else ("no improvement shown", False)
