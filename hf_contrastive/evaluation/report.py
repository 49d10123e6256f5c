"""From a model and pairs to an EvaluationReport."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from audits.findings import DatasetRef, Measurement
from hf_contrastive.errors import EvaluationError
from hf_contrastive.evaluation.bootstrap import paired_bootstrap
from hf_contrastive.evaluation.pairs import RetrievalTask, score
from hf_contrastive.evaluation.retrieval import RetrievalScores
from model_cards.evidence import EvaluationReport, MetricComparison

PRIMARY = "ndcg@10"
RESAMPLES = 2000

Scores = npt.NDArray[np.float64]
"""One a query, ``[queries]``."""


def evaluate(
    model: Any,
    dataset: Any,
    *,
    base: Any = None,
    anchor_column: str = "anchor",
    positive_column: str = "positive",
    split: str | None = None,
    limit: int | None = None,
    max_length: int | None = None,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> EvaluationReport:
    """Measure how well each anchor finds its positive among all positives.

    Args:
        model: anything that ContrastiveTrainer takes as ``model``, or a TextEncoder.
        dataset: a Dataset, Hub id or path, with the two columns.
        base: a model to compare with, measured on the same queries.
        anchor_column: the queries.
        positive_column: the documents.
        split: of ``dataset``, where it has several.
        limit: number of queries, drawn with ``seed``; their positives are the documents.
        max_length: tokens a text is cut to; default: the model's own.
        seed: of the draw and of the bootstrap.
        on_progress: called with (texts done, texts in all).

    Returns:
        nDCG@10, MRR@10 and Recall@10 with 95 % bootstrap intervals over the queries.

    Raises:
        EvaluationError: the split or the columns are missing, or cells are no text.
        ModelError: the model can not be read.
    """
    from hf_contrastive.encoder import TextEncoder

    rows, reference = read_pairs(dataset, split, anchor_column, positive_column)
    task = RetrievalTask.from_pairs(rows[anchor_column], rows[positive_column], limit=limit, seed=seed)
    encoder = TextEncoder.load(model)
    started = time.perf_counter()
    after = score(encoder, task, max_length=max_length, on_progress=on_progress)
    before = score(TextEncoder.load(base), task, max_length=max_length) if base is not None else None
    return evaluation_report(
        task,
        reference,
        before=before,
        after=after,
        max_length=max_length or encoder.spec.max_length,
        seed=seed,
        seconds=time.perf_counter() - started,
        weights_sha256=encoder.weights_digest(),
    )


def evaluation_report(
    task: RetrievalTask,
    reference: DatasetRef,
    *,
    before: RetrievalScores | None,
    after: RetrievalScores,
    max_length: int,
    seed: int,
    seconds: float = 0.0,
    weights_sha256: str = "",
) -> EvaluationReport:
    """Put scores into a report, with the paired bootstrap of every difference.

    Args:
        task: what was found.
        reference: the data.
        before: scores of the base on the same task, or None.
        after: scores of the model.
        max_length: tokens a text was cut to.
        seed: of the bootstrap.
        seconds: spent.
        weights_sha256: of the weights that were measured.
    """
    return EvaluationReport(
        task="retrieval",
        dataset=reference,
        queries=len(task.queries),
        documents=len(task.documents),
        max_length=max_length,
        seed=seed,
        metrics=tuple(
            metric_comparison(name, before.per_query()[name] if before is not None else None, values, seed)
            for name, values in after.per_query().items()
        ),
        primary_metric=PRIMARY,
        note="each anchor is a query, its positive the relevant document; equal texts are one",
        seconds=seconds,
        weights_sha256=weights_sha256,
    )


def improves(report: EvaluationReport) -> bool:
    """Whether the primary metric rose with the whole interval of the difference above zero."""
    difference = next(item.difference for item in report.metrics if item.after.name == report.primary_metric)
    return difference is not None and difference.interval is not None and difference.interval[0] > 0


def metric_comparison(name: str, before: Scores | None, after: Scores, seed: int) -> MetricComparison:
    """Return the means of one metric with their intervals, and of the difference where there is a ``before``.

    Args:
        name: of the metric.
        before: a score per query of the other model, ``[queries]``, or None.
        after: a score per query of the model, ``[queries]``.
        seed: of the bootstrap.
    """
    mean = bootstrapped_mean(name, after, seed=seed)
    if before is None:
        return MetricComparison(after=mean)
    return MetricComparison(
        before=bootstrapped_mean(name, before, seed=seed),
        after=mean,
        difference=bootstrapped_mean(f"{name} difference", after, against=before, seed=seed),
    )


def bootstrapped_mean(
    name: str, values: Scores, *, seed: int, against: Scores | None = None, unit: str = "score", of: str = "queries"
) -> Measurement:
    """Return a mean, or the mean of paired differences, with a 95 % bootstrap interval.

    Args:
        name: of the measurement.
        values: one each, ``[n]``.
        seed: of the bootstrap.
        against: what is subtracted, ``[n]``.
        unit: of the measurement.
        of: what is drawn, for the method in words.
    """
    mean, low, high = paired_bootstrap(
        values * 0 if against is None else against, values, resamples=RESAMPLES, seed=seed
    )
    method = f"95 % percentile bootstrap over {of}, {RESAMPLES} resamples{'' if against is None else ', paired'}"
    return Measurement(name=name, value=mean, unit=unit, sample_size=len(values), interval=(low, high), method=method)


def read_pairs(dataset: Any, split: str | None, anchor: str, positive: str) -> tuple[dict[str, list[Any]], DatasetRef]:
    """Return the two columns of one split, and what identifies it.

    Args:
        dataset: a Dataset, Hub id or path.
        split: where there are several; default: test.
        anchor: column of the queries.
        positive: column of the documents.

    Raises:
        EvaluationError: the split or the columns are missing.
        SourceError: the data can not be read.
    """
    from audits.source import dataset_of, references

    # a bare Dataset is one split; its name is the caller's
    if split is not None and hasattr(dataset, "column_names") and not hasattr(dataset, "keys"):
        dataset, split = {split: dataset}, split
    splits = dataset_of(dataset)
    names = list(splits)
    if split is None and len(names) > 1:
        split = "test" if "test" in names else None
        if split is None:
            msg = f"The data has the splits {', '.join(names)}; say which one with `split`."
            raise EvaluationError(msg)
    split = split or names[0]
    if split not in names:
        msg = f"The data has no split {split!r}; it has {', '.join(names)}."
        raise EvaluationError(msg)
    table = splits[split]
    missing = [name for name in (anchor, positive) if name not in table.column_names]
    if missing:
        msg = (
            f"The data has no column {' and '.join(map(repr, missing))}; it has {', '.join(table.column_names)}. "
            "Name the two text columns with `anchor_column` and `positive_column`."
        )
        raise EvaluationError(msg)
    rows = {name: list(table[name]) for name in {anchor, positive}}
    return rows, next(reference for reference in references({split: table}) if reference.split == split)
