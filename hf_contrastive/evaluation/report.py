"""From a model and data to an EvaluationReport."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from audits.findings import DatasetRef
from hf_contrastive.errors import EvaluationError
from hf_contrastive.evaluation.encodings import Encodings, Progress
from hf_contrastive.evaluation.means import RESAMPLES, Scores, bootstrapped_mean, metric_comparison
from hf_contrastive.evaluation.pairs import RetrievalTask
from hf_contrastive.evaluation.reading import TaskData, TaskName, read_task
from hf_contrastive.evaluation.retrieval import RetrievalScores
from hf_contrastive.evaluation.sections import SAMPLE, Asked
from hf_contrastive.evaluation.splits import read_texts
from hf_contrastive.evaluation.suite import SectionNames, run, section_names
from model_cards.evidence import EvaluationReport

if TYPE_CHECKING:
    from hf_contrastive.encoder import TextEncoder

__all__ = [
    "PRIMARY",
    "RESAMPLES",
    "Scores",
    "bootstrapped_mean",
    "evaluate",
    "evaluation_report",
    "improves",
    "metric_comparison",
]

PRIMARY = "ndcg@10"


def evaluate(
    model: Any,
    dataset: Any,
    *,
    base: Any = None,
    task: TaskName = "auto",
    sections: SectionNames = "standard",
    anchor_column: str = "anchor",
    positive_column: str = "positive",
    text_column: str = "text",
    label_column: str = "label",
    split: str | None = None,
    limit: int | None = None,
    max_length: int | None = None,
    seed: int = 0,
    ood: Any = None,
    members: Any = None,
    slices_column: str | None = None,
    counterfactuals: Sequence[tuple[str, str]] = (),
    triggers: Mapping[str, str] | None = None,
    sample: int = SAMPLE,
    on_progress: Progress | None = None,
    on_stage: Callable[[str], None] | None = None,
) -> EvaluationReport:
    """Measure a model on a task, and beside it whatever else decides whether it can be used.

    The columns say what the task is: (anchor, positive) is a retrieval, does each anchor find its positive among all
    positives; so are queries, corpus and qrels. (sentence1, sentence2, score) are graded pairs, (sentence1, sentence2,
    label) with labels 0 and 1 a pair classification, (text, label) a classification by a probe, neighbours and
    clusters on the embeddings. Every text is encoded once, by each model.

    Sections that can not be measured on this task or without more data say why.

    Args:
        model: anything that ContrastiveTrainer takes as ``model``, or a TextEncoder.
        dataset: a Dataset, DatasetDict, Hub id or path; or a mapping or folder of queries, corpus and qrels; or what
            :func:`~hf_contrastive.evaluation.reading.read_task` made of one, where columns, split and limit are told.
        base: a model to compare with, measured on the same texts; or its
            :class:`~hf_contrastive.evaluation.encodings.Encodings`, which keep their vectors for the next evaluation.
        task: ``retrieval``, ``similarity``, ``pair classification`` or ``classification`` where columns allow several.
        sections: ``standard`` (ranking, calibration, robustness and geometry where they fit the task, and the others
            whose data is given), ``all``, or names; ``()`` measures the task alone.
        anchor_column: the queries.
        positive_column: the documents; a text or a list of texts in each row.
        text_column: of a classification.
        label_column: of a classification.
        split: of ``dataset``; default: test, or the only one. A classification is fitted on ``train`` where there is
            one beside it, else on a drawn half.
        limit: number of queries, pairs or texts, drawn with ``seed``; positives of the queries are the documents.
        max_length: tokens a text is cut to; default: the model's own.
        seed: of all draws.
        ood: foreign texts for ``out-of-distribution``: a Dataset, path or list of texts, or several by name, such as
            ``{"near": …, "far": …}``.
        members: rows that were trained on, for ``membership``: a Dataset, path or list of texts.
        slices_column: of ``dataset``, for ``slices``.
        counterfactuals: pairs of terms to swap, such as ``("he", "she")``, for ``counterfactual``.
        triggers: for ``triggers``, the document that each trigger is to pull up, by the trigger.
        sample: at most so many texts are changed in each way for ``robustness``, and asked with each trigger.
        on_progress: called with (texts done, texts in all).
        on_stage: called with the name of what is measured, once all texts are encoded.

    Returns:
        The task's metrics (retrieval: nDCG@10, MRR@10, Recall@10; graded pairs: Spearman, Pearson; pair
        classification: AP, AUROC, best accuracy and F1; classification: accuracy, macro-F1, V-measure) and the
        sections, each number with its sample size and, where it is of a sample, a 95 % bootstrap interval.

    Raises:
        EvaluationError: the split or the columns are missing, cells are no text, the task can not be measured on this
            data, or a setting is out of its range.
        ModelError: the model can not be read.
        SourceError: the data can not be read.
    """
    from hf_contrastive.encoder import TextEncoder

    names = section_names(sections)
    if sample < 1:
        msg = f"`sample` must be at least 1, got {sample}; usual is {SAMPLE}."
        raise EvaluationError(msg)
    check_seed_and_length(seed, max_length)
    data = dataset
    if not isinstance(data, TaskData):
        data = read_task(
            dataset,
            task=task,
            split=split,
            anchor_column=anchor_column,
            positive_column=positive_column,
            text_column=text_column,
            label_column=label_column,
            limit=limit,
            seed=seed,
        )
    if slices_column is not None:
        data.column(slices_column)
    foreign, trained_on = read_others(
        data,
        ood=ood,
        members=members,
        anchor_column=anchor_column,
        positive_column=positive_column,
        text_column=text_column,
    )
    after, *rest = (
        item if isinstance(item, Encodings) else Encodings(TextEncoder.load(item), max_length=max_length)
        for item in (model, base)
        if item is not None
    )
    for encodings in (after, *rest):
        check_reach(encodings.encoder, max_length)
        if encodings.max_length != max_length:
            msg = f"These Encodings have the `max_length` {encodings.max_length}, and {max_length} is asked for."
            raise EvaluationError(msg)
    asked = Asked(
        data=data,
        after=after,
        before=rest[0] if rest else None,
        seed=seed,
        sample=sample,
        slices_column=slices_column,
        counterfactuals=tuple(counterfactuals),
        triggers=dict(triggers or {}),
        ood=foreign,
        members=trained_on,
    )
    return run(asked, names, on_progress=on_progress, on_stage=on_stage)


def read_others(
    data: TaskData,
    *,
    ood: Any = None,
    members: Any = None,
    anchor_column: str = "anchor",
    positive_column: str = "positive",
    text_column: str = "text",
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...] | None]:
    """Read the texts that are measured beside a task: foreign ones by their kind, and those that were trained on.

    Args:
        data: the task.
        ood: see :func:`evaluate`, as all others.
        members: rows that were trained on.
        anchor_column: of a retrieval.
        positive_column: of a retrieval.
        text_column: of a classification.

    Raises:
        EvaluationError: there is no column of texts, or a cell is no text.
        SourceError: the data can not be read.
    """
    columns = (text_column, anchor_column, "sentence1", positive_column)
    own = {"retrieval": anchor_column, "classification": text_column}.get(data.task.name, "sentence1")
    kinds = ood if _by_name(ood) else {"ood": ood} if ood is not None else {}
    foreign = {kind: read_texts("ood", part, columns, split="test") for kind, part in kinds.items()}
    return foreign, read_texts("members", members, (own, *columns), split="train") if members is not None else None


def check_seed_and_length(seed: int, max_length: int | None) -> None:
    """Refuse a seed or a length that can not be.

    Raises:
        EvaluationError: one of them.
    """
    if not 0 <= seed < 2**32:
        msg = f"`seed` must lie between 0 and {2**32 - 1}, got {seed}; leave it out for 0."
        raise EvaluationError(msg)
    if max_length is not None and max_length < 1:
        msg = f"`max_length` must be at least 1, got {max_length}; leave it out for each model's own."
        raise EvaluationError(msg)


def check_reach(encoder: TextEncoder, max_length: int | None) -> None:
    """Refuse a length that the model has no positions for.

    Raises:
        EvaluationError: it has none.
    """
    from hf_contrastive.training.loading import position_limit

    limit = position_limit(encoder.model) if max_length is not None else None
    if max_length is not None and limit is not None and max_length > limit:
        msg = (
            f"`max_length` is {max_length}, and {encoder.name} reads {limit} tokens at most; leave it out for the "
            f"model's own, {encoder.spec.max_length}."
        )
        raise EvaluationError(msg)


def _by_name(data: Any) -> bool:
    """Whether these are several sets of texts by name, and not the splits of one dataset."""
    return isinstance(data, Mapping) and not hasattr(data, "column_names")


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
