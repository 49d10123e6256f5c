"""Cells of an audited table as texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from audits.source import AuditSource
from audits.text.normalise import normalise

# normalised text has no control characters that count as white space, so this is unambiguous
_SEPARATOR = "\x1f"


def texts_of(source: AuditSource, split: str, column: str) -> list[str | None]:
    """Return one column as texts; null stays None, a list is joined by line breaks, others are written with ``str``."""
    values = source.column(split, column)
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    cells: list[Any] = values.to_pylist()
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        return cells
    return [_text(value) for value in cells]


def text_lists(source: AuditSource, split: str, column: str) -> list[list[str | None]]:
    """Return the texts of each cell of one column: one, or those of a list; a null is a list of None."""
    values = source.column(split, column)
    if not pa.types.is_nested(values.type):
        return [[text] for text in texts_of(source, split, column)]
    return [[None] if texts is None else texts for texts in values.to_pylist()]


def cell(source: AuditSource, split: str, column: str, row: int) -> str | None:
    """Return one cell as :func:`texts_of` gives it."""
    return _text(source.column(split, column)[row].as_py())


def row_keys(source: AuditSource, split: str) -> list[str]:
    """Return per row all text columns, normalised and joined; empty where every one is empty."""
    columns = [[normalise(text) for text in texts_of(source, split, c)] for c in source.texts(split)]
    if len(columns) == 1:
        return columns[0]
    return [_SEPARATOR.join(cells) if any(cells) else "" for cells in zip(*columns, strict=True)]


def joined_texts(source: AuditSource, split: str) -> list[str]:
    """Return per row all text columns as they stand, joined by a line break."""
    columns = [[text or "" for text in texts_of(source, split, c)] for c in source.texts(split)]
    return ["\n".join(filter(None, cells)) for cells in zip(*columns, strict=True)]


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
