"""Cells of an audited table as texts; bytes that are no valid UTF-8, lone surrogates among them, become U+FFFD."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audits.source import AuditSource
from audits.text.folding import Texts


def texts_of(source: AuditSource, split: str, column: str) -> list[str | None]:
    """Return one column as texts; null stays None, a list is joined by line breaks, others are written with ``str``."""
    values = source.column(split, column)
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    cells = _values(values)
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        return cells
    return [_text(value) for value in cells]


def labels_of(source: AuditSource, split: str) -> list[str | None]:
    """Return the label of each row; None where there is none: null, white space, or -1 among whole numbers."""
    column = source.columns.label or ""
    whole = pa.types.is_integer(source.column(split, column).type)
    found = texts_of(source, split, column)
    return [None if label is None or not label.strip() or (whole and label == "-1") else label for label in found]


def text_lists(source: AuditSource, split: str, column: str) -> list[list[str | None]]:
    """Return the texts of each cell of one column: one, or those of a list; a null is a list of None."""
    values = source.column(split, column)
    if not pa.types.is_nested(values.type):
        return [[text] for text in texts_of(source, split, column)]
    return [[None] if texts is None else texts for texts in _values(values)]


def cell(source: AuditSource, split: str, column: str, row: int) -> str | None:
    """Return one cell as :func:`texts_of` gives it."""
    return _text(_value(source.column(split, column)[row]))


def row_texts(source: AuditSource, split: str) -> Texts:
    """Return all text columns of each row, to compare rows as wholes."""
    return Texts(pa.table({name: _strings(source, split, name) for name in source.texts(split)}))


def each_text(source: AuditSource, split: str, column: str) -> tuple[Texts, npt.NDArray[np.int64]]:
    """Return every text of one column, one a cell or those of its list, and the row of each, ``[texts]``."""
    values = source.column(split, column)
    if not pa.types.is_nested(values.type):
        return Texts(pa.table({column: _strings(source, split, column)})), np.arange(len(values))
    lists = text_lists(source, split, column)
    rows = np.repeat(np.arange(len(lists)), [len(texts) for texts in lists])
    return Texts.of([text for texts in lists for text in texts]), rows


def row_text(source: AuditSource, split: str, row: int) -> str:
    """Return all text columns of one row as they stand, joined by a line break."""
    return "\n".join(filter(None, (cell(source, split, name, row) for name in source.texts(split))))


def joined_texts(source: AuditSource, split: str) -> list[str]:
    """Return per row all text columns as they stand, joined by a line break."""
    columns = [[text or "" for text in texts_of(source, split, c)] for c in source.texts(split)]
    return ["\n".join(filter(None, cells)) for cells in zip(*columns, strict=True)]


def _strings(source: AuditSource, split: str, column: str) -> pa.ChunkedArray:
    values = source.column(split, column)
    if pa.types.is_dictionary(values.type):
        values = values.cast(pa.large_string())
    if (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)) and _is_valid(values):
        return values
    return pa.chunked_array([pa.array(texts_of(source, split, column), pa.large_string())])


def _is_valid(values: pa.ChunkedArray) -> bool:
    try:
        for chunk in values.chunks:
            chunk.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _values(values: pa.ChunkedArray) -> list[Any]:
    try:
        found: list[Any] = values.to_pylist()
    except UnicodeDecodeError:
        found = [_value(scalar) for scalar in values]
    return found


def _value(scalar: pa.Scalar) -> Any:
    """Return a scalar of Arrow as Python's."""
    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        if pa.types.is_dictionary(scalar.type):
            return _value(scalar.value)
        if pa.types.is_nested(scalar.type):
            return [_value(item) for item in scalar.values]
        return scalar.as_buffer().to_pybytes().decode("utf-8", errors="replace")


def chunks(count: int, size: int) -> Iterator[slice]:
    """Yield slices that cover ``range(count)`` in steps of ``size``."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(text for text in value if text)
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return str(value)
