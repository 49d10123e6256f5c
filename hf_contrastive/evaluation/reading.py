"""From data to a task: which columns there are says what is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from audits.findings import DatasetRef
from hf_contrastive.errors import EvaluationError
from hf_contrastive.evaluation.classification_task import Classification
from hf_contrastive.evaluation.corpora import is_collection, read_collection
from hf_contrastive.evaluation.pairs import RetrievalTask
from hf_contrastive.evaluation.splits import draw, open_split, require_pairs, require_texts
from hf_contrastive.evaluation.tasks import GradedPairs, LabelledPairs, Retrieval, Task

TaskName = Literal["auto", "retrieval", "similarity", "pair classification", "classification"]

FIT_ROWS = 10_000
"""At most so many texts fit a probe and neighbours."""

_SCORES = ("score", "similarity_score", "label")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskData:
    """A task, the data it was made from, and the other columns of that data."""

    task: Task
    reference: DatasetRef
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def column(self, name: str) -> list[Any]:
        """Return the value of a column for each subject of the task.

        Raises:
            EvaluationError: there is no such column.
        """
        if name not in self.columns:
            msg = f"The data has no column {name!r} to slice by; it has {', '.join(self.columns)}."
            raise EvaluationError(msg)
        values = self.columns[name]
        return [values[row] for row in self.task.rows.tolist()]


def read_task(
    data: Any,
    *,
    task: TaskName = "auto",
    split: str | None = None,
    anchor_column: str = "anchor",
    positive_column: str = "positive",
    text_column: str = "text",
    label_column: str = "label",
    limit: int | None = None,
    seed: int = 0,
) -> TaskData:
    """Read the data and make the task that its columns name.

    Args:
        data: a Dataset, DatasetDict, Hub id or path; or queries, corpus and relevant as a mapping or a folder.
        task: which, where columns allow several.
        split: of the data; default: test, or the only one.
        anchor_column: queries of a retrieval.
        positive_column: their documents, a text or a list of texts in each row.
        text_column: of a classification.
        label_column: of a classification.
        limit: number of queries, pairs or texts that are measured, drawn with ``seed``.
        seed: of the draws.

    Raises:
        EvaluationError: no layout fits, or cells can not be measured.
        SourceError: the data can not be read.
    """
    if limit is not None and limit < 1:
        msg = f"`limit` must be >= 1, got {limit}."
        raise EvaluationError(msg)
    if is_collection(data):
        if task not in ("auto", "retrieval"):
            msg = f"Queries and a corpus are a retrieval, not {task!r}; leave `task` out."
            raise EvaluationError(msg)
        found = read_collection(data, split=split, limit=limit, seed=seed)
        return TaskData(task=Retrieval(found.task, found.note), reference=found.reference, columns=found.columns)
    table, reference, splits = open_split(data, split)
    kind = _kind(table, task, anchor_column, positive_column, text_column, label_column)
    columns = {column: table[column] for column in table.column_names}
    made: Task
    if kind == "retrieval":
        made = Retrieval(_retrieval(columns, anchor_column, positive_column, limit, seed))
    elif kind == "classification":
        train = splits["train"] if "train" in splits and reference.split != "train" else None
        made = _classification(table, train, text_column, label_column, limit, seed)
    else:
        made = _pairs(columns, kind, limit, seed)
    return TaskData(task=made, reference=reference, columns=columns)


def read_retrieval(data: Any, **options: Any) -> tuple[RetrievalTask, DatasetRef]:
    """Read data that is searched: pairs in two columns, or queries, corpus and qrels.

    Args:
        data: see :func:`read_task`.
        **options: of :func:`read_task`, except ``task``.

    Raises:
        EvaluationError: the columns are missing, or cells are no text.
        SourceError: the data can not be read.
    """
    found = read_task(data, task="retrieval", **options)
    assert isinstance(found.task, Retrieval)
    return found.task.task, found.reference


def _kind(table: Any, task: TaskName, anchor: str, positive: str, text: str, label: str) -> str:
    names = set(table.column_names)
    scores = next((name for name in _SCORES if name in names), None)
    layouts = {
        "retrieval": {anchor, positive} <= names,
        "pairs": {"sentence1", "sentence2"} <= names and scores is not None,
        "classification": {text, label} <= names,
    }
    if task in ("similarity", "pair classification"):
        if not layouts["pairs"]:
            msg = (
                f"The task {task!r} needs the columns sentence1, sentence2 and score or label; the data has "
                f"{', '.join(table.column_names)}. Rename them."
            )
            raise EvaluationError(msg)
        return task
    if task == "retrieval" or (layouts["retrieval"] and task == "auto"):
        require_pairs(table, anchor, positive)
        return "retrieval"
    if task == "auto" and layouts["pairs"]:
        return _kind_of_pairs(scores, table[scores])
    if task == "classification" or (layouts["classification"] and task == "auto"):
        missing = [name for name in (text, label) if name not in names]
        if missing:
            msg = (
                f"The data has no column {' and '.join(map(repr, missing))}; it has {', '.join(table.column_names)}. "
                "Name them with `text_column` and `label_column`."
            )
            raise EvaluationError(msg)
        return "classification"
    if task != "auto":
        known = "auto, retrieval, similarity, pair classification, classification"
        msg = f"There is no task {task!r}; known are {known}."
        raise EvaluationError(msg)
    require_pairs(table, anchor, positive)
    return "retrieval"  # pragma: no cover  (what is required is missing)


def _kind_of_pairs(column: str | None, values: Sequence[Any]) -> str:
    known = [value for value in values if value is not None]
    if all(isinstance(value, str) or value in (0, 1) for value in known):
        return "pair classification"
    if column == "label" and all(isinstance(value, int) for value in known):
        msg = (
            f"The labels of the pairs are {sorted(set(known))[:5]}; labels are 1 (alike) or 0 (not), and graded scores "
            "stand in a column `score`. Leave out classes that are neither, or rename the column."
        )
        raise EvaluationError(msg)
    return "similarity"


def _retrieval(
    columns: Mapping[str, Sequence[Any]], anchor: str, positive: str, limit: int | None, seed: int
) -> RetrievalTask:
    anchors, positives = list(columns[anchor]), list(columns[positive])
    rows = list(range(len(anchors)))
    if positives and all(isinstance(cell, list | tuple) for cell in positives):
        # one pair for each positive of a row
        rows = [row for row, cell in enumerate(positives) for _ in cell]
        anchors, positives = [anchors[row] for row in rows], [text for cell in positives for text in cell]
    task = RetrievalTask.from_pairs(anchors, positives, limit=limit, seed=seed)
    if len(rows) == len(columns[anchor]):
        return task
    return RetrievalTask(
        task.queries,
        task.documents,
        task.relevant,
        tuple(rows[row] for row in task.query_rows),
        tuple(rows[row] for row in task.document_rows),
    )


def _pairs(columns: Mapping[str, Sequence[Any]], kind: str, limit: int | None, seed: int) -> Task:
    scores = next(name for name in _SCORES if name in columns)
    texts = [list(columns[name]) for name in ("sentence1", "sentence2")]
    chosen = draw(len(texts[0]), limit, seed)
    for name, part in zip(("sentence1", "sentence2"), texts, strict=True):
        require_texts(name, part)
    values = list(columns[scores])
    make = LabelledPairs if kind == "pair classification" else GradedPairs
    return make(
        first=tuple(texts[0][row] for row in chosen),
        second=tuple(texts[1][row] for row in chosen),
        values=tuple(values[row] for row in chosen),
        pair_rows=tuple(chosen),
    )


def _classification(table: Any, train: Any, text: str, label: str, limit: int | None, seed: int) -> Classification:
    test = _labelled(table, text, label)
    if train is not None and {text, label} <= set(train.column_names):
        measured = {test[0][place] for place in range(len(test[0]))}
        fit = _labelled(train, text, label)
        kept = [place for place, found in enumerate(fit[0]) if found not in measured]
        shared = len(fit[0]) - len(kept)
        where = "the train split" + (f" without {shared} texts that are measured too" if shared else "")
        chosen = draw(len(test[0]), limit, seed)
    else:
        order = np.random.default_rng(seed).permutation(len(test[0])).tolist()
        half = len(order) // 2
        fit, kept = test, sorted(order[:half])
        rest = sorted(order[half:])
        chosen = [rest[place] for place in draw(len(rest), limit, seed)]
        where = "a drawn half of the texts, since the data has no train split beside this one"
    kept = [kept[place] for place in draw(len(kept), FIT_ROWS, seed)]
    if not kept or not chosen:
        msg = (
            f"There are {len(chosen)} texts to measure and {len(kept)} to fit a probe on, after equal texts were "
            "taken as one; both are needed. Give more rows, or a train split beside the one that is measured."
        )
        raise EvaluationError(msg)
    return Classification(
        train=tuple(fit[0][place] for place in kept),
        train_labels=tuple(fit[1][place] for place in kept),
        test=tuple(test[0][place] for place in chosen),
        test_labels=tuple(test[1][place] for place in chosen),
        test_rows=tuple(test[2][place] for place in chosen),
        told=f"probe and neighbours are fitted on {len(kept)} texts of {where}; equal texts are one",
    )


def _labelled(table: Any, text: str, label: str) -> tuple[list[str], list[Any], list[int]]:
    """Return the distinct texts, the label and the row of each where it stands first."""
    texts, labels = list(table[text]), list(table[label])
    require_texts(text, texts)
    for row, found in enumerate(labels):
        if not isinstance(found, str | int):
            msg = (
                f"Row {row} holds {found!r:.40} as {label}; labels must be texts or whole numbers. Leave out rows "
                "without a label; graded scores belong to pairs."
            )
            raise EvaluationError(msg)
    first: dict[str, int] = {}
    for row, found in enumerate(texts):
        first.setdefault(found, row)
    rows = list(first.values())
    return list(first), [labels[row] for row in rows], rows
