"""Cells that training could not read, found before it starts: each error names column, row, what is allowed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hf_contrastive.errors import DataFormatError

BLOCK_ROWS = 10_000


def blocks(dataset: Any, columns: Sequence[str]) -> Iterator[tuple[int, pa.Table]]:
    """Yield ``(first row, rows)`` of these columns of a ``datasets.Dataset``, block by block."""
    start = 0
    for table in dataset.select_columns(list(columns)).with_format("arrow").iter(batch_size=BLOCK_ROWS):
        yield start, table
        start += table.num_rows


def plain(cells: pa.ChunkedArray) -> pa.Array:
    """Return the cells of a column as one array of their own type."""
    array = cells.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def is_text(kind: pa.DataType) -> bool:
    """Whether Arrow holds texts in this type."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_list(kind: pa.DataType) -> bool:
    """Whether Arrow holds lists in this type."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def list_counts(cells: pa.Array) -> npt.NDArray[np.int64]:
    """Return how long each list is, ``[rows]``; there must be no nulls."""
    counts: npt.NDArray[np.int64] = pc.list_value_length(cells).to_numpy(zero_copy_only=False).astype(np.int64)
    return counts


def check_texts(cells: pa.Array, column: str, *, name: str, start: int) -> None:
    """Refuse cells that are no text.

    Args:
        cells: of the column, from row ``start`` on.
        column: its name.
        name: what an error calls the data, e.g. ``train_dataset``.
        start: first row.

    Raises:
        DataFormatError: there is one.
    """
    row = _first(pc.is_null(cells)) if is_text(cells.type) else 0
    if row is not None and len(cells):
        msg = (
            f"Column `{column}` of `{name}` holds {_found(cells[row].as_py())} in row {start + row}; every cell must "
            f"be a text. Remove such rows, e.g. `dataset.filter(lambda row: isinstance(row[{column!r}], str))`."
        )
        raise DataFormatError(msg)


def check_lists(cells: pa.Array, column: str, *, name: str, start: int, least: int) -> None:
    """Refuse cells that are no lists of at least ``least`` texts; arguments as in :func:`check_texts`."""
    unfit = _unfit_list(cells, least)
    if unfit is not None:
        row, found = unfit
        wanted = "texts" if least == 0 else f"at least {least} text"
        msg = (
            f"Column `{column}` of `{name}` holds {found} in row {start + row}; every cell must be a list of {wanted}. "
            "Remove such rows with `dataset.filter(...)`, or correct them with `dataset.map(...)`."
        )
        raise DataFormatError(msg)


def _unfit_list(cells: pa.Array, least: int) -> tuple[int, str] | None:
    """Return row and content of the first cell that is no list of texts."""
    if not is_list(cells.type):
        return (0, _found(cells[0].as_py())) if len(cells) else None
    row = _first(pc.is_null(cells))
    if row is not None:
        return row, "null"
    counts, texts = list_counts(cells), pc.list_flatten(cells)
    rows = np.repeat(np.arange(len(cells)), counts)
    if len(texts) and not is_text(texts.type):
        return int(rows[0]), _found(cells[int(rows[0])].as_py())
    place = _first(pc.is_null(texts))
    if place is not None:
        return int(rows[place]), "a list with a null in it"
    short = np.flatnonzero(counts < least)
    return (int(short[0]), "an empty list") if short.size else None


def check_scores(cells: pa.Array, expected: npt.NDArray[np.int64], column: str, *, name: str, start: int) -> None:
    """Refuse lists that do not hold one finite number for each candidate.

    Args:
        cells: of the column, from row ``start`` on.
        expected: candidates of each row, ``[rows]``.
        column: its name.
        name: what an error calls the data.
        start: first row.

    Raises:
        DataFormatError: there is one.
    """
    row = _first(pc.is_null(cells))
    bad = None if row is None else "null"
    if row is None:
        wrong = np.flatnonzero(list_counts(cells) != expected)
        if wrong.size:
            row = int(wrong[0])
            bad = f"{len(cells[row])} score{'s' if len(cells[row]) != 1 else ''} for {expected[row]} texts"
    if row is None:
        missing = _first(_not_finite(pc.list_flatten(cells)))
        if missing is not None:
            row, bad = int(np.repeat(np.arange(len(cells)), expected)[missing]), "a score that is no finite number"
    if row is not None:
        msg = (
            f"Column `{column}` of `{name}` holds {bad} in row {start + row}; every cell must be a list of one number "
            "for each text of the row: its positives, then its hard negatives, in the order of the columns. Correct "
            f"such rows, or remove `{column}` to train without a teacher."
        )
        raise DataFormatError(msg)


def check_grades(cells: pa.Array, column: str, *, name: str, start: int) -> None:
    """Refuse grades that are no finite number; arguments as in :func:`check_texts`."""
    row = _first(_not_finite(cells))
    if row is not None:
        msg = (
            f"Column `{column}` of `{name}` holds {_found(cells[row].as_py())} in row {start + row}; a grade must be "
            f"a finite number. Remove such rows, e.g. `dataset.filter(lambda row: row[{column!r}] is not None)`."
        )
        raise DataFormatError(msg)


def check_ids(cells: pa.Array, column: str, *, name: str, start: int) -> None:
    """Refuse ids that are no text or whole number; arguments as in :func:`check_texts`."""
    fits = is_text(cells.type) or pa.types.is_integer(cells.type) or pa.types.is_null(cells.type)
    row = _first(pc.is_null(cells)) if fits else 0
    if row is not None and len(cells):
        msg = (
            f"Column `{column}` of `{name}` holds {_found(cells[row].as_py())} in row {start + row}; an id must be a "
            "text or a whole number. Give such rows an id of their own, or leave `id_column` out."
        )
        raise DataFormatError(msg)


def count_labels(cells: pa.Array, column: str, *, name: str, start: int) -> Counter[Any]:
    """Return how often each class stands in ``cells``; arguments as in :func:`check_texts`.

    Raises:
        DataFormatError: a label is no text and no number.
    """
    values = cells.to_pylist()
    for offset, value in enumerate(values):
        if not isinstance(value, str | int | float) or value != value:
            msg = (
                f"Column `{column}` of `{name}` holds {_found(value)} in row {start + offset}; a label must be a text "
                "or a number. Remove such rows, or drop the column to train on the text alone."
            )
            raise DataFormatError(msg)
    return Counter(values)


def _not_finite(cells: pa.Array) -> pa.Array:
    numbers = cells.cast(pa.float64(), safe=False)
    return pc.invert(pc.fill_null(pc.is_finite(numbers), False))


def _first(mask: pa.Array) -> int | None:
    row = pc.index(mask, True).as_py()
    return None if row < 0 else int(row)


def _found(cell: Any) -> str:
    return "null" if cell is None or cell != cell else f"{type(cell).__name__} {str(cell)[:40]!r}"
