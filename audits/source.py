"""Data to audit: splits as Arrow tables, the role of each column, and what identifies the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audits.columns import check_columns, common_columns, recognise_columns
from audits.errors import SourceError
from audits.findings import Columns, DatasetRef
from audits.fingerprint import fingerprint_table

if TYPE_CHECKING:
    from datasets import DatasetDict

    from audits.loading import Limit, Loaded


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSource:
    """Splits of one dataset as Arrow tables in the audited row order, with the role of each column."""

    tables: Mapping[str, pa.Table]
    columns: Columns
    refs: tuple[DatasetRef, ...] = ()
    declared_license: str | None = None
    name: str = ""
    documents: Mapping[str, str] = field(default_factory=dict)

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits in their given order."""
        return tuple(self.tables)

    def column(self, split: str, name: str) -> pa.ChunkedArray:
        """Return one column of one split."""
        return self.tables[split].column(name)

    def texts(self, split: str) -> tuple[str, ...]:
        """Return the text columns of one split; datasets that are audited together need not all have the same."""
        return tuple(name for name in self.columns.texts if name in self.tables[split].column_names)

    def num_rows(self, split: str) -> int:
        """Return the number of rows of one split."""
        return int(self.tables[split].num_rows)


def open_source(
    data: Any,
    *,
    split: str | None = None,
    text_columns: Sequence[str] | None = None,
    label_column: str | None = None,
    license_column: str | None = None,
    group_column: str | None = None,
    config: str | None = None,
    revision: str | None = None,
    max_rows: int | None = None,
    sample: int | None = None,
    sample_seed: int = 0,
) -> AuditSource:
    """Read ``data`` and recognise its columns.

    Args:
        data: a Dataset, a DatasetDict or another mapping of splits, their iterable kinds (which are
            consumed), a folder of ``save_to_disk``, a csv, json, jsonl or parquet file or a folder of
            such, the id of a dataset on the Hub, or an AuditSource, which is returned as it is.
        split: the only split to read; it names the split of a bare Dataset. All splits by default.
        text_columns: one text column, or anchor, positive and negatives; see
            :func:`audits.columns.recognise_columns` for what is recognised without it.
        label_column: class labels.
        license_column: the license of each row.
        group_column: where a row comes from, e.g. its package.
        config: configuration of a dataset on the Hub.
        revision: commit, branch or tag on the Hub; it is resolved to the commit that is read.
        max_rows: read no more rows than this of each split, the first ones; the fingerprint is then over those.
        sample: the same, drawn evenly from each split; of a stream the first ones. For a quick look: what was not read
            is counted in the report, and such a report never passes.
        sample_seed: of the draw.

    Raises:
        SourceNotFoundError: no such path, dataset, revision or split.
        SourceError: unreadable, empty, of an unsupported type, or a column has the wrong type.
        ColumnError: a named column is not there, or no text columns are recognised.
    """
    options = (split, text_columns, label_column, license_column, group_column, config, revision, max_rows, sample)
    if isinstance(data, AuditSource):
        if any(option is not None for option in options):
            msg = "An AuditSource is already open; give its options where it is opened, or pass the data itself."
            raise SourceError(msg)
        return data
    for name, value in (("max_rows", max_rows), ("sample", sample)):
        if value is not None and value < 1:
            msg = f"`{name}` must be at least 1, got {value}; leave it out to read every row."
            raise SourceError(msg)
    if max_rows is not None and sample is not None:
        msg = f"`max_rows={max_rows}` takes the first rows, `sample={sample}` draws them: give one of the two."
        raise SourceError(msg)
    from audits.loading import Limit, load  # datasets takes a second to import

    loaded = load(data, split=split, config=config, revision=revision)
    most = max_rows or sample
    limit = None if most is None else Limit(most, drawn=sample is not None, seed=sample_seed)
    tables, unread = _tables(loaded, limit)
    if isinstance(text_columns, str):
        text_columns = (text_columns,)
    columns = recognise_columns(
        next(iter(tables.values())).column_names,
        text_columns=text_columns,
        label_column=label_column,
        license_column=license_column,
        group_column=group_column,
    )
    columns = check_columns(tables, columns, named=(label_column, license_column, group_column))
    return AuditSource(
        tables={name: _plain_texts(table, columns) for name, table in tables.items()},
        columns=columns,
        refs=tuple(replace(ref, unread_rows=unread[ref.split]) for ref in _refs(tables, (loaded.origin,))),
        declared_license=loaded.license,
        name=loaded.name,
    )


def join_sources(sources: Sequence[AuditSource]) -> AuditSource:
    """Return several datasets as the splits of one source, so that what stands in two of them is seen.

    Columns of one role that have different names get the role's own; the references stay those of the data as it was.
    A split without licenses among others that have them has rows of unknown license.

    Args:
        sources: whose splits have different names.
    """
    columns = common_columns([source.columns for source in sources])
    tables = {}
    for source in sources:
        own, names = [], []
        for role in ("anchor", "positive", "text", "label", "license", "group"):
            if getattr(source.columns, role) is not None:
                own.append(getattr(source.columns, role))
                names.append(getattr(columns, role))
        own += source.columns.negatives
        names += columns.negatives[: len(source.columns.negatives)]
        for split, table in source.tables.items():
            chosen = table.select(own).rename_columns(names)
            if columns.license is not None and columns.license not in names:
                chosen = chosen.append_column(columns.license, pa.nulls(len(chosen), pa.large_string()))
            tables[split] = chosen
    licenses = [source.declared_license for source in sources]
    return AuditSource(
        tables=tables,
        columns=columns,
        refs=tuple(ref for source in sources for ref in source.refs),
        declared_license=", ".join(sorted({text for text in licenses if text})) if all(licenses) else None,
        name=sources[0].name if len({source.name for source in sources}) == 1 else "",
    )


def references(data: Any) -> tuple[DatasetRef, ...]:
    """Return what identifies each split of ``data``, without looking for text columns.

    Raises:
        SourceNotFoundError: no such path or dataset.
        SourceError: unreadable, empty, or of an unsupported type.
    """
    if isinstance(data, AuditSource):
        return _refs(data.tables, data.refs)
    from audits.loading import load

    loaded = load(data)
    return _refs(_tables(loaded)[0], (loaded.origin,))


def dataset_of(data: Any) -> DatasetDict:
    """Return ``data`` (anything that :func:`open_source` takes) as a DatasetDict with the same values.

    Raises:
        SourceNotFoundError: no such path or dataset.
        SourceError: unreadable, empty, or of an unsupported type.
    """
    return dataset_and_references(data)[0]


def dataset_and_references(data: Any) -> tuple[DatasetDict, tuple[DatasetRef, ...]]:
    """Return :func:`dataset_of` and :func:`references` of ``data``, which is read once.

    A DatasetDict that was made from a dataset on the Hub does not say so: what it came from is in its references.

    Raises:
        SourceNotFoundError: no such path or dataset.
        SourceError: unreadable, empty, or of an unsupported type.
    """
    from audits.loading import dataset_dict, load

    if isinstance(data, AuditSource):
        tables: Mapping[str, pa.Table] = data.tables
        refs = _refs(tables, data.refs)
    else:
        loaded = load(data)
        tables = _tables(loaded)[0]
        refs = _refs(tables, (loaded.origin,))
    return dataset_dict(tables, {ref.split: ref.fingerprint for ref in refs}), refs


def select_rows(data: Any, kept: Mapping[str, npt.NDArray[np.int64]]) -> Any:
    """Return the rows ``kept`` of each split (other splits whole), of the same kind as ``data``.

    A path or Hub id gives a DatasetDict. ``data`` is not changed.

    Raises:
        SourceError: ``data`` is a stream, or can not be read.
    """
    if not isinstance(data, AuditSource):
        from audits.loading import select

        return select(data, kept)
    tables = {name: _take(table, kept.get(name)) for name, table in data.tables.items()}
    return replace(data, tables=tables, refs=_refs(tables, data.refs))


def _tables(loaded: Loaded, limit: Limit | None = None) -> tuple[dict[str, pa.Table], dict[str, int | None]]:
    """Return the rows of each split, and how many were not read."""
    parts = loaded.parts(limit)
    tables = {name: table for name, (table, _) in parts.items()}
    empty = [name for name, table in tables.items() if table.num_rows == 0]
    if empty or not tables:
        what = f"Split {', '.join(f'`{name}`' for name in empty)} has no rows" if empty else "The data has no split"
        msg = f"{what}; at least one row is needed. Check the filter before it, or leave the empty split out."
        raise SourceError(msg)
    return tables, {name: unread for name, (_, unread) in parts.items()}


def _plain_texts(table: pa.Table, columns: Columns) -> pa.Table:
    """Return the table with texts, licenses and groups as plain Arrow strings."""
    for name in (*columns.texts, columns.license, columns.group):
        if name is None:
            continue
        kind = table.schema.field(name).type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_nested(kind)):
            index = table.column_names.index(name)
            table = table.set_column(index, name, table.column(name).cast(pa.large_string()))
    return table


def _refs(tables: Mapping[str, pa.Table], origins: Sequence[DatasetRef]) -> tuple[DatasetRef, ...]:
    """Return the references of ``tables``: from where its own of ``origins`` says, or for a new split the first."""
    known = {origin.split: origin for origin in origins}
    first = origins[0] if origins else DatasetRef(split="", fingerprint="", num_rows=0)
    # of a split that is new nobody says that it was read in part
    other = replace(first, unread_rows=0)
    return tuple(
        replace(known.get(name, other), split=name, fingerprint=fingerprint_table(table), num_rows=int(table.num_rows))
        for name, table in tables.items()
    )


def _take(table: pa.Table, rows: npt.NDArray[np.int64] | None) -> pa.Table:
    if rows is None:
        return table
    mask = np.zeros(table.num_rows, dtype=bool)
    mask[rows] = True
    return table.filter(pa.array(mask))
