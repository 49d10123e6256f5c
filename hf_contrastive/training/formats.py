"""Which column plays which part: the documented rules by which a training dataset is recognised."""

from __future__ import annotations

import re
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
    column it is labelled text. Other columns are left alone.

    Raises:
        DataFormatError: no rule fits; names the columns found and the formats accepted.
    """
    names = list(column_names)
    anchor = _first(names, ANCHOR_NAMES)
    positive = _first(names, POSITIVE_NAMES)
    if anchor and positive:
        negatives = sorted((n for n in names if _NEGATIVE.fullmatch(n)), key=_natural)
        kind: Kind = "triplets" if negatives else "pairs"
        return DataFormat(kind=kind, texts=(anchor, positive, *negatives))
    text = _first(names, TEXT_NAMES)
    if text:
        label = _first(names, LABEL_NAMES)
        return DataFormat(kind="labelled" if label else "text", texts=(text,), label=label)
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
        DataFormatError: too few rows, null cells, cells that are no text, fewer than two classes.
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
        classes = {value for _, cells in _batches(dataset, data_format.label) for value in cells}
        if None in classes or len(classes) < 2:
            msg = (
                f"Column `{data_format.label}` of `{name}` holds {len(classes)} distinct value(s)"
                f"{', null among them' if None in classes else ''}; supervised contrastive training needs at "
                "least two classes and no nulls. Drop the column to train on the text alone."
            )
            raise DataFormatError(msg)


def _batches(dataset: Any, column: str, size: int = 10_000) -> Any:
    selected = dataset.select_columns([column])
    for start in range(0, len(selected), size):
        yield start, selected[start : start + size][column]


def _first(names: Sequence[str], candidates: Sequence[str]) -> str | None:
    return next((name for name in candidates if name in names), None)


def _natural(name: str) -> tuple[int, str]:
    digits = re.sub(r"\D", "", name)
    return (int(digits) if digits else 0, name)
