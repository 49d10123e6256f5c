"""Which column plays which part: the documented rules by which a training dataset is recognised."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hf_contrastive.errors import DataFormatError

Kind = Literal["pairs", "triplets", "text", "labelled"]

ACCEPTED = "(anchor, positive), (anchor, positive, negative, negative_2, …), (text,) or (text, label)"
ANCHOR_NAMES = ("anchor", "query", "question", "sentence1", "premise")
POSITIVE_NAMES = ("positive", "answer", "document", "passage", "sentence2", "hypothesis")
TEXT_NAMES = ("text", "sentence")
LABEL_NAMES = ("label",)
UNDECIDED_NAMES = ("sentence2", "hypothesis")
GRADES = ("label", "gold_label", "score", "similarity_score", "similarity")
_NEGATIVE = re.compile(r"negative(_?\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFormat:
    """The recognised columns; ``texts`` are what is embedded, in order."""

    kind: Kind
    texts: tuple[str, ...]
    label: str | None = None

    @property
    def description(self) -> str:
        """The format as a reader would write it, e.g. ``(anchor, positive)``."""
        names = (*self.texts, *((self.label,) if self.label else ()))
        return f"({', '.join(names)})"


def recognise(column_names: Sequence[str]) -> DataFormat:
    """Return the format of a dataset with these columns.

    Rules, the first that fits: an anchor and a positive column (with every column named ``negative``,
    ``negative_1`` …) are pairs or triplets; a ``text`` or ``sentence`` column is raw text, with a ``label``
    column it is labelled text. A role's own name (the first of ``ANCHOR_NAMES`` and so on) wins over the other
    names it may have. Other columns are left alone.

    Raises:
        DataFormatError: no rule fits, two columns could be the anchor or the positive, or a column such as
            ``score`` says that not every (sentence1, sentence2) is a positive pair. Names the columns
            found and the formats accepted.
    """
    names = list(column_names)
    if any(n in names for n in ANCHOR_NAMES) and any(n in names for n in POSITIVE_NAMES):
        anchor = _only(names, ANCHOR_NAMES)
        positive = _only(names, POSITIVE_NAMES)
        graded = [name for name in names if name in GRADES]
        if graded and positive in UNDECIDED_NAMES:
            msg = (
                f"The training data has the columns {', '.join(names)}: `{graded[0]}` seems to say how far "
                f"`{anchor}` and `{positive}` belong together, but every row would be taken for a positive pair. "
                f"Keep the positive rows with `dataset.filter(...)`, then remove `{graded[0]}`."
            )
            raise DataFormatError(msg)
        negatives = sorted((n for n in names if _NEGATIVE.fullmatch(n)), key=_natural)
        kind: Kind = "triplets" if negatives else "pairs"
        return DataFormat(kind=kind, texts=(anchor, positive, *negatives))
    if any(n in names for n in TEXT_NAMES):
        label = _first(names, LABEL_NAMES)
        return DataFormat(kind="labelled" if label else "text", texts=(_only(names, TEXT_NAMES),), label=label)
    msg = (
        f"The training data has the columns {', '.join(names) or '(none)'}, in which no format is recognised; "
        f"accepted are {ACCEPTED}. Rename your columns with `dataset.rename_columns({{...}})`."
    )
    raise DataFormatError(msg)


def check_rows(dataset: Any, data_format: DataFormat, *, name: str, minimum: int) -> None:
    """Refuse data that would fail or mislead in the middle of training.

    Args:
        dataset: a ``datasets.Dataset``.
        data_format: its recognised format.
        name: what an error calls it, e.g. ``train_dataset``.
        minimum: smallest number of rows.

    Raises:
        DataFormatError: too few rows, null cells, cells that are no text, fewer than two classes, or no class
            with two rows.
    """
    if len(dataset) < minimum:
        msg = (
            f"`{name}` has {len(dataset)} rows; at least {minimum} are needed, since the other rows of a batch "
            "are the negatives. Add rows or lower `per_device_train_batch_size` (at least 2)."
        )
        raise DataFormatError(msg)
    for column in data_format.texts:
        for start, cells in _batches(dataset, column):
            for offset, cell in enumerate(cells):
                if not isinstance(cell, str):
                    found = "null" if cell is None else f"{type(cell).__name__} {str(cell)[:40]!r}"
                    msg = (
                        f"Column `{column}` of `{name}` holds {found} in row {start + offset}; every cell must be a "
                        f"text. Remove such rows, e.g. `dataset.filter(lambda row: isinstance(row[{column!r}], str))`."
                    )
                    raise DataFormatError(msg)
    if data_format.label is not None:
        _check_labels(dataset, data_format.label, name)


def _check_labels(dataset: Any, column: str, name: str) -> None:
    classes: Counter[Any] = Counter()
    for start, cells in _batches(dataset, column):
        for offset, cell in enumerate(cells):
            if not isinstance(cell, str | int | float) or cell != cell:
                found = "null" if cell is None or cell != cell else f"{type(cell).__name__} {str(cell)[:40]!r}"
                msg = (
                    f"Column `{column}` of `{name}` holds {found} in row {start + offset}; a label must be a text or "
                    f"a number. Remove such rows, or drop the column to train on the text alone."
                )
                raise DataFormatError(msg)
        classes.update(cells)
    if len(classes) < 2 or max(classes.values()) < 2:
        found = "one class" if len(classes) < 2 else f"{len(classes)} classes of one row each"
        msg = (
            f"Column `{column}` of `{name}` holds {found}; supervised contrastive training needs at least two classes, "
            "and rows that share one. Drop the column to train on the text alone."
        )
        raise DataFormatError(msg)


def _batches(dataset: Any, column: str, size: int = 10_000) -> Any:
    selected = dataset.select_columns([column])
    for start in range(0, len(selected), size):
        yield start, selected[start : start + size][column]


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
