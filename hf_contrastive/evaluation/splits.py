"""One split of what a user names, and its texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from audits.findings import DatasetRef
from hf_contrastive.errors import EvaluationError

_LAYOUTS = (
    "(anchor, positive) or queries, corpus and qrels for retrieval, (sentence1, sentence2, score) for graded pairs, "
    "(sentence1, sentence2, label) with labels 0 and 1 for pair classification, and (text, label) for classification"
)


class Split(NamedTuple):
    """One split, what identifies it, and all splits of its data by name."""

    table: Any
    reference: DatasetRef
    others: Mapping[str, Any]


def open_split(data: Any, split: str | None) -> Split:
    """Return the split to measure on; its reference names dataset and revision where the data is from the Hub.

    Args:
        data: a Dataset, DatasetDict, Hub id or path.
        split: where there are several; default: test.

    Raises:
        EvaluationError: the split is missing, or not said.
        SourceError: the data can not be read.
    """
    from audits.source import dataset_and_references

    # a bare Dataset is one split; its name is the caller's
    if split is not None and hasattr(data, "column_names") and not hasattr(data, "keys"):
        data = {split: data}
    splits, found = dataset_and_references(data)
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
    return Split(splits[split], next(reference for reference in found if reference.split == split), splits)


def read_texts(name: str, data: Any, columns: Sequence[str], *, split: str) -> tuple[str, ...]:
    """Return texts of other data: a list of them, or the first known column of a dataset.

    Args:
        name: of the argument, for the message.
        data: texts, a Dataset, DatasetDict, Hub id or path.
        columns: names that are looked for, in this order.
        split: taken where there is one of that name, else all.

    Raises:
        EvaluationError: there is no such column, or a cell is no text.
        SourceError: the data can not be read.
    """
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        texts: list[Any] = list(data)
    else:
        from audits.source import dataset_of

        splits = dataset_of(data)
        parts = [splits[split]] if split in splits else list(splits.values())
        known = [column for column in columns if all(column in part.column_names for part in parts)]
        if not known:
            msg = (
                f"`{name}` has no column {', '.join(map(repr, columns))}; it has {', '.join(parts[0].column_names)}. "
                "Rename its column of texts, or pass the texts as a list."
            )
            raise EvaluationError(msg)
        texts = [text for part in parts for text in part[known[0]]]
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            msg = f"Row {row} of `{name}` holds {text!r:.40}; it must be a text. Remove rows with nulls first."
            raise EvaluationError(msg)
    return tuple(dict.fromkeys(texts))


def draw(rows: int, limit: int | None, seed: int) -> list[int]:
    """Return at most ``limit`` places out of ``rows``, drawn with ``seed``, ascending."""
    if limit is None or limit >= rows:
        return list(range(rows))
    return sorted(np.random.default_rng(seed).choice(rows, limit, replace=False).tolist())


def require_pairs(table: Any, anchor: str, positive: str) -> None:
    """Refuse data without the two columns.

    Raises:
        EvaluationError: one is missing.
    """
    missing = [name for name in (anchor, positive) if name not in table.column_names]
    if missing:
        msg = (
            f"The data has no column {' and '.join(map(repr, missing))}; it has {', '.join(table.column_names)}. "
            f"Name the two text columns with `anchor_column` and `positive_column`. Layouts are {_LAYOUTS}."
        )
        raise EvaluationError(msg)


def require_texts(column: str, cells: Sequence[Any]) -> None:
    """Refuse cells that are no text.

    Raises:
        EvaluationError: one is none; its row is told.
    """
    for row, cell in enumerate(cells):
        if not isinstance(cell, str):
            msg = f"Row {row} holds {cell!r:.40} as {column}; it must be a text. Remove rows with nulls first."
            raise EvaluationError(msg)
