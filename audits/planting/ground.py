"""What a plant may change: some rows of one split of a copy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from audits.checks import CheckContext
from audits.source import AuditSource
from audits.text.cells import labels_of, texts_of
from audits.text.folding import Int64s

LONGEST = 100_000
"""Characters of a text that are worked on."""


class Defect(NamedTuple):
    """One planted defect.

    Attributes:
        rows: of which the check must list at least one.
        touched: other rows that it may list because of this defect.
    """

    rows: frozenset[int]
    touched: frozenset[int]


@dataclass(frozen=True)
class Ground:
    """Rows of one split that may be changed, and those that stay as they are.

    Attributes:
        source: the data, unchanged.
        context: of the checks.
        split: in which is planted.
        rows: that may be changed, ``[n]``, in random order.
        staying: rows of each split that no plant changes, in random order.
        rng: of every random choice.
        cells: what was written so far, by column and row.
    """

    source: AuditSource
    context: CheckContext
    split: str
    rows: Int64s
    staying: Mapping[str, Int64s]
    rng: np.random.Generator
    cells: dict[str, dict[int, Any]] = field(default_factory=dict)
    _texts: dict[str, list[str | None]] = field(default_factory=dict)
    _rows: dict[str, dict[str, list[int]]] = field(default_factory=dict)

    @property
    def others(self) -> Int64s:
        """Rows of this split that no plant changes, in random order."""
        return self.staying[self.split]

    @property
    def columns(self) -> tuple[str, ...]:
        """Text columns of the split that hold one text a cell."""
        names = self.source.texts(self.split)
        return tuple(n for n in names if not pa.types.is_nested(self.source.column(self.split, n).type))

    @property
    def sides(self) -> tuple[str, str] | None:
        """Anchor and positive, where the split has both."""
        columns = self.source.columns
        pair = (columns.anchor, columns.positive)
        return pair if pair[0] in self.columns and pair[1] in self.columns else None  # type: ignore[return-value]

    def text(self, row: int, column: str) -> str:
        """Return one cell as it stands in the data; null is empty."""
        if column not in self._texts:
            self._texts[column] = texts_of(self.source, self.split, column)
        return self._texts[column][row] or ""

    def alike(self, row: int, column: str) -> list[int]:
        """Return all rows with the same text in one column, which a check may list because of what happens to it."""
        if column not in self._rows:
            self._rows[column] = {}
            for i in range(self.source.num_rows(self.split)):
                self._rows[column].setdefault(self.text(i, column), []).append(i)
        return self._rows[column].get(self.text(row, column), [row])

    def groups(self, size: int) -> Iterator[list[int]]:
        """Yield rows to change in groups of ``size``; what is left over stays as it is."""
        rows = self.rows.tolist()
        for start in range(0, len(rows) - size + 1, size):
            yield rows[start : start + size]

    def labels(self) -> list[str | None]:
        """Return the label of each row; none where the split has no labels."""
        name = self.source.columns.label
        known = name is not None and name in self.source.tables[self.split].column_names
        return labels_of(self.source, self.split) if known else []

    def label_value(self, row: int) -> Any:
        """Return the label of one row as it stands in its column."""
        return self.source.column(self.split, self.source.columns.label or "")[row].as_py()

    def with_words(self, least: int, rows: Int64s | None = None) -> list[int]:
        """Return those of ``rows`` (to change, by default) of which a text column has so many words; no huge texts."""
        chosen = self.rows if rows is None else rows
        return [
            row
            for row in chosen.tolist()
            if any(
                len(text := self.text(row, column)) <= LONGEST and len(text.split()) >= least for column in self.columns
            )
        ]

    def write(self, row: int, column: str, value: Any) -> None:
        """Set one cell of the copy."""
        self.cells.setdefault(column, {})[row] = value

    def copy(self, source: int, to: int, changed: Callable[[str], str]) -> None:
        """Write the texts of row ``source`` to row ``to``, each of them changed."""
        for column in self.columns:
            self.write(to, column, changed(self.text(source, column)))

    def longest_column(self, row: int) -> str:
        """Return the text column of the most characters in one row."""
        return max(self.columns, key=lambda column: len(self.text(row, column)))

    def some_column(self) -> str:
        """Return a text column by chance."""
        return self.columns[int(self.rng.integers(len(self.columns)))]

    def choice(self, items: Sequence[Any]) -> Any:
        """Return one of ``items`` by chance."""
        return items[int(self.rng.integers(len(items)))]

    def pairs(self, least_words: int) -> Iterator[tuple[int, int]]:
        """Yield (row to change, other row that has so many words), no other row twice."""
        others = iter(self.with_words(least_words, self.others[: 4 * len(self.rows)]))
        yield from zip(self.rows.tolist(), others, strict=False)

    def insert(self, row: int, what: str, column: str | None = None) -> None:
        """Put ``what`` between two words of one text, of the longest by default."""
        column = column or self.longest_column(row)
        words = self.text(row, column)[:LONGEST].split(" ")
        words.insert(int(self.rng.integers(len(words) + 1)), what)
        self.write(row, column, " ".join(words))


def defect(*rows: int, touched: Sequence[int] = ()) -> Defect:
    """Return a defect that shows in at least one of ``rows``."""
    return Defect(frozenset(rows), frozenset(touched))


def planted_copy(source: AuditSource, cells: Mapping[tuple[str, str], Mapping[int, Any]]) -> AuditSource:
    """Return ``source`` with some cells replaced, by split and column."""
    tables = dict(source.tables)
    for (split, column), values in cells.items():
        table = tables[split]
        tables[split] = table.set_column(
            table.column_names.index(column), column, _replaced(table.column(column), values)
        )
    return replace(source, tables=tables)


def _replaced(values: pa.ChunkedArray, new: Mapping[int, Any]) -> pa.ChunkedArray:
    kind = values.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    # 32-bit offsets would bound all texts together
    kind = pa.large_string() if pa.types.is_string(kind) else kind
    rows = sorted(new)
    every = pa.chunked_array([*values.cast(kind).chunks, pa.array([new[row] for row in rows], kind)], kind)
    places = np.arange(len(values))
    places[rows] = len(values) + np.arange(len(rows))
    return every.take(pa.array(places))
