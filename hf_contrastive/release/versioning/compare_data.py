"""On which pairs a push compares: those that were named, or those that the data holds back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from audits.findings import AuditReport, DatasetRef
from hf_contrastive.errors import EvaluationError, missing

if TYPE_CHECKING:
    from hf_contrastive.evaluation.pairs import RetrievalTask

MOST_QUERIES = 2000
"""Queries that a push compares with, drawn from the data; ``hf-contrastive compare`` takes all."""

HELD_OUT = ("test", "validation")
"""Splits that are measured on alone, the better one first."""

SEED = 0
"""Of the draw of queries, and of what is measured on them."""


class NotComparedError(Exception):
    """Nothing can be compared; the message is the reason, for the evidence."""


class Pairs(NamedTuple):
    """Queries with their documents, and the data that they are from."""

    task: RetrievalTask
    reference: DatasetRef


def pairs_named(data: Any) -> Pairs:
    """Return the pairs of data that a person named for the comparison.

    Args:
        data: a Dataset, Hub id or path with two text columns, of the split test, validation, or the only one.

    Raises:
        MissingExtraError: torch is not installed.
        EvaluationError: it has no pairs, too few, or several other splits.
        SourceError: it can not be read.
    """
    from audits.source import open_source
    from hf_contrastive.errors import require

    require("train", "torch", "transformers", "peft")
    source = open_source(data)
    splits = list(source.tables)
    split = next((name for name in (*HELD_OUT, *splits[:1]) if name in splits), splits[0])
    if len(splits) > 1 and split not in HELD_OUT:
        msg = (
            f"The data for the comparison has the splits {', '.join(splits)}, and none of them is called test or "
            "validation. Name data with one split, e.g. a file."
        )
        raise EvaluationError(msg)
    return _pairs_of(source, split)


def pairs_of_data(data: Any, report: AuditReport) -> Pairs:
    """Return the pairs of the test split, else of the validation split, of the data that a push was given.

    Args:
        data: what was trained on, or an audit of it.
        report: its audit.

    Raises:
        NotComparedError: there are none.
    """
    from audits.errors import AuditError
    from audits.source import open_source

    if isinstance(data, AuditReport):
        msg = "an audit was given and not the data; name some with `compare_data`"
        raise NotComparedError(msg)
    split = next((name for name in HELD_OUT if any(ref.split == name for ref in report.datasets)), None)
    if split is None:
        msg = "the data has no split test or validation; name other data with `compare_data`"
        raise NotComparedError(msg)
    if report.columns.anchor is None or report.columns.positive is None:
        msg = "the data has no pairs of texts; name other data with `compare_data`"
        raise NotComparedError(msg)
    if absent := missing("torch", "transformers", "peft"):
        msg = f"{' and '.join(absent)} is not installed (the extra `train` brings it)"
        raise NotComparedError(msg)
    try:
        columns = (report.columns.anchor, report.columns.positive)
        return _pairs_of(open_source(data, split=split, text_columns=columns), split)
    except (AuditError, EvaluationError) as error:
        raise NotComparedError(str(error)) from error


def _pairs_of(source: Any, split: str) -> Pairs:
    from hf_contrastive.evaluation.comparison import check_task

    columns = source.columns
    if columns.anchor is None or columns.positive is None:
        msg = (
            f"The data for the comparison has the text columns {', '.join(columns.texts)}; two are needed, queries and "
            "their documents, e.g. named anchor and positive."
        )
        raise EvaluationError(msg)
    table = source.tables[split]
    task = task_of(table.column(columns.anchor).to_pylist(), table.column(columns.positive).to_pylist())
    check_task(task)
    return Pairs(task, next(ref for ref in source.refs if ref.split == split))


def task_of(anchors: list[Any], positives: list[Any]) -> RetrievalTask:
    """Return the retrieval task of two columns, whose positives may be lists; some queries are drawn from many.

    Args:
        anchors: texts.
        positives: texts, or lists of texts.
    """
    from hf_contrastive.evaluation.pairs import RetrievalTask

    if any(isinstance(cell, list | tuple) for cell in positives):
        lists = [cell if isinstance(cell, list | tuple) else [cell] for cell in positives]
        anchors = [anchor for anchor, cell in zip(anchors, lists, strict=True) for _ in cell]
        positives = [text for cell in lists for text in cell]
    return RetrievalTask.from_pairs(anchors, positives, limit=MOST_QUERIES, seed=SEED)
