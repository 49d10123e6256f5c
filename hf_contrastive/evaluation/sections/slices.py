"""Is the model worse for some rows? The metric for each value of a column, and the worst of them."""

from __future__ import annotations

from collections.abc import Iterable

from audits.findings import Measurement
from hf_contrastive.errors import NotComputableError
from hf_contrastive.evaluation.encodings import Texts
from hf_contrastive.evaluation.sections import Asked
from hf_contrastive.evaluation.slices import Slices, slice_scores
from model_cards.evidence import EvaluationSection, MetricComparison

name = "slices"


def standard(asked: Asked) -> bool:
    """Whether it is measured unless somebody says otherwise: where a column is named."""
    return asked.slices_column is not None


def texts(asked: Asked) -> Iterable[Texts]:
    """Return nothing, once it is known that there is a column."""
    _values(asked)
    return ()


def measure(asked: Asked) -> EvaluationSection:
    """Measure each value; with a base, also where the model lost most against it."""
    values = _values(asked)
    scores = [asked.task.row_scores(vectors, asked.seed) for vectors in asked.models]
    metric = scores[0].metric
    found = slice_scores(scores[0].values, values, seed=asked.seed)
    tables = [found.table(f"{metric} by {asked.slices_column}", metric)]
    metrics = [_worst(f"{metric} of the worst slice", found), *_gap(metric, found)]
    if asked.before is not None:
        change = slice_scores(scores[0].values, values, against=scores[1].values, seed=asked.seed)
        tables.append(change.table(f"change of {metric} against the base by {asked.slices_column}", "change"))
        metrics.append(_worst(f"change of {metric} against the base where it is lowest", change))
    left_out = f"; {found.left_out} rows of values with fewer rows are left out" if found.left_out else ""
    return EvaluationSection(
        name=name,
        metrics=tuple(metrics),
        tables=tuple(tables),
        method=(
            f"By the column {asked.slices_column}, {len(found.slices)} values of 20 or more rows{left_out}. The worst "
            "of several is low by chance too: its interval holds for whichever came out worst; p-values are Holm's"
        ),
    )


def _values(asked: Asked) -> list[object]:
    if asked.slices_column is None:
        msg = "no column was named by `slices_column`"
        raise NotComputableError(msg)
    return asked.data.column(asked.slices_column)


def _worst(told: str, found: Slices) -> MetricComparison:
    return MetricComparison(
        after=Measurement(
            name=f"{told} ({found.worst.value:.60})",
            value=found.worst.mean,
            unit="score",
            sample_size=found.worst.rows,
            interval=found.worst_interval,
            method="95 % interval for the worst of all slices (max-bootstrap)",
        )
    )


def _gap(metric: str, found: Slices) -> list[MetricComparison]:
    worst = found.worst
    return [
        MetricComparison(
            after=Measurement(
                name=f"gap of that slice to the rest in {metric}",
                value=worst.gap,
                unit="score",
                sample_size=worst.rows,
                interval=worst.gap_interval,
                method=f"95 % percentile bootstrap of this slice alone; p = {worst.p_value:.3g} after Holm",
            )
        )
    ]
