"""Which column plays which part: the documented rules by which a training dataset is recognised."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from hf_contrastive.errors import DataFormatError
from hf_contrastive.training.cells import (
    blocks,
    check_grades,
    check_ids,
    check_lists,
    check_scores,
    check_texts,
    count_labels,
    list_counts,
    plain,
)

Kind = Literal["pairs", "triplets", "graded", "text", "labelled"]

ACCEPTED = (
    "(anchor, positive), (anchor, positive, negative, negative_2, …), (anchor, positive, negatives) with a list of "
    "texts a row, (sentence1, sentence2, score), (text,) or (text, label)"
)
ANCHOR_NAMES = ("anchor", "query", "question", "sentence1", "premise")
POSITIVE_NAMES = ("positive", "positives", "answer", "document", "passage", "sentence2", "hypothesis")
TEXT_NAMES = ("text", "sentence")
LABEL_NAMES = ("label",)
NEGATIVES = "negatives"
TEACHER_SCORES = "scores"
UNDECIDED_NAMES = ("sentence2", "hypothesis")
SCORES = ("score", "similarity_score", "similarity")
GRADES = ("label", "gold_label", *SCORES)
_NEGATIVE = re.compile(r"negative(_?\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFormat:
    """The recognised columns.

    Attributes:
        kind: decides the loss that is taken by default, and what evaluation measures.
        texts: what is embedded, in order: anchor, positive, hard negatives; or one column of texts.
        lists: those of ``texts`` that hold a list of texts a row.
        label: class of a row.
        grade: how far a pair belongs together, a number a row.
        scores: a teacher's scores, a list of numbers a row: of its positives, then of its negatives.
        ids: rows that share a value are no negatives of each other.
        views: how two views are made of raw text, in words, where it is not by crops.
    """

    kind: Kind
    texts: tuple[str, ...]
    lists: frozenset[str] = frozenset()
    label: str | None = None
    grade: str | None = None
    scores: str | None = None
    ids: str | None = None
    views: str = ""

    @property
    def description(self) -> str:
        """The format as a reader would write it, e.g. ``(anchor, positive)``."""
        names = [f"{name}: list" if name in self.lists else name for name in self.texts]
        named = {"label": self.label, "": self.grade, "scores": self.scores, "id": self.ids}
        names += [
            name if role in ("", name) else f"{name} as {role}" for role, name in named.items() if name is not None
        ]
        return f"({', '.join(names)})" + (f", two views by {self.views}" if self.views else "")

    @property
    def negatives(self) -> tuple[str, ...]:
        """The columns of hard negatives; they stand behind anchor and positive."""
        return self.texts[2:]

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is read, each once."""
        others = (self.label, self.grade, self.scores, self.ids)
        return tuple(dict.fromkeys((*self.texts, *(name for name in others if name is not None))))


def recognise(
    columns: Sequence[str] | Mapping[str, Any], *, label_column: str | None = None, id_column: str | None = None
) -> DataFormat:
    """Return the format of a dataset with these columns.

    Rules, the first that fits: an anchor and a positive column (with every column named ``negative``,
    ``negative_1`` …, and ``negatives``) are pairs or triplets, with a column ``scores`` of lists scored by a teacher;
    where the positive is called ``sentence2`` or ``hypothesis``, a column such as ``score`` makes them graded pairs;
    a ``text`` or ``sentence`` column is raw text, with a ``label`` column it is labelled text. A role's own name (the
    first of ``ANCHOR_NAMES`` and so on) wins over the other names it may have. Other columns are left alone.

    Args:
        columns: names, or names with their types (``dataset.features``). Without types no column holds grades, and
            only ``positives`` and ``negatives`` hold lists.
        label_column: the class of each row, whatever it is called.
        id_column: rows that share a value of it are no negatives of each other.

    Raises:
        DataFormatError: no rule fits, two columns could be the anchor or the positive, or a column such as
            ``label`` says that not every (sentence1, sentence2) is a positive pair but not how far it is one. Names
            the columns found and the formats accepted.
    """
    names = list(columns)
    types = columns if isinstance(columns, Mapping) else {}
    for setting, name in (("label_column", label_column), ("id_column", id_column)):
        if name is not None and name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"Did you mean `{near[0]}`?" if near else "Name one of these."
            msg = f"`{setting}` is {name!r}; the training data has the columns {', '.join(names) or '(none)'}. {hint}"
            raise DataFormatError(msg)
    if any(n in names for n in ANCHOR_NAMES) and any(n in names for n in POSITIVE_NAMES):
        found = _pairs(names, types, label_column, id_column)
    elif any(n in names for n in TEXT_NAMES):
        label = label_column or _first(names, LABEL_NAMES)
        kind: Kind = "labelled" if label else "text"
        found = DataFormat(kind=kind, texts=(_only(names, TEXT_NAMES),), label=label, ids=id_column)
    else:
        msg = (
            f"The training data has the columns {', '.join(names) or '(none)'}, in which no format is recognised; "
            f"accepted are {ACCEPTED}. Rename your columns with `dataset.rename_columns({{...}})`."
        )
        raise DataFormatError(msg)
    for setting, name in (("label_column", found.label), ("id_column", found.ids)):
        if name in found.texts:
            msg = f"`{setting}` is `{name}`, which is read as a text. Name another column, or rename this one."
            raise DataFormatError(msg)
    return found


def check_rows(dataset: Any, data_format: DataFormat, *, name: str, minimum: int) -> None:
    """Refuse data that would fail or mislead in the middle of training.

    Args:
        dataset: a ``datasets.Dataset``.
        data_format: its recognised format.
        name: what an error calls it, e.g. ``train_dataset``.
        minimum: smallest number of rows.

    Raises:
        DataFormatError: too few rows, null cells, cells that are no text, a row without a positive, not one score for
            each text, fewer than two classes, or no class with two rows.
    """
    if len(dataset) < minimum:
        msg = (
            f"`{name}` has {len(dataset)} rows; at least {minimum} are needed, since the other rows of a batch "
            "are the negatives. Add rows or lower `per_device_train_batch_size` (at least 2)."
        )
        raise DataFormatError(msg)
    classes: Counter[Any] = Counter()
    for start, table in blocks(dataset, data_format.columns):
        cells = {column: plain(table.column(column)) for column in data_format.columns}
        _check_block(cells, data_format, name, start)
        if data_format.label is not None:
            classes += count_labels(cells[data_format.label], data_format.label, name=name, start=start)
    if data_format.label is not None:
        _check_classes(classes, data_format, name)


def _check_block(cells: Mapping[str, pa.Array], data_format: DataFormat, name: str, start: int) -> None:
    for text in data_format.texts:
        if text in data_format.lists:
            least = 0 if text in data_format.negatives else 1
            check_lists(cells[text], text, name=name, start=start, least=least)
        else:
            check_texts(cells[text], text, name=name, start=start)
    scores, grade, ids = data_format.scores, data_format.grade, data_format.ids
    if scores is not None:
        check_scores(cells[scores], _candidates(cells, data_format), scores, name=name, start=start)
    if grade is not None:
        check_grades(cells[grade], grade, name=name, start=start)
    if ids is not None:
        check_ids(cells[ids], ids, name=name, start=start)


def _candidates(cells: Mapping[str, pa.Array], data_format: DataFormat) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return how many positives and hard negatives each row has, ``[rows]``."""
    counts = np.zeros(len(cells[data_format.texts[0]]), dtype=np.int64)
    for column in data_format.texts[1:]:
        counts += list_counts(cells[column]) if column in data_format.lists else 1
    return counts


def _check_classes(classes: Counter[Any], data_format: DataFormat, name: str) -> None:
    alone = data_format.kind == "labelled" and max(classes.values(), default=0) < 2
    if len(classes) < 2 or alone:
        found = "one class" if len(classes) < 2 else f"{len(classes)} classes of one row each"
        msg = (
            f"Column `{data_format.label}` of `{name}` holds {found}; training on classes needs at least two, and rows "
            "that share one. Drop the column to train on the text alone."
        )
        raise DataFormatError(msg)


def _pairs(names: list[str], types: Mapping[str, Any], label: str | None, ids: str | None) -> DataFormat:
    anchor = _only(names, ANCHOR_NAMES)
    positive = _only(names, POSITIVE_NAMES)
    negatives = sorted((n for n in names if _NEGATIVE.fullmatch(n)), key=_natural)
    negatives += [n for n in names if n == NEGATIVES]
    graded = [name for name in names if name in GRADES and name != label]
    if graded and positive in UNDECIDED_NAMES:
        grade = _grade(graded, types)
        if grade is None or negatives:
            raise DataFormatError(_undecided(names, graded[0], anchor, positive, bool(negatives)))
        return DataFormat(kind="graded", texts=(anchor, positive), label=label, grade=grade, ids=ids)
    texts = (anchor, positive, *negatives)
    return DataFormat(
        kind="triplets" if negatives else "pairs",
        texts=texts,
        lists=frozenset(name for name in texts[1:] if _holds_lists(name, types)),
        label=label,
        scores=TEACHER_SCORES if TEACHER_SCORES in names and _is_list(types.get(TEACHER_SCORES)) else None,
        ids=ids,
    )


def _grade(graded: Sequence[str], types: Mapping[str, Any]) -> str | None:
    """Return the column that says by how much; a whole number called ``label`` is more likely a class."""
    for name in sorted(graded, key=lambda name: name not in SCORES):
        dtype = str(getattr(types.get(name), "dtype", ""))
        if dtype.startswith("float") or (name in SCORES and re.fullmatch(r"u?int\d+", dtype)):
            return name
    return None


def _undecided(names: Sequence[str], column: str, anchor: str, positive: str, negatives: bool) -> str:
    if negatives:
        seen = "graded pairs have no hard negatives"
        step = f"Remove either `{column}` or the negatives with `dataset.remove_columns(...)`."
    else:
        seen = "every row would be taken for a positive pair"
        step = (
            f"Keep the positive rows with `dataset.filter(...)`, then remove `{column}`; or give numbers that say how "
            "far the texts belong together, as floats in a column `score`."
        )
    return (
        f"The training data has the columns {', '.join(names)}: `{column}` seems to say how far `{anchor}` and "
        f"`{positive}` belong together, but {seen}. {step}"
    )


def _holds_lists(name: str, types: Mapping[str, Any]) -> bool:
    return _is_list(types[name]) if name in types else name in ("positives", NEGATIVES)


def _is_list(feature: Any) -> bool:
    return isinstance(feature, list) or hasattr(feature, "feature")


def _only(names: Sequence[str], candidates: Sequence[str]) -> str:
    """Return the one column of a role; its own name, the first candidate, settles it."""
    found = [name for name in candidates if name in names]
    if len(found) > 1 and found[0] != candidates[0]:
        msg = (
            f"The training data has the columns {', '.join(names)}, of which {' and '.join(found)} could each be the "
            f"`{candidates[0]}`. Rename the one that is meant to `{candidates[0]}` with `dataset.rename_column(...)`, "
            "or remove the others."
        )
        raise DataFormatError(msg)
    return found[0]


def _first(names: Sequence[str], candidates: Sequence[str]) -> str | None:
    return next((name for name in candidates if name in names), None)


def _natural(name: str) -> tuple[int, str]:
    digits = re.sub(r"\D", "", name)
    return (int(digits) if digits else 0, name)
