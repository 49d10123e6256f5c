"""A study as part of a model's evidence: in its card, its report and evidence.json."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from audits.findings import Table
from hf_contrastive.study.charts import best_contrastive, curve_table, focus_budget, saving_table
from hf_contrastive.study.conclusion import FIRST
from hf_contrastive.study.draws import FEWEST_SEEDS
from hf_contrastive.study.records import StudyReport
from hf_contrastive.study.roles import COMPARED_WITH, FINE_TUNED
from hf_contrastive.study.tables import break_even_table, difference_table, rules
from hf_contrastive.study.wording import Budget, budget_words
from model_cards.evidence import STUDY, EvaluationReport, EvaluationSection, MetricComparison


def as_evaluation(report: StudyReport) -> EvaluationReport:
    """Return the study as an evaluation, which ``trainer.add_evidence`` takes.

    In its metrics "before" is fine-tuning and "after" the arm with contrastive pretraining of the highest mean
    accuracy, which :func:`best_contrastive` names, with each budget that both ran. It measures no published model:
    ``weights_sha256`` is over the checkpoint that all arms start from.
    """
    best = best_contrastive(report)
    metrics = tuple(_metrics(report, best)) if best is not None else ()
    # what a reader of the card needs; all of it stands in a table
    note = " ".join(dict.fromkeys((*report.conclusion[:FIRST], *report.conclusion[-1:])))
    if metrics:
        note += (
            f" {best} is shown beside {FINE_TUNED} since its mean accuracy is the highest of the arms with contrastive "
            "pretraining, which was looked up afterwards."
        )
    return EvaluationReport(
        task=STUDY,
        dataset=report.setup.dataset,
        rows=report.setup.test_rows,
        max_length=report.setup.max_length,
        seed=min(report.setup.seeds),
        metrics=metrics,
        primary_metric=_name(focus_budget(report)),
        sections=(_section(report),),
        note=note,
        weights_sha256=report.setup.base.weights_sha256,
        seconds=sum(cell.cost.seconds for cell in report.cells)
        + sum(item.cost.seconds for item in report.pretrainings),
    )


def _metrics(report: StudyReport, best: str) -> Iterator[MetricComparison]:
    found = {item.budget: item for item in report.differences if (item.arm, item.other) == (best, FINE_TUNED)}
    for budget, item in found.items():
        before, after = (report.point(code, budget) for code in (FINE_TUNED, best))
        if before is None or after is None:
            continue
        name = _name(budget)
        difference = replace(item.difference, name=f"{best} minus {FINE_TUNED}")
        if item.seeds < FEWEST_SEEDS:  # an interval over test rows alone shows nothing of another seed
            difference = replace(difference, interval=None)
        yield MetricComparison(
            before=replace(before.accuracy, name=name),
            after=replace(after.accuracy, name=name),
            difference=difference,
        )


def _section(report: StudyReport) -> EvaluationSection:
    tables = (
        Table(name="All that follows, in words", columns=("",), rows=tuple((item,) for item in report.conclusion)),
        saving_table(report),
        curve_table(report, [arm.code for arm in report.arms], "Accuracy by arm and labels"),
        *(difference_table(report, other) for other in COMPARED_WITH),
        break_even_table(report),
    )
    return EvaluationSection(
        name="labels, wins and losses",
        tables=tuple(table for table in tables if table.rows),
        method=" ".join((*rules(report), *(f"Note: {note.rstrip('.')}." for note in report.setup.notes))),
    )


def _name(budget: Budget) -> str:
    return f"accuracy with {budget_words(budget)}"
